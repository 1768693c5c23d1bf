"""The tasks that are asked about, as the planner would read their Pods.

Those of its Job that wait already are told themselves; else as many are made as the operator would make. What makes the
answer another than one may think (which Pods are meant, what had to be guessed) is noted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec

from foretide.placement.pulls import NO_IMAGES
from foretide_cli.cluster import Seen
from foretide_kube.client import Object
from foretide_kube.images import image_name
from foretide_kube.kinds.aiworkload import AIWorkload
from foretide_kube.kinds.common import plain
from foretide_kube.names import GATE_PLAN, LABEL_ROLE, LABEL_WORKLOAD, ROLE_RUN
from foretide_kube.reduced import facts_of, reduce_pod
from foretide_kube.task_pods import TaskPod

MOST_TASKS: Final = 500
"""More tasks of a workload are not planned in: the last of them would wait for hours anyway."""
_ASIDE: Final = " (asked for)"
"""Stands behind the names of workloads that are asked about, which no AIWorkload can have."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Tasks of one workload: ``pods`` of ``in_all``, the others of which come when these have ended.

    ``images`` are those that they need, as far as they are known. ``notes`` say what is meant and what was guessed.
    """

    pods: tuple[TaskPod, ...]
    in_all: int
    images: frozenset[str]
    notes: tuple[str, ...]


def is_made(pod: TaskPod) -> bool:
    """Whether the cluster has no such Pod: it was made here, to be asked about."""
    return pod.workload.endswith(_ASIDE)


def asked_about(workload: AIWorkload, seen: Seen) -> Asked:
    """The tasks of ``workload``; at least one, that something can be told."""
    mode, name = workload.spec.run.mode, workload.metadata.name
    live = [pod for pod in _own(workload, seen) if pod.role == ROLE_RUN and not pod.is_finished]
    waiting = [pod for pod in live if pod.gates == (GATE_PLAN,) and pod.node is None and not pod.is_deleting]
    if waiting and _is_same_job(workload, seen):
        others = f"; {len(live) - len(waiting)} more running or about to" if len(live) > len(waiting) else ""
        note = f"its Job exists: shown is what its {_tasks(len(waiting))} that wait would meet{others}"
        return Asked(tuple(waiting), len(waiting), frozenset().union(*(pod.images for pod in waiting)), (note,))
    notes: list[str] = []
    if live and mode != "None":
        notes.append(f"{name} has {_tasks(len(live))} already: shown is what more of this manifest would meet")
    if mode == "None":
        notes.append(f"shown is a Pod of your own behind the gate {GATE_PLAN}; one without it is placed at once")
    images, is_runner_known = needed_images(workload, seen)
    if not is_runner_known:
        notes.append("the image of its container is not known: pulling it is not counted")
    priority, note = _priority(workload, seen)
    notes += [note] if note else []
    in_all, at_once = _counts(workload)
    made = tuple(
        msgspec.structs.replace(_made(workload, number, priority, seen.now_seconds), images=images)
        for number in range(min(at_once, MOST_TASKS))
    )
    return Asked(made, in_all, images, tuple(notes))


def _counts(workload: AIWorkload) -> tuple[int, int]:
    """How many tasks there are in all, and how many at once."""
    run = workload.spec.run
    match run.mode:
        case "Job":
            return run.task_count, run.tasks_at_once
        case "Deployment":
            return (max(run.replica_count, 1),) * 2
        case "None":
            return 1, 1


def _tasks(count: int) -> str:
    return f"{count} task{'' if count == 1 else 's'}"


def _own(workload: AIWorkload, seen: Seen) -> Iterator[TaskPod]:
    """The Pods that perform it."""
    key = (workload.metadata.namespace, workload.metadata.name)
    return (pod for pod in seen.pods if (pod.namespace, pod.workload) == key and pod.is_task)


def _is_same_job(workload: AIWorkload, seen: Seen) -> bool:
    """Whether what is asked about is the Job that is there: its Pods are the tasks then."""
    there = seen.workloads.get((workload.metadata.namespace, workload.metadata.name))
    return there is not None and workload.spec.run.mode == "Job" and there.spec == workload.spec


def _priority(workload: AIWorkload, seen: Seen) -> tuple[int, str]:
    """What the priority of its Pods will come to, and what is to be noted where that is not known.

    They name no PriorityClass, so that it is the default one's; what the user's own name, their latest tells.
    """
    latest = max(_own(workload, seen), key=lambda pod: pod.created_seconds or 0.0, default=None)
    if latest is not None:
        return latest.priority, ""
    if seen.default_priority is None:
        return 0, "the priority of its Pods is taken to be 0: no right to read the default (priorityclasses)"
    return seen.default_priority, ""


def needed_images(workload: AIWorkload, seen: Seen) -> tuple[frozenset[str], bool]:
    """The images that its tasks will need, as far as that is known, and whether that of their container is.

    Which runner is used, other Pods tell: its own latest, or else the latest of any that Foretide made for a model of
    the same source.
    """
    key = (workload.metadata.namespace, workload.metadata.name)

    def alike(pod: TaskPod) -> bool:
        other = seen.workloads.get((pod.namespace, pod.workload))
        is_onnx = workload.spec.model.source == "ONNX"
        return other is not None and bool(pod.role) and (other.spec.model.source == "ONNX") == is_onnx

    mounted = _mounted(workload)
    for is_like in (lambda pod: (pod.namespace, pod.workload) == key, alike):
        latest = max(filter(is_like, seen.pods), key=lambda pod: pod.created_seconds or 0.0, default=None)
        if latest is not None:
            run = latest.images - _mounted(seen.workloads.get((latest.namespace, latest.workload)))
            return mounted | run, bool(run)
        if workload.spec.run.mode == "None":
            break  # its Pods are the user's own
    return mounted, False


def _mounted(workload: AIWorkload | None) -> frozenset[str]:
    """The image that its model file lies in."""
    file = None if workload is None else workload.spec.model.file
    if file is None or file.volume.image is None:
        return NO_IMAGES
    return frozenset({image_name(file.volume.image.reference)})


def _made(workload: AIWorkload, number: int, priority: int, now_seconds: float) -> TaskPod:
    """A task of ``workload`` as the planner would read it if it were made now; services have no gate."""
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
            "priority": priority,
            "schedulingGates": [] if spec.run.mode == "Deployment" else [{"name": GATE_PLAN}],
        },
    }
    pod: TaskPod = facts_of(reduce_pod(item))
    return pod
