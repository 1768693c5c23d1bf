"""What would become of tasks under a policy: a small discrete-event replay with times that are given.

At each arrival, release and wait bound the policy says which gates to open, as the planner does; a stock scheduler
binds what is open, first come first served, to the planned node if it has room, else to the one that it prefers. What
runs takes its true time, slowed where tasks share cores.
"""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from operator import ge, sub

from foretide.placement.plan import NodeState, Running, Waiting
from foretide.placement.resources import Amounts, Axes, needed
from foretide.placement.sharing import Share, shared_ends
from foretide.placement.timeline import Lags


@dataclass(frozen=True, slots=True)
class Arrival:
    """A task, when it comes, and what it truly takes alone on a node of each class (which need not be predicted)."""

    task: Waiting
    arrival_seconds: float
    true_seconds: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a task: bound to ``node`` at ``start_seconds``, its container's end at ``finish_seconds``."""

    key: str
    node: str
    arrival_seconds: float
    start_seconds: float
    finish_seconds: float

    @property
    def turnaround_seconds(self) -> float:
        """From arrival to the container's end."""
        return self.finish_seconds - self.arrival_seconds


@dataclass(frozen=True, slots=True)
class Room:
    """A node as the scheduler sees it: what it has, what is free, and who is there."""

    state: NodeState
    allocatable: Amounts
    free: Amounts
    running: tuple[Running, ...]


Open = Callable[[Sequence[Waiting], Sequence[Running], float], Sequence[tuple[str, str | None]]]
"""(waiting in order of arrival, running, now) → keys of the gates to open, with the planned node if there is one."""
Choose = Callable[[Waiting, Sequence[Room], float], str]
"""(task, nodes with room for it by name, now) → the node that the scheduler takes."""


@dataclass(slots=True)
class _Task:
    arrival: Arrival
    planned: str | None = None
    node: str = ""
    start_seconds: float = math.inf
    end_seconds: float = math.inf
    release_seconds: float = math.inf


def rollout(
    arrivals: Sequence[Arrival],
    nodes: Sequence[NodeState],
    *,
    open_gates: Open,
    choose: Choose,
    lags: Mapping[str, Lags] | None = None,
    groups: Mapping[Hashable, frozenset[str] | None] | None = None,
) -> list[Outcome]:
    """Replay ``arrivals``, in the order of their arrival and then as given; the outcomes are in the order given.

    Raises ValueError for tasks that never start: their gates stay closed, or no node ever has room for them.
    """
    return _Replay(arrivals, nodes, open_gates=open_gates, choose=choose, lags=lags or {}, groups=groups or {}).run()


class _Replay:
    def __init__(
        self,
        arrivals: Sequence[Arrival],
        nodes: Sequence[NodeState],
        *,
        open_gates: Open,
        choose: Choose,
        lags: Mapping[str, Lags],
        groups: Mapping[Hashable, frozenset[str] | None],
    ) -> None:
        self._given = arrivals
        self._open_gates, self._choose, self._groups = open_gates, choose, groups
        self._axes = Axes(each.task.requests for each in arrivals)
        self._nodes = {node.name: node for node in sorted(nodes, key=lambda node: node.name)}
        self._lags = {node.name: lags.get(node.node_class or "", Lags()) for node in nodes}
        self._allocatable = {name: self._axes.amounts(node.allocatable) for name, node in self._nodes.items()}
        self._tasks = {each.task.key: _Task(each) for each in arrivals}
        self._gated: list[str] = []
        self._pending: list[str] = []
        self._bound: dict[str, list[str]] = defaultdict(list)
        self._history: dict[str, list[str]] = defaultdict(list)

    def run(self) -> list[Outcome]:
        coming = sorted(self._given, key=lambda each: each.arrival_seconds)
        place, bounds, now = 0, list[float](), -math.inf
        while place < len(coming) or self._gated or self._pending or any(self._bound.values()):
            times = [self._tasks[key].release_seconds for keys in self._bound.values() for key in keys]
            if place < len(coming):
                times.append(coming[place].arrival_seconds)
            if self._gated and bounds:
                times.append(bounds[0])
            now = min(times, default=math.inf)
            if now == math.inf:
                raise ValueError(f"these tasks never start: {', '.join(sorted(self._gated + self._pending))}")
            while place < len(coming) and coming[place].arrival_seconds <= now:
                task = coming[place].task
                self._gated.append(task.key)
                if now < task.latest_open_seconds < math.inf:
                    heapq.heappush(bounds, task.latest_open_seconds)
                place += 1
            while bounds and bounds[0] <= now:
                heapq.heappop(bounds)
            for keys in self._bound.values():
                keys[:] = [key for key in keys if self._tasks[key].release_seconds > now]
            self._decide(now)
        return [self._outcome(each.task.key) for each in self._given]

    def _decide(self, now: float) -> None:
        if self._gated:
            waiting = [self._tasks[key].arrival.task for key in self._gated]
            for key, node in self._open_gates(waiting, self._running(), now):
                self._tasks[key].planned = node
                self._gated.remove(key)
                self._pending.append(key)
        self._pending = [key for key in self._pending if not self._bind(key, now)]

    def _bind(self, key: str, now: float) -> bool:
        task = self._tasks[key]
        need = needed(self._axes.amounts(task.arrival.task.requests))
        names = self._groups.get(task.arrival.task.group)
        rooms = [
            room
            for name in self._nodes
            if (names is None or name in names) and all(map(ge, (room := self._room(name)).free, need))
        ]
        if not rooms:
            return False
        is_free = any(room.state.name == task.planned for room in rooms)
        node = task.planned if is_free and task.planned else self._choose(task.arrival.task, rooms, now)
        task.node = node
        task.start_seconds = now + self._lags[node].open_to_bind_seconds
        self._bound[node].append(key)
        self._history[node].append(key)
        self._set_ends(node)
        return True

    def _set_ends(self, node: str) -> None:
        state = self._nodes[node]
        tasks = [self._tasks[key] for key in self._history[node]]
        shares = [
            Share(
                task.start_seconds,
                task.arrival.true_seconds[state.node_class or ""],
                task.arrival.task.cpu_millis,
            )
            for task in tasks
        ]
        ends = shared_ends(
            shares, allocatable_millis=state.allocatable.cpu_millis, steady_millis=state.steady_cpu_millis
        )
        for task, end in zip(tasks, ends, strict=True):
            task.end_seconds = end
            task.release_seconds = end + self._lags[node].release_seconds

    def _room(self, name: str) -> Room:
        state = self._nodes[name]
        free = tuple(map(sub, self._allocatable[name], self._axes.amounts(state.in_use)))
        for key in self._bound[name]:
            free = tuple(map(sub, free, self._axes.amounts(self._tasks[key].arrival.task.requests)))
        return Room(state, self._allocatable[name], free, tuple(self._running_on(name)))

    def _running(self) -> list[Running]:
        return [running for name in self._nodes for running in self._running_on(name)]

    def _running_on(self, name: str) -> list[Running]:
        node_class = self._nodes[name].node_class or ""
        found = []
        for key in self._bound[name]:
            task = self._tasks[key]
            planned = task.arrival.task
            expected = planned.expected.get(node_class)
            found.append(Running(key, name, planned.requests, planned.cpu_millis, task.start_seconds, expected))
        return found

    def _outcome(self, key: str) -> Outcome:
        task = self._tasks[key]
        return Outcome(key, task.node, task.arrival.arrival_seconds, task.start_seconds, task.end_seconds)
