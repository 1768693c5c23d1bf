"""Profiled: the workload measured on every node class that it selects, a bounded number of Jobs per class at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from foretide.results import ProfileResult
from foretide.signature import Signature
from foretide_kube.client import Object
from foretide_kube.kinds.aiworkload import ProfileCounts, cpu_millis
from foretide_kube.kinds.common import Metadata, to_time
from foretide_kube.kinds.workloadprofile import (
    Measurement,
    WorkloadProfile,
    WorkloadProfileSpec,
    WorkloadReference,
    to_object,
)
from foretide_kube.names import (
    API_VERSION,
    LABEL_MANAGED_BY,
    LABEL_WORKLOAD,
    MANAGED_BY,
    ROLE_PROFILE,
    WORKLOAD_PROFILES,
    child_name,
)
from foretide_operator.actions import Action, Create, Delete, Verdict
from foretide_operator.attempts import Attempt, Step, advance, latest, on_class, retire
from foretide_operator.co_runners import co_runners
from foretide_operator.fleet import ClassMembers, is_ready
from foretide_operator.jobs import measuring_key, profile_job
from foretide_operator.outcome import Done, bound_milliseconds
from foretide_operator.pairing.ended import task_times
from foretide_operator.times import from_milliseconds, seconds_since
from foretide_operator.workload.facts import Facts

TYPE = "Profiled"


@dataclass(frozen=True, slots=True)
class Profiling:
    """Where measuring stands: counts of classes, and what to do next."""

    verdict: Verdict
    counts: ProfileCounts
    actions: tuple[Action, ...] = ()
    recheck_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class _ClassStand:
    name: str
    state: str  # Measured | Failed | Active | Waiting
    reason: str = ""
    message: str = ""
    actions: tuple[Action, ...] = ()
    recheck_seconds: float | None = None


def decide(facts: Facts, *, signature: Signature | None, inspection_failed: bool) -> Profiling:
    """The next step towards a measurement on every class."""
    if facts.workload.spec.profiling.policy == "Never":
        return _none("False", "PolicyNever", "spec.profiling.policy is Never: predictions come from the model alone")
    if inspection_failed:
        return _none("False", "NotInspected", "what cannot be inspected is not measured; see Inspected")
    if signature is None:
        return _none("Unknown", "NotInspected", "waiting for the inspection")
    if not facts.classes:
        return _none("False", "NoNodeClass", "spec.nodeClassSelector selects no NodeClass; see kubectl get nclass")
    started: dict[str, int] = dict(facts.measuring)
    stands = []
    for members in facts.classes:
        stand = _stand(facts, members, room=facts.settings.profiles_per_class - started.get(members.name, 0))
        stands.append(stand)
    return Profiling(
        _verdict(stands),
        ProfileCounts.of(
            desired=len(stands),
            measured=sum(stand.state == "Measured" for stand in stands),
            failed=sum(stand.state == "Failed" for stand in stands),
        ),
        actions=tuple(action for stand in stands for action in stand.actions),
        recheck_seconds=min((s.recheck_seconds for s in stands if s.recheck_seconds is not None), default=None),
    )


def _stand(facts: Facts, members: ClassMembers, *, room: int) -> _ClassStand:
    name = members.name
    profile = next((p for p in facts.profiles if p.spec.node_class == name), None)
    series = _series(facts, profile)

    def make(number: int) -> Object:
        return profile_job(
            facts.workload,
            members.node_class,
            attempt=number,
            lost_nodes=members.lost,
            series=series,
            settings=facts.settings,
        )

    attempt = _attempt_of(facts, name, make, series=series)
    has_ready_node = any(is_ready(node) for node in members.members)
    if profile is not None and not series:
        ended = attempt is not None and isinstance(attempt.outcome, Done)
        return _ClassStand(name, "Measured", actions=retire(attempt.job) if attempt is not None and ended else ())
    if attempt is None and has_ready_node and not members.fits(facts.workload.spec.resources.limits):
        return _ClassStand(name, "Failed", "TooLargeForEveryNode", "no node of the class takes a Pod with these limits")
    step = advance(
        on_class(attempt, members.members),
        make,
        may_start=room > 0 and has_ready_node,
        refusals=facts.refusals,
        now=facts.now,
    )
    if not has_ready_node and step.done is None and step.failed is None and not step.is_active:
        # Whatever the last attempt was: a node that becomes Ready calls for the next look.
        step = Step(actions=step.actions, reason="NoReadyNode", message="the class has no Ready node")
    return _from_step(facts, name, step, old=profile)


def _from_step(facts: Facts, name: str, step: Step, *, old: WorkloadProfile | None) -> _ClassStand:
    if step.done is not None:
        replaced: tuple[Action, ...] = ()
        if old is not None:
            replaced = (Delete(WORKLOAD_PROFILES, old.metadata.namespace, old.metadata.name),)
        profile = profile_of(facts, name, step.done)
        return _ClassStand(name, "Measured", actions=(*replaced, Create(WORKLOAD_PROFILES, profile)))
    if step.failed is not None:
        return _ClassStand(name, "Failed", step.failed.reason, step.failed.message, step.actions)
    return _ClassStand(
        name,
        "Measured" if old is not None else "Active" if step.is_active else "Waiting",
        step.reason,
        step.message,
        step.actions,
        step.recheck_seconds,
    )


def _series(facts: Facts, profile: WorkloadProfile | None) -> str:
    """Empty for a first measurement; for one that replaces a measurement too old, the time of that."""
    limit = facts.workload.spec.profiling.max_age_seconds
    if profile is None or limit is None or seconds_since(profile.spec.measured_time, facts.now) < limit:
        return ""
    return profile.spec.measured_time


def _attempt_of(facts: Facts, node_class: str, make: Callable[[int], Object], *, series: str) -> Attempt | None:
    attempts: Sequence[Attempt] = facts.attempts
    if series:  # only Jobs made to replace this measurement, by their names: times are of more than one clock
        attempts = [a for a in attempts if a.job["metadata"]["name"] == make(a.number)["metadata"]["name"]]
    return latest(attempts, role=ROLE_PROFILE, key=measuring_key(facts.workload.spec), node_class=node_class)


def profile_of(facts: Facts, node_class: str, done: Done) -> Object:
    """The WorkloadProfile that keeps a measurement."""
    result = done.result
    if not isinstance(result, ProfileResult):
        raise TypeError(f"a profile Job gave a {type(result).__name__}")
    metadata = facts.workload.metadata
    startup, end = _startup_and_end(result, done.pod)
    beside = co_runners(
        facts.workload_pods, done.pod, begin_milliseconds=result.work_begin, end_milliseconds=result.work_end
    )
    measured_time = to_time(from_milliseconds(end))
    profile = WorkloadProfile(
        metadata=Metadata(
            name=child_name(metadata.name, ROLE_PROFILE, f"{facts.key}/{node_class}/{measured_time}"),
            namespace=metadata.namespace,
            labels={LABEL_MANAGED_BY: MANAGED_BY, LABEL_WORKLOAD: metadata.name},
            owner_references=(
                {
                    "apiVersion": API_VERSION,
                    "kind": "AIWorkload",
                    "name": metadata.name,
                    "uid": metadata.uid,
                    "controller": True,
                },
            ),
        ),
        spec=WorkloadProfileSpec(
            workload=WorkloadReference(name=metadata.name, uid=metadata.uid, key=facts.key),
            node_class=node_class,
            node_name=done.pod["spec"].get("nodeName"),
            cpu_millis=cpu_millis(facts.workload.spec),
            startup_milliseconds=startup,
            measured_time=measured_time,
            measurement=Measurement.of(result, co_runners=beside),
        ),
    )
    body = to_object(profile)
    body.pop("status", None)
    return body


def _startup_and_end(result: ProfileResult, pod: Object) -> tuple[int, int]:
    """What starting took, and when the measurement ended, counted from the binding so that it is by the API's clock.

    By a node's clock that is behind, a measurement could be too old as soon as it is made, and be made again for ever.
    """
    times = task_times(pod, work_begin_milliseconds=result.work_begin, work_end_milliseconds=result.work_end)
    bound = bound_milliseconds(pod)
    if times is None or bound is None:
        return max(0, result.work_begin - result.process_start), result.work_end
    return times.startup_milliseconds, bound + times.startup_milliseconds + times.work_milliseconds


def _verdict(stands: Sequence[_ClassStand]) -> Verdict:
    measured = sum(stand.state == "Measured" for stand in stands)
    progress = f"{measured} of {len(stands)} node classes measured"
    failed = [stand for stand in stands if stand.state == "Failed"]
    if measured == len(stands):
        return Verdict(TYPE, "True", "Measured", progress)
    open_stands = [stand for stand in stands if stand.state in {"Active", "Waiting"}]
    details = "; ".join(f"{stand.name}: {stand.reason}: {stand.message}" for stand in [*failed, *open_stands])
    if open_stands:
        return Verdict(TYPE, "Unknown", _common_reason(open_stands, "InProgress"), f"{progress}; {details}")
    return Verdict(TYPE, "False", _common_reason(failed, "SeveralFailures"), f"{progress}; {details}")


def _common_reason(stands: Sequence[_ClassStand], otherwise: str) -> str:
    reasons = {stand.reason for stand in stands} - {"Waiting", "Started"}
    return reasons.pop() if len(reasons) == 1 else otherwise


def _none(status: str, reason: str, message: str) -> Profiling:
    verdict = Verdict(TYPE, "False" if status == "False" else "Unknown", reason, message)
    return Profiling(verdict, ProfileCounts.of(desired=0, measured=0, failed=0))
