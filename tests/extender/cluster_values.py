"""A small cluster in values, as tests of the extender and the planner need it: three classes, six nodes."""

from __future__ import annotations

from typing import Any

import msgspec

from foretide.placement.task import WorkloadPredictions
from foretide.prediction import Interval, Prediction, Source
from foretide_extender.state import ClusterState
from foretide_kube.kinds.aiworkload import AIWorkload
from foretide_kube.kinds.aiworkload import parse as parse_workload
from foretide_kube.names import API_VERSION
from foretide_kube.published import predictions_of
from foretide_kube.reduced import class_selector_of, facts_of, reduce_class, reduce_node, reduce_pod, reduce_workload

NOW_SECONDS = 1_790_000_000.0
CREATED_TIME = "2026-09-21T14:13:20Z"
MIB = 2**20
FACTORS = {"fast": 1.0, "medium": 2.7, "slow": 6.4}
"""Completion on each class relative to the fastest."""
NODES = {"fast-1": "fast", "medium-1": "medium", "medium-2": "medium", "slow-1": "slow", "slow-2": "slow", "bare": None}


def prediction(
    node_class: str,
    *,
    median_microseconds: int,
    lower: float = 0.8,
    upper: float = 1.25,
    startup_milliseconds: int = 500,
    memory_mib: int = 300,
    source: Source = "Measured",
    contention_permille: int | None = None,
) -> Prediction:
    return Prediction(
        node_class=node_class,
        work_microseconds_per_inference=Interval(
            lower=round(median_microseconds * lower),
            median=median_microseconds,
            upper=round(median_microseconds * upper),
        ),
        startup_milliseconds=startup_milliseconds,
        memory_bytes=memory_mib * MIB,
        source=source,
        model_version="v1",
        contention_permille=contention_permille,
    )


def workload_object(
    name: str = "resnet",
    *,
    classes: tuple[str, ...] = tuple(FACTORS),
    deadline_milliseconds: int | None = None,
    inferences: int = 100,
    memory_mib: int = 300,
    mode: str = "None",
    latency_milliseconds: int | None = None,
    startup_milliseconds: int = 500,
    contention_permille: int | None = None,
    selector: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """An AIWorkload of 1 CPU that takes 0.5 s and 10 ms an inference on the fastest class."""
    predictions = [
        prediction(
            item,
            median_microseconds=round(10_000 * FACTORS[item]),
            memory_mib=memory_mib,
            startup_milliseconds=startup_milliseconds,
            contention_permille=contention_permille,
        )
        for item in classes
    ]
    return {
        "apiVersion": API_VERSION,
        "kind": "AIWorkload",
        "metadata": {"name": name, "namespace": "team", "resourceVersion": "1"},
        "spec": {
            "model": {"source": "TorchVision", "name": "resnet18"},
            "input": {"shape": [3, 224, 224]},
            "inferences": inferences,
            "run": {"mode": mode},
            "objective": {
                **({"deadlineMilliseconds": deadline_milliseconds} if deadline_milliseconds else {}),
                **({"latencyMilliseconds": latency_milliseconds} if latency_milliseconds else {}),
            },
            "resources": {"limits": {"cpu": "1", "memory": "512Mi"}},
            "nodeClassSelector": selector or {},
        },
        "status": {"predictions": msgspec.to_builtins(predictions)},
    }


def workload(**options: Any) -> WorkloadPredictions:
    parsed: AIWorkload = parse_workload(workload_object(**options))
    return predictions_of(parsed)


def class_object(name: str, *, is_probed: bool = True, labels: dict[str, str] | None = None) -> dict[str, Any]:
    probe = {
        "probedTime": CREATED_TIME,
        "node": f"{name}-1",
        "nodeFingerprint": "f",
        "startupMilliseconds": 900,
        "gemmFlopsPerSecond": round(5e10 / FACTORS[name]),
        "memoryBandwidthBytesPerSecond": 10**10,
        "modelMicroseconds": {"conv": round(9000 * FACTORS[name]), "mlp": round(3000 * FACTORS[name])},
        "environment": {"threads": 1, "runtime": "onnxruntime 1.20"},
    }
    return {
        "apiVersion": API_VERSION,
        "kind": "NodeClass",
        "metadata": {"name": name, "creationTimestamp": CREATED_TIME, "labels": labels or {"tier": name}},
        "spec": {"selector": {"matchLabels": {"foretide.dev/node-class": name}}},
        "status": {"probe": probe} if is_probed else {},
    }


def node_object(name: str, node_class: str | None, *, cpu: str = "2", memory: str = "2Gi") -> dict[str, Any]:
    labels = {"kubernetes.io/hostname": name} | ({"foretide.dev/node-class": node_class} if node_class else {})
    return {
        "metadata": {"name": name, "labels": labels, "resourceVersion": "1"},
        "status": {"allocatable": {"cpu": cpu, "memory": memory, "pods": "110"}},
    }


def pod_object(
    name: str = "task-1",
    *,
    workload: str | None = "resnet",
    role: str | None = None,
    cpu: str | None = "1",
    memory: str | None = "512Mi",
    node: str | None = None,
    annotations: dict[str, str] | None = None,
    phase: str = "Pending",
    created: str = CREATED_TIME,
    bound: str = CREATED_TIME,
) -> dict[str, Any]:
    labels = {key: value for key, value in (("foretide.dev/workload", workload), ("foretide.dev/role", role)) if value}
    limits = {key: value for key, value in (("cpu", cpu), ("memory", memory)) if value}
    return {
        "metadata": {
            "name": name,
            "namespace": "team",
            "uid": f"uid-{name}",
            "resourceVersion": "7",
            "labels": labels,
            "annotations": annotations,
            "creationTimestamp": created,
            "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:spec": {}}}],
        },
        "spec": {
            "containers": [{"name": "task", "image": "x", "resources": {"limits": limits, "requests": limits}}],
            "schedulerName": "foretide-scheduler",
            **({"nodeName": node} if node else {}),
        },
        "status": {
            "phase": phase,
            **(
                {"conditions": [{"type": "PodScheduled", "status": "True", "lastTransitionTime": bound}]}
                if node
                else {}
            ),
        },
    }


def cluster(*workloads: dict[str, Any], is_probed: bool = True) -> ClusterState:
    """The state of the small cluster with ``workloads``, nothing bound."""
    state = ClusterState()
    for name in FACTORS:
        state.class_changed(name, facts_of(reduce_class(class_object(name, is_probed=is_probed))))
    for name, node_class in NODES.items():
        state.node_changed("ADDED", facts_of(reduce_node(node_object(name, node_class))))
    for item in workloads:
        have_workload(state, item)
    return state


def have_workload(state: ClusterState, item: dict[str, Any]) -> None:
    reduced = reduce_workload(item)
    state.workload_changed(("team", item["metadata"]["name"]), facts_of(reduced), class_selector_of(reduced))


def bind(state: ClusterState, pod: dict[str, Any], event: str = "ADDED") -> None:
    state.pod_changed(event, facts_of(reduce_pod(pod)))
