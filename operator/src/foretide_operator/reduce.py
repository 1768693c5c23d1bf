"""Cuts objects down to what the operator reads, so that thousands of Pods and Nodes fit into little memory."""

from __future__ import annotations

import sys

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
    "labels",
    "ownerReferences",
)


def reduce_pod(pod: Object) -> Object:
    """A Pod: where it is, what keeps it from being placed, what it asks for, how it stands, what we wrote on it."""
    spec, status = pod.get("spec", {}), pod.get("status", {})
    return {
        "metadata": _metadata(pod),
        "spec": {
            "nodeName": spec.get("nodeName"),
            "schedulingGates": spec.get("schedulingGates") or [],
            "containers": [
                {
                    "name": container["name"],
                    "image": sys.intern(container.get("image", "")),  # the same of thousands of Pods
                    "resources": container.get("resources", {}),
                }
                for container in spec.get("containers", [])
            ],
        },
        "status": {
            key: status[key]
            for key in ("phase", "reason", "message", "conditions", "containerStatuses", "startTime", "podIP", "hostIP")
            if key in status
        },
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
    """A Job without its Pod template, which nobody reads back."""
    spec = job.get("spec", {})
    return {
        "metadata": _metadata(job),
        "spec": {key: value for key, value in spec.items() if key not in {"template", "selector", "podFailurePolicy"}},
        "status": job.get("status", {}),
    }


def reduce_object(item: Object) -> Object:
    """Any other object without the record of who wrote which field."""
    return {**item, "metadata": {k: v for k, v in item["metadata"].items() if k != "managedFields"}}


def _metadata(item: Object) -> Object:
    source = item["metadata"]
    metadata = {key: source[key] for key in _METADATA if key in source}
    annotations = source.get("annotations") or {}
    annotations = {key: value for key, value in annotations.items() if key.split("/")[0] == GROUP}
    metadata["annotations"] = annotations
    metadata["labels"] = source.get("labels") or {}
    return metadata
