"""kube-scheduler as far as it decides where a Pod goes: which nodes it looks at, how it scores them, how ties fall.

One Pod at a time, in order of arrival. Of more than 100 nodes only a share is looked at, from where the last search
ended (`percentageOfNodesToScore` at its default); with an extender all are, as the chart configures it. Scores are
those of the default plugins that tell our nodes apart: NodeResourcesFit (least or most allocated) and
NodeResourcesBalancedAllocation, each of weight 1, from 0 to 100; and an extender's, which counts more than all plugins
together. Among the best the scheduler takes one at random.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from foretide.placement.resources import Resources
from foretide.simulate.cluster import Places, SimCluster, SimTask

MIN_NODES_LOOKED_AT: Final = 100
MIN_PERCENTAGE: Final = 5
MAX_PERCENTAGE: Final = 50
NODES_PER_PERCENT: Final = 125
"""kube-scheduler's `numFeasibleNodesToFind`: 50 % less a hundredth of the nodes ÷ 1.25, at least 5 %, at least 100."""
EXTENDER_STEP: Final = 1500
"""What one point of the extender's score counts for with the chart's weight: more than all plugins together."""

Scores = npt.NDArray[np.int64]
Prefer = Callable[[SimTask, Places, SimCluster, float], Sequence[float] | npt.NDArray[np.float64]]
"""(task, nodes with room, cluster, now) → what an extender adds per node; higher is better."""


class Scheduler:
    """Binds Pods one by one. ``prefer`` is an extender's opinion; None where there is no extender."""

    def __init__(self, *, prefer: Prefer | None = None, pack: bool = False, seed: int = 0) -> None:
        self._prefer = prefer
        self._pack = pack
        self._random = random.Random(seed)  # noqa: S311  ties, no secret
        self._next = 0

    def choose(
        self, task: SimTask, cluster: SimCluster, now_seconds: float, *, planned: int | None = None
    ) -> int | None:
        """The place of the node that the task is bound to; None if no node has room."""
        if planned is not None and cluster.has_room_at(task.requests, planned):
            return planned
        places = self._feasible(task, cluster)
        if len(places) == 0:
            return None
        total = in_tree_scores(task.requests, cluster, places, pack=self._pack).astype(np.float64)
        if self._prefer is not None:
            total += np.asarray(self._prefer(task, places, cluster, now_seconds)) * EXTENDER_STEP
        best = np.flatnonzero(total == total.max())
        return int(places[best[self._random.randrange(len(best))]])

    def _feasible(self, task: SimTask, cluster: SimCluster) -> Places:
        count = len(cluster)
        found = np.flatnonzero(cluster.has_room(task.requests))
        wanted = count if self._prefer is not None else nodes_to_find(count)
        if wanted >= count:
            return found
        behind = int(np.searchsorted(found, self._next))
        found = np.concatenate((found[behind:], found[:behind]))[:wanted]
        if len(found) == wanted:
            self._next = (int(found[-1]) + 1) % count
        return found


def nodes_to_find(count: int) -> int:
    """How many feasible nodes kube-scheduler seeks among so many."""
    if count <= MIN_NODES_LOOKED_AT:
        return count
    percentage = max(MAX_PERCENTAGE - count // NODES_PER_PERCENT, MIN_PERCENTAGE)
    return max(count * percentage // 100, MIN_NODES_LOOKED_AT)


def in_tree_scores(requests: Resources, cluster: SimCluster, places: Places, *, pack: bool = False) -> Scores:
    """NodeResourcesFit and NodeResourcesBalancedAllocation over CPU and memory, together 0 to 200."""
    asked = np.array([requests.cpu_millis, requests.memory_bytes], dtype=np.float64)
    whole = np.maximum(cluster.allocatable[places, :2], 1).astype(np.float64)
    left = np.clip(cluster.free[places, :2] - asked, 0.0, whole)
    share = np.floor((whole - left if pack else left) * 100.0 / whole)
    used = 1.0 - left / whole
    balanced = np.floor((1.0 - np.abs(used[:, 0] - used[:, 1]) / 2.0) * 100.0)
    return np.asarray(np.floor(share.mean(axis=1)) + balanced, dtype=np.int64)
