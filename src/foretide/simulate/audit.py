"""Why nodes stood idle while tasks waited, whether the reasons came true, and whether any gate was kept too long.

A plan may leave a node idle though a waiting task would fit there: since that task ends sooner elsewhere though it
waits, or since the node is kept for another task. Either is a guess. An `Audit` listens to every plan that is made, and
in the end holds the guesses against what became of the tasks.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import ge
from typing import Final, Literal, Unpack

import msgspec

from foretide.placement.completion import LEAST_SECONDS
from foretide.placement.placing import Placing
from foretide.placement.plan import Assignment, NodeState, Plan, Running, Waiting
from foretide.placement.pulls import PullTimes
from foretide.simulate.cluster import SimTask
from foretide.simulate.engine import simulate
from foretide.simulate.outcome import Outcome
from foretide.simulate.policies import Given, MakePlan, Policy
from foretide.simulate.summary import Simulated

Reason = Literal["EndsSoonerElsewhere", "KeptForAnother", "Unexplained"]
TURN_SECONDS: Final = 1.1
"""A gate is opened at most so long after its bound: with the next turn of the planner."""
_ROUNDING_SECONDS: Final = 1e-6


@dataclass(frozen=True, slots=True)
class IdleRoom:
    """At ``since_seconds`` ``node`` had room for ``task``, which was left waiting.

    ``kept_for`` is the task that the node was kept for, None where that was not the reason.
    """

    node: str
    task: str
    since_seconds: float
    reason: Reason
    kept_for: str | None = None


class AuditReport(msgspec.Struct, frozen=True, kw_only=True):
    """How often room was left idle for each reason, how often the reason came true, and whose gates were kept too long.

    Each pair of node and waiting task counts once for as long as it lasted.
    """

    idle: dict[str, int]
    came_true: dict[str, int]
    kept_beyond_bound: list[str]


class Audit:
    """Makes plans by ``plan`` and takes note in ``idle`` of what they leave so; call it in place of that."""

    def __init__(self, plan: MakePlan) -> None:
        self._plan = plan
        self.idle: list[IdleRoom] = []
        self._lasting: set[tuple[str, str]] = set()
        self._late: dict[str, None] = {}

    def __call__(
        self,
        waiting: Sequence[Waiting],
        running: Iterable[Running],
        nodes: Iterable[NodeState],
        **given: Unpack[Given],
    ) -> Plan:
        """The plan, noted."""
        running, nodes = tuple(running), tuple(nodes)
        made = self._plan(waiting, running, nodes, **given)
        now_seconds, pending = given["now_seconds"], given.get("pending", ())
        tasks = {task.key: task for task in waiting}
        self._late.update(
            dict.fromkeys(task.key for task in waiting if now_seconds > task.latest_open_seconds + TURN_SECONDS)
        )
        placing = Placing(
            (*pending, *waiting),
            running,
            nodes,
            now_seconds=now_seconds,
            groups=given.get("groups") or {},
            lags=given.get("lags") or {},
            pull_times=given.get("pull_times") or PullTimes(),
        )
        for task in pending:
            placing.place_pending(task)
        place_of = {timeline.name: place for place, timeline in enumerate(placing.timelines)}
        for each in made.due():
            if each.node is not None:
                placing.place(tasks[each.key], place_of[each.node])
        class_of = {node.name: node.node_class for node in nodes}
        self._note([*_idle_rooms(placing, made, tasks, class_of)])
        return made

    def _note(self, rooms: Sequence[IdleRoom]) -> None:
        self.idle += [each for each in rooms if (each.node, each.task) not in self._lasting]
        self._lasting = {(each.node, each.task) for each in rooms}

    def report(self, tasks: Sequence[SimTask], outcomes: Sequence[Outcome], nodes: Sequence[NodeState]) -> AuditReport:
        """What was noted, held against what became of ``tasks`` (in the order of their outcomes)."""
        class_of = {node.name: node.node_class or "" for node in nodes}
        seconds_of = {task.key: task.true_seconds for task in tasks}
        ended = {each.key: each for each in outcomes}

        def is_true(room: IdleRoom) -> bool:
            if room.kept_for is not None:
                return ended[room.kept_for].node == room.node
            here = room.since_seconds + seconds_of[room.task][class_of[room.node]]
            return room.reason == "EndsSoonerElsewhere" and ended[room.task].finish_seconds <= here

        idle = Counter(each.reason for each in self.idle)
        return AuditReport(
            idle=dict(sorted(idle.items())),
            came_true=dict(sorted(Counter(each.reason for each in self.idle if is_true(each)).items())),
            kept_beyond_bound=list(self._late),
        )


def audited(scenario: Simulated, policy: Policy) -> AuditReport:
    """What a policy that plans leaves idle on a scenario's tasks; ValueError for one that does not plan."""
    if policy.plan is None:
        raise ValueError(f"policy {policy.name!r} makes no plan that could be audited")
    audit, tasks, nodes = Audit(policy.plan), scenario.sim_tasks(), scenario.node_states()
    outcomes = simulate(
        tasks,
        nodes,
        replace(policy, plan=audit),
        lags=scenario.lags(),
        world=scenario.world(),
        seed=scenario.seed,
    )
    return audit.report(tasks, outcomes, nodes)


def _idle_rooms(
    placing: Placing, made: Plan, tasks: Mapping[str, Waiting], class_of: Mapping[str, str | None]
) -> Iterable[IdleRoom]:
    """Each node with room for a task that the plan leaves waiting, and why."""
    now = made.made_seconds
    later = [each for each in made.assignments if each.open_seconds > now]
    meant: dict[str, list[Assignment]] = {}
    for each in later:
        if each.node is not None:
            meant.setdefault(each.node, []).append(each)
    for place, timeline in enumerate(placing.timelines):
        for each in later:
            task = tasks[each.key]
            shape, allowed = placing.shape(task), placing.kinds.allowed(task.group)
            expected = task.expected.get(class_of[timeline.name] or "")
            if expected is None or (allowed is not None and place not in allowed):
                continue
            if not all(map(ge, timeline.free_now, shape.hard)):
                continue
            alone = max(expected.median_seconds, LEAST_SECONDS) + placing.pulling.wait_seconds(place, task.images, now)
            offer = timeline.offer(shape, alone, expected.contention)
            if offer is None or offer.open_seconds > now:
                continue  # there is room, but not for long enough, or only with cores shared
            finish = math.inf if each.finish_seconds is None else each.finish_seconds
            if finish <= offer.end_seconds + _ROUNDING_SECONDS:
                yield IdleRoom(timeline.name, each.key, now, "EndsSoonerElsewhere")
                continue
            release = offer.end_seconds + timeline.lags.release_seconds
            others = [other for other in meant.get(timeline.name, ()) if other.key != each.key]
            delayed = [other for other in others if other.open_seconds < release]
            first = min(delayed, key=lambda other: (other.open_seconds, other.key), default=None)
            if first is None:
                yield IdleRoom(timeline.name, each.key, now, "Unexplained")
            else:
                yield IdleRoom(timeline.name, each.key, now, "KeptForAnother", first.key)
