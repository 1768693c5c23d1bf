"""Pods read for placement: what extender and planner know of one Pod, in some hundred bytes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, TypeVar

import msgspec

from foretide.placement.pulls import NO_IMAGES
from foretide.placement.resources import Resources
from foretide.placement.task import Task
from foretide.results import EpochMilliseconds
from foretide_kube.constraints import ANYWHERE, Constraints
from foretide_kube.images import LONGEST_NAME, image_name
from foretide_kube.names import (
    ANNOTATION_INFERENCES,
    ANNOTATION_PLAN,
    ANNOTATION_PLANNED_NODE,
    ANNOTATION_PREDICTION,
    GATE_PLAN,
    LABEL_ROLE,
    LABEL_WORKLOAD,
    ROLE_RUN,
)
from foretide_kube.pod_form import ContainerResources, PodForm, PodStatus, Quantities
from foretide_kube.pod_plan import PodPlan
from foretide_kube.quantity import QuantityError, millis, whole
from foretide_kube.requests import requests_of
from foretide_kube.times import epoch_seconds

MAX_INFERENCES: Final = 10**9
MOST_IMAGES: Final = 8
"""Of a Pod with more, nothing is made of its images: they count as there."""
TOLD_LATE_SECONDS: Final = 60.0
"""So long after a task's end its node may not have told yet of the images that were pulled for it."""


