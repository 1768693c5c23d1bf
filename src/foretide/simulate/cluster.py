"""The state of a simulated cluster: what is free on each node, who runs there, and when it will end.

Amounts are integers as kube-scheduler counts them (`foretide.placement.resources`), in one array of nodes × axes, so
that thousands of nodes are looked at in one go. Tasks that share cores slow each other as
`foretide.placement.completion` says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from foretide.placement.completion import slowdown
from foretide.placement.plan import Expected, NodeState
from foretide.placement.resources import NOT_NEEDED, Axes, Resources, needed
from foretide.placement.timeline import Lags

Places = npt.NDArray[np.int64]
"""Indices of nodes, in ascending order."""


@dataclass(frozen=True, slots=True)
class SimTask:
    """A task: when it comes, what it asks for, what is predicted of it and what it truly takes, by node class.

    Seconds are from the binding to the container's end, alone on the node; ``true_seconds`` has every class that the
    task may go to. ``deadline_seconds`` counts from its arrival. ``team`` is whose it is.
    """

    key: str
    workload: str
    arrival_seconds: float
    requests: Resources
    cpu_millis: int
    true_seconds: Mapping[str, float]
    expected: Mapping[str, Expected]
    deadline_seconds: float = math.inf
    latest_open_seconds: float = math.inf
    team: str = ""


@dataclass(slots=True)
class OnNode:
    """A task that is bound: how much of its own time is left as of ``since_seconds``, its end as things are."""

    task: SimTask
    bound_seconds: float
    left_seconds: float
    since_seconds: float
    end_seconds: float = math.inf
    version: int = 0


@dataclass(slots=True)
class _Node:
    place: int
    state: NodeState
    lags: Lags
    tasks: dict[str, OnNode] = field(default_factory=dict)


class SimCluster:
    """Nodes in the order given, by place. Requests are held from the binding to the Pod's terminal phase."""

    def __init__(self, nodes: Sequence[NodeState], tasks: Sequence[SimTask], lags: Mapping[str, Lags]) -> None:
        self._axes = Axes(task.requests for task in tasks)
        self.states = list(nodes)
        classes = [state.node_class or "" for state in nodes]
        self.class_names: Final = sorted(set(classes))
        place_of = {name: place for place, name in enumerate(self.class_names)}
        self._class_of = np.array([place_of[name] for name in classes], dtype=np.int64)
        self._nodes = [
            _Node(place, state, lags.get(state.node_class or "", Lags())) for place, state in enumerate(nodes)
        ]
        self._demand = np.array([state.steady_cpu_millis for state in nodes], dtype=np.int64)
        self.allocatable = np.array([self._axes.amounts(state.allocatable) for state in nodes], dtype=np.int64)
        self.free = self.allocatable - np.array([self._axes.amounts(state.in_use) for state in nodes], dtype=np.int64)

    def __len__(self) -> int:
        return len(self._nodes)

    def class_index(self, places: Places) -> npt.NDArray[np.int64]:
        """Of each place the index of its class among `class_names`."""
        return np.asarray(self._class_of[places])

    def has_room(self, requests: Resources, places: Places) -> npt.NDArray[np.bool_]:
        """Of each place whether the requests fit there now."""
        need = np.array(needed(self._axes.amounts(requests)), dtype=np.int64)
        wanted = need > NOT_NEEDED
        return np.asarray((self.free[np.ix_(places, np.flatnonzero(wanted))] >= need[wanted]).all(axis=1))

    def on(self, place: int) -> Mapping[str, OnNode]:
        """Who is bound there and has not ended."""
        return self._nodes[place].tasks

    def is_shared_with(self, cpu_millis: int, places: Places) -> npt.NDArray[np.bool_]:
        """Of each place whether one more task that may use so much would share cores there."""
        return np.asarray(self._demand[places] + cpu_millis > self.allocatable[places, 0])

    def used_share(self, places: Places) -> npt.NDArray[np.float64]:
        """Of each place the CPU that everything there may use, over what there is."""
        return np.asarray(self._demand[places] / np.maximum(self.allocatable[places, 0], 1))

    def bind(self, task: SimTask, place: int, now_seconds: float) -> list[OnNode]:
        """Start a task on a node; all there whose end has changed, itself among them."""
        node = self._nodes[place]
        start = now_seconds + node.lags.open_to_bind_seconds
        self._proceed(node, start)
        alone = task.true_seconds[node.state.node_class or ""]
        node.tasks[task.key] = OnNode(task, start, alone, start)
        self._demand[place] += task.cpu_millis
        self.free[place] -= self._axes.amounts(task.requests)
        return self._set_ends(node)

    def end(self, key: str, place: int, now_seconds: float) -> list[OnNode]:
        """Take a task that has ended off the node's cores; all others there, whose ends may have changed."""
        node = self._nodes[place]
        self._proceed(node, now_seconds)
        self._demand[place] -= node.tasks.pop(key).task.cpu_millis
        return self._set_ends(node)

    def release(self, task: SimTask, place: int) -> None:
        """Give back what a task requested: its Pod has reached a terminal phase."""
        self.free[place] += self._axes.amounts(task.requests)

    def release_lag_seconds(self, place: int) -> float:
        """From a container's end to its Pod's terminal phase."""
        return self._nodes[place].lags.release_seconds

    def _proceed(self, node: _Node, now_seconds: float) -> None:
        factor = slowdown(int(self._demand[node.place]), node.state.allocatable.cpu_millis)
        for each in node.tasks.values():
            passed = max(now_seconds - each.since_seconds, 0.0)
            each.left_seconds = max(each.left_seconds - passed / factor, 0.0)
            each.since_seconds = max(now_seconds, each.since_seconds)

    def _set_ends(self, node: _Node) -> list[OnNode]:
        factor = slowdown(int(self._demand[node.place]), node.state.allocatable.cpu_millis)
        for each in node.tasks.values():
            each.end_seconds = each.since_seconds + each.left_seconds * factor
            each.version += 1
        return list(node.tasks.values())
