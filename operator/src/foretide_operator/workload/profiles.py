"""Status of WorkloadProfiles: whether the measurement was stable, and how tasks did since."""

from __future__ import annotations

from foretide_kube.kinds.common import plain, set_condition
from foretide_kube.kinds.workloadprofile import WorkloadProfile, WorkloadProfileStatus
from foretide_kube.names import WORKLOAD_PROFILES
from foretide_operator.actions import Action, Verdict, WriteStatus
from foretide_operator.pairing.ledger import Ledger
from foretide_operator.workload.facts import Facts


def decide(facts: Facts, ledger: Ledger) -> tuple[Action, ...]:
    """Status writes for the profiles of a workload, where something changed."""
    actions: list[Action] = []
    for profile in facts.profiles:
        metadata = profile.metadata
        verdict = _stable(profile)
        status = WorkloadProfileStatus(
            observed_generation=metadata.generation,
            conditions=set_condition(
                profile.status.conditions,
                verdict.type,
                verdict.status,
                verdict.reason,
                verdict.message,
                observed_generation=metadata.generation,
                now=facts.now,
            ),
            runs=ledger.of_class(facts.workload.metadata.uid, profile.spec.node_class),
        )
        if status != profile.status:
            actions.append(
                WriteStatus(WORKLOAD_PROFILES, metadata.namespace, metadata.name, metadata.uid, plain(status))
            )
    return tuple(actions)


def _stable(profile: WorkloadProfile) -> Verdict:
    measurement = profile.spec.measurement
    if measurement.stable:
        return Verdict("Stable", "True", "WindowsAgree", f"{measurement.samples} samples")
    return Verdict("Stable", "False", "Unstable", measurement.unstable_reason or "the windows did not agree")
