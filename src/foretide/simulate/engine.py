"""The clock: events in order of time, until every task has ended.

A task arrives, waits behind its gate (where the policy plans, `foretide.simulate.gates`) or in the scheduler's queue,
is bound, ends, and its requests are released some lag later. The scheduler tries its queue, in order of arrival, when
something came in or a node has more room. Nodes may be lost meanwhile (`foretide.simulate.failures`), and predictions
learned (`foretide.simulate.learning`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from foretide.placement.plan import Assignment, NodeState, Running
from foretide.placement.timeline import Lags
from foretide.simulate.agenda import Agenda
from foretide.simulate.cluster import OnNode, SimCluster, SimTask
from foretide.simulate.failures import Chance
from foretide.simulate.gates import HEARTBEAT_SECONDS, SETTLE_SECONDS, Gates
from foretide.simulate.learning import Learning
from foretide.simulate.outcome import Outcome
from foretide.simulate.policies import Policy
from foretide.simulate.queue import PodQueue, Queued, Shape, shape_of
from foretide.simulate.scheduler import Scheduler
from foretide.simulate.world import World


def simulate(
    tasks: Sequence[SimTask],
    nodes: Sequence[NodeState],
    policy: Policy,
    *,
    lags: Mapping[str, Lags] | None = None,
    world: World | None = None,
    seed: int = 0,
    turn_seconds: float = 0.0,
) -> list[Outcome]:
    """What becomes of ``tasks``; the outcomes are in their order. Equal arguments give equal outcomes.

    ``turn_seconds`` is what a turn of the planner takes. Raises ValueError for tasks that never start: no node ever
    has room for them, or the plan never opens their gates.
    """
    made = _Simulation(
        tasks, nodes, policy, lags=lags or {}, world=world or World(), seed=seed, turn_seconds=turn_seconds
    )
    return made.run()


class _Simulation:
    def __init__(
        self,
        tasks: Sequence[SimTask],
        nodes: Sequence[NodeState],
        policy: Policy,
        *,
        lags: Mapping[str, Lags],
        world: World,
        seed: int,
        turn_seconds: float,
    ) -> None:
        self._tasks = tasks
        self._nodes = sorted(nodes, key=lambda node: node.name)
        self._place = {node.name: place for place, node in enumerate(self._nodes)}
        self._world = world
        self._turn_seconds = turn_seconds
        self._cluster = SimCluster(self._nodes, tasks, lags, world.classes)
        self._seen = self._nodes
        self._down = set[int]()
        self._gone = set[int]()
        self._chance = Chance(world.failures.wear, seed)
        self._learning = Learning() if policy.is_updated and world.update_seconds < math.inf else None
        self._foresee = self._learning.foresee if self._learning else policy.foresee
        prefer = policy.make_prefer(self._foresee, seed) if policy.make_prefer else None
        self._scheduler = Scheduler(prefer=prefer, pack=policy.pack, seed=seed)
        in_order = sorted(tasks, key=lambda task: task.arrival_seconds)
        begin_seconds = in_order[0].arrival_seconds if in_order else 0.0
        self._agenda = Agenda((task.arrival_seconds, partial(self._arrive, task)) for task in in_order)
        self._gates = Gates(policy.plan, self._foresee, lags, turn_seconds, begin_seconds) if policy.plan else None
        self._queue = PodQueue()
        self._is_changed = False
        self._running: dict[str, Running] = {}
        self._by_key = {task.key: task for task in tasks}
        self._restarts = Counter[str]()
        self._outcomes: dict[str, Outcome] = {}
        self._begin(begin_seconds)

    def run(self) -> list[Outcome]:
        while len(self._outcomes) < len(self._tasks):
            now, happen = self._agenda.take()
            happen(now)
            if self._is_changed and self._agenda.next_seconds != now:
                self._is_changed = False
                self._queue.try_each(partial(self._try, now))
        return [self._outcomes[task.key] for task in self._tasks]

    def _begin(self, now: float) -> None:
        for loss in self._world.failures.losses:
            self._agenda.put(loss.at_seconds, partial(self._lose, self._place[loss.node], loss.repair_seconds))
        for place in range(len(self._nodes)):
            self._may_fail(place, now)
        if self._learning is not None:
            self._agenda.put(now + self._world.update_seconds, self._learn)
        self._refuse_what_never_fits()

    def _arrive(self, task: SimTask, now: float) -> None:
        if self._gates is None:
            self._queue.put(task)
            self._is_changed = True
        else:
            self._gates.add(task, now)
            self._want_turn(now + SETTLE_SECONDS)

    def _want_turn(self, seconds: float) -> None:
        if self._gates is not None and not self._gates.is_empty:
            wanted = self._gates.wanted(seconds)
            if wanted is not None:
                at, number = wanted
                self._agenda.put(at, partial(self._turn, number))

    def _turn(self, number: int, now: float) -> None:
        if self._gates is None or not self._gates.is_due(number):
            return
        due = self._gates.turn(now, self._running.values(), self._seen, self._queue.in_order())
        if self._turn_seconds > 0.0:
            self._agenda.put(now + self._turn_seconds, partial(self._open, due))
        else:
            self._open(due, now)
        if not (due or self._running or self._down) and self._agenda.is_all_known_past:
            _refuse(self._gates.never_opened, "nothing is left to wait for, and the plan opens no gate")
        self._want_turn(now + HEARTBEAT_SECONDS)

    def _open(self, due: Iterable[Assignment], _now: float) -> None:
        for each in due:
            if self._gates is not None:
                self._gates.open(each.key)
            self._queue.put(self._by_key[each.key], None if each.node is None else self._place[each.node])
            self._is_changed = True

    def _try(self, now: float, queued: Queued) -> bool:
        task = queued.task
        place = self._scheduler.choose(task, self._cluster, now, planned=queued.planned)
        if place is None:
            return False
        if self._gates is not None:
            self._gates.bound(task.key)
        self._set_ends(self._cluster.bind(task, place, now), place)
        node = self._nodes[place]
        self._running[task.key] = Running(
            task.key,
            node.name,
            task.requests,
            task.cpu_millis,
            self._cluster.on(place)[task.key].bound_seconds,
            self._foresee(task).get(node.node_class or ""),
        )
        return True

    def _end(self, task: SimTask, place: int, version: int, now: float) -> None:
        each = self._cluster.on(place).get(task.key)
        if each is None or each.version != version:
            return  # its end has moved
        self._set_ends(self._cluster.end(task.key, place, now), place)
        node = self._nodes[place]
        self._outcomes[task.key] = Outcome(
            task.key, node.name, task.arrival_seconds, each.bound_seconds, now, self._restarts[task.key]
        )
        if self._learning is not None:
            self._learning.saw(task, node.node_class or "", now - each.begin_seconds)
        released = partial(self._release, task, place, self._cluster.life(place))
        self._agenda.put(now + self._cluster.release_lag_seconds(place), released)

    def _release(self, task: SimTask, place: int, life: int, now: float) -> None:
        self._cluster.release(task, place, life)
        self._running.pop(task.key)
        self._room_grew(place, now)

    def _room_grew(self, place: int, now: float) -> None:
        self._queue.room_grew(lambda requests: self._cluster.has_room_at(requests, place))
        self._is_changed = True
        self._want_turn(now + SETTLE_SECONDS)

    def _set_ends(self, changed: Iterable[OnNode], place: int) -> None:
        for each in changed:
            if each.end_seconds < math.inf:
                self._agenda.put(each.end_seconds, partial(self._end, each.task, place, each.version))

    def _may_fail(self, place: int, now: float) -> None:
        found = self._chance.next_failure(self._nodes[place], now)
        if found is not None:
            at, repair_seconds = found
            self._agenda.put(at, partial(self._fail, place, self._cluster.life(place), repair_seconds))

    def _fail(self, place: int, life: int, repair_seconds: float, now: float) -> None:
        if life == self._cluster.life(place):  # else it was lost otherwise since
            self._lose(place, repair_seconds, now)

    def _lose(self, place: int, repair_seconds: float, now: float) -> None:
        if not self._cluster.is_up(place):
            return
        self._cluster.lose(place, now)
        failures = self._world.failures
        if failures.notice_seconds < repair_seconds:
            self._agenda.put(now + failures.notice_seconds, partial(self._notice, place))
        given_up = failures.notice_seconds + failures.eviction_seconds
        self._agenda.put(now + min(given_up, repair_seconds), partial(self._evict, place))
        if repair_seconds < math.inf:
            self._down.add(place)
            self._agenda.put(now + repair_seconds, partial(self._restore, place))
        else:
            self._gone.add(place)
            self._refuse_what_never_fits()

    def _notice(self, place: int, _now: float) -> None:
        self._cluster.hide(place)
        self._seen = self._cluster.seen()

    def _evict(self, place: int, now: float) -> None:
        for task in self._cluster.evict(place):
            self._running.pop(task.key)
            self._restarts[task.key] += 1
            self._arrive(task, now)

    def _restore(self, place: int, now: float) -> None:
        self._down.remove(place)
        self._cluster.restore(place)
        self._seen = self._cluster.seen()
        self._room_grew(place, now)
        self._may_fail(place, now)

    def _learn(self, now: float) -> None:
        if self._learning is None:
            return
        self._learning.update()
        for key, each in self._running.items():
            expected = self._foresee(self._by_key[key]).get(self._nodes[self._place[each.node]].node_class or "")
            self._running[key] = replace(each, expected=expected)
        if self._gates is not None:
            self._gates.foresee_again(self._by_key)
            self._want_turn(now + SETTLE_SECONDS)
        self._agenda.put(now + self._world.update_seconds, self._learn)

    def _refuse_what_never_fits(self) -> None:
        """Raise ValueError if a task that has not ended has room on no node that is there or comes back."""
        fits = dict[Shape, bool]()
        for task in self._tasks:
            shape = shape_of(task.requests)
            if shape not in fits:
                places = np.flatnonzero(self._cluster.may_have_room(task.requests)).tolist()
                fits[shape] = not self._gone.issuperset(places)
        never = [
            task.key for task in self._tasks if task.key not in self._outcomes and not fits[shape_of(task.requests)]
        ]
        _refuse(never, "no node has room")


def _refuse(never: Sequence[str], why: str) -> None:
    if never:
        raise ValueError(f"{len(never)} tasks never start, among them {', '.join(never[:5])}: {why}")
