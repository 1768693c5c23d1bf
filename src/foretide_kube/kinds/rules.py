"""What no single field of an AIWorkload shows: the rules of its schema, but for those that need the object as it was.

The API server judges by the same (``x-kubernetes-validations`` in ``crds/foretide.dev_aiworkloads.yaml``); here they
are said to who has a manifest alone. Each broken one is told as field, value and problem.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from foretide_kube.kinds.common import LabelSelector, Toleration, plain
from foretide_kube.names import GROUP, MAX_CHILD_NAME

if TYPE_CHECKING:
    from foretide_kube.kinds.aiworkload import AIWorkload, AIWorkloadSpec, Model, PodTemplate, Run

Broken = tuple[str, object, str]
_PLAIN_RESOURCES: Final = frozenset({"cpu", "memory", "ephemeral-storage"})


def broken_rules(workload: AIWorkload) -> Iterator[Broken]:
    """The rules that ``workload`` breaks; limits are no quantities by `foretide_kube.kinds.common.check_limits`."""
    name, spec = workload.metadata.name, workload.spec
    if len(name) > MAX_CHILD_NAME:
        problem = f"has at most {MAX_CHILD_NAME} characters, since Jobs and labels derive from it; choose a shorter one"
        yield "metadata.name", name, problem
    yield from _of_model(spec.model)
    yield from _of_limits(spec.resources.limits)
    yield from _of_selector(spec.node_class_selector)
    yield from _of_run(spec.run)
    yield from _of_objective(spec)
    yield from _of_template(spec.run.template)


def _of_model(model: Model) -> Iterator[Broken]:
    is_named = model.source == "TorchVision"
    if (model.name is not None) != is_named:
        yield "spec.model.name", model.name, f"source {model.source} {_needs(is_needed=is_named)}"
    if (model.file is None) != is_named:
        yield "spec.model.file", model.file, f"source {model.source} {_needs(is_needed=not is_named)}"
    if model.file is None:
        return
    volume, path = plain(model.file.volume), model.file.path
    if len(volume) != 1:
        yield "spec.model.file.volume", volume, "set exactly one of configMap, persistentVolumeClaim and image"
    if not {"", ".", ".."}.isdisjoint(path.split("/")):
        problem = "is relative to the root of the volume, without '..', '.' or empty parts"
        yield "spec.model.file.path", path, problem


def _needs(*, is_needed: bool) -> str:
    return "needs it" if is_needed else "takes none"


def _of_limits(limits: dict[str, str | int]) -> Iterator[Broken]:
    for resource in ("cpu", "memory"):
        if resource not in limits:
            yield "spec.resources.limits", limits, f"needs {resource}"
    for resource in limits:
        if resource not in _PLAIN_RESOURCES and "/" not in resource:
            problem = "may name cpu, memory, ephemeral-storage and extended resources (domain/name)"
            yield "spec.resources.limits", resource, problem


def _of_selector(selector: LabelSelector) -> Iterator[Broken]:
    for index, each in enumerate(selector.match_expressions):
        if (each.operator in {"In", "NotIn"}) != bool(each.values):
            problem = "operators In and NotIn need at least one value; Exists and DoesNotExist take none"
            yield f"spec.nodeClassSelector.matchExpressions[{index}].values", each.values, problem


def _of_run(run: Run) -> Iterator[Broken]:
    for field, value in (("completions", run.completions), ("parallelism", run.parallelism)):
        if value is not None and run.mode != "Job":
            yield f"spec.run.{field}", value, "needs mode Job; remove it or set mode to Job"
    for field, value in (("replicas", run.replicas), ("maxQueuedRequests", run.max_queued_requests)):
        if value is not None and not run.is_service:
            yield f"spec.run.{field}", value, "needs mode Deployment; remove it or set mode to Deployment"


def _of_objective(spec: AIWorkloadSpec) -> Iterator[Broken]:
    deadline, latency = spec.objective.deadline_milliseconds, spec.objective.latency_milliseconds
    if deadline is not None and spec.run.is_service:
        problem = "is for tasks, which end; requests to a service (mode Deployment) take latencyMilliseconds"
        yield "spec.objective.deadlineMilliseconds", deadline, problem
    if latency is not None and not spec.run.is_service:
        problem = "is for requests to a service (mode Deployment); tasks take deadlineMilliseconds"
        yield "spec.objective.latencyMilliseconds", latency, problem


def _of_template(template: PodTemplate) -> Iterator[Broken]:
    for field, keys in (("labels", template.metadata.labels), ("annotations", template.metadata.annotations)):
        for key in keys:
            if key.startswith(f"{GROUP}/"):
                path = f"spec.run.template.metadata.{field}"
                yield path, key, f"{field} under {GROUP}/ are set by Foretide; remove them from the template"
    for index, each in enumerate(template.tolerations):
        problem = _of_toleration(each)
        if problem:
            yield f"spec.run.template.tolerations[{index}]", plain(each), problem


def _of_toleration(each: Toleration) -> str:
    if each.operator == "Exists" and each.value:
        return "with operator Exists it takes no value; remove value or set operator to Equal"
    if each.operator != "Exists" and not each.key:
        return "without key it tolerates every taint, which needs operator Exists"
    if each.toleration_seconds is not None and each.effect != "NoExecute":
        return "tolerationSeconds needs effect NoExecute"
    return ""
