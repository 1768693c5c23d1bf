"""The state of a simulated cluster: what is free on each node, who runs there, and when it will end.

Amounts are integers as kube-scheduler counts them (`foretide.placement.resources`), in one array of nodes × axes, so
that thousands of nodes are looked at in one go. Tasks that share cores slow each other as
`foretide.placement.completion` says, and by what `foretide.simulate.world` adds to that.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from foretide.placement.completion import slowdown
from foretide.placement.plan import Expected, NodeState
from foretide.placement.resources import Axes, Resources
from foretide.placement.timeline import Lags
from foretide.simulate.images import Image, NodeImages
from foretide.simulate.world import ClassTruth

Places = npt.NDArray[np.int64]
"""Indices of nodes, in ascending order."""


@dataclass(frozen=True, slots=True)
class SimTask:
    """A task: when it comes, what it asks for, what is predicted of it and what it truly takes, by node class.

    Seconds are from the binding to the container's end, alone on the node, which has its ``image``; ``true_seconds``
    has every class that the task may go to. ``deadline_seconds`` counts from its arrival. ``team`` is whose it is.
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
    image: Image | None = None


@dataclass(slots=True)
class OnNode:
    """A task that is bound: how much of its own time is left as of ``since_seconds``, its end as things are.

    Its image is there from ``begin_seconds`` on.
    """

    task: SimTask
    bound_seconds: float
    begin_seconds: float
    left_seconds: float
    since_seconds: float
    end_seconds: float = math.inf
    version: int = 0


@dataclass(slots=True)
class _Node:
    place: int
    state: NodeState
    lags: Lags
    interference: float
    images: NodeImages
    tasks: dict[str, OnNode] = field(default_factory=dict)
    is_up: bool = True
    life: int = 0


