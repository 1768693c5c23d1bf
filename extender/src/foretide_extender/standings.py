"""What was reckoned for tasks that were asked about lately, kept from one request to the next, within bounds.

A request for a task like one before costs a look-up for each name, and an event little more than its node.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final, NamedTuple

from foretide.placement.admission import Needs
from foretide.placement.task import Task, WorkloadPredictions
from foretide_extender.board import Board, Scale, Words
from foretide_extender.reckoning import Basis
from foretide_extender.spots import Check, Crowds, Spots, sizes_of
from foretide_extender.state import Snapshot
from foretide_kube.images import ImagesByNode
from foretide_kube.selected import WorkloadKey
from foretide_kube.task_pods import TaskPod

MOST_STANDINGS: Final = 32
"""For so many sorts of tasks it is kept where nodes stand."""
MOST_NODES_STANDING: Final = 100_000
"""So many nodes are kept for all sorts together, about 120 bytes each; one sort is kept however large the cluster."""
MOST_SPOTS: Final = 50_000
"""So many different spots, those of boards counted again, about 500 bytes each; one sort is kept as above."""
MOST_BOARDS: Final = 3
"""For so many numbers of inferences of a sort what is told of nodes is kept."""
ASKED_FOR_SECONDS: Final = 10.0
"""So long what changes with time is kept up for a board that nobody asks for."""
MOST_ENTRIES: Final = 100_000
"""So many entries of nodes are kept on all boards, about 30 bytes each; their words come on top, once for all."""
LEAST_SCALES: Final = 4
"""The entries of so many scales are kept however large the cluster."""


class _Sort(NamedTuple):
    """What tasks have in common; the workload is None where nothing is known of it."""

    key: WorkloadKey | None
    cpu_millis: int
    images: frozenset[str]


class Standing:
    """Where nodes stand for tasks of one sort, and what tasks of each size are told of that."""

    def __init__(self, spots: Spots, words: Words, scales: Scales, images: ImagesByNode) -> None:
        self.spots = spots
        self.is_built = False
        self._words = words
        self._scales = scales
        self._images = images
        self._boards: dict[int | None, Board] = {}
        self._basis: Basis | None = None
        self._needs: dict[int | None, Needs] = {}

    def __len__(self) -> int:
        return len(self.spots) + sum(map(len, self._boards.values()))

    def is_for(self, snapshot: Snapshot, workload: WorkloadPredictions | None, check: Check) -> bool:
        """Whether the workload and the sizes of the images are what this was reckoned with."""
        if self.spots.workload is not workload:
            return False
        if snapshot.images is not self._images:
            if sizes_of(snapshot, self.spots.image_bytes, check) != self.spots.image_bytes:
                return False
            self._images = snapshot.images
        return True

    def needs(self, workload: WorkloadPredictions, task: Task) -> Needs:
        """What a task of ``workload``, which this is for, needs at most."""
        found = self._needs.get(task.inferences)
        if found is None:
            predictions = [workload.prediction_for(task, name) for name in workload.by_class]
            known = [each for each in predictions if each is not None]
            found = Needs.of(known, workload.inferences_of(task), workload.percentile)
            if len(self._needs) >= MOST_BOARDS:
                del self._needs[next(iter(self._needs))]
            self._needs[task.inferences] = found
        return found

    def follow(self, snapshot: Snapshot, check: Check) -> None:
        """Have the spots as they are now."""
        spots = self.spots
        spots.follow(snapshot, check)
        for board in self._boards.values():
            board.note(spots.came, spots.gone, spots.moved)
        spots.came.clear()
        spots.gone.clear()
        spots.moved.clear()
        self.is_built = True

    def board(self, snapshot: Snapshot, pod: TaskPod, now_seconds: float, check: Check) -> Board:
        """What ``pod`` is told, by what is so at a time in seconds since the epoch."""
        inferences = pod.task.inferences
        found = self._boards.pop(inferences, None) or Board(self.spots, pod.task, self._words, self._scales.used)
        self._boards[inferences] = found
        if len(self._boards) > MOST_BOARDS:
            self._scales.forget([self._boards.pop(next(iter(self._boards)))])
        found.asked_seconds = now_seconds
        found.follow(snapshot, now_seconds, check)
        found.renew(now_seconds, check)
        return found

    def prepare(self, snapshot: Snapshot, now_seconds: float, check: Check) -> None:
        """Reckon what changed, and what changes with time on the boards that are being asked for."""
        self.follow(snapshot, check)
        for board in reversed(self._boards.values()):
            board.follow(snapshot, now_seconds, check)
            if now_seconds - board.asked_seconds <= ASKED_FOR_SECONDS:
                board.renew(now_seconds, check, most=len(board))

    def forget(self) -> None:
        """Have nothing kept of this elsewhere."""
        self._scales.forget(self._boards.values())

    def basis(self, snapshot: Snapshot) -> Basis:
        """What such tasks are told rests on now."""
        places, speeds, pulls = self.spots.places(), snapshot.speeds, snapshot.pull_bytes_per_second
        known, spots = self._basis, self.spots
        is_same = known is not None and known.places is places and known.speeds is speeds
        if known is None or not is_same or known.pull_bytes_per_second is not pulls:
            known = Basis(places, spots.workload, spots.cpu_millis, spots.image_bytes, speeds, pulls)
            self._basis = known
        return known


class Scales:
    """Bounds the entries on all boards together: those that were not asked for longest are dropped first."""

    def __init__(self) -> None:
        self.most = LEAST_SCALES
        self._order: OrderedDict[tuple[Board, Scale], None] = OrderedDict()

    def used(self, board: Board, scale: Scale) -> None:
        """Take note that a board was asked for the entries of a scale."""
        self._order[board, scale] = None
        self._order.move_to_end((board, scale))
        while len(self._order) > self.most:
            (other, dropped), _ = self._order.popitem(last=False)
            other.discard(dropped)

    def forget(self, boards: Iterable[Board]) -> None:
        """Take note that boards are gone."""
        gone = set(boards)
        self._order = OrderedDict((key, None) for key in self._order if key[0] not in gone)


class Standings:
    """The standings of the tasks that were asked about last. For one thread.

    ``check`` is called again and again while much has to be reckoned, and raises where no more time may be spent; what
    was reckoned until then is kept.
    """

    def __init__(self, check: Check = lambda: None) -> None:
        self._check = check
        self._moment: object = None
        self._kept: dict[_Sort, Standing] = {}
        self._words = Words()
        self._scales = Scales()
        self._crowds = Crowds()

    def follow(self, snapshot: Snapshot) -> None:
        """Take note of the cluster as it is now."""
        if snapshot.moment is self._moment:
            return
        if snapshot.after is not self._moment:
            self._kept.clear()
            self._words, self._scales, self._crowds = Words(), Scales(), Crowds()
        self._crowds.forget(snapshot.changed)
        for name in snapshot.changed:
            if name not in snapshot.nodes:
                self._words.forget(name)
        for standing in self._kept.values():
            standing.spots.stale |= dict.fromkeys(snapshot.changed)
        self._scales.most = max(LEAST_SCALES, MOST_ENTRIES // max(len(snapshot.nodes), 1))
        self._moment = snapshot.moment

    def prepare(self, snapshot: Snapshot, now_seconds: float) -> None:
        """Look at what changed before the next task like the last ones is asked about; raises what the check does.

        ``now_seconds`` since the epoch.
        """
        self.follow(snapshot)
        self._shrink(snapshot)
        for sort, kept in reversed(list(self._kept.items())):
            workload = None if sort.key is None else snapshot.workloads.get(sort.key)
            if sort.key is not None and workload is None:
                self._drop(sort)
                continue
            if not kept.is_for(snapshot, workload, self._check):
                kept.forget()
                kept = self._kept[sort] = self._made(snapshot, workload, sort)  # noqa: PLW2901
            kept.prepare(snapshot, now_seconds, self._check)

    def of(self, snapshot: Snapshot, pod: TaskPod, workload: WorkloadPredictions | None) -> Standing:
        """Where nodes stand for ``pod``, which performs ``workload``; raises what the check does."""
        if workload is None:
            sort = _Sort(None, 0, frozenset())
        else:
            sort = _Sort((pod.namespace, pod.workload), workload.cpu_millis_of(pod.task), pod.images)
        found = self._kept.get(sort)
        if found is None or not found.is_for(snapshot, workload, self._check):
            made = self._made(snapshot, workload, sort)
            if found is not None:
                self._drop(sort)
            found = self._kept[sort] = made
            self._shrink(snapshot)
        else:
            del self._kept[sort]
            self._kept[sort] = found
        found.follow(snapshot, self._check)
        return found

    def board(self, snapshot: Snapshot, pod: TaskPod, standing: Standing, now_seconds: float) -> Board:
        """What ``pod`` is told, by what is so at a time in seconds since the epoch; raises what the check does."""
        return standing.board(snapshot, pod, now_seconds, self._check)

    def _made(self, snapshot: Snapshot, workload: WorkloadPredictions | None, sort: _Sort) -> Standing:
        image_bytes = sizes_of(snapshot, sort.images, self._check)
        spots = Spots(snapshot, workload, sort.cpu_millis, image_bytes, self._crowds)
        return Standing(spots, self._words, self._scales, snapshot.images)

    def _shrink(self, snapshot: Snapshot) -> None:
        """Drop what was not asked for longest; where all are being built what came last, or none would ever be."""
        most = max(1, min(MOST_STANDINGS, MOST_NODES_STANDING // max(len(snapshot.nodes), 1)))
        while len(self._kept) > most or (len(self._kept) > 1 and sum(map(len, self._kept.values())) > MOST_SPOTS):
            *others, last = self._kept
            self._drop(next((sort for sort in others if self._kept[sort].is_built), last))

    def _drop(self, sort: _Sort) -> None:
        self._kept.pop(sort).forget()
