"""A fleet of five node classes as the API server and kube-scheduler show it, with everything that real objects carry.

Nodes of some 5 kB, as kubelets make them, task Pods with their status and managed fields, the workload that they belong
to with its predictions, and the body that kube-scheduler sends for a new one of them.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec

from foretide_kube.client import Object
from foretide_kube.names import (
    AIWORKLOADS,
    ANNOTATION_INFERENCES,
    LABEL_NODE_CLASS,
    LABEL_ROLE,
    LABEL_WORKLOAD,
    NODE_CLASSES,
    NODES,
    PODS,
    ROLE_RUN,
    SCHEDULER_NAME,
)

Form = Literal["names", "nodes"]
"""What kube-scheduler sends: the names of the nodes, or the whole of them."""

CLASSES: Final = {"board": 64_000, "laptop": 27_000, "server": 10_000, "gpu": 2_500, "old-server": 18_000}
"""Each class with the microseconds of an inference there."""
NAMESPACE: Final = "team"
WORKLOAD: Final = "resnet"
CPU: Final = {"requests": {"cpu": "250m", "memory": "256Mi"}, "limits": {"cpu": "1", "memory": "512Mi"}}
"""What a task reserves and may use: a node may be given more tasks than it has cores for."""
_SHUFFLED: Final = 16
"""kube-scheduler filters nodes in pieces of about so many at once, so their order differs each time."""


def node_name(index: int) -> str:
    """The name of a node."""
    return f"edge-node-{index:05d}"


def class_of(index: int) -> str:
    """The class of the node ``index``."""
    return list(CLASSES)[index % len(CLASSES)]


def now_text() -> str:
    """The time as the API writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def node_object(index: int) -> Object:
    """A Node of four cores, as its kubelet keeps it."""
    name, now = node_name(index), now_text()
    labels = {
        "beta.kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "topology.kubernetes.io/region": "edge",
        "topology.kubernetes.io/zone": f"site-{index % 40:02d}",
        LABEL_NODE_CLASS: class_of(index),
    }
    quantities = {"cpu": "4", "ephemeral-storage": "61255492Ki", "hugepages-2Mi": "0", "memory": "8Gi", "pods": "110"}
    conditions = [
        {
            "type": kind,
            "status": status,
            "lastHeartbeatTime": now,
            "lastTransitionTime": now,
            "reason": reason,
            "message": f"kubelet has {reason} on {name}",
        }
        for kind, status, reason in (
            ("MemoryPressure", "False", "KubeletHasSufficientMemory"),
            ("DiskPressure", "False", "KubeletHasNoDiskPressure"),
            ("PIDPressure", "False", "KubeletHasSufficientPID"),
            ("Ready", "True", "KubeletReady"),
        )
    ]
    metadata = {
        "name": name,
        "uid": f"5d2c1e2a-0000-4000-8000-{index:012d}",
        "resourceVersion": str(1000 + index),
        "creationTimestamp": now,
        "labels": labels,
        "annotations": {"node.alpha.kubernetes.io/ttl": "0", "volumes.kubernetes.io/controller-managed-attach": "true"},
        "managedFields": [
            _managed("kubectl-label", {"f:metadata": {"f:labels": {f"f:{key}": {} for key in labels}}}, now),
            _managed(
                "kubelet",
                {
                    "f:status": {
                        "f:conditions": {
                            f'k:{{"type":"{condition["type"]}"}}': {f"f:{key}": {} for key in condition}
                            for condition in conditions
                        },
                        "f:allocatable": {f"f:{key}": {} for key in quantities},
                    }
                },
                now,
            ),
        ],
    }
    status = {
        "capacity": quantities,
        "allocatable": quantities,
        "conditions": conditions,
        "addresses": [
            {"type": "InternalIP", "address": f"10.{index >> 16 & 255}.{index >> 8 & 255}.{index & 255}"},
            {"type": "Hostname", "address": name},
        ],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        "nodeInfo": {
            "machineID": f"{index:032x}",
            "systemUUID": f"5d2c1e2a-0000-4000-8000-{index:012d}",
            "bootID": f"77777777-0000-4000-8000-{index:012d}",
            "kernelVersion": "6.12.48+deb13-amd64",
            "osImage": "Debian GNU/Linux 13 (trixie)",
            "containerRuntimeVersion": "containerd://2.2.9",
            "kubeletVersion": "v1.36.2",
            "kubeProxyVersion": "",
            "operatingSystem": "linux",
            "architecture": "amd64",
        },
        "images": [
            {
                "names": [f"docker.io/library/image-{number:02d}@sha256:{number:064x}", f"docker.io/image-{number}:1"],
                "sizeBytes": 50_000_000 + number,
            }
            for number in range(10)
        ],
    }
    spec = {"podCIDR": f"10.244.{index & 255}.0/24", "podCIDRs": [f"10.244.{index & 255}.0/24"]}
    return {"apiVersion": "v1", "kind": NODES.kind, "metadata": metadata, "spec": spec, "status": status}


