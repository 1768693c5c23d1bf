"""What each task is expected to take on each class, reckoned once for as long as its workload's predictions stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from foretide.placement.plan import Expected
from foretide.placement.task import Task, WorkloadPredictions

MOST_KEPT: Final = 100_000
"""Completions beyond which all are forgotten, about 200 bytes each."""


class Expectations:
    """Completions by workload, task and node class; who keeps it from turn to turn saves most of the reckoning.

    A workload's are forgotten when a whole round did not ask for them: it is gone, or its predictions changed.
    """

    def __init__(self) -> None:
        self._known: dict[int, _OfWorkload] = {}

    def begin_round(self) -> None:
        """Forget what the last round did not ask for, and everything if it is too much."""
        self._known = {key: kept for key, kept in self._known.items() if kept.is_asked}
        if sum(len(kept.completions) for kept in self._known.values()) > MOST_KEPT:
            self._known.clear()
        for kept in self._known.values():
            kept.is_asked = False

    def on_class(self, task: Task, workload: WorkloadPredictions, node_class: str) -> Expected | None:
        """The completion of ``task`` on a node of ``node_class``; None if nothing is predicted there."""
        kept = self._known.get(id(workload))
        if kept is None:
            kept = self._known[id(workload)] = _OfWorkload(workload)
        kept.is_asked = True
        key = (task, node_class)
        if key not in kept.completions:
            kept.completions[key] = _expected(task, workload, node_class)
        return kept.completions[key]

    def on_classes(self, task: Task, workload: WorkloadPredictions) -> Mapping[str, Expected]:
        """The completions of ``task`` on all classes that it is predicted for."""
        found = {name: self.on_class(task, workload, name) for name in workload.by_class}
        return {name: each for name, each in found.items() if each is not None}


class _OfWorkload:
    """What is known of a workload, which it keeps so that no other can have its id."""

    def __init__(self, workload: WorkloadPredictions) -> None:
        self.workload = workload
        self.completions: dict[tuple[Task, str], Expected | None] = {}
        self.is_asked = True


def _expected(task: Task, workload: WorkloadPredictions, node_class: str) -> Expected | None:
    prediction = workload.prediction_for(task, node_class)
    return None if prediction is None else Expected.of(prediction, workload.inferences_of(task))
