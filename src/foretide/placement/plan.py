"""The plan over all waiting tasks: which node each goes to and when its gate opens, given all committed before it.

List scheduling: tasks in the caller's order, each to the node where it would end first. What is promised to a task is
never taken back for a later one, which may only fill what is left (conservative backfilling). `plan` is pure and
deterministic; equal ends go to the node with less committed, then by name.

The search looks at few nodes. Nodes of a class differ, for a task, only by when they have room, so each class keeps a
heap of its nodes by that time for each shape of request. Commitments only make a node's time later: what stands in a
heap is a lower bound, and is brought up to date when it comes to the top.
"""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from foretide.placement.completion import LEAST_SECONDS, RunningTask, remaining_seconds
from foretide.placement.resources import NOTHING, Amounts, Axes, Resources, needed
from foretide.placement.timeline import Commitment, Lags, Offer, Shape, Timeline

NOT_PREDICTED: Final = "NotPredicted"
"""Nothing is predicted for any class that it may go to: opened at once, for the node with least committed."""
WAIT_BOUND_REACHED: Final = "WaitBoundReached"
"""It fits nowhere until its wait bound: opened then all the same, and the scheduler holds it until there is room."""
NO_ELIGIBLE_NODE: Final = "NoEligibleNode"
"""No node may run it: taints, selectors, affinity, or no node is there."""
TOO_LARGE: Final = "TooLargeForEveryNode"
"""It requests more than any node that may run it has to give."""
NO_ROOM_FORESEEN: Final = "NoRoomForeseen"
"""What holds the nodes that may run it is not expected to end."""

_MOST_HEAP_ENTRIES: Final = 200_000


@dataclass(frozen=True, slots=True)
class NodeState:
    """A node that Pods may be bound to.

    ``in_use`` are the requests of all Pods there of whose end nothing is known, ``steady_cpu_millis`` the CPU that
    these may use (limits where they are known). Running tasks whose end is predicted are in neither.
    """

    name: str
    node_class: str | None
    allocatable: Resources
    in_use: Resources = NOTHING
    steady_cpu_millis: int = 0


@dataclass(frozen=True, slots=True)
class Expected:
    """A predicted completion alone, from bound to the container's end: its median and its 95 % quantile."""

    median_seconds: float
    upper_seconds: float


