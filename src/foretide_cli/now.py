"""When tasks that are not there would start and end if they came now, by the planner's own plan over all that wait.

Each task is made as the operator would make its Pod, read as the planner reads Pods, and planned with all the others.
What the planner alone knows is left out: the lags and pull speeds that it has learned, and which Pods the scheduler
could not bind. Where other tasks were told to wait is taken from their Pods, so that the plan goes on from there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import msgspec

from foretide.placement.order import Order
from foretide.placement.placing import Placing
from foretide.placement.plan import Assignment, Plan
from foretide.placement.prospects import Prospect, on_each_node, planned
from foretide.placement.pulls import NO_IMAGES, PullTimes
from foretide.placement.task import WorkloadPredictions
from foretide.placement.timeline import Lags
from foretide.placement.together import plan_together
from foretide_cli.cluster import Seen
from foretide_kube.client import Object
from foretide_kube.floor import read_floor
from foretide_kube.images import image_name
from foretide_kube.kinds.aiworkload import AIWorkload
from foretide_kube.kinds.common import plain
from foretide_kube.names import GATE_PLAN, LABEL_ROLE, LABEL_WORKLOAD, ROLE_RUN
from foretide_kube.published import predictions_of
from foretide_kube.reduced import facts_of, reduce_pod
from foretide_kube.task_pods import TaskPod, epoch_seconds

MOST_TASKS: Final = 500
"""More tasks of a workload are not planned in: the last of them would wait for hours anyway."""
_ASIDE: Final = " (asked for)"
"""Stands behind the names of workloads that are asked about, which no AIWorkload can have."""


class OnNode(msgspec.Struct, frozen=True, kw_only=True):
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


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """What the plan says of one task, as in `OnNode`; ``reason`` is why it says nothing, or what is amiss.

    ``waits_for`` names the Pod whose end makes room for it, empty where it need not wait for one or for another of its
    own kind.
    """

    node: str | None
    wait_seconds: float | None = None
    end_seconds: float | None = None
    quantile_seconds: float | None = None
    waits_for: str = ""
    reason: str = ""


class Now(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be expected now: of the tasks in the order of their ends, and of each node, the soonest end first.

    ``waiting`` tasks of all workloads wait already; ``nodes_left_out`` cannot run it, by what both say, have no room in
    sight, or are of a class that it is not predicted for.
    """

    waiting: int
    tasks: tuple[Planned, ...]
    nodes: tuple[OnNode, ...]
    nodes_left_out: int
    images: tuple[str, ...]


def expected_now(workload: AIWorkload, seen: Seen, *, order: Order, now_seconds: float) -> Now:
    """What tasks of ``workload``, whose status holds their predictions, would meet at ``now_seconds``."""
    images = needed_images(workload, seen)
    count = min(workload.spec.run.tasks_at_once, MOST_TASKS) if workload.spec.run.mode == "Job" else 1
    asked = {pod.uid: pod for pod in (_task(workload, number, images, now_seconds) for number in range(count))}
    own = replace(predictions_of(workload), is_service=False)  # of a service: one round of its task

    def workload_of(pod: TaskPod) -> WorkloadPredictions | None:
        if pod.uid in asked:
            return own
        found = seen.workloads.get((pod.namespace, pod.workload))
        return None if found is None else predictions_of(found)

    floor = read_floor(
        [*seen.pods, *asked.values()], seen.nodes, workload_of, tries={}, had_room_since={}, now_seconds=now_seconds
    )
    looked: list[Placing] = []
    made = plan_together(
        floor.waiting,
        floor.running,
        floor.nodes,
        now_seconds=now_seconds,
        pending=floor.pending,
        groups=floor.groups,
        pull_times=PullTimes(floor.image_bytes),
        coming=floor.coming,
        previous=told_plan(seen.pods, now_seconds),
        order=order,
        look=looked.append,
    )
    tasks = {each.key: each for each in floor.waiting}
    found: list[tuple[Assignment, Prospect | None]] = []
    for each in made.assignments:
        if each.key in asked:
            node_class = None if each.node is None else seen.nodes[each.node].node_class
            found.append((each, planned(each, tasks[each.key], node_class, own.percentile)))
    found.sort(key=lambda each: (each[1] is None, each[1].finish_seconds if each[1] else 0.0))
    anywhere = on_each_node(looked[0], tasks[next(iter(asked))], own.percentile)
    nodes = _by_node([each for _, each in found if each is not None], anywhere)

    def waits_for(each: Assignment) -> str:
        return "" if each.waits_for is None or each.waits_for in asked else floor.names.get(each.waits_for, "")

    return Now(
        waiting=len(floor.waiting) - len(asked),
        tasks=tuple(_planned(each, there, waits_for(each), now_seconds) for each, there in found),
        nodes=tuple(_on_node(each, number, now_seconds) for each, number in nodes),
        nodes_left_out=len(seen.nodes) - len(nodes),
        images=tuple(sorted(images)),
    )


