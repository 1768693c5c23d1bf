"""Policies to compare in a replay: the plan, scoring each Pod by itself, and what a cluster does by default."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Protocol

from foretide.placement.completion import LEAST_SECONDS, NodeLoad, RunningTask, completion_seconds
from foretide.placement.plan import NodeState, Plan, Running, Waiting
from foretide.placement.rollout import Open, Room
from foretide.placement.timeline import Lags
from foretide.placement.together import plan_together


class MakePlan(Protocol):
    """As `foretide.placement.together.plan_together`."""

    def __call__(
        self,
        waiting: Sequence[Waiting],
        running: Iterable[Running],
        nodes: Iterable[NodeState],
        *,
        now_seconds: float,
        pending: Sequence[Waiting] = (),
        groups: Mapping[Hashable, frozenset[str] | None] | None = None,
        lags: Mapping[str, Lags] | None = None,
        coming: Sequence[Waiting] = (),
        previous: Plan | None = None,
    ) -> Plan:
        """Plan all waiting tasks."""
        ...


def planned(
    nodes: Sequence[NodeState],
    *,
    make: MakePlan = plan_together,
    groups: Mapping[Hashable, frozenset[str] | None] | None = None,
    lags: Mapping[str, Lags] | None = None,
) -> Open:
    """Open what a new plan says is due."""

    def open_gates(
        waiting: Sequence[Waiting], running: Sequence[Running], now_seconds: float
    ) -> list[tuple[str, str | None]]:
        made = make(waiting, running, nodes, now_seconds=now_seconds, groups=groups, lags=lags)
        return [(each.key, each.node) for each in made.due()]

    return open_gates


def at_once(
    waiting: Sequence[Waiting], _running: Sequence[Running], _now_seconds: float
) -> list[tuple[str, str | None]]:
    """Without a plan: no gate."""
    return [(task.key, None) for task in waiting]


def soonest(task: Waiting, rooms: Sequence[Room], now_seconds: float) -> str:
    """The node with the least predicted completion now, as the extender scores; then the default order."""

    def rank(room: Room) -> tuple[float, float, str]:
        expected = task.expected.get(room.state.node_class or "")
        if expected is None:
            return float("inf"), _used_share(room), room.state.name
        others, steady_millis = [], room.state.steady_cpu_millis
        for each in room.running:
            if each.expected is None:
                steady_millis += each.cpu_millis
                continue
            median, upper = each.expected.median_seconds, each.expected.upper_seconds
            others.append(RunningTask(each.cpu_millis, median, upper, now_seconds - each.bound_seconds))
        load = NodeLoad(room.state.allocatable.cpu_millis, steady_millis, others)
        seconds = completion_seconds(max(expected.median_seconds, LEAST_SECONDS), task.cpu_millis, load)
        return seconds, _used_share(room), room.state.name

    return min(rooms, key=rank).state.name


def least_allocated(_task: Waiting, rooms: Sequence[Room], _now_seconds: float) -> str:
    """The node with the least share of its CPU and memory requested, kube-scheduler's default; then by name."""
    return min(rooms, key=lambda room: (_used_share(room), room.state.name)).state.name


def _used_share(room: Room) -> float:
    shares = [1 - free / whole for free, whole in zip(room.free[:2], room.allocatable[:2], strict=True) if whole > 0]
    return sum(shares) / len(shares) if shares else 0.0
