"""When tasks that are not there would start and end if they came now, by the planner's own plan over all that wait.

Each task is made as the operator would make its Pod, read as the planner reads Pods, and planned with all the others.
What the planner alone knows is left out: the lags and pull speeds that it has learned, and which Pods the scheduler
could not bind. Where other tasks were told to wait is taken from their Pods, so that the plan goes on from there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from foretide.placement.order import Order
from foretide.placement.plan import Assignment, Plan
from foretide.placement.prospects import Prospect, on_each_node, planned
from foretide.placement.task import WorkloadPredictions
from foretide.placement.timeline import Lags
from foretide_cli.asked import asked_about, is_made
from foretide_cli.cluster import Seen
from foretide_kube.floor import read_floor
from foretide_kube.kinds.aiworkload import AIWorkload
from foretide_kube.published import predictions_of
from foretide_kube.selected import WorkloadKey, selected_classes
from foretide_kube.task_pods import TaskPod
from foretide_kube.times import epoch_seconds


class OnNode(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What one task may expect on a node, in seconds from now.

    As many of a hundred as the workload asks for (`Forecast.percentile`) end by ``quantile_seconds``.
    ``tasks`` of those asked about are planned there, and the figures are the first one's; 0 where none is, and they are
    those of one that came after all others. It waits ``wait_seconds`` for room and then ``pull_seconds`` for images.
    """

    node: str
    node_class: str
    tasks: int
    wait_seconds: float
    pull_seconds: float
    slowdown: float
    end_seconds: float
    quantile_seconds: float


class Planned(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What the plan says of one task, as in `OnNode`; ``reason`` is why it says nothing, or what is amiss.

    Without ``end_seconds`` nothing is predicted for its node. ``waits_for`` names the Pod whose end makes room for it
    (``namespace/name``), empty where it need not wait for one or for another of its own kind.
    """

    node: str | None
    wait_seconds: float | None = None
    end_seconds: float | None = None
    quantile_seconds: float | None = None
    waits_for: str = ""
    reason: str = ""


class Now(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What is to be expected now: of the tasks in the order of their ends, and of each node, the soonest end first.

    ``waiting`` tasks of all workloads wait already; of ``tasks_in_all`` those that are not among ``tasks`` come later.
    ``nodes_left_out`` cannot run it, by what both say, have no room in sight, or are of a class that it is not
    predicted for. ``notes`` say what is meant and what was guessed.
    """

    waiting: int
    tasks_in_all: int
    tasks: tuple[Planned, ...]
    nodes: tuple[OnNode, ...]
    nodes_left_out: int
    images: tuple[str, ...]
    notes: tuple[str, ...]


def expected_now(workload: AIWorkload, seen: Seen, *, order: Order) -> Now:
    """What tasks of ``workload``, whose status holds their predictions, would meet as of what is seen."""
    now_seconds, own = seen.now_seconds, predictions_of(workload)
    asked = asked_about(workload, seen)
    keys = {pod.uid for pod in asked.pods}
    pods = {pod.uid: pod for pod in (*seen.pods, *asked.pods)}

    def workload_of(pod: TaskPod) -> WorkloadPredictions | None:
        found = workload if is_made(pod) else seen.workloads.get((pod.namespace, pod.workload))
        return None if found is None else predictions_of(found)

    floor = read_floor(
        pods.values(), seen.nodes, workload_of, now_seconds=now_seconds, selected=_selected(workload, seen)
    )
    made, placing = floor.plan(now_seconds, order=order, previous=told_plan(seen.pods, now_seconds))
    tasks = {each.key: each for each in (*floor.waiting, *floor.pending)}
    found: list[tuple[Assignment, Prospect | None]] = []
    for each in (*made.assignments, *made.pending):
        if each.key in keys:
            node_class = None if each.node is None else seen.nodes[each.node].node_class
            found.append((each, planned(each, tasks[each.key], node_class, own.percentile)))
    found.sort(key=lambda each: (each[1] is None, each[1].finish_seconds if each[1] else 0.0))
    anywhere = on_each_node(placing, tasks[asked.pods[0].uid], own.percentile)
    nodes = by_node([each for _, each in found if each is not None], anywhere)

    def waits_for(each: Assignment) -> str:
        pod = None if each.waits_for in keys else pods.get(each.waits_for or "")
        return "" if pod is None else f"{pod.namespace}/{pod.name}"

    return Now(
        waiting=sum(each.key not in keys for each in floor.waiting),
        tasks_in_all=asked.in_all,
        tasks=tuple(_planned(each, there, waits_for(each), now_seconds) for each, there in found),
        nodes=tuple(_on_node(each, number, now_seconds) for each, number in nodes),
        nodes_left_out=len(seen.nodes) - len(nodes),
        images=tuple(sorted(asked.images)),
        notes=asked.notes,
    )


def _selected(workload: AIWorkload, seen: Seen) -> dict[WorkloadKey, frozenset[str]]:
    """The classes where workloads may run that may not run on all, that of ``workload`` as it is given."""
    labels = {name: each.metadata.labels for name, each in seen.classes.items()}
    workloads = {**seen.workloads, (workload.metadata.namespace, workload.metadata.name): workload}
    found = {key: selected_classes(each.spec.node_class_selector, labels) for key, each in workloads.items()}
    return {key: each for key, each in found.items() if each is not None}


def told_plan(pods: Iterable[TaskPod], now_seconds: float) -> Plan:
    """The last plan as far as it stands on the Pods that wait."""
    known = [(pod, pod.plan) for pod in pods if pod.is_gated and pod.plan is not None and pod.plan.node]
    starts = [(pod, plan.node, epoch_seconds(plan.expected_start_time)) for pod, plan in known]
    return Plan(
        tuple(Assignment(pod.uid, start, node, start) for pod, node, start in starts if start is not None), now_seconds
    )


def by_node(here: Sequence[Prospect], each_node: Sequence[Prospect]) -> list[tuple[Prospect, int]]:
    """Of each node what a task may expect there, and how many of those asked about are planned there."""
    counts = Counter(each.node for each in here)
    first = {each.node: each for each in reversed(here)}
    found = [*first.values(), *(each for each in each_node if each.node not in first)]
    found.sort(key=lambda each: (round(each.finish_seconds, 3), -counts[each.node], each.node))
    return [(each, counts[each.node]) for each in found]


def _wait_seconds(start_seconds: float, now_seconds: float) -> float:
    return max(start_seconds - Lags().open_to_bind_seconds - now_seconds, 0.0)


def _on_node(prospect: Prospect, tasks: int, now_seconds: float) -> OnNode:
    return OnNode(
        node=prospect.node,
        node_class=prospect.node_class,
        tasks=tasks,
        wait_seconds=_wait_seconds(prospect.start_seconds, now_seconds),
        pull_seconds=prospect.pull_seconds,
        slowdown=prospect.slowdown,
        end_seconds=prospect.finish_seconds - now_seconds,
        quantile_seconds=prospect.quantile_seconds - now_seconds,
    )


def _planned(assignment: Assignment, there: Prospect | None, waits_for: str, now_seconds: float) -> Planned:
    if there is None:
        start = assignment.start_seconds
        wait = None if start is None else _wait_seconds(start, now_seconds)
        return Planned(node=assignment.node, wait_seconds=wait, waits_for=waits_for, reason=assignment.reason)
    return Planned(
        node=assignment.node,
        wait_seconds=_wait_seconds(there.start_seconds, now_seconds),
        end_seconds=there.finish_seconds - now_seconds,
        quantile_seconds=there.quantile_seconds - now_seconds,
        waits_for=waits_for,
        reason=assignment.reason,
    )