@dataclass(frozen=True, slots=True)
class Running:
    """A task that is bound, or whose gate is open: then ``node`` is the planned one and ``bound_seconds`` that time.

    ``expected`` is None where nothing is predicted: it is not expected to end.
    """

    key: str
    node: str
    requests: Resources
    cpu_millis: int
    bound_seconds: float
    expected: Expected | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A task behind its gate.

    ``cpu_millis`` is the CPU that it may use; ``expected`` its completion by node class, where it is predicted;
    ``group`` names the nodes that it may go to (see `plan`); at ``latest_open_seconds`` its gate opens wherever it is.
    """

    key: str
    requests: Resources
    cpu_millis: int
    expected: Mapping[str, Expected]
    latest_open_seconds: float
    group: Hashable = None


@dataclass(frozen=True, slots=True)
class Assignment:
    """What the plan says of one task.

    ``open_seconds`` is when its gate is to be opened. ``node`` is where it is expected to be bound at
    ``start_seconds`` and to end at ``finish_seconds``; None where nothing is expected. ``waits_for`` is the key of the
    task whose end makes room for it, None if it need not wait for one. ``reason`` says in one word what is not
    as it should be, and is empty otherwise.
    """

    key: str
    open_seconds: float
    node: str | None = None
    start_seconds: float | None = None
    finish_seconds: float | None = None
    waits_for: str | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """One assignment per waiting task, in their order."""

    assignments: tuple[Assignment, ...]
    made_seconds: float

    def due(self) -> tuple[Assignment, ...]:
        """Those whose gates are to be opened now."""
        return tuple(each for each in self.assignments if each.open_seconds <= self.made_seconds)


def plan(
    waiting: Sequence[Waiting],
    running: Iterable[Running],
    nodes: Iterable[NodeState],
    *,
    now_seconds: float,
    groups: Mapping[Hashable, frozenset[str] | None] | None = None,
    lags: Mapping[str, Lags] | None = None,
) -> Plan:
    """Plan ``waiting`` in the order given; all times are seconds of one clock.

    ``groups`` gives the names of the nodes that tasks of a group may go to; a group that is missing or None may go to
    all. ``lags`` are those of node classes, with defaults where one is missing. Running tasks on nodes that are not
    among ``nodes`` are left out.
    """
    floor = _Floor(waiting, running, nodes, now_seconds=now_seconds, groups=groups or {}, lags=lags or {})
    placed = [floor.place(task) for task in waiting]
    return Plan(tuple(each.assignment() for each in placed), now_seconds)


@dataclass(slots=True)
class _Placed:
    """A task and what was found for it. Its end is known when all are placed: later ones may share its cores."""

    key: str
    open_seconds: float
    reason: str = ""
    timeline: Timeline | None = None
    commitment: Commitment | None = None

    def assignment(self) -> Assignment:
        made, timeline = self.commitment, self.timeline
        if made is None or timeline is None or made.open_seconds is None:
            return Assignment(self.key, self.open_seconds, reason=self.reason)
        return Assignment(
            key=self.key,
            open_seconds=self.open_seconds,
            node=timeline.name,
            start_seconds=made.start_seconds,
            finish_seconds=made.end_seconds if made.end_seconds < math.inf else None,
            waits_for=timeline.makes_room(made.open_seconds) if made.open_seconds > timeline.now_seconds else None,
            reason=self.reason,
        )


def _remaining_seconds(running: Running, now_seconds: float) -> float:
    expected = running.expected
    if expected is None:
        return math.inf
    since = now_seconds - running.bound_seconds
    return remaining_seconds(RunningTask(running.cpu_millis, expected.median_seconds, expected.upper_seconds, since))


_Entry = tuple[float, float, int, int]
"""Of a heap: when a node first has room, its load, its place, and its version when that was found."""


class _Floor:
    """All nodes, and the heaps that find the best of them."""

    def __init__(
        self,
        waiting: Sequence[Waiting],
        running: Iterable[Running],
        nodes: Iterable[NodeState],
        *,
        now_seconds: float,
        groups: Mapping[Hashable, frozenset[str] | None],
        lags: Mapping[str, Lags],
    ) -> None:
        self._now = now_seconds
        self._groups = groups
        self._axes = Axes(task.requests for task in waiting)
        self._timelines: list[Timeline] = []
        self._members: dict[str | None, list[int]] = defaultdict(list)
        self._heaps: dict[tuple[Hashable, Amounts, str | None], list[_Entry]] = {}
        self._heap_entries = 0
        there: dict[str, list[Running]] = defaultdict(list)
        for each in running:
            there[each.node].append(each)
        for node in sorted(nodes, key=lambda node: node.name):
            if node.node_class is not None:
                self._members[node.node_class].append(len(self._timelines))
            self._timelines.append(self._timeline(node, there[node.name], lags.get(node.node_class or "", Lags())))
        self._everywhere = range(len(self._timelines))

    def place(self, task: Waiting) -> _Placed:
        """Commit ``task`` where it ends first."""
        shape = Shape(self._axes.amounts(task.requests), task.cpu_millis)
        latest = max(task.latest_open_seconds, self._now)
        classes = self._classes(task)
        if classes:
            found = self._best(task.group, shape, classes, latest)
            if found is not None:
                return self._commit(task, shape, found)
            found = self._best(task.group, shape, classes, math.inf)
            if found is not None:
                return self._commit(task, shape, found, open_seconds=latest, reason=WAIT_BOUND_REACHED)
            return _Placed(task.key, latest, self._why_not(task.group, shape))
        found = self._best(task.group, shape, [(None, math.inf)], self._now)
        if found is not None:
            return self._commit(task, shape, found, reason=NOT_PREDICTED)
        why_not = self._why_not(task.group, shape)
        if why_not == NO_ROOM_FORESEEN:
            return _Placed(task.key, self._now, NOT_PREDICTED)
        return _Placed(task.key, latest, why_not)

    def _timeline(self, node: NodeState, running: Sequence[Running], lags: Lags) -> Timeline:
        timeline = Timeline(
            node.name,
            allocatable=self._axes.amounts(node.allocatable),
            in_use=self._axes.amounts(node.in_use),
            steady_millis=node.steady_cpu_millis,
            lags=lags,
            now_seconds=self._now,
        )
        if running:
            timeline.add_running([self._commitment(each) for each in sorted(running, key=lambda each: each.key)])
        return timeline

    def _commitment(self, running: Running) -> Commitment:
        remaining = max(_remaining_seconds(running, self._now), LEAST_SECONDS)
        shape = Shape(self._axes.amounts(running.requests), running.cpu_millis)
        return Commitment(running.key, shape, None, self._now, remaining, self._now + remaining)

    def _classes(self, task: Waiting) -> list[tuple[str | None, float]]:
        """The classes that it may go to and is predicted for, with its seconds alone."""
        return [
            (name, max(expected.median_seconds, LEAST_SECONDS))
            for name, expected in sorted(task.expected.items())
            if self._eligible(task.group, name)
        ]

    def _eligible(self, group: Hashable, node_class: str | None) -> Sequence[int]:
        """The places of the nodes of a class (None: of all) that tasks of ``group`` may go to."""
        members = self._everywhere if node_class is None else self._members.get(node_class, ())
        names = self._groups.get(group)
        if names is None:
            return members
        return [place for place in members if self._timelines[place].name in names]

    def _commit(
        self,
        task: Waiting,
        shape: Shape,
        found: tuple[int, float, Offer],
        *,
        open_seconds: float | None = None,
        reason: str = "",
    ) -> _Placed:
        place, alone, offer = found
        timeline = self._timelines[place]
        made = timeline.commit(task.key, shape, alone, offer)
        return _Placed(task.key, offer.open_seconds if open_seconds is None else open_seconds, reason, timeline, made)

    def _best(
        self, group: Hashable, shape: Shape, classes: Sequence[tuple[str | None, float]], latest: float
    ) -> tuple[int, float, Offer] | None:
        """Place, seconds alone and offer of the node with the least cost; None if none can open it by ``latest``."""
        best: tuple[float, float, int] = (math.inf, math.inf, len(self._timelines))
        found: tuple[int, float, Offer] | None = None
        need = needed(shape.requests)
        for least, node_class, alone in self._bounds(group, need, classes):
            if (least, 0.0, -1) > best:
                break
            heap = self._heap(group, need, node_class)
            aside: list[_Entry] = []
            while self._refresh(heap, need):
                start, load, place, _ = heap[0]
                timeline = self._timelines[place]
                lower = start + timeline.lags.open_to_bind_seconds + alone
                if start > latest or start == math.inf or (lower, load, place) > best:
                    break
                offer = timeline.offer(shape, alone, latest)
                if offer is not None and (cost := (offer.cost_seconds, load, place)) < best:
                    best, found = cost, (place, alone, offer)
                aside.append(heapq.heappop(heap))
            for entry in aside:
                heapq.heappush(heap, entry)
        return found

    def _bounds(
        self, group: Hashable, need: Amounts, classes: Sequence[tuple[str | None, float]]
    ) -> list[tuple[float, str | None, float]]:
        """The earliest end that each class could give, from the top of its heap; the best class first."""
        bounds = []
        for node_class, alone in classes:
            heap = self._heap(group, need, node_class)
            if self._refresh(heap, need):
                top = heap[0]
                lag = self._timelines[top[2]].lags.open_to_bind_seconds
                bounds.append((top[0] + lag + alone, node_class, alone))
        return sorted(bounds, key=lambda bound: (bound[0], bound[1] or ""))

    def _heap(self, group: Hashable, need: Amounts, node_class: str | None) -> list[_Entry]:
        heap = self._heaps.get((group, need, node_class))
        if heap is None:
            if self._heap_entries > _MOST_HEAP_ENTRIES:
                self._heaps.clear()
                self._heap_entries = 0
            heap = []
            for place in self._eligible(group, node_class):
                timeline = self._timelines[place]
                heap.append((timeline.first_room_seconds(need), timeline.load, place, timeline.version))
            heapq.heapify(heap)
            self._heaps[group, need, node_class] = heap
            self._heap_entries += len(heap)
        return heap

    def _refresh(self, heap: list[_Entry], need: Amounts) -> bool:
        """Bring the top of a heap up to date; False if the heap is empty."""
        while heap:
            place, version = heap[0][2:]
            timeline = self._timelines[place]
            if timeline.version == version:
                return True
            heapq.heapreplace(heap, (timeline.first_room_seconds(need), timeline.load, place, timeline.version))
        return False

    def _why_not(self, group: Hashable, shape: Shape) -> str:
        eligible = self._eligible(group, None)
        if not eligible:
            return NO_ELIGIBLE_NODE
        need = needed(shape.requests)
        return (
            NO_ROOM_FORESEEN if any(self._timelines[place].is_large_enough(need) for place in eligible) else TOO_LARGE
        )