def task_object(name: str, *, node: str = "", version: int = 1, phase: str = "Pending") -> Object:
    """A task Pod that was made now: on ``node``, or still to be placed."""
    now = now_text()
    conditions = [{"type": "PodScheduled", "status": "True", "lastProbeTime": None, "lastTransitionTime": now}]
    states = {"Running": {"running": {"startedAt": now}}, "Pending": {"waiting": {"reason": "ContainerCreating"}}}
    statuses = [{"name": "task", "ready": phase == "Running", "restartCount": 0, "state": states.get(phase, {})}]
    metadata = {
        "name": name,
        "namespace": NAMESPACE,
        "uid": f"uid-{name}",
        "resourceVersion": str(version),
        "creationTimestamp": now,
        "labels": {LABEL_WORKLOAD: WORKLOAD, LABEL_ROLE: ROLE_RUN, "batch.kubernetes.io/job-name": name},
        "annotations": {ANNOTATION_INFERENCES: "1000"},
        "managedFields": [
            _managed("kube-controller-manager", {"f:metadata": {"f:labels": {}}, "f:spec": {"f:containers": {}}}, now)
        ],
    }
    spec: Object = {
        "containers": [
            {
                "name": "task",
                "image": "docker.io/foretide/profiler:dev-onnx",
                "args": ["run", "--source", "TorchVision", "--name", "resnet18", "--input", "3,224,224"],
                "resources": CPU,
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
                "imagePullPolicy": "IfNotPresent",
            }
        ],
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "serviceAccountName": "default",
        "automountServiceAccountToken": False,
        "schedulerName": SCHEDULER_NAME,
        "tolerations": [{"operator": "Exists"}],
        "priority": 0,
        "enableServiceLinks": False,
        "preemptionPolicy": "PreemptLowerPriority",
    }
    status: Object = {"phase": phase, "qosClass": "Burstable"}
    if node:
        spec["nodeName"] = node
        status |= {"conditions": conditions, "containerStatuses": statuses, "startTime": now}
    return {"apiVersion": "v1", "kind": PODS.kind, "metadata": metadata, "spec": spec, "status": status}


def workload_object() -> Object:
    """The workload that the tasks belong to, measured on every class, with a deadline that slow classes still meet."""
    predictions = [
        {
            "nodeClass": name,
            "workMicrosecondsPerInference": {"lower": each * 8 // 10, "median": each, "upper": each * 13 // 10},
            "startupMilliseconds": 800,
            "memoryBytes": 300 * 2**20,
            "source": "Measured",
            "modelVersion": "v1",
        }
        for name, each in CLASSES.items()
    ]
    spec = {
        "model": {"source": "TorchVision", "name": "resnet18"},
        "input": {"shape": [3, 224, 224]},
        "inferences": 1000,
        "objective": {"deadlineMilliseconds": 86_400_000},
        "run": {"mode": "None"},
        "resources": {"limits": CPU["limits"]},
    }
    return {
        "apiVersion": AIWORKLOADS.api_version,
        "kind": AIWORKLOADS.kind,
        "metadata": {"name": WORKLOAD, "namespace": NAMESPACE, "uid": "uid-resnet", "resourceVersion": "1"},
        "spec": spec,
        "status": {"predictions": predictions},
    }


def class_object(name: str) -> Object:
    """A NodeClass that selects its nodes by label."""
    return {
        "apiVersion": NODE_CLASSES.api_version,
        "kind": NODE_CLASSES.kind,
        "metadata": {"name": name, "uid": f"uid-{name}", "resourceVersion": "1", "creationTimestamp": now_text()},
        "spec": {"selector": {"matchLabels": {LABEL_NODE_CLASS: name}}},
        "status": {},
    }


def request_bodies(form: Form, nodes: int, count: int, random_source: random.Random) -> list[bytes]:
    """What kube-scheduler sends for ``count`` new tasks to whom all ``nodes`` are open, each in another order."""
    objects = [] if form == "names" else [msgspec.Raw(msgspec.json.encode(_bare(node_object(i)))) for i in range(nodes)]
    bodies = []
    for number in range(count):
        order = _as_filtered(range(nodes), random_source)
        sent: dict[str, Any] = {"Pod": _bare(task_object(f"task-{time.time_ns()}-{number}"))}
        if form == "names":
            sent |= {"Nodes": None, "NodeNames": [node_name(index) for index in order]}
        else:
            sent |= {"Nodes": {"metadata": {}, "items": [objects[index] for index in order]}, "NodeNames": None}
        bodies.append(msgspec.json.encode(sent))
    return bodies


def _as_filtered(indices: Sequence[int], random_source: random.Random) -> list[int]:
    """Neighbours trade places, as they do where several are filtered at once."""
    order: list[int] = []
    for begin in range(0, len(indices), _SHUFFLED):
        piece = list(indices[begin : begin + _SHUFFLED])
        random_source.shuffle(piece)
        order += piece
    return order


def _bare(item: Object) -> Object:
    """Objects in a request carry neither apiVersion nor kind."""
    return {key: value for key, value in item.items() if key not in {"apiVersion", "kind"}}


def _managed(manager: str, fields: Object, now: str) -> Object:
    return {
        "manager": manager,
        "operation": "Update",
        "apiVersion": "v1",
        "time": now,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }
