"""Status of WorkloadProfiles: whether each was stable, is current, and how tasks did since; replaced ones removed."""

from __future__ import annotations

from foretide_kube.kinds.aiworkload import to_object
from foretide_kube.kinds.common import find_condition, plain, set_condition
from foretide_kube.kinds.workloadprofile import WorkloadProfile, WorkloadProfileStatus
from foretide_kube.names import WORKLOAD_PROFILES
from foretide_operator.actions import Action, Announce, Delete, Verdict, WriteStatus
from foretide_operator.pairing.ledger import Ledger
from foretide_operator.workload import currency
from foretide_operator.workload.facts import Facts


def decide(facts: Facts, ledger: Ledger) -> tuple[Action, ...]:
    """Status writes for the profiles of a workload where something changed, and the end of those that were replaced."""
    actions: list[Action] = [
        Delete(WORKLOAD_PROFILES, profile.metadata.namespace, profile.metadata.name) for profile in facts.superseded
    ]
    for profile in facts.profiles:
        metadata = profile.metadata
        conditions = profile.status.conditions
        current = currency.current(facts, profile)
        for verdict in (_stable(profile), current):
            conditions = set_condition(
                conditions,
                verdict.type,
                verdict.status,
                verdict.reason,
                verdict.message,
                observed_generation=metadata.generation,
                now=facts.now,
            )
        status = WorkloadProfileStatus(
            observed_generation=metadata.generation,
            conditions=conditions,
            runs=ledger.of_class(facts.workload.metadata.uid, profile.spec.node_class, profile.spec.measured_time),
        )
        if status != profile.status:
            actions.append(
                WriteStatus(WORKLOAD_PROFILES, metadata.namespace, metadata.name, metadata.uid, plain(status))
            )
            actions += _told(facts, profile, current)
    return tuple(actions)


def _told(facts: Facts, profile: WorkloadProfile, current: Verdict) -> list[Action]:
    """The Event about the AIWorkload when its tasks begin to depart from what was measured.

    What befalls all of a class or of a runtime is told of the NodeClass or known to who did it, not of each workload.
    """
    before = find_condition(profile.status.conditions, current.type)
    is_news = before is None or before.reason != current.reason
    if not is_news or current.reason not in {"Drifted", "TasksDiffer"}:
        return []
    message = f"the measurement on {profile.spec.node_class}: {current.message}"
    return [Announce(to_object(facts.workload), "Normal", current.reason, message)]


def _stable(profile: WorkloadProfile) -> Verdict:
    measurement = profile.spec.measurement
    if measurement.stable:
        return Verdict("Stable", "True", "WindowsAgree", f"{measurement.samples} samples")
    return Verdict("Stable", "False", "Unstable", measurement.unstable_reason or "the windows did not agree")