class SimCluster:
    """Nodes in the order given, by place. Requests are held from the binding to the Pod's terminal phase.

    A node that is lost goes on to be seen, and Pods are bound to it, until it is hidden; ``truth`` is by class.
    """

    def __init__(
        self,
        nodes: Sequence[NodeState],
        tasks: Sequence[SimTask],
        lags: Mapping[str, Lags],
        truth: Mapping[str, ClassTruth] | None = None,
    ) -> None:
        self._axes = Axes(task.requests for task in tasks)
        self.states = list(nodes)
        classes = [state.node_class or "" for state in nodes]
        self.class_names: Final = sorted(set(classes))
        place_of = {name: place for place, name in enumerate(self.class_names)}
        self._class_of = np.array([place_of[name] for name in classes], dtype=np.int64)
        self._nodes = [
            _node(place, state, lags.get(name, Lags()), (truth or {}).get(name, ClassTruth()))
            for place, (name, state) in enumerate(zip(classes, nodes, strict=True))
        ]
        self._demand = np.array([state.steady_cpu_millis for state in nodes], dtype=np.int64)
        self.allocatable = self._amounts([state.allocatable for state in nodes])
        self._idle = self.allocatable - self._amounts([state.in_use for state in nodes])
        self.free = self._idle.copy(order="F")
        self._is_seen = np.ones(len(nodes), dtype=np.bool_)
        self._version = 0

    def __len__(self) -> int:
        return len(self._nodes)

    def class_index(self, places: Places) -> npt.NDArray[np.int64]:
        """Of each place the index of its class among `class_names`."""
        return np.asarray(self._class_of[places])

    def has_room(self, requests: Resources) -> npt.NDArray[np.bool_]:
        """Of each node whether it is seen and the requests fit there now."""
        return self._is_seen & self._fits(requests, self.free)

    def may_have_room(self, requests: Resources) -> npt.NDArray[np.bool_]:
        """Of each node whether the requests fit there with no other task."""
        return self._fits(requests, self._idle)

    def has_room_at(self, requests: Resources, place: int) -> bool:
        """Whether a node is seen and the requests fit there now."""
        need = self._axes.amounts(requests)
        return bool(self._is_seen[place]) and all(
            amount <= free or amount == 0 for amount, free in zip(need, self.free[place].tolist(), strict=True)
        )

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
        begin = start if task.image is None else node.images.ready_seconds(task.image, start)
        node.tasks[task.key] = OnNode(task, start, begin, alone, begin)
        self._demand[place] += task.cpu_millis
        self.free[place] -= self._axes.amounts(task.requests)
        return self._set_ends(node)

    def end(self, key: str, place: int, now_seconds: float) -> list[OnNode]:
        """Take a task that has ended off the node's cores; all others there, whose ends may have changed."""
        node = self._nodes[place]
        self._proceed(node, now_seconds)
        self._demand[place] -= node.tasks.pop(key).task.cpu_millis
        return self._set_ends(node)

    def release(self, task: SimTask, place: int, life: int) -> None:
        """Give back what a task requested: its Pod has reached a terminal phase.

        ``life`` is the node's when it ended: a node that was lost since holds nothing of it.
        """
        if self._nodes[place].life == life:
            self.free[place] += self._axes.amounts(task.requests)

    def release_lag_seconds(self, place: int) -> float:
        """From a container's end to its Pod's terminal phase."""
        return self._nodes[place].lags.release_seconds

    def is_up(self, place: int) -> bool:
        """Whether a node is not lost."""
        return self._nodes[place].is_up

    def life(self, place: int) -> int:
        """How often a node was lost so far."""
        return self._nodes[place].life

    def lose(self, place: int, now_seconds: float) -> None:
        """A node stops: no task there ends any more."""
        node = self._nodes[place]
        node.is_up = False
        node.life += 1
        node.images.lose(now_seconds)
        self._set_ends(node)

    def hide(self, place: int) -> None:
        """It is noticed that a node is lost: nothing is bound there."""
        self._is_seen[place] = False

    def evict(self, place: int) -> list[SimTask]:
        """Take all tasks off a node that was lost; who they were."""
        node = self._nodes[place]
        tasks = [each.task for each in node.tasks.values()]
        node.tasks.clear()
        self._demand[place] = node.state.steady_cpu_millis
        return tasks

    def restore(self, place: int) -> None:
        """A node that was lost is back, with no task."""
        self._nodes[place].is_up = True
        self._is_seen[place] = True
        self.free[place] = self._idle[place]

    def seen(self) -> list[NodeState]:
        """The nodes that are not known to be lost."""
        return [state for state, is_seen in zip(self.states, self._is_seen.tolist(), strict=True) if is_seen]

    def _proceed(self, node: _Node, now_seconds: float) -> None:
        for each, pace in self._paces(node):
            passed = max(now_seconds - each.since_seconds, 0.0)
            each.left_seconds = max(each.left_seconds - passed / pace, 0.0)
            each.since_seconds = max(now_seconds, each.since_seconds)

    def _set_ends(self, node: _Node) -> list[OnNode]:
        for each, pace in self._paces(node):
            each.end_seconds = each.since_seconds + each.left_seconds * pace if node.is_up else math.inf
            self._version += 1
            each.version = self._version
        return list(node.tasks.values())

    def _paces(self, node: _Node) -> Iterator[tuple[OnNode, float]]:
        """How many times its own time each task there takes as things are."""
        demand, cores = int(self._demand[node.place]), node.state.allocatable.cpu_millis
        shared = slowdown(demand, cores)
        for each in node.tasks.values():
            others = min((demand - each.task.cpu_millis) / max(cores, 1), 1.0)
            yield each, shared * (1.0 + node.interference * others)

    def _fits(self, requests: Resources, room: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        fits = np.ones(len(self), dtype=np.bool_)
        for axis, need in enumerate(self._axes.amounts(requests)):
            if need > 0:
                fits &= room[:, axis] >= need
        return fits

    def _amounts(self, resources: Sequence[Resources]) -> npt.NDArray[np.int64]:
        """A row for each; columns lie together, since many nodes are looked at axis by axis."""
        return np.asfortranarray([self._axes.amounts(each) for each in resources], dtype=np.int64)


def _node(place: int, state: NodeState, lags: Lags, truth: ClassTruth) -> _Node:
    images = NodeImages(truth.images, truth.pull_bytes_per_second)
    return _Node(place, state, lags, truth.interference, images)
