"""What was reckoned for tasks that were asked about lately, kept from one request to the next, within bounds.

A request for a task like one before costs a look-up for each name, and an event little more than its node.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from foretide.placement.task import WorkloadPredictions
from foretide_extender.board import Board
from foretide_extender.reckoning import Basis
from foretide_extender.spots import Check, Spots, sizes_of
from foretide_extender.state import Snapshot, WorkloadKey
from foretide_kube.task_pods import TaskPod

MOST_STANDINGS: Final = 32
MOST_NODES_STANDING: Final = 50_000
"""So many nodes are kept in all standings together, about 200 bytes each; one standing is kept however large it is."""
MOST_BOARDS: Final = 3
"""For so many numbers of inferences what is told of nodes is kept."""


class _Sort(NamedTuple):
    """What tasks have in common; the workload is None where nothing is known of it."""

    key: WorkloadKey | None
    cpu_millis: int
    images: frozenset[str]


class Standing:
    """Where nodes stand for tasks of one sort, and what tasks of each size are told of that."""

    def __init__(self, spots: Spots, check: Check) -> None:
        self.spots = spots
        self._check = check
        self._boards: dict[int | None, Board] = {}
        self._basis: Basis | None = None

    def is_for(self, snapshot: Snapshot, workload: WorkloadPredictions | None, images: frozenset[str]) -> bool:
        """Whether the workload and the sizes of the images are what this was reckoned with."""
        return self.spots.workload is workload and self.spots.image_bytes == sizes_of(snapshot, images)

    def follow(self, snapshot: Snapshot) -> None:
        """Have the spots as they are now."""
        self.spots.follow(snapshot, self._check)
        for name in self.spots.moved:
            for board in self._boards.values():
                board.forget(name)
        self.spots.moved.clear()

    def board(self, snapshot: Snapshot, pod: TaskPod, now_seconds: float) -> Board:
        """What ``pod`` is told, by what is so at a time in seconds since the epoch."""
        inferences = pod.task.inferences
        found = self._boards.pop(inferences, None) or Board(self.spots, pod.task)
        self._boards[inferences] = found
        if len(self._boards) > MOST_BOARDS:
            del self._boards[next(iter(self._boards))]
        found.follow(snapshot, now_seconds, self._check)
        return found

    def basis(self, snapshot: Snapshot) -> Basis:
        """What such tasks are told rests on now."""
        places, speeds, pulls = self.spots.places(), snapshot.speeds, snapshot.pull_bytes_per_second
        known, spots = self._basis, self.spots
        is_same = known is not None and known.places is places and known.speeds is speeds
        if known is None or not is_same or known.pull_bytes_per_second is not pulls:
            known = Basis(places, spots.workload, spots.cpu_millis, spots.image_bytes, speeds, pulls)
            self._basis = known
        return known


class Standings:
    """The standings of the tasks that were asked about last. For one thread.

    ``check`` is called again and again while much has to be reckoned, and raises where no more time may be spent; what
    was reckoned until then is kept.
    """

    def __init__(self, check: Check = lambda: None) -> None:
        self._check = check
        self._moment: object = None
        self._kept: dict[_Sort, Standing] = {}

    def follow(self, snapshot: Snapshot) -> None:
        """Take note of the cluster as it is now."""
        if snapshot.moment is self._moment:
            return
        if snapshot.after is not self._moment:
            self._kept.clear()
        for standing in self._kept.values():
            standing.spots.stale |= dict.fromkeys(snapshot.changed)
        self._moment = snapshot.moment

    def prepare(self, snapshot: Snapshot) -> None:
        """Look at what changed before the next task like the last ones is asked about; raises what the check does."""
        self.follow(snapshot)
        for sort, kept in list(self._kept.items()):
            workload = None if sort.key is None else snapshot.workloads.get(sort.key)
            if sort.key is not None and workload is None:
                del self._kept[sort]
            elif kept.is_for(snapshot, workload, sort.images):
                kept.follow(snapshot)
            else:
                self._kept[sort] = self._made(snapshot, workload, sort)
                self._kept[sort].follow(snapshot)

    def of(self, snapshot: Snapshot, pod: TaskPod, workload: WorkloadPredictions | None) -> Standing:
        """Where nodes stand for ``pod``, which performs ``workload``; raises what the check does."""
        if workload is None:
            sort = _Sort(None, 0, frozenset())
        else:
            sort = _Sort((pod.namespace, pod.workload), workload.cpu_millis_of(pod.task), pod.images)
        found = self._kept.pop(sort, None)
        if found is None or not found.is_for(snapshot, workload, sort.images):
            found = self._made(snapshot, workload, sort)
        self._kept[sort] = found
        most = max(1, min(MOST_STANDINGS, MOST_NODES_STANDING // max(len(snapshot.nodes), 1)))
        while len(self._kept) > most:
            del self._kept[next(iter(self._kept))]
        found.follow(snapshot)
        return found

    def _made(self, snapshot: Snapshot, workload: WorkloadPredictions | None, sort: _Sort) -> Standing:
        return Standing(Spots(snapshot, workload, sort.cpu_millis, sort.images), self._check)
