"""Gated, opened and bound Pods of the small cluster, as the planner's tests need them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from foretide.placement.task import WorkloadPredictions
from foretide_kube.floor import Node
from foretide_kube.names import ANNOTATION_PLAN, ANNOTATION_PLANNED_NODE, GATE_PLAN
from foretide_kube.reduced import facts_of, reduce_node, reduce_pod
from foretide_kube.task_pods import TaskPod
from tests.extender.cluster_values import FACTORS, NODES, NOW_SECONDS, node_object, pod_object, prediction, workload

READY = {"type": "Ready", "status": "True"}
FOREIGN_GATE = "example.com/quota"


def time_text(seconds: float) -> str:
    """RFC 3339 of seconds since the epoch."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def gated_object(name: str = "task-1", *, gates: Iterable[str] = (GATE_PLAN,), **options: Any) -> dict[str, Any]:
    """A task behind ``gates``; ``age_seconds``, ``spec``, ``metadata`` and what `pod_object` takes."""
    age_seconds, spec, metadata = (options.pop(key, default) for key, default in _DEFAULTS)
    item = pod_object(name, **({"role": "run", "created": time_text(NOW_SECONDS - age_seconds)} | options))
    names = [{"name": gate} for gate in gates]
    item["spec"] |= ({"schedulingGates": names} if names else {}) | spec
    item["metadata"] |= metadata
    return item


_DEFAULTS: tuple[tuple[str, Any], ...] = (("age_seconds", 10.0), ("spec", {}), ("metadata", {}))


def gated(name: str = "task-1", **options: Any) -> TaskPod:
    """`gated_object` as placement reads it."""
    pod: TaskPod = facts_of(reduce_pod(gated_object(name, **options)))
    return pod


def opened(name: str = "task-1", *, node: str = "fast-1", ago_seconds: float | None = 1.0, **options: Any) -> TaskPod:
    """A task whose gate was opened for ``node`` so long ago (None: it does not say), and that is not bound."""
    annotations = {ANNOTATION_PLANNED_NODE: node}
    if ago_seconds is not None:
        annotations[ANNOTATION_PLAN] = f'{{"openedTime":"{time_text(NOW_SECONDS - ago_seconds)}"}}'
    return gated(name, gates=(), annotations=annotations, **options)


def bound(name: str = "task-1", *, node: str = "fast-1", ago_seconds: float = 1.0, **options: Any) -> TaskPod:
    """A task that was bound to ``node`` so long ago."""
    return gated(name, gates=(), node=node, bound=time_text(NOW_SECONDS - ago_seconds), **options)


def pinned(node_class: str) -> dict[str, Any]:
    """The part of a Pod's spec that keeps it to nodes of one class."""
    return {"nodeSelector": {"foretide.dev/node-class": node_class}}


def node(name: str, node_class: str | None, *, cordoned: bool = False, **options: Any) -> Node:
    """A Ready node; ``taints``, ``conditions``, ``images`` and what `node_object` takes."""
    taints, conditions = options.pop("taints", []), options.pop("conditions", [READY])
    images = options.pop("images", [])
    item = node_object(name, node_class, **options)
    item["spec"] = {"unschedulable": cordoned, "taints": taints}
    item["status"] |= {"conditions": conditions, "images": images}
    return Node(facts_of(reduce_node(item)), node_class)


def nodes(**changes: Any) -> dict[str, Node]:
    """The small cluster's nodes, all Ready; ``changes`` are the options of all."""
    return {name: node(name, node_class, **changes) for name, node_class in NODES.items()}


def resnet(*, slowness: float = 1.0, **options: Any) -> WorkloadPredictions:
    """The workload of all these Pods: 1.5 s on the fastest class, 1 CPU; nodes have two."""
    known = workload(mode="Job", **options)
    by_class = {
        name: prediction(name, median_microseconds=round(10_000 * factor * slowness))
        for name, factor in FACTORS.items()
    }
    return dataclasses.replace(known, by_class=by_class) if slowness != 1.0 else known
