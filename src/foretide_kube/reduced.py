"""Objects cut down while they arrive: a cache of thousands of Pods must fit into some megabytes.

A reduced object keeps the metadata that `WatchCache` needs and carries what placement reads of it under ``facts``:
a TaskPod, NodeFacts, WorkloadPredictions or NodeClass. An object of ours that cannot be read has None there, and the
log says why. A Pod must not vanish, since it takes room whatever is written on it: what cannot be read as a whole is
read in part, and says so under ``unreadable``.
"""

from __future__ import annotations

from typing import Any

import msgspec

from foretide.placement.resources import Resources
from foretide_kube.client import Object
from foretide_kube.constraints import UNSCHEDULABLE, Constraints, Taint
from foretide_kube.images import NO_LIST, NodeImages, read_images
from foretide_kube.kinds import aiworkload, nodeclass
from foretide_kube.kinds.common import EVERYTHING, LabelSelector
from foretide_kube.pod_form import PodForm
from foretide_kube.published import measured_where, predictions_of
from foretide_kube.readable import readable
from foretide_kube.requests import allocatable_of
from foretide_kube.task_pods import read_pod


class NodeFacts(msgspec.Struct, frozen=True, gc=False):
    """What placement needs of a Node; a cordoned one has the taint that the scheduler reads from it."""

    name: str
    labels: dict[str, str]
    allocatable: Resources
    taints: tuple[Taint, ...] = ()
    is_ready: bool = True
    images: NodeImages = NO_LIST

    @property
    def allocatable_memory_bytes(self) -> int | None:
        """The memory that the node has to give; None where it does not say."""
        return self.allocatable.memory_bytes or None


def reduce_pod(item: Object) -> Object:
    """A Pod that carries a `TaskPod`; where it cannot be read as a whole, one of as much as can."""
    try:
        return _reduced(item, read_pod(msgspec.convert(item, PodForm)))
    except Exception as error:  # noqa: BLE001 - nobody's Pod may keep all others from being seen
        problem = f"{type(error).__name__}: {error}"
    try:
        facts = read_pod(msgspec.convert(_without_free_text(item), PodForm))
    except Exception:  # noqa: BLE001 - as above
        facts = read_pod(msgspec.convert(_identity(item), PodForm))
    return _reduced(item, facts) | {"unreadable": problem}


def reduce_node(item: Object) -> Object:
    """A Node that carries `NodeFacts`; a quantity that cannot be read counts as absent."""
    metadata, spec, status = item["metadata"], item.get("spec") or {}, item.get("status") or {}
    taints = [Taint(each["key"], each.get("value") or "", each["effect"]) for each in spec.get("taints") or ()]
    if spec.get("unschedulable") and not any(taint.key == UNSCHEDULABLE for taint in taints):
        taints.append(Taint(UNSCHEDULABLE, "", "NoSchedule"))
    facts = NodeFacts(
        metadata["name"],
        dict(metadata.get("labels") or {}),
        allocatable_of(status.get("allocatable") or {}),
        tuple(taints),
        any(each["type"] == "Ready" and each["status"] == "True" for each in status.get("conditions") or ()),
        read_images(status.get("images")),
    )
    return _reduced(item, facts)


def reduce_workload(item: Object) -> Object:
    """An AIWorkload that carries its `WorkloadPredictions`, and beside them where it may be measured and run."""
    workload = readable(lambda: aiworkload.parse(item))
    if workload is None:
        return _reduced(item, None)
    also = {"constraints": measured_where(workload), "selector": workload.spec.node_class_selector}
    return _reduced(item, predictions_of(workload)) | also


def reduce_class(item: Object) -> Object:
    """A NodeClass that carries its typed form."""
    return _reduced(item, readable(lambda: nodeclass.parse(item)))


def facts_of(item: Object) -> Any:  # noqa: ANN401 - which kind it is, the cache that it comes from says
    """What a reduced object carries."""
    return item["facts"]


def constraints_of(workload: Object) -> Constraints:
    """Where a reduced AIWorkload may be measured; only one that could be read says so."""
    found: Constraints = workload["constraints"]
    return found


def class_selector_of(workload: Object) -> LabelSelector:
    """Which classes a reduced AIWorkload selects; one that could not be read selects all."""
    found: LabelSelector = workload.get("selector", EVERYTHING)
    return found


def _without_free_text(item: Object) -> Object:
    """A Pod without its annotations and termination messages, into which anybody may write anything."""
    metadata, status = dict(item["metadata"]), dict(item.get("status") or {})
    metadata.pop("annotations", None)
    status.pop("containerStatuses", None)
    return {"metadata": metadata, "spec": item.get("spec") or {}, "status": status}


def _identity(item: Object) -> Object:
    """A Pod of which only is told whose it is, where it is, and whether a gate keeps it or it has ended."""
    metadata, spec, status = item["metadata"], item.get("spec") or {}, item.get("status") or {}
    named = ("name", "namespace", "uid", "resourceVersion", "labels", "creationTimestamp", "deletionTimestamp")
    return {
        "metadata": {key: metadata[key] for key in named if key in metadata},
        "spec": {key: spec[key] for key in ("nodeName", "schedulingGates") if key in spec},
        "status": {"phase": status.get("phase") or ""},
    }


def _reduced(item: Object, facts: object) -> Object:
    metadata = item["metadata"]
    kept = {key: metadata[key] for key in ("name", "namespace", "uid", "resourceVersion") if key in metadata}
    return {"metadata": kept, "facts": facts}
