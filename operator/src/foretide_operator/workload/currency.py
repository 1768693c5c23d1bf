"""Current: whether a measurement still speaks of what tasks run on, or is to be made again, and why.

It stays in use until the next one is there. A measurement that was made for a cause is not made again for that cause:
if it did not take it away, the next would not either. One that tasks disturbed is made again, twice at most, for the
cause that it was made for. Where tasks drift although it was made for that, predictions go
by what tasks take (`foretide.runs`), and it rests for a day.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from foretide_kube.kinds.common import find_condition
from foretide_kube.kinds.nodeclass import NodeClass
from foretide_kube.kinds.workloadprofile import Replaced, WorkloadProfile
from foretide_kube.times import parse_time, seconds_left
from foretide_operator.actions import Verdict
from foretide_operator.job_keys import container_key
from foretide_operator.pairing.watch import Watch
from foretide_operator.workload.facts import Facts

TYPE: Final = "Current"
DRIFT_REST_SECONDS: Final = 86_400.0
"""So long a measurement that was made for drift is not made again for drift."""

MOST_DISTURBED: Final = 2
"""So often a measurement is made again for the tasks beside it: where they always are, it is no use."""

_LONGEST_CAUSE: Final = 256

OutdatedReason = Literal[
    "HardwareChanged", "DriverChanged", "RuntimeChanged", "ContainerChanged", "Drifted", "Disturbed", "Stale"
]


@dataclass(frozen=True, slots=True)
class Outdated:
    """Why a measurement is to be made again; ``cause`` is what in particular, where that can be named."""

    reason: OutdatedReason
    message: str
    cause: str = ""

    @property
    def is_changed(self) -> bool:
        """Whether what was measured is known to have changed, and has not just grown old or was disturbed."""
        return self.reason not in {"Disturbed", "Stale"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    facts: Facts
    profile: WorkloadProfile
    node_class: NodeClass | None
    watch: Watch | None


def outdated(facts: Facts, profile: WorkloadProfile) -> Outdated | None:
    """The first of the checks below that says that a measurement is to be made again; None if none does."""
    asked = _asked(facts, profile)
    replaced = _made_for(profile)[1]
    for check in (
        _hardware_changed,
        _driver_changed,
        _runtime_changed,
        _container_changed,
        _drifted,
        _disturbed,
        _stale,
    ):
        found = check(asked)
        if found is None:
            continue
        is_answered = replaced is not None and (found.reason, found.cause) == (replaced.reason, replaced.cause)
        if not (found.cause and is_answered):
            return found
    return None


def current(facts: Facts, profile: WorkloadProfile) -> Verdict:
    """The condition of a WorkloadProfile."""
    found = outdated(facts, profile)
    if found is not None:
        return Verdict(TYPE, "False", found.reason, f"{found.message}; it is used until it has been measured again")
    asked = _asked(facts, profile)
    if asked.watch is not None and asked.watch.is_alarmed:
        message = (
            f"tasks take {_direction(asked.watch)} than it predicted, and it was made for that reason: predictions "
            "follow the tasks, and it may be measured again in a day"
        )
        return Verdict(TYPE, "True", "TasksDiffer", message)
    return Verdict(TYPE, "True", "UpToDate", "nothing that it depends on is known to have changed")


def _asked(facts: Facts, profile: WorkloadProfile) -> _Asked:
    name = profile.spec.node_class
    watch = facts.watches.get(name)
    return _Asked(
        facts=facts,
        profile=profile,
        node_class=next((members.node_class for members in facts.classes if members.name == name), None),
        watch=watch if watch is not None and watch.measured_time == profile.spec.measured_time else None,
    )


def _hardware_changed(asked: _Asked) -> Outdated | None:
    """What was once said of a measurement holds on: a NodeClass that is made again knows of no change before."""
    changed_time = None if asked.node_class is None else asked.node_class.status.hardware_changed_time
    changed, measured = parse_time(changed_time), parse_time(asked.profile.spec.measured_time)
    is_older = changed is not None and measured is not None and measured < changed
    told = find_condition(asked.profile.status.conditions, TYPE)
    if not is_older and (told is None or told.reason != "HardwareChanged"):
        return None
    message = f"the hardware of node class {asked.profile.spec.node_class} has changed since it was measured"
    return Outdated("HardwareChanged", message, (changed_time or "") if is_older else "")


def _driver_changed(asked: _Asked) -> Outdated | None:
    driver = "" if asked.watch is None else asked.watch.driver
    if not driver:
        return None
    known = asked.profile.spec.measurement.environment.driver
    message = f"tasks on {asked.profile.spec.node_name} run with driver {driver}, it was measured with {known}"
    return Outdated("DriverChanged", message, driver)


def _runtime_changed(asked: _Asked) -> Outdated | None:
    known = asked.profile.spec.measurement.environment.runtime_version
    runtime = _runtime_in_use(asked)
    if not runtime or not known or runtime == known:
        return None
    return Outdated("RuntimeChanged", f"tasks run with {runtime}, it was measured with {known}", runtime)


def _runtime_in_use(asked: _Asked) -> str:
    """The version that the image in use has, as the workload's own tasks say, or the class's probe; empty if neither.

    Probes run ONNX files. What other workloads' Pods say is not believed.
    """
    if asked.watch is not None and asked.watch.runtime:
        return asked.watch.runtime
    probe = None if asked.node_class is None else asked.node_class.status.probe
    is_onnx = asked.facts.workload.spec.model.source == "ONNX"
    if probe is None or not is_onnx or probe.image != asked.facts.settings.image_onnx:
        return ""
    return probe.environment.runtime_version


def _container_changed(asked: _Asked) -> Outdated | None:
    measured, wanted = asked.profile.spec.workload.container_key, container_key(asked.facts.workload.spec)
    if measured in {None, wanted}:
        return None
    message = "limits, variables or the runtime class have changed since it was measured"
    return Outdated("ContainerChanged", message, wanted)


def _drifted(asked: _Asked) -> Outdated | None:
    if asked.watch is None or not asked.watch.is_alarmed:
        return None
    spec = asked.profile.spec
    made_for = _made_for(asked.profile)[1]
    was_made_for_drift = made_for is not None and made_for.reason == "Drifted"
    if was_made_for_drift and seconds_left(DRIFT_REST_SECONDS, spec.measured_time, asked.facts.now):
        return None
    return Outdated("Drifted", f"tasks take {_direction(asked.watch)} than it predicted, by more than scatter")


def _disturbed(asked: _Asked) -> Outdated | None:
    beside = asked.profile.spec.measurement.environment.co_runners
    times, made_for = _made_for(asked.profile)
    if not beside or times >= MOST_DISTURBED:
        return None
    cause = str(times + 1) if made_for is None else f"{times + 1} {made_for.reason} {made_for.cause}"
    return Outdated("Disturbed", f"{beside} {'task' if beside == 1 else 'tasks'} ran beside it", cause[:_LONGEST_CAUSE])


def _made_for(profile: WorkloadProfile) -> tuple[int, Replaced | None]:
    """How often a measurement was made again because it was disturbed, and what it was made for in the first place."""
    replaced = profile.spec.replaced
    if replaced is None or replaced.reason != "Disturbed":
        return 0, replaced
    times, _, first = replaced.cause.partition(" ")
    reason, _, cause = first.partition(" ")
    made_for = Replaced(name=replaced.name, reason=reason, cause=cause) if reason else None
    return int(times) if times.isdecimal() else MOST_DISTURBED, made_for


def _stale(asked: _Asked) -> Outdated | None:
    limit_seconds = asked.facts.workload.spec.profiling.max_age_seconds
    if limit_seconds is None or seconds_left(limit_seconds, asked.profile.spec.measured_time, asked.facts.now):
        return None
    return Outdated("Stale", f"it is older than spec.profiling.maxAgeSeconds, {limit_seconds} s")


def _direction(watch: Watch) -> str:
    return "longer" if watch.is_slower else "less long"
