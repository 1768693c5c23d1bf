"""Nodes without kubelets, and workloads that nobody's hands have written: what the operator is given to do."""

from __future__ import annotations

from bench.full_cluster import body, each
from foretide_kube.client import KubeClient, Object
from foretide_kube.names import AIWORKLOADS, NAMESPACES, NODES

NAMESPACE = "bench"
NODES_PER_CLASS = 5


def class_names(count: int) -> list[str]:
    """The names of the classes; what `stages.yaml` makes of them follows from their numbers."""
    return [f"class-{index}" for index in range(count)]


def make_nodes(client: KubeClient, classes: int) -> None:
    """The nodes of all classes, Ready."""
    client.create(NAMESPACES, body(NAMESPACES, {"name": NAMESPACE}))
    names = [(name, f"{name}-{index}") for name in class_names(classes) for index in range(NODES_PER_CLASS)]
    for node_class, name in names:
        client.create(NODES, node_object(name, node_class))


def make_workloads(client: KubeClient, count: int, *, policy: str) -> None:
    """Workloads that differ in their number of multiply-adds."""
    names = [f"w{index}" for index in range(count)]
    each(names, lambda name: client.create(AIWORKLOADS, workload_object(name, policy=policy), NAMESPACE))


def node_object(name: str, node_class: str) -> Object:
    labels = {"foretide.dev/node-class": node_class, "kubernetes.io/hostname": name}
    resources = {"cpu": "4", "memory": "8Gi", "pods": "110"}
    return body(NODES, {"name": name, "labels": labels}, status={"allocatable": resources, "capacity": resources})


def workload_object(name: str, *, policy: str) -> Object:
    spec = {
        "model": {"source": "TorchVision", "name": "bench"},
        "input": {"shape": [3, 224, 224]},
        "inferences": 500,
        "resources": {"limits": {"cpu": "1", "memory": "512Mi"}},
        "profiling": {"policy": policy},
        "run": {"mode": "None"},
    }
    return body(AIWORKLOADS, {"name": name, "namespace": NAMESPACE}, spec=spec)
