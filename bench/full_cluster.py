"""A cluster of nodes without kubelets, on which 1,000 tasks wait: 1,000 nodes of 20 classes, all of them full.

For benches of what the parts cost. Nodes are objects whose heartbeats this program sends as kubelets do; what runs on
them is bound by hand, and ends when it is told to.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from foretide_kube.client import KubeClient, Object
from foretide_kube.names import (
    AIWORKLOADS,
    GATE_PLAN,
    LEASES,
    NAMESPACES,
    NODE_CLASSES,
    NODES,
    PODS,
    SCHEDULER_NAME,
    Resource,
)

TASKS = 1000
NODE_COUNT = 1000
CLASSES = [f"class-{index:02d}" for index in range(20)]
NODE_NAMES = [f"edge-node-{index:04d}" for index in range(NODE_COUNT)]
NAMESPACE = "bench"
BEAT_SECONDS = 20.0


def fill(client: KubeClient, *, is_task: bool) -> None:
    """Nodes, classes, the workload, what holds the nodes (tasks of it, or Pods of others), and what waits."""
    client.create(NAMESPACES, body(NAMESPACES, {"name": NAMESPACE}))
    client.create(AIWORKLOADS, workload_object(), NAMESPACE)
    predictions = [prediction(name, index) for index, name in enumerate(CLASSES)]
    client.patch(AIWORKLOADS, "resnet", {"status": {"predictions": predictions}}, NAMESPACE, subresource="status")
    for name in CLASSES:
        spec = {"selector": {"matchLabels": {"foretide.dev/node-class": name}}}
        client.create(NODE_CLASSES, body(NODE_CLASSES, {"name": name}, spec=spec))
    each(NODE_NAMES, lambda name: client.create(NODES, node_object(name)))
    each(NODE_NAMES, lambda name: client.create(PODS, pod_object(f"on-{name}", node=name, is_task=is_task), NAMESPACE))
    each(
        [f"task-{index:04d}" for index in range(TASKS)],
        lambda name: client.create(PODS, pod_object(name, is_task=True), NAMESPACE),
    )


def each(names: Iterable[str], work: Callable[[str], object]) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, names))


def body(resource: Resource, metadata: Object, **fields: object) -> Object:
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, **fields}


def prediction(node_class: str, index: int) -> Object:
    median = 1_000_000 + 150_000 * index
    interval = {"lower": median * 8 // 10, "median": median, "upper": median * 13 // 10}
    return {
        "nodeClass": node_class,
        "workMicrosecondsPerInference": interval,
        "startupMilliseconds": 800,
        "memoryBytes": 200 * 2**20,
        "source": "Measured",
        "modelVersion": "v1",
    }


def workload_object() -> Object:
    """A workload of about two hours a task; none of its tasks is opened before a week has passed."""
    spec = {
        "model": {"source": "TorchVision", "name": "resnet18"},
        "input": {"shape": [3, 224, 224]},
        "inferences": 5000,
        "maxWaitSeconds": 604800,
        "run": {"mode": "None"},
        "resources": {"limits": {"cpu": "3", "memory": "512Mi"}},
    }
    return body(AIWORKLOADS, {"name": "resnet", "namespace": NAMESPACE}, spec=spec)


def node_object(name: str) -> Object:
    labels = {
        "foretide.dev/node-class": CLASSES[NODE_NAMES.index(name) % len(CLASSES)],
        "kubernetes.io/hostname": name,
    }
    status = {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"}, "conditions": [ready()]}
    return body(NODES, {"name": name, "labels": labels}, status=status)


def ready() -> Object:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": now}


def pod_object(name: str, *, node: str = "", is_task: bool) -> Object:
    """A Pod of three CPU: on ``node``, or behind the gate."""
    limits = {"cpu": "3", "memory": "512Mi"}
    labels = {"foretide.dev/workload": "resnet", "foretide.dev/role": "run"} if is_task else {"app": "theirs"}
    where = {"nodeName": node} if node else {"schedulingGates": [{"name": GATE_PLAN}]}
    spec = {
        "containers": [{"name": "task", "image": "x", "resources": {"limits": limits, "requests": limits}}],
        "tolerations": [{"operator": "Exists"}],
        "automountServiceAccountToken": False,
        "schedulerName": SCHEDULER_NAME,
        **where,
    }
    return body(PODS, {"name": name, "namespace": NAMESPACE, "labels": labels}, spec=spec)


def beat(client: KubeClient, names: list[str], ended: threading.Event) -> None:
    """Each of the nodes renews its Lease every 20 s, and tells its status every five minutes, as kubelets do."""
    number, begin = 0, time.monotonic()
    while not ended.wait(max(begin + number * BEAT_SECONDS / len(names) - time.monotonic(), 0.0)):
        name = names[number % len(names)]
        time_text = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": time_text}
        if number < len(names):
            lease = body(LEASES, {"name": name, "namespace": "kube-node-lease"}, spec=spec)
            client.create(LEASES, lease, "kube-node-lease")
        else:
            client.patch(LEASES, name, {"spec": spec}, "kube-node-lease")
        if number % 15 == 0:
            client.patch(
                NODES, name, {"status": {"conditions": [ready()]}}, patch_type="strategic", subresource="status"
            )
        number += 1


def ready_nodes(client: KubeClient) -> int:
    """How many nodes still count as alive: all of them, unless this machine is too busy for their heartbeats."""
    return sum(
        condition["type"] == "Ready" and condition["status"] == "True"
        for node in client.list_objects(NODES)
        for condition in node["status"].get("conditions") or ()
    )
