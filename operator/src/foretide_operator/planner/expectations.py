"""What each task is expected to take on each class, reckoned once for as long as its workload's predictions stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from foretide.placement.plan import Expected
from foretide.placement.task import Task, WorkloadPredictions

MOST_KEPT: Final = 50_000
"""Completions beyond which all are forgotten, about 150 bytes each."""


class Expectations:
    """Completions by workload, task and node class; who keeps it from turn to turn saves most of the reckoning."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[WorkloadPredictions, dict[tuple[Task, str], Expected | None]]] = {}
        self._count = 0

    def on_class(self, task: Task, workload: WorkloadPredictions, node_class: str) -> Expected | None:
        """The completion of ``task`` on a node of ``node_class``; None if nothing is predicted there."""
        kept = self._known.get(id(workload))
        if kept is None:  # it keeps the workload, so that no other can have its id
            kept = self._known[id(workload)] = (workload, {})
        found = kept[1]
        key = (task, node_class)
        if key not in found:
            found[key] = _expected(task, workload, node_class)
            self._count += 1
        return found[key]

    def on_classes(self, task: Task, workload: WorkloadPredictions) -> Mapping[str, Expected]:
        """The completions of ``task`` on all classes that it is predicted for."""
        found = {name: self.on_class(task, workload, name) for name in workload.by_class}
        return {name: each for name, each in found.items() if each is not None}

    def trim(self) -> None:
        """Forget all if there is too much: of workloads that changed, and of tasks that are no more."""
        if self._count > MOST_KEPT:
            self._known.clear()
            self._count = 0


def _expected(task: Task, workload: WorkloadPredictions, node_class: str) -> Expected | None:
    prediction = workload.prediction_for(task, node_class)
    if prediction is None:
        return None
    inferences = workload.inferences_of(task)
    return Expected(prediction.completion_seconds(inferences), prediction.completion_seconds(inferences, bound="upper"))
