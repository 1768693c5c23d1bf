"""List scheduling: what `Placing` makes of tasks in the order given, that are meant for no node."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence

from foretide.placement.plan import NodeState, Placing, Plan, Running, Waiting
from foretide.placement.timeline import Lags


def plan(
    waiting: Sequence[Waiting],
    running: Iterable[Running],
    nodes: Iterable[NodeState],
    *,
    now_seconds: float,
    pending: Sequence[Waiting] = (),
    groups: Mapping[Hashable, frozenset[str] | None] | None = None,
    lags: Mapping[str, Lags] | None = None,
) -> Plan:
    """``pending`` first, then ``waiting``, each where it ends first."""
    floor = Placing((*pending, *waiting), running, nodes, now_seconds=now_seconds, groups=groups or {}, lags=lags or {})
    first = [floor.place_pending(task) for task in pending]
    placed = [floor.place(task) for task in waiting]
    return Plan(tuple(each.assignment() for each in placed), now_seconds, tuple(each.assignment() for each in first))