def needed_images(workload: AIWorkload, seen: Seen) -> frozenset[str]:
    """The images that its tasks will need, as far as that is known: which runner is used, other Pods tell.

    That are its own latest, or else the latest of any that Foretide made for a model of the same source.
    """
    key = (workload.metadata.namespace, workload.metadata.name)

    def alike(pod: TaskPod) -> bool:
        other = seen.workloads.get((pod.namespace, pod.workload))
        is_onnx = workload.spec.model.source == "ONNX"
        return other is not None and bool(pod.role) and (other.spec.model.source == "ONNX") == is_onnx

    for is_like in (lambda pod: (pod.namespace, pod.workload) == key, alike):
        latest = max(filter(is_like, seen.pods), key=lambda pod: pod.created_seconds or 0.0, default=None)
        if latest is not None:
            return _mounted(workload) | (
                latest.images - _mounted(seen.workloads.get((latest.namespace, latest.workload)))
            )
        if workload.spec.run.mode == "None":
            break  # its Pods are the user's own
    return _mounted(workload)


def _mounted(workload: AIWorkload | None) -> frozenset[str]:
    """The image that its model file lies in."""
    file = None if workload is None else workload.spec.model.file
    if file is None or file.volume.image is None:
        return NO_IMAGES
    return frozenset({image_name(file.volume.image.reference)})


def _task(workload: AIWorkload, number: int, images: frozenset[str], now_seconds: float) -> TaskPod:
    """A task of ``workload`` as the planner would read it if it were made now."""
    spec, metadata = workload.spec, workload.metadata
    template, limits = spec.run.template, spec.resources.limits
    item: Object = {
        "metadata": {
            "name": f"{metadata.name}-{number}",
            "namespace": metadata.namespace,
            "uid": f"{metadata.namespace}/{metadata.name}{_ASIDE}/{number:06d}",
            "labels": {LABEL_WORKLOAD: f"{metadata.name}{_ASIDE}", LABEL_ROLE: ROLE_RUN},
            "creationTimestamp": datetime.fromtimestamp(now_seconds, UTC).isoformat(),
        },
        "spec": {
            "containers": [{"resources": {"limits": limits, "requests": limits}}],
            "nodeSelector": dict(template.node_selector),
            "tolerations": [plain(each) for each in template.tolerations],
            "schedulingGates": [{"name": GATE_PLAN}],
        },
    }
    pod: TaskPod = facts_of(reduce_pod(item))
    return msgspec.structs.replace(pod, images=images)


def told_plan(pods: Iterable[TaskPod], now_seconds: float) -> Plan:
    """The last plan as far as it stands on the Pods that wait."""
    known = [(pod, pod.plan) for pod in pods if pod.is_gated and pod.plan is not None and pod.plan.node]
    starts = [(pod, plan.node, epoch_seconds(plan.expected_start_time)) for pod, plan in known]
    return Plan(
        tuple(Assignment(pod.uid, start, node, start) for pod, node, start in starts if start is not None), now_seconds
    )


def _by_node(here: Sequence[Prospect], each_node: Sequence[Prospect]) -> list[tuple[Prospect, int]]:
    """Of each node what a task may expect there, and how many of those asked about are planned there."""
    counts = Counter(each.node for each in here)
    first = {each.node: each for each in reversed(here)}
    found = [*first.values(), *(each for each in each_node if each.node not in first)]
    return [(each, counts[each.node]) for each in sorted(found, key=lambda each: (each.finish_seconds, each.node))]


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
        return Planned(node=assignment.node, waits_for=waits_for, reason=assignment.reason)
    return Planned(
        node=assignment.node,
        wait_seconds=_wait_seconds(there.start_seconds, now_seconds),
        end_seconds=there.finish_seconds - now_seconds,
        quantile_seconds=there.quantile_seconds - now_seconds,
        waits_for=waits_for,
        reason=assignment.reason,
    )
