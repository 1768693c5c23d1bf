"""What each task is expected to take on each class, reckoned once for as long as its workload's predictions stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from foretide.placement.plan import Expected
from foretide.placement.task import Task, WorkloadPredictions

MOST_KEPT: Final = 100_000
"""Completions, about 200 bytes each. More are reckoned whenever they are asked for, since tenants write the sizes."""

_Row = dict[str, Expected | None]
"""Of one task, by node class."""


class Expectations:
    """Completions by workload, task and node class; who keeps it from turn to turn saves most of the reckoning.

    A task's are forgotten when a whole round did not ask for them: it is gone, or its workload's predictions changed.
    """

    def __init__(self) -> None:
        self._known: dict[int, _OfWorkload] = {}
        self._kept = 0

    def begin_round(self) -> None:
        """Forget what the last round did not ask for."""
        self._known = {key: known for key, known in self._known.items() if known.asked}
        for known in self._known.values():
            known.former, known.asked = known.asked, {}
        self._kept = sum(len(row) for known in self._known.values() for row in known.former.values())

    def on_class(self, task: Task, workload: WorkloadPredictions, node_class: str) -> Expected | None:
        """The completion of ``task`` on a node of ``node_class``; None if nothing is predicted there."""
        return self._on_class(self._row(task, workload), task, workload, node_class)

    def on_classes(self, task: Task, workload: WorkloadPredictions) -> Mapping[str, Expected]:
        """The completions of ``task`` on all classes that it is predicted for."""
        row = self._row(task, workload)
        found = {name: self._on_class(row, task, workload, name) for name in workload.by_class}
        return {name: each for name, each in found.items() if each is not None}

    def _row(self, task: Task, workload: WorkloadPredictions) -> _Row:
        known = self._known.get(id(workload))
        if known is None:
            known = self._known[id(workload)] = _OfWorkload(workload)
        row = known.asked.get(task)
        if row is None:
            row = known.former.pop(task, {})
            if row or self._kept < MOST_KEPT:
                known.asked[task] = row
        return row

    def _on_class(self, row: _Row, task: Task, workload: WorkloadPredictions, node_class: str) -> Expected | None:
        if node_class in row:
            return row[node_class]
        found = _expected(task, workload, node_class)
        if self._kept < MOST_KEPT:
            row[node_class] = found
            self._kept += 1
        return found


class _OfWorkload:
    """What is known of a workload, which it keeps so that no other can have its id: this round's and the last one's."""

    def __init__(self, workload: WorkloadPredictions) -> None:
        self.workload = workload
        self.asked: dict[Task, _Row] = {}
        self.former: dict[Task, _Row] = {}


def _expected(task: Task, workload: WorkloadPredictions, node_class: str) -> Expected | None:
    prediction = workload.prediction_for(task, node_class)
    return None if prediction is None else Expected.of(prediction, workload.inferences_of(task))
