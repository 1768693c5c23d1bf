"""The clock: events in order of time, until every task has ended.

A task arrives, waits behind its gate (where the policy plans) or in the scheduler's queue, is bound, ends, and its
requests are released some lag later. The scheduler tries its queue, in order of arrival, at each arrival and release.
The planner makes a turn some milliseconds after something changed, never sooner after the last than
``turn_gap_seconds``, and at least once a second while anything waits.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Final

from foretide.placement.coming import WINDOW_SECONDS, expected_arrivals
from foretide.placement.plan import NodeState, Plan, Running, Waiting
from foretide.placement.timeline import Lags
from foretide.simulate.cluster import OnNode, SimCluster, SimTask
from foretide.simulate.outcome import Outcome
from foretide.simulate.policies import Policy
from foretide.simulate.scheduler import Scheduler

SETTLE_SECONDS: Final = 0.02
"""From a change to the planner's turn."""
HEARTBEAT_SECONDS: Final = 1.0
"""Between turns while tasks wait and nothing changes."""

_Happen = Callable[[float], None]
"""What happens at a time."""


def simulate(
    tasks: Sequence[SimTask],
    nodes: Sequence[NodeState],
    policy: Policy,
    *,
    lags: Mapping[str, Lags] | None = None,
    seed: int = 0,
    turn_gap_seconds: float = 0.0,
) -> list[Outcome]:
    """What becomes of ``tasks``; the outcomes are in their order. Equal arguments give equal outcomes.

    Raises ValueError for tasks that never start: no node ever has room for them.
    """
    return _Simulation(tasks, nodes, policy, lags=lags or {}, seed=seed, turn_gap_seconds=turn_gap_seconds).run()


