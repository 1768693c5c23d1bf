"""Objects cut down while they arrive: a cache of thousands of Pods must fit into some megabytes.

A reduced object keeps the metadata that `WatchCache` needs and carries what placement reads of it under ``facts``:
a TaskPod, NodeFacts, WorkloadPredictions or NodeClass. An object of ours that cannot be read has None there, and the
log says why.
"""

from __future__ import annotations

from typing import Any

import msgspec

from foretide_kube.client import Object
from foretide_kube.kinds import aiworkload, nodeclass
from foretide_kube.published import predictions_of
from foretide_kube.quantity import QuantityError, millis, whole
from foretide_kube.readable import readable
from foretide_kube.task_pods import PodForm, read_pod


class NodeFacts(msgspec.Struct, frozen=True, gc=False):
    """What placement needs of a Node; memory is None where the node does not say."""

    name: str
    labels: dict[str, str]
    allocatable_millis: int
    allocatable_memory_bytes: int | None


def reduce_pod(item: Object) -> Object:
    """A Pod that carries a `TaskPod`."""
    return _reduced(item, read_pod(msgspec.convert(item, PodForm)))


def reduce_node(item: Object) -> Object:
    """A Node that carries `NodeFacts`; a quantity that cannot be read counts as absent."""
    allocatable = (item.get("status") or {}).get("allocatable") or {}
    try:
        cpu = millis(allocatable.get("cpu", 0))
        memory = whole(allocatable["memory"]) if "memory" in allocatable else None
    except QuantityError:
        cpu, memory = 0, None
    metadata = item["metadata"]
    return _reduced(item, NodeFacts(metadata["name"], dict(metadata.get("labels") or {}), cpu, memory))


def reduce_workload(item: Object) -> Object:
    """An AIWorkload that carries its `WorkloadPredictions`."""
    return _reduced(item, readable(lambda: predictions_of(aiworkload.parse(item))))


def reduce_class(item: Object) -> Object:
    """A NodeClass that carries its typed form."""
    return _reduced(item, readable(lambda: nodeclass.parse(item)))


def facts_of(item: Object) -> Any:  # noqa: ANN401 - which kind it is, the cache that it comes from says
    """What a reduced object carries."""
    return item["facts"]


def _reduced(item: Object, facts: object) -> Object:
    metadata = item["metadata"]
    kept = {key: metadata[key] for key in ("name", "namespace", "uid", "resourceVersion") if key in metadata}
    return {"metadata": kept, "facts": facts}
