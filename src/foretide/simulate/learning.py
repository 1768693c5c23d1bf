"""Predictions that follow what has ended, as the operator's do where it learns from runs.

What a workload is expected to take on a class moves towards the geometric mean of what its latest tasks took there,
relative to what was expected of each at first: as many as the training table keeps (`ROWS_PER_PAIR`), the first
prediction counting as one more. As in the operator, what tasks took is not corrected for what ran beside them.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Mapping

from foretide.observation_table import ROWS_PER_PAIR
from foretide.placement.plan import Expected
from foretide.simulate.cluster import SimTask


class Learning:
    """Corrects the predictions of tasks; what has been seen counts from the next `update` on."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], deque[float]] = defaultdict(lambda: deque(maxlen=ROWS_PER_PAIR))
        self._factors: dict[str, dict[str, float]] = {}
        self._known: dict[tuple[str, int], Mapping[str, Expected]] = {}

    def saw(self, task: SimTask, node_class: str, seconds: float) -> None:
        """A task has ended that took so long, the pull of its image apart."""
        expected = task.expected.get(node_class)
        if expected is not None and min(expected.median_seconds, seconds) > 0.0:
            self._seen[task.workload, node_class].append(math.log(seconds / expected.median_seconds))

    def update(self) -> None:
        """Let what has been seen count."""
        self._factors, self._known = {}, {}
        for (workload, node_class), logs in self._seen.items():
            self._factors.setdefault(workload, {})[node_class] = math.exp(sum(logs) / (len(logs) + 1))

    def foresee(self, task: SimTask) -> Mapping[str, Expected]:
        """What is expected of a task as of the last update, by node class."""
        factors = self._factors.get(task.workload)
        if factors is None:
            return task.expected
        key = (task.workload, id(task.expected))  # which the task keeps alive
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = {
                name: Expected(
                    each.median_seconds * factor,
                    each.upper_seconds * factor,
                    startup_seconds=each.startup_seconds * factor,
                )
                for name, each in task.expected.items()
                for factor in (factors.get(name, 1.0),)
            }
        return known
