"""Cuts objects down to what the operator reads, so that thousands of Pods and Nodes fit into little memory."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Any

import msgspec

from foretide_kube.client import Object
from foretide_kube.names import GROUP

_METADATA = (
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
)
_OWNER = ("kind", "name", "uid", "controller")
_CONDITION = ("type", "status", "reason", "message", "lastTransitionTime")
_CONTAINER_STATUS = ("name", "image", "ready", "restartCount", "state", "lastState")
_TERMINATED = ("exitCode", "reason", "message", "startedAt", "finishedAt")
_POD_STATUS = ("phase", "reason", "message", "startTime", "podIP", "hostIP")
_POD_CONDITIONS = frozenset({"PodScheduled", "Ready"})
_NOT_OF_A_JOB = frozenset({"template", "selector", "podFailurePolicy"})
_JOB_CONDITIONS = frozenset({"Complete", "Failed", "Suspended"})
_SHARED = 1024
"""So many parts that are equal among Pods and Jobs are kept once: specs, owners, conditions of the same second."""


def reduce_pod(pod: Object) -> Object:
    """A Pod: where it is, what keeps it from being placed, what it asks for, how it stands, what we wrote on it."""
    spec, status = pod.get("spec", {}), pod.get("status", {})
    containers = [
        {
            "name": container["name"],
            "image": container.get("image", ""),
            "resources": container.get("resources", {}),
        }
        for container in spec.get("containers", [])
    ]
    reduced = _only(_POD_STATUS, status)
    if "conditions" in status:
        reduced["conditions"] = _conditions(status["conditions"], _POD_CONDITIONS)
    if "containerStatuses" in status:
        reduced["containerStatuses"] = [_container_status(each) for each in status["containerStatuses"]]
    return {
        "metadata": _metadata(pod),
        "spec": {
            "nodeName": spec.get("nodeName"),
            "schedulingGates": spec.get("schedulingGates") or [],
            "containers": shared(containers),
        },
        "status": reduced,
    }


def reduce_node(node: Object) -> Object:
    """A Node: labels, taints, allocatable resources, readiness, what it says of itself."""
    status = node.get("status", {})
    info = status.get("nodeInfo", {})
    return {
        "metadata": _metadata(node),
        "spec": {key: node["spec"][key] for key in ("taints", "unschedulable") if key in node.get("spec", {})},
        "status": {
            "allocatable": status.get("allocatable", {}),
            "conditions": [c for c in status.get("conditions", []) if c["type"] == "Ready"],
            "nodeInfo": {key: info.get(key, "") for key in ("architecture", "kernelVersion", "machineID")},
        },
    }


def reduce_job(job: Object) -> Object:
    """A Job without its Pod template, which nobody reads back, and without conditions that come before its end."""
    spec, status = job.get("spec", {}), job.get("status", {})
    if "conditions" in status:
        status = {**status, "conditions": shared(_conditions(status["conditions"], _JOB_CONDITIONS))}
    return {
        "metadata": _metadata(job),
        "spec": shared({key: value for key, value in spec.items() if key not in _NOT_OF_A_JOB}),
        "status": {key: value for key, value in status.items() if value not in (0, {})},
    }


def shared(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """An equal value that others hold as well; nobody may change it."""
    return _decoded(msgspec.json.encode(value))


def reduce_object(item: Object) -> Object:
    """Any other object without the record of who wrote which field."""
    return {**item, "metadata": {k: v for k, v in item["metadata"].items() if k != "managedFields"}}


def _metadata(item: Object) -> Object:
    source = item["metadata"]
    metadata = _only(_METADATA, source)
    annotations = source.get("annotations") or {}
    metadata["annotations"] = {key: value for key, value in annotations.items() if key.split("/")[0] == GROUP}
    metadata["labels"] = {key: sys.intern(value) for key, value in (source.get("labels") or {}).items()}
    if "namespace" in metadata:
        metadata["namespace"] = sys.intern(metadata["namespace"])
    if "ownerReferences" in source:
        metadata["ownerReferences"] = shared([_only(_OWNER, each) for each in source["ownerReferences"]])
    return metadata


def _conditions(conditions: list[Object], types: Collection[str]) -> list[Object]:
    return [_only(_CONDITION, each) for each in conditions if each["type"] in types]


def _container_status(status: Object) -> Object:
    reduced = _only(_CONTAINER_STATUS, status)
    if "image" in reduced:
        reduced["image"] = sys.intern(reduced["image"])
    for name in ("state", "lastState"):
        terminated = reduced.get(name, {}).get("terminated")
        if terminated is not None:
            reduced[name] = {"terminated": _only(_TERMINATED, terminated)}
    return reduced


def _only(keys: Iterable[str], source: Object) -> Object:
    return {key: source[key] for key in keys if key in source}


@lru_cache(maxsize=_SHARED)
def _decoded(text: bytes) -> Any:  # noqa: ANN401 - any JSON value
    return msgspec.json.decode(text)
