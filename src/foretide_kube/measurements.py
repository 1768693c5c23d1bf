"""Nodes that measurements have for themselves, or are about to have.

Whether a workload is measured on a class, or next to be, is believed of its status alone. The labels of a Pod, which
anybody may write, say no more than on which node: one node for each pair of workload and class.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from foretide.placement.completion import remaining_of
from foretide.placement.plan import Expected, Running
from foretide.placement.resources import Resources
from foretide.placement.task import WorkloadPredictions
from foretide_kube.constraints import ANYWHERE, Constraints
from foretide_kube.names import ROLE_PROFILE
from foretide_kube.reduced import NodeFacts
from foretide_kube.task_pods import TaskPod

MOST_OVERTIME: Final = 2.0
"""A measurement keeps its node for so many times what it is expected to take …"""
LEAST_OVERTIME_SECONDS: Final = 30.0
"""… and so much longer than that at least …"""
LONGEST_START_SECONDS: Final = 600.0
"""… from its container's start, if that is told to be no later than this after the binding."""
LONGEST_EMPTYING_SECONDS: Final = 60.0
"""A node on which a task is expected to go on for longer is not emptied for a measurement."""
LONGEST_AWAITED_SECONDS: Final = 360.0
"""So long a node is kept for a measurement that has no Pod: the operator begins it within 300 s, or is away."""
_UPPER_SHARE: Final = 1.25
_NONE: Final = math.inf, ""

Pair = tuple[str, str, str]
"""A workload on a node class: (namespace, name, node class)."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A measurement that is under way or next: what it is expected to take, and what its Pod may use at most.

    ``constraints`` are those of its Pod but for the class. ``is_awaited`` says whether a node is kept for it while it
    has no Pod: not when it has been told of for too long.
    """

    seconds: float
    cpu_millis: int
    memory_bytes: int
    constraints: Constraints = ANYWHERE
    is_awaited: bool = True

    def may_have(self, node: NodeFacts) -> bool:
        """Whether its Pod may go to the node, and would fit there while it is empty."""
        room = node.allocatable
        is_large_enough = self.cpu_millis <= room.cpu_millis and self.memory_bytes <= room.memory_bytes
        return is_large_enough and self.constraints.allow(node.name, node.labels, node.taints)


@dataclass(frozen=True, slots=True)
class Measurements:
    """What measurements take of nodes.

    ``running`` are the Pods that measure; ``kept`` take the nodes that they, or those that are next, are to have for
    themselves: all the room for Pods. Of ``others`` nobody says when they end.
    """

    running: tuple[Running, ...] = ()
    kept: tuple[Running, ...] = ()
    others: tuple[TaskPod, ...] = ()


def wanted_of(namespace: str, name: str, workload: WorkloadPredictions, constraints: Constraints) -> dict[Pair, Wanted]:
    """The measurements of a workload that are under way or next."""
    return {
        (namespace, name, node_class): Wanted(seconds, workload.cpu_millis, workload.memory_limit_bytes, constraints)
        for node_class, seconds in workload.measuring.items()
    }


def measures(pod: TaskPod) -> bool:
    """Whether a Pod says that it measures a workload."""
    return pod.role == ROLE_PROFILE and bool(pod.workload)


def by_pair(pods: Iterable[TaskPod], class_of: Mapping[str, str | None]) -> dict[Pair, TaskPod]:
    """Of the bound Pods that say that they measure the one of each pair that is believed: the first bound."""
    found: dict[Pair, TaskPod] = {}
    for pod in sorted(pods, key=lambda pod: (math.inf if pod.bound_seconds is None else pod.bound_seconds, pod.uid)):
        node_class = class_of.get(pod.node or "")
        if node_class is not None:
            found.setdefault((pod.namespace, pod.workload, node_class), pod)
    return found


def begun_seconds(pod: TaskPod) -> float | None:
    """When a measurement began to take its time, in seconds since the epoch; None if that is not known."""
    bound, started = pod.bound_seconds, pod.started_seconds
    if bound is None or started is None or not bound <= started <= bound + LONGEST_START_SECONDS:
        return bound
    return started


def read_measurements(
    pods: Sequence[TaskPod],
    wanted: Mapping[Pair, Wanted],
    nodes: Mapping[str, NodeFacts],
    class_of: Mapping[str, str | None],
    tasks: Mapping[str, Sequence[Running]],
    *,
    endless: Collection[str],
    now_seconds: float,
) -> Measurements:
    """What measurements take as of ``now_seconds`` since the epoch.

    ``pods`` are bound and say that they measure, ``tasks`` are those on each node, and on ``endless`` nodes there are
    some of whose end nothing is known. A measurement that has a task beside it is lost, and keeps nobody away.
    """
    believed = {pair: pod for pair, pod in by_pair(pods, class_of).items() if pair in wanted}
    running, kept = [], []
    for pair, pod in believed.items():
        node, begun, seconds = pod.node or "", begun_seconds(pod), wanted[pair].seconds
        longest_seconds = max(MOST_OVERTIME * seconds, seconds + LEAST_OVERTIME_SECONDS)
        if begun is None or now_seconds >= begun + longest_seconds or node not in nodes:
            continue
        cpu_millis = pod.requests.cpu_millis if pod.task.cpu_millis is None else pod.task.cpu_millis
        began = min(begun, now_seconds)
        running.append(Running(pod.uid, node, pod.requests, cpu_millis, began, _expected(seconds)))
        if not tasks.get(node) and node not in endless:
            kept.append(_alone(f"{pod.uid}/alone", nodes[node], began, seconds))
    counted = {each.key for each in running}
    taken = {pod.node for pod in pods} | set(endless)
    for pair, each in sorted((pair, each) for pair, each in wanted.items() if each.is_awaited and pair not in believed):
        free = (name for name, node_class in class_of.items() if node_class == pair[2] and name not in taken)
        usable = [name for name in free if name in nodes and each.may_have(nodes[name])]
        left, first = min(((_left_seconds(tasks.get(name, ()), now_seconds), name) for name in usable), default=_NONE)
        if left <= LONGEST_EMPTYING_SECONDS:
            kept.append(_alone("/".join(pair), nodes[first], now_seconds, left + each.seconds))
            taken.add(first)
    return Measurements(tuple(running), tuple(kept), tuple(pod for pod in pods if pod.uid not in counted))


def _left_seconds(tasks: Iterable[Running], now_seconds: float) -> float:
    """Seconds until the last of the tasks on a node is expected to have ended."""
    return max((_remaining_seconds(task, now_seconds) for task in tasks), default=0.0)


def _remaining_seconds(task: Running, now_seconds: float) -> float:
    if task.expected is None:
        return math.inf
    return remaining_of(task.expected.median_seconds, task.expected.upper_seconds, now_seconds - task.bound_seconds)


def _alone(key: str, node: NodeFacts, began_seconds: float, seconds: float) -> Running:
    """All the room for Pods of a node: whatever else it has, no other Pod fits."""
    return Running(key, node.name, Resources(pods=node.allocatable.pods), 0, began_seconds, _expected(seconds))


def _expected(seconds: float) -> Expected:
    return Expected(seconds, _UPPER_SHARE * seconds)