class WrittenPrediction(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """What the prediction on a Pod says of its binding: the node, and when, in milliseconds since the epoch.

    ``pull_milliseconds`` is what it was expected to wait for images. Anybody may write the annotation; one with a
    number too large to reckon with counts as absent.
    """

    node: str
    bound_milliseconds: EpochMilliseconds
    pull_milliseconds: int = 0


class TaskPod(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One Pod as placement sees it.

    ``workload`` and ``role`` are empty where the labels are absent. Times are seconds since the epoch, by the API
    server's clock in whole seconds; ``bound_seconds`` is None before the binding, ``started_seconds``, when the last
    container started, by the node's clock, before that. ``starting_seconds`` is how long after the kubelet took the
    Pod that was, both by that clock; None where it does not say. ``ended_seconds`` is when the work ended, by that
    clock, as finely as the task reports it. ``requests`` is what the Pod reserves, ``priority`` what its PriorityClass
    came to, ``gates`` what keeps it from being scheduled, ``images`` what a task needs, by full name (none where they
    are too many to reckon with).
    ``planned_node`` and ``plan`` are what the planner wrote.
    ``inferences_problem`` says why the annotation that sets ``task.inferences`` was ignored. ``version`` is the
    resource version that all this was read from.
    """

    namespace: str
    name: str
    uid: str
    version: str = ""
    workload: str
    role: str
    node: str | None
    is_finished: bool
    is_deleting: bool = False
    gates: tuple[str, ...] = ()
    prediction: WrittenPrediction | None
    planned_node: str | None
    plan: PodPlan | None = None
    task: Task
    requests: Resources
    constraints: Constraints = ANYWHERE
    priority: int = 0
    images: frozenset[str] = NO_IMAGES
    has_init_containers: bool = False
    created_seconds: float | None
    bound_seconds: float | None
    started_seconds: float | None = None
    starting_seconds: float | None = None
    ended_seconds: float | None = None
    inferences_problem: str

    @property
    def is_task(self) -> bool:
        """Whether this Pod performs inferences of an AIWorkload, as opposed to inspecting or measuring it."""
        return bool(self.workload) and self.role in {"", ROLE_RUN}

    @property
    def is_gated(self) -> bool:
        """Whether our gate keeps this Pod from being scheduled."""
        return GATE_PLAN in self.gates

    def has_images(self, now_seconds: float) -> bool:
        """Whether the node has the Pod's images for sure, whatever it lists: started, and if ended, not long ago."""
        if self.started_seconds is None:
            return False
        return not self.is_finished or (self.ended_seconds or 0.0) > now_seconds - TOLD_LATE_SECONDS


def read_pod(form: PodForm) -> TaskPod:
    """What placement needs of a Pod. Fields that cannot be read count as absent: no Pod is refused here."""
    metadata, spec, status = form.metadata, form.spec, form.status
    labels, annotations = metadata.labels or {}, metadata.annotations or {}
    taken, started = epoch_seconds(status.start_time), _started_seconds(status)
    inferences, problem = _inferences(annotations.get(ANNOTATION_INFERENCES))
    resources = [container.resources or ContainerResources() for container in spec.containers or ()]
    cpu_limits = [_millis(item.limits) for item in resources]
    memory_limits = [_bytes(item.limits) for item in resources]
    return TaskPod(
        namespace=metadata.namespace,
        name=metadata.name,
        uid=metadata.uid,
        version=metadata.resource_version,
        workload=labels.get(LABEL_WORKLOAD, ""),
        role=labels.get(LABEL_ROLE, ""),
        node=spec.node_name or None,
        is_finished=status.phase in {"Succeeded", "Failed"},
        is_deleting=metadata.deletion_timestamp is not None,
        gates=tuple(gate.name for gate in spec.scheduling_gates or ()),
        prediction=_decoded(annotations.get(ANNOTATION_PREDICTION), WrittenPrediction),
        planned_node=annotations.get(ANNOTATION_PLANNED_NODE),
        plan=_decoded(annotations.get(ANNOTATION_PLAN), PodPlan),
        task=Task(inferences, _sum(cpu_limits), _sum(memory_limits)),
        requests=requests_of(spec),
        constraints=_shared(spec.constraints()),
        priority=spec.priority or 0,
        images=_images(spec.images()) if LABEL_WORKLOAD in labels else NO_IMAGES,
        has_init_containers=bool(spec.init_containers),
        created_seconds=epoch_seconds(metadata.creation_timestamp),
        bound_seconds=next(
            (
                epoch_seconds(condition.last_transition_time)
                for condition in status.conditions or ()
                if condition.type == "PodScheduled" and condition.status == "True"
            ),
            None,
        ),
        started_seconds=started,
        starting_seconds=None if taken is None or started is None or started < taken else started - taken,
        ended_seconds=_ended_seconds(status),
        inferences_problem=problem,
    )


@lru_cache(maxsize=1024)
def _shared(constraints: Constraints) -> Constraints:
    """One instance for all that are equal: thousands of Pods have the same few."""
    return constraints


def _images(texts: Sequence[str]) -> frozenset[str]:
    """The full names of a Pod's images; none where they are too many or one is no name, whoever wrote them."""
    distinct = sorted(set(texts))
    if len(distinct) > MOST_IMAGES or any(len(text) > LONGEST_NAME for text in distinct):
        return NO_IMAGES
    return _named(tuple(distinct))


@lru_cache(maxsize=256)
def _named(texts: tuple[str, ...]) -> frozenset[str]:
    """One instance for all Pods that need the same."""
    return frozenset(image_name(text) for text in texts)


_Form = TypeVar("_Form", bound=msgspec.Struct)


def _decoded(text: str | None, form: type[_Form]) -> _Form | None:
    """What an annotation says; None where it is absent, or was written by somebody else."""
    try:
        return None if text is None else msgspec.json.decode(text, type=form)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None


class _Reported(msgspec.Struct, rename="camel"):
    """The end of the work in milliseconds since the epoch, out of what a task reports of itself."""

    work_end: EpochMilliseconds


_LONGEST_EXIT_SECONDS: Final = 30.0
"""A process that takes longer to end after its work is not believed."""


def _started_seconds(status: PodStatus) -> float | None:
    """When the last container started; None as long as one has not."""
    states = [each.state for each in status.container_statuses or ()]
    lives = [each.running or each.terminated for each in states]
    times = [None if life is None else epoch_seconds(life.started_at) for life in lives]
    known = [time for time in times if time is not None]
    return max(known) if known and len(known) == len(times) else None


def _ended_seconds(status: PodStatus) -> float | None:
    terminated = next((each.state.terminated for each in status.container_statuses or ()), None)
    finished = None if terminated is None else epoch_seconds(terminated.finished_at)
    if terminated is None or finished is None:
        return None
    reported = _decoded(terminated.message, _Reported)
    if reported is not None and 0.0 <= finished + 1.0 - reported.work_end / 1e3 <= _LONGEST_EXIT_SECONDS:
        return reported.work_end / 1e3
    return finished + 0.5  # whole seconds, cut off: the middle is meant


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
