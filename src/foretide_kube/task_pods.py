"""Pods read for placement: the few fields that scheduling needs, out of an object of many kilobytes.

The same form is decoded from kube-scheduler's requests and from the watch, so that extender and planner cannot read
one Pod in two ways.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from foretide.placement.task import Task
from foretide_kube.names import (
    ANNOTATION_INFERENCES,
    ANNOTATION_PLANNED_NODE,
    ANNOTATION_PREDICTION,
    LABEL_ROLE,
    LABEL_WORKLOAD,
    ROLE_RUN,
)
from foretide_kube.quantity import QuantityError, millis, whole

MAX_INFERENCES: Final = 10**9

Quantities = dict[str, str | int]


class PodMetadata(msgspec.Struct, rename="camel"):
    """The part of a Pod's metadata that is read."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    creation_timestamp: str | None = None


class ContainerResources(msgspec.Struct):
    """Requests and limits of a container."""

    requests: Quantities | None = None
    limits: Quantities | None = None


class Container(msgspec.Struct):
    """A container, for its resources."""

    resources: ContainerResources | None = None


class PodSpec(msgspec.Struct, rename="camel"):
    """The part of a Pod's spec that is read."""

    node_name: str | None = None
    containers: list[Container] | None = None


class PodCondition(msgspec.Struct, rename="camel"):
    """A condition, for the time of the binding."""

    type: str = ""
    status: str = ""
    last_transition_time: str | None = None


class PodStatus(msgspec.Struct):
    """The part of a Pod's status that is read."""

    phase: str = ""
    conditions: list[PodCondition] | None = None


class PodForm(msgspec.Struct):
    """A Pod as the API's JSON gives it, everything else left out."""

    metadata: PodMetadata
    spec: PodSpec = msgspec.field(default_factory=PodSpec)
    status: PodStatus = msgspec.field(default_factory=PodStatus)


class TaskPod(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One Pod as placement sees it.

    ``workload`` and ``role`` are empty where the labels are absent. Times are seconds since the epoch, by the API
    server's clock in whole seconds; ``bound_seconds`` is None before the binding. ``requested_millis`` is the CPU
    that the Pod reserves. ``inferences_problem`` says why the annotation that sets ``task.inferences`` was ignored.
    """

    namespace: str
    name: str
    uid: str
    workload: str
    role: str
    node: str | None
    is_finished: bool
    is_predicted: bool
    planned_node: str | None
    task: Task
    requested_millis: int
    created_seconds: float | None
    bound_seconds: float | None
    inferences_problem: str

    @property
    def is_task(self) -> bool:
        """Whether this Pod performs inferences of an AIWorkload, as opposed to inspecting or measuring it."""
        return bool(self.workload) and self.role in {"", ROLE_RUN}


def read_pod(form: PodForm) -> TaskPod:
    """What placement needs of a Pod. Fields that cannot be read count as absent: no Pod is refused here."""
    metadata, spec, status = form.metadata, form.spec, form.status
    labels, annotations = metadata.labels or {}, metadata.annotations or {}
    inferences, problem = _inferences(annotations.get(ANNOTATION_INFERENCES))
    resources = [container.resources or ContainerResources() for container in spec.containers or ()]
    cpu_limits = [_millis(item.limits) for item in resources]
    memory_limits = [_bytes(item.limits) for item in resources]
    requests = [_millis(item.requests) or 0 for item in resources]
    return TaskPod(
        namespace=metadata.namespace,
        name=metadata.name,
        uid=metadata.uid,
        workload=labels.get(LABEL_WORKLOAD, ""),
        role=labels.get(LABEL_ROLE, ""),
        node=spec.node_name or None,
        is_finished=status.phase in {"Succeeded", "Failed"},
        is_predicted=ANNOTATION_PREDICTION in annotations,
        planned_node=annotations.get(ANNOTATION_PLANNED_NODE),
        task=Task(inferences, _sum(cpu_limits), _sum(memory_limits)),
        requested_millis=sum(requests),
        created_seconds=epoch_seconds(metadata.creation_timestamp),
        bound_seconds=next(
            (
                epoch_seconds(condition.last_transition_time)
                for condition in status.conditions or ()
                if condition.type == "PodScheduled" and condition.status == "True"
            ),
            None,
        ),
        inferences_problem=problem,
    )


def epoch_seconds(time: str | None) -> float | None:
    """An RFC 3339 time as seconds since the epoch; None if it is absent or is none."""
    try:
        return datetime.fromisoformat(time).timestamp() if time else None
    except ValueError:
        return None


def _inferences(text: str | None) -> tuple[int | None, str]:
    if text is None:
        return None, ""
    if text.isascii() and text.isdigit() and len(text) <= 10 and 1 <= int(text) <= MAX_INFERENCES:
        return int(text), ""
    return None, (
        f"annotation {ANNOTATION_INFERENCES} is {text[:40]!r}; write a whole number from 1 to {MAX_INFERENCES}, "
        "or leave it out and spec.inferences of the AIWorkload holds"
    )


def _millis(quantities: Quantities | None) -> int | None:
    try:
        return max(millis(quantities["cpu"]), 0) if quantities and "cpu" in quantities else None
    except QuantityError:
        return None


def _bytes(quantities: Quantities | None) -> int | None:
    try:
        return max(whole(quantities["memory"]), 0) if quantities and "memory" in quantities else None
    except QuantityError:
        return None


def _sum(parts: list[int | None]) -> int | None:
    known = [part for part in parts if part]
    return sum(known) if known and len(known) == len(parts) else None
