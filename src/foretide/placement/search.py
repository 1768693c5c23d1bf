"""Which node is best for the next task, found without looking at all of them.

Nodes of a class differ, for a task, only by when they have room, so each class keeps a heap of its nodes by that time
for each shape of request. Commitments only make a node's time later: what stands in a heap is a lower bound, and is
brought up to date when it comes to the top. The best undisturbed start is found exactly; sharing cores is tried on a
few nodes of each class.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from foretide.placement.kinds import Kind
from foretide.placement.resources import Amounts
from foretide.placement.timeline import Offer, Shape, Timeline

SHARED_CANDIDATES: Final = 3
"""On how many nodes of each class sharing cores is tried: those with room first, and the least demand."""
MOST_ENTRIES: Final = 200_000
"""How many heap entries are kept (about 200 bytes each) before all are made anew."""

_Entry = tuple[float, float, int, int]
"""Of a heap: when a node first has room, what is committed there, its place, and its version when that was found."""
Pace = tuple[Kind, float, float]
"""What a task takes on nodes of a kind: seconds with nothing beside it, and its contention."""
_NO_CHOICE: Final = (math.inf, math.inf, -1)
Spared = Callable[[int, float], float]
"""How many seconds less than on others of its kind a task takes at a place if it is opened there at a time."""


class Queue:
    """The nodes of a class that a shape may go to, by when they first have room: undisturbed, and with cores shared.

    A node stands among the shared ones only while sharing would give it room earlier.
    """

    __slots__ = ("_shape", "_timelines", "_versions", "shared", "undisturbed")

    def __init__(self, timelines: Sequence[Timeline], places: Iterable[int], shape: Shape) -> None:
        self._timelines = timelines
        self._shape = shape
        self._versions: dict[int, int] = {}
        self.shared: list[_Entry] = []
        self.undisturbed = [self._entry(place) for place in places]
        heapq.heapify(self.undisturbed)

    def first(self) -> _Entry | None:
        """The node with room to run undisturbed first; None if there is no node."""
        heap = self.undisturbed
        while heap:
            top = heap[0]
            if self._timelines[top[2]].version == top[3]:
                return top
            heapq.heapreplace(heap, self._entry(top[2]))
        return None

    def first_shared(self) -> _Entry | None:
        """The node with room to share first; None if there is none."""
        heap = self.shared
        while heap:
            top = heap[0]
            timeline = self._timelines[top[2]]
            if timeline.version == top[3]:
                return top
            heapq.heappop(heap)
            if self._versions[top[2]] != timeline.version:
                self._entry(top[2])
        return None

    def _entry(self, place: int) -> _Entry:
        timeline = self._timelines[place]
        version = timeline.version
        seconds = timeline.first_room_seconds(self._shape)
        if seconds > timeline.now_seconds and self._versions.get(place) != version:
            earlier = timeline.first_shared_seconds(self._shape)
            if earlier < seconds:
                self._versions[place] = version
                heapq.heappush(self.shared, (earlier, timeline.demand_share, place, version))
        return seconds, timeline.load, place, version


@dataclass(slots=True)
class Choice:
    """The best node so far: its cost with ties broken (seconds, load, place), and its offer."""

    cost: tuple[float, float, int] = _NO_CHOICE
    offer: Offer | None = None

    def is_beaten_by(self, cost: tuple[float, float, int]) -> bool:
        """Whether ``cost`` is less."""
        return self.offer is None or cost < self.cost

    def consider(self, place: int, load: float, offer: Offer) -> None:
        """Take an offer if it is better."""
        cost = (offer.cost_seconds, load, place)
        if self.is_beaten_by(cost):
            self.cost, self.offer = cost, offer


class Search:
    """Finds the best among ``timelines``; ``eligible`` gives the places of a group's nodes of a kind."""

    def __init__(
        self,
        timelines: Sequence[Timeline],
        eligible: Callable[[Hashable, Kind], Sequence[int]],
        now_seconds: float,
    ) -> None:
        self._timelines = timelines
        self._eligible = eligible
        self._now = now_seconds
        self._queues: dict[tuple[Hashable, Amounts, Kind], Queue] = {}
        self._entries = 0

    def best(
        self,
        group: Hashable,
        shape: Shape,
        paces: Sequence[Pace],
        latest_seconds: float,
        spared: Spared | None = None,
    ) -> Choice:
        """The node with the least cost that can open the task by ``latest_seconds``; without offer if there is none.

        ``paces`` are the task's on the kinds of nodes in question. Those where it is ``spared`` some of that are not
        looked for: they cost less where they are looked at.
        """
        choice = Choice()
        # Kinds by the earliest end that they could give; a kind whose turn does not come is never looked at.
        bounds = [(self._now + alone, index, False) for index, (_, alone, _) in enumerate(paces)]
        heapq.heapify(bounds)
        seen: list[tuple[Queue, Pace]] = []
        while bounds and (choice.offer is None or bounds[0][0] <= choice.cost[0]):
            _, index, is_exact = heapq.heappop(bounds)
            pace = paces[index]
            queue = self._queue(group, shape, pace[0])
            if not is_exact:
                seen.append((queue, pace))
                top = queue.first()
                if top is not None:
                    heapq.heappush(bounds, (self._least_end(top, pace[1]), index, True))
                continue
            self._undisturbed(queue, shape, pace, latest_seconds, choice, spared=spared)
        for queue, pace in seen:
            if queue.shared:
                self._shared(queue, shape, pace, latest_seconds, choice, spared=spared)
        return choice

    def first_room_seconds(self, group: Hashable, shape: Shape, kinds: Iterable[Kind]) -> float:
        """When a node of ``kinds`` first has room for the requests, cores shared or not; infinite if none ever has.

        It may be taken again soon after, by what is committed for later.
        """
        queues = [self._queue(group, shape, kind) for kind in kinds]
        tops = [top for queue in queues for top in (queue.first(), queue.first_shared())]
        return min((top[0] for top in tops if top is not None), default=math.inf)

    def _least_end(self, entry: _Entry, alone: float) -> float:
        return entry[0] + self._timelines[entry[2]].lags.open_to_bind_seconds + alone

    def _undisturbed(
        self, queue: Queue, shape: Shape, pace: Pace, latest: float, choice: Choice, *, spared: Spared | None
    ) -> None:
        _, alone, contention = pace
        aside: list[_Entry] = []
        while (top := queue.first()) is not None:
            start, load, place, _ = top
            least = (self._least_end(top, alone), load, place)
            if start > latest or start == math.inf or not choice.is_beaten_by(least):
                break
            own = alone if spared is None else alone - spared(place, start)
            offer = self._timelines[place].offer(shape, own, contention)
            if offer is not None and offer.open_seconds <= latest:
                choice.consider(place, load, offer)
                if (offer.cost_seconds, load, place) == least:
                    break
            aside.append(heapq.heappop(queue.undisturbed))
        for entry in aside:
            heapq.heappush(queue.undisturbed, entry)

    def _shared(
        self, queue: Queue, shape: Shape, pace: Pace, latest: float, choice: Choice, *, spared: Spared | None
    ) -> None:
        _, alone, contention = pace
        aside: list[_Entry] = []
        while len(aside) < SHARED_CANDIDATES and (top := queue.first_shared()) is not None:
            start, _, place, _ = top
            below = math.inf if choice.offer is None else choice.cost[0]
            if start > latest or self._least_end(top, alone) >= below < math.inf:
                break
            timeline = self._timelines[place]
            own = alone if spared is None else alone - spared(place, start)
            offer = timeline.shared_offer(shape, own, contention, latest_seconds=latest, below_seconds=below)
            if offer is not None:
                choice.consider(place, timeline.load, offer)
            aside.append(heapq.heappop(queue.shared))
        for entry in aside:
            heapq.heappush(queue.shared, entry)

    def _queue(self, group: Hashable, shape: Shape, kind: Kind) -> Queue:
        key = (group, shape.whole, kind)
        queue = self._queues.get(key)
        if queue is None:
            if self._entries > MOST_ENTRIES:
                self._queues.clear()
                self._entries = 0
            places = self._eligible(group, kind)
            queue = self._queues[key] = Queue(self._timelines, places, shape)
            self._entries += len(places)
        return queue