class _Simulation:
    def __init__(
        self,
        tasks: Sequence[SimTask],
        nodes: Sequence[NodeState],
        policy: Policy,
        *,
        lags: Mapping[str, Lags],
        seed: int,
        turn_gap_seconds: float,
    ) -> None:
        self._tasks = tasks
        self._nodes = sorted(nodes, key=lambda node: node.name)
        self._policy = policy
        self._lags = lags
        self._gap = turn_gap_seconds
        self._cluster = SimCluster(self._nodes, tasks, lags)
        self._place = {node.name: place for place, node in enumerate(self._nodes)}
        prefer = policy.make_prefer(policy.foresee, seed) if policy.make_prefer else None
        self._scheduler = Scheduler(prefer=prefer, pack=policy.pack, seed=seed)
        self._events: list[tuple[float, int, _Happen]] = []
        self._number = 0
        self._gated: dict[str, Waiting] = {}
        self._waiting: dict[str, Waiting] = {}
        self._queue: dict[str, tuple[SimTask, int | None]] = {}
        self._running: dict[str, Running] = {}
        self._by_key = {task.key: task for task in tasks}
        self._recent: deque[tuple[float, Waiting]] = deque()
        self._first_arrival = min((task.arrival_seconds for task in tasks), default=0.0)
        self._made: Plan | None = None
        self._next_turn = math.inf
        self._last_turn = -math.inf
        self._outcomes: dict[str, Outcome] = {}
        self._is_changed = False

    def run(self) -> list[Outcome]:
        for task in sorted(self._tasks, key=lambda each: each.arrival_seconds):
            self._at(task.arrival_seconds, partial(self._arrive, task))
        while self._events:
            now, _, happen = heapq.heappop(self._events)
            happen(now)
            if self._is_changed and not self._is_more_now(now):
                self._try_queue(now)
        missing = [task.key for task in self._tasks if task.key not in self._outcomes]
        if missing:
            raise ValueError(f"{len(missing)} tasks never start, among them {', '.join(missing[:5])}: no node has room")
        return [self._outcomes[task.key] for task in self._tasks]

    def _at(self, seconds: float, happen: _Happen) -> None:
        self._number += 1
        heapq.heappush(self._events, (seconds, self._number, happen))

    def _is_more_now(self, now: float) -> bool:
        """Whether something else happens at the very same time, which the queue should wait for."""
        return bool(self._events) and self._events[0][0] == now

    def _arrive(self, task: SimTask, now: float) -> None:
        if self._policy.plan is None:
            self._queue[task.key] = (task, None)
            self._is_changed = True
            return
        self._gated[task.key] = self._waiting[task.key] = Waiting(
            key=task.key,
            requests=task.requests,
            cpu_millis=task.cpu_millis,
            expected=self._policy.foresee(task),
            latest_open_seconds=task.latest_open_seconds,
            arrival_seconds=task.arrival_seconds,
            due_seconds=task.arrival_seconds + task.deadline_seconds,
            team=task.team,
        )
        self._recent.append((now, self._waiting[task.key]))
        self._want_turn(now + SETTLE_SECONDS)

    def _end(self, task: SimTask, place: int, version: int, now: float) -> None:
        each = self._cluster.on(place).get(task.key)
        if each is None or each.version != version:
            return  # its end has moved
        self._set_ends(self._cluster.end(task.key, place, now), place)
        self._outcomes[task.key] = Outcome(
            task.key, self._nodes[place].name, task.arrival_seconds, each.bound_seconds, now
        )
        self._at(now + self._cluster.release_lag_seconds(place), partial(self._release, task, place))

    def _release(self, task: SimTask, place: int, now: float) -> None:
        self._cluster.release(task, place)
        self._running.pop(task.key)
        self._is_changed = True
        if self._gated:
            self._want_turn(now + SETTLE_SECONDS)

    def _want_turn(self, seconds: float) -> None:
        seconds = max(seconds, self._last_turn + self._gap)
        if seconds < self._next_turn:
            self._next_turn = seconds
            self._at(seconds, self._turn)

    def _turn(self, now: float) -> None:
        if now != self._next_turn or self._policy.plan is None:
            return  # it was wanted earlier since
        self._next_turn, self._last_turn = math.inf, now
        while self._recent and self._recent[0][0] < now - WINDOW_SECONDS:
            self._recent.popleft()
        self._made = made = self._policy.plan(
            list(self._gated.values()),
            self._running.values(),
            self._nodes,
            now_seconds=now,
            pending=[self._waiting[key] for key in self._queue],
            lags=self._lags,
            coming=expected_arrivals(self._recent, _itself, now, since_seconds=self._first_arrival),
            previous=self._made,
        )
        for each in made.due():
            self._is_changed = True
            del self._gated[each.key]
            self._queue[each.key] = (self._by_key[each.key], None if each.node is None else self._place[each.node])
        is_over = not self._running and not self._events and not made.due()
        if self._gated and not (is_over and min(each.latest_open_seconds for each in self._gated.values()) == math.inf):
            self._want_turn(now + HEARTBEAT_SECONDS)

    def _try_queue(self, now: float) -> None:
        self._is_changed = False
        hopeless = set[object]()
        for key, (task, planned) in list(self._queue.items()):
            shape = (task.requests.cpu_millis, task.requests.memory_bytes, *sorted(task.requests.extended.items()))
            if shape in hopeless:
                continue
            place = self._scheduler.choose(task, self._cluster, now, planned=planned)
            if place is None:
                hopeless.add(shape)
                continue
            del self._queue[key]
            self._waiting.pop(key, None)
            self._bind(task, place, now)

    def _bind(self, task: SimTask, place: int, now: float) -> None:
        self._set_ends(self._cluster.bind(task, place, now), place)
        node = self._nodes[place]
        self._running[task.key] = Running(
            task.key,
            node.name,
            task.requests,
            task.cpu_millis,
            self._cluster.on(place)[task.key].bound_seconds,
            self._policy.foresee(task).get(node.node_class or ""),
        )

    def _set_ends(self, changed: Iterable[OnNode], place: int) -> None:
        for each in changed:
            self._at(each.end_seconds, partial(self._end, each.task, place, each.version))


def _itself(task: Waiting) -> Waiting:
    return task
