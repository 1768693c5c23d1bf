"""Decision regret: the time that tasks lose on the class that predictions prefer, against the best by what tasks took.

Of each workload the classes are compared where its tasks ended: start-up and work for an inference are medians over
them, and the task is that of the workload's present spec. Waiting for a busy node is no part of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from foretide.pairing import Pairing
from foretide.placement.task import Task
from foretide_cli.report.compared import LEAST_SECONDS, Compared, grouped
from foretide_kube.kinds.aiworkload import AIWorkload
from foretide_kube.published import predictions_of


@dataclass(frozen=True, slots=True)
class Choice:
    """One workload; ``actual`` has the seconds of a task by class, ``tasks`` how many ended on each.

    ``preferred`` is the class of these that predictions put first, by the percentile that nodes are compared by.
    """

    namespace: str
    name: str
    actual: Mapping[str, float]
    tasks: Mapping[str, int]
    preferred: str

    @property
    def best(self) -> str:
        """The class where tasks took the least; the preferred one where they are equal."""
        return min(self.actual, key=lambda name: (self.actual[name], name != self.preferred))

    @property
    def lost_seconds(self) -> float:
        """What a task takes longer on the preferred class than on the best."""
        return self.actual[self.preferred] - self.actual[self.best]

    @property
    def task_count(self) -> int:
        """Tasks on all classes together."""
        return sum(self.tasks.values())


def choices(workloads: Iterable[AIWorkload], rows: Sequence[Compared]) -> list[Choice]:
    """The workloads of which tasks ended on two classes or more that are predicted, by namespace and name."""
    by_workload = grouped(rows, lambda row: (row.task.namespace, row.task.workload))
    found = []
    for workload in sorted(workloads, key=lambda each: (each.metadata.namespace, each.metadata.name)):
        own = by_workload.get((workload.metadata.namespace, workload.metadata.name), [])
        choice = _choice(workload, grouped(own, lambda row: row.task.node_class))
        if choice is not None:
            found.append(choice)
    return found


def _choice(workload: AIWorkload, by_class: Mapping[str, Sequence[Compared]]) -> Choice | None:
    published = predictions_of(workload)
    size = published.inferences_of(Task())
    actual, told = {}, {}
    for name, rows in by_class.items():
        prediction = published.by_class.get(name)
        pairings = [row.task.pairing for row in rows if row.task.pairing is not None]
        if prediction is None or not pairings:
            continue
        told[name] = prediction.completion_quantile_seconds(size, published.percentile)
        starts, works = zip(*map(_parts, pairings), strict=True)
        actual[name] = max(median(starts) + size * median(works), LEAST_SECONDS)
    if len(actual) < 2:
        return None
    metadata = workload.metadata
    return Choice(
        metadata.namespace,
        metadata.name,
        actual,
        {name: len(by_class[name]) for name in actual},
        min(told, key=lambda name: (told[name], name)),
    )


def _parts(pairing: Pairing) -> tuple[float, float]:
    """Seconds of a task's start-up, and of its work for one inference; what is not known of the former is as told."""
    start, work = pairing.actual_startup_milliseconds, pairing.actual_work_milliseconds
    if start is None or work is None:
        start = min(pairing.prediction.startup_milliseconds, pairing.actual_completion_milliseconds)
        work = pairing.actual_completion_milliseconds - start
    return start / 1e3, work / 1e3 / max(pairing.prediction.inferences, 1)


def mean_lost(found: Sequence[Choice]) -> tuple[float, float]:
    """Seconds lost by a task, and their share of what it takes on the best class, in the mean over all tasks."""
    tasks = sum(each.task_count for each in found)
    lost = math.fsum(each.lost_seconds * each.task_count for each in found)
    best = math.fsum(each.actual[each.best] * each.task_count for each in found)
    return lost / tasks, lost / best
