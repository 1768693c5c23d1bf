"""Reads from a cluster what an export holds, as far as the user may; and asks the extender about the worst misses."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from foretide.results import ResultError, RunResult
from foretide_cli.export.document import MOST_TASKS, Export, Task
from foretide_cli.reading import Reader, parsed
from foretide_kube.client import KubeClient, Object
from foretide_kube.ended_pods import (
    bound_milliseconds,
    failure_reason,
    fitting_prediction,
    pairing_of,
    reported,
    terminated_state,
)
from foretide_kube.kinds import aiworkload, completiontimemodel, nodeclass, workloadprofile
from foretide_kube.kinds.aiworkload import AIWorkload
from foretide_kube.kinds.common import Metadata, to_time
from foretide_kube.kinds.nodeclass import NodeClass
from foretide_kube.kinds.workloadprofile import WorkloadProfile
from foretide_kube.names import (
    AIWORKLOADS,
    ANNOTATION_PLANNED_NODE,
    ANNOTATION_PREDICTION,
    COMPLETION_TIME_MODELS,
    LABEL_ROLE,
    LABEL_WORKLOAD,
    NODE_CLASSES,
    NODES,
    PODS,
    ROLE_RUN,
    WORKLOAD_PROFILES,
    Resource,
)
from foretide_kube.node_class_of import ClassClaim, in_order, node_class_of
from foretide_kube.times import epoch_milliseconds

T = TypeVar("T")
F = TypeVar("F", AIWorkload, WorkloadProfile, NodeClass, completiontimemodel.CompletionTimeModel)


@dataclass(frozen=True, slots=True)
class _Known:
    """What Pods are read against. Of nodes that are not in ``class_of`` the class is not known."""

    class_of: Mapping[str, str | None]
    workloads: Mapping[tuple[str, str], AIWorkload]


def gather(
    client: KubeClient,
    namespaces: Collection[str] | None,
    *,
    own: str,
    clock: Callable[[], float],
    source: str,
    version: str,
    progress: Callable[[str], None],
) -> Export:
    """The cluster as ``client`` may see it: ``namespaces`` alone, or all of it where that is None.

    What may not be listed in all namespaces is read in the namespace ``own``. ``clock`` gives seconds since the epoch;
    ``progress`` is told what is under way. ApiError where something else than a right is missing.
    """
    reader = Reader(client, progress)

    def listed(resource: Resource, reduce: Callable[[Object], T | None], label: str = "") -> list[T]:
        if namespaces is not None:
            return reader.read_in(namespaces, resource, reduce, label_selector=label)
        found = reader.read_all(resource, reduce, label_selector=label)
        return reader.read_in({own}, resource, reduce, label_selector=label) if found is None else found

    workloads = [_bare(each) for each in listed(AIWORKLOADS, parsed(aiworkload.parse))]
    profiles = [_bare(each) for each in listed(WORKLOAD_PROFILES, parsed(workloadprofile.parse))]
    classes = reader.read_all(NODE_CLASSES, parsed(nodeclass.parse)) or []
    models = reader.read_all(COMPLETION_TIME_MODELS, parsed(completiontimemodel.parse)) or []
    by_name = {(each.metadata.namespace, each.metadata.name): each for each in workloads}
    known = _Known(_class_of(reader, classes), by_name)
    tasks = listed(PODS, lambda pod: read_task(pod, known), LABEL_WORKLOAD)
    tasks.sort(key=lambda each: (each.ended_milliseconds or 0, each.namespace, each.pod))
    return Export(
        taken_time=to_time(datetime.fromtimestamp(client.answered_seconds() or clock(), tz=UTC)),
        version=version,
        source=source,
        namespaces=tuple(sorted(namespaces or ())),
        missing=tuple(dict.fromkeys(reader.missing)),
        workloads=tuple(workloads),
        profiles=tuple(profiles),
        node_classes=tuple(_bare(each) for each in classes),
        model=_bare(models[0]) if models else None,
        tasks=tuple(tasks[-MOST_TASKS:]),
        tasks_left_out=max(len(tasks) - MOST_TASKS, 0),
    )


def _class_of(reader: Reader, classes: Collection[NodeClass]) -> dict[str, str | None]:
    """The class of each node, None where it has none; nothing where classes, or nodes, could not be read."""
    nodes = reader.read_all(NODES, lambda item: (item["metadata"]["name"], item["metadata"].get("labels") or {})) or []
    claims = in_order(ClassClaim.of(each) for each in classes)
    return {name: node_class_of(labels, claims).node_class for name, labels in nodes} if claims else {}


def _bare(form: F) -> F:
    """An object of ours without what changes with every write, and without what others wrote on it."""
    metadata = form.metadata
    kept = Metadata(
        name=metadata.name,
        namespace=metadata.namespace,
        uid=metadata.uid,
        creation_timestamp=metadata.creation_timestamp,
        labels=metadata.labels,
    )
    return msgspec.structs.replace(form, metadata=kept)


def read_task(pod: Object, known: _Known) -> Task | None:
    """What an ended task's Pod tells; None of one that is none, or has not ended."""
    metadata, labels = pod["metadata"], pod["metadata"].get("labels") or {}
    annotations = metadata.get("annotations") or {}
    phase = pod.get("status", {}).get("phase")
    if phase not in {"Succeeded", "Failed"} or labels.get(LABEL_ROLE, ROLE_RUN) != ROLE_RUN:
        return None
    node, name = pod["spec"].get("nodeName") or "", labels[LABEL_WORKLOAD]
    run, said = _reported(pod)
    task = Task(
        namespace=metadata["namespace"],
        pod=metadata["name"],
        workload=name,
        node=node,
        node_class=known.class_of.get(node) or "",
        ending="Unpredicted",
        bound_milliseconds=bound_milliseconds(pod),
        ended_milliseconds=epoch_milliseconds((terminated_state(pod) or {}).get("finishedAt")),
        planned_node=annotations.get(ANNOTATION_PLANNED_NODE, ""),
    )
    if phase == "Failed":
        return msgspec.structs.replace(task, ending="Failed", reason=failure_reason(pod, said))
    text = annotations.get(ANNOTATION_PREDICTION)
    if text is None:
        return task
    prediction, problem = fitting_prediction(pod, text, known.class_of.get(node), is_class_known=node in known.class_of)
    if prediction is None:
        return msgspec.structs.replace(task, ending="PredictionRefused", reason=problem)
    workload = known.workloads.get((task.namespace, name))
    deadline = workload.spec.objective.deadline_milliseconds if workload is not None else None
    pairing = pairing_of(pod, prediction, run, deadline_milliseconds=deadline)
    ending = task.ending if pairing is None else "Paired"
    return msgspec.structs.replace(task, ending=ending, node_class=prediction.node_class, pairing=pairing)


def _reported(pod: Object) -> tuple[RunResult | None, str]:
    """What our runner reported, or the reason that it gave for having failed; neither of Pods that are not ours."""
    try:
        result = reported(pod, expected=RunResult)
    except ResultError as error:
        return None, "" if error.reason == "ResultMissing" else error.reason
    return (result, "") if isinstance(result, RunResult) else (None, getattr(result, "reason", ""))
