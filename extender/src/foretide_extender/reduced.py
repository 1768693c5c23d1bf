"""Objects cut down while they arrive: a cache of thousands of Pods must fit into some megabytes.

A reduced object keeps the metadata that `WatchCache` needs and carries what we read of it under ``facts``.
"""

from __future__ import annotations

from typing import Any

import msgspec

from foretide_kube.client import Object
from foretide_kube.quantity import QuantityError, millis, whole
from foretide_kube.task_pods import PodForm, TaskPod, read_pod


class NodeFacts(msgspec.Struct, frozen=True, gc=False):
    """What placement needs of a Node."""

    name: str
    labels: dict[str, str]
    allocatable_millis: int
    allocatable_memory_bytes: int | None


def reduce_pod(item: Object) -> Object:
    """A Pod reduced to a `TaskPod`."""
    return _reduced(item, read_pod(msgspec.convert(item, PodForm)))


def reduce_node(item: Object) -> Object:
    """A Node reduced to `NodeFacts`; a quantity that cannot be read counts as absent."""
    allocatable = (item.get("status") or {}).get("allocatable") or {}
    try:
        cpu = millis(allocatable.get("cpu", 0))
        memory = whole(allocatable["memory"]) if "memory" in allocatable else None
    except QuantityError:
        cpu, memory = 0, None
    metadata = item["metadata"]
    return _reduced(item, NodeFacts(metadata["name"], dict(metadata.get("labels") or {}), cpu, memory))


def facts_of(item: Object) -> Any:  # noqa: ANN401 - a TaskPod or NodeFacts, as the cache it comes from says
    """What a reduced object carries."""
    return item["facts"]


def _reduced(item: Object, facts: TaskPod | NodeFacts) -> Object:
    metadata = item["metadata"]
    kept = {key: metadata[key] for key in ("name", "namespace", "resourceVersion") if key in metadata}
    return {"metadata": kept, "facts": facts}
