"""What is known of why a task missed its prediction: from its Pod, its profile, the model, its neighbours, its like.

Nothing here is proven to be the cause; each line is a fact that stands beside the miss.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from statistics import median
from typing import Final

from foretide_cli.export.document import Export, Task
from foretide_cli.report.compared import Compared
from foretide_cli.report.words import count, duration, moment, percent, permille, times
from foretide_kube.kinds.common import find_condition
from foretide_kube.kinds.workloadprofile import WorkloadProfile
from foretide_kube.times import epoch_milliseconds

LATE_STARTUP: Final = 1.5
"""A start-up that takes so many times what was told, and a second more, is worth a word."""
LIKE: Final = 3
"""So many others of its kind say whether it stands alone."""
STANDS_ALONE: Final = 1.15
"""Others that are off by less than this factor in the median are as told."""
LEAST_SHARED: Final = 0.05
"""Of its time, that a neighbour was there."""

_Pair = tuple[str, str, str]


class Causes:
    """Answers for many tasks of one export."""

    def __init__(self, export: Export, rows: Iterable[Compared]) -> None:
        self._profiles: dict[_Pair, WorkloadProfile] = {}
        for profile in sorted(export.profiles, key=lambda each: each.spec.measured_time):
            spec = profile.spec
            self._profiles[profile.metadata.namespace, spec.workload.name, spec.node_class] = profile
        self._ratios: defaultdict[_Pair, list[float]] = defaultdict(list)
        for row in rows:
            self._ratios[_pair(row.task)].append(row.ratio)
        self._on_node: defaultdict[str, list[Task]] = defaultdict(list)
        for task in export.tasks:
            self._on_node[task.node].append(task)
        status = export.model.status if export.model is not None else None
        self._versions = {each.version: each for each in status.versions} if status else {}
        self._errors = {each.node_class: each for each in status.classes} if status else {}

    def of(self, row: Compared) -> list[str]:
        """What stands beside the miss, one sentence each; none where nothing is known."""
        found = (
            self._source(row),
            self._unstable(row),
            self._outdated(row),
            self._version(row),
            _startup(row),
            self._neighbours(row.task),
            _elsewhere(row.task),
            self._like(row),
            _decided(row.task),
        )
        return [said for said in found if said]

    def _source(self, row: Compared) -> str:
        name, profile = row.task.node_class, self._profiles.get(_pair(row.task))
        match row.source:
            case "Measured":
                if profile is None or _is_later(profile, row.task):
                    return f"Predicted by a profile of the workload on {name} that no longer exists."
                return f"Predicted by the workload's own profile on {name} of {moment(profile.spec.measured_time)}."
            case "Learned":
                known = self._errors.get(name)
                error = f", whose median error there is {permille(known.error_permille)}" if known is not None else ""
                since = " It has been measured since." if profile is not None else ""
                return f"Not measured on {name} then: predicted by model {row.model_version}{error}.{since}"
            case "Fallback":
                return f"A guess: neither measured on {name} then nor predicted by a model, or its CPU limit differs."

    def _unstable(self, row: Compared) -> str:
        profile = self._profiles.get(_pair(row.task)) if row.source == "Measured" else None
        if profile is None or profile.spec.measurement.stable or _is_later(profile, row.task):
            return ""
        why = profile.spec.measurement.unstable_reason or "its windows did not agree"
        return f"The profile was not stable ({why})."

    def _outdated(self, row: Compared) -> str:
        profile = self._profiles.get(_pair(row.task))
        current = find_condition(profile.status.conditions, "Current") if profile is not None else None
        if current is None or current.reason == "UpToDate":
            return ""
        return f"The profile is no longer current, or tasks differ from it: {current.reason}: {current.message}."

    def _version(self, row: Compared) -> str:
        version = self._versions.get(row.model_version)
        if version is None or version.state not in {"RolledBack", "Rejected"}:
            return ""
        return f"Model {version.version} was rolled back since: {version.reason}."

    def _neighbours(self, task: Task) -> str:
        shares = [share for each in self._on_node[task.node] if (share := _shared(task, each)) >= LEAST_SHARED]
        if not shares:
            return ""
        longest = f"{'one ' if len(shares) > 1 else ''}for {percent(max(shares))} of its time"
        return f"{count(len(shares), 'other task')} ran beside it on {task.node}, {longest}."

    def _like(self, row: Compared) -> str:
        ratios = list(self._ratios[_pair(row.task)])
        ratios.remove(row.ratio)
        where = f"of this workload on {row.task.node_class}"
        if len(ratios) < LIKE:
            return ""
        middle = median(ratios)
        alone = "it stands alone" if 1 / STANDS_ALONE < middle < STANDS_ALONE else "it is not alone"
        others = count(len(ratios), "other task")
        return f"{others} {where} took {times(middle)} what was predicted, in the median: {alone}."


def _is_later(profile: WorkloadProfile, task: Task) -> bool:
    """Whether a measurement was made after the task was placed, so that it was told by another one."""
    measured = epoch_milliseconds(profile.spec.measured_time)
    return measured is not None and task.bound_milliseconds is not None and measured > task.bound_milliseconds


def _pair(task: Task) -> _Pair:
    return task.namespace, task.workload, task.node_class


def _shared(task: Task, other: Task) -> float:
    """The share of a task's time on its node that another was there for; 0 of itself, or where times are unknown."""
    begin, end = task.bound_milliseconds, task.ended_milliseconds
    other_begin, other_end = other.bound_milliseconds, other.ended_milliseconds
    if other is task or not task.node or begin is None or end is None or other_begin is None or other_end is None:
        return 0.0
    return max(min(end, other_end) - max(begin, other_begin), 0) / max(end - begin, 1)


def _startup(row: Compared) -> str:
    pairing = row.task.pairing
    if pairing is None or pairing.actual_startup_milliseconds is None:
        return ""
    told, took = pairing.prediction.startup_milliseconds / 1e3, pairing.actual_startup_milliseconds / 1e3
    pull = pairing.prediction.pull_milliseconds / 1e3
    if took < LATE_STARTUP * told or took < told + 1.0:
        return ""
    pulled = f", {duration(pull)} of it for images" if pull else ""
    return f"It started late as well: in {duration(took)}, predicted {duration(told)}{pulled}."


def _elsewhere(task: Task) -> str:
    if not task.planned_node or task.planned_node == task.node:
        return ""
    return f"It was planned on {task.planned_node}, and kube-scheduler bound it to {task.node}."


def _decided(task: Task) -> str:
    """What the extender keeps of its last decision."""
    told = task.explanation
    if told is None or told.status != "Decided":
        return ""
    here = next((each for each in told.candidates if task.node in each.nodes), None)
    others = 0.0 if here is None else (here.contention_seconds or 0.0) + (here.sharing_seconds or 0.0)
    shared = f"; {duration(others)} of it for others there" if others > 0.0 else ""
    placed = told.placed
    if placed is None or placed.completion_seconds is None or placed.regret_seconds is None:
        return f"The extender had no figures for {task.node} ({told.as_of})."
    if placed.regret_seconds <= 0.0 or placed.best_node is None:
        return f"By the extender's figures {task.node} was the best: {duration(placed.completion_seconds)}{shared}."
    later = f"{duration(placed.regret_seconds)} later than {placed.best_node}"
    return f"By the extender's figures {task.node} was {later}: {duration(placed.completion_seconds)}{shared}."
