"""Valid objects to start from, and the way to change one field of them."""

from __future__ import annotations

import copy
from typing import Any

Object = dict[str, Any]
REMOVED = object()


def torchvision_workload(name: str = "classify", namespace: str = "default") -> Object:
    """An AIWorkload with nothing but what is required."""
    return {
        "apiVersion": "foretide.dev/v1alpha1",
        "kind": "AIWorkload",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "model": {"source": "TorchVision", "name": "mobilenet_v3_small"},
            "input": {"shape": [3, 224, 224]},
            "resources": {"limits": {"cpu": "1", "memory": "512Mi"}},
        },
    }


def onnx_workload(name: str = "detect", namespace: str = "default") -> Object:
    """An AIWorkload whose model is a file."""
    workload = torchvision_workload(name, namespace)
    workload["spec"]["model"] = {
        "source": "ONNX",
        "file": {
            "path": "models/detect.onnx",
            "sha256": "0123456789abcdef" * 4,
            "volume": {"persistentVolumeClaim": {"claimName": "models"}},
        },
    }
    return workload


def node_class(name: str = "board") -> Object:
    """A NodeClass with nothing but what is required."""
    return {
        "apiVersion": "foretide.dev/v1alpha1",
        "kind": "NodeClass",
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": {"foretide.dev/node-class": name}}},
    }


def workload_profile(name: str = "classify-board", namespace: str = "default") -> Object:
    """A WorkloadProfile as the operator makes it."""
    return {
        "apiVersion": "foretide.dev/v1alpha1",
        "kind": "WorkloadProfile",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "workload": {"name": "classify", "uid": "5d0e1f0a-0000-4000-8000-000000000000", "key": "0123456789abcdef"},
            "nodeClass": "board",
            "nodeName": "node-1",
            "cpuMillis": 1000,
            "startupMilliseconds": 2400,
            "measuredTime": "2026-01-02T03:04:05Z",
            "measurement": {
                "samples": 128,
                "inferenceMicroseconds": {"mean": 10100, "median": 10000, "interquartileRange": 200, "p90": 10400},
                "firstInferenceMicroseconds": 30000,
                "warmupInferences": 12,
                "loadMilliseconds": 900,
                "stable": True,
                "memoryPeakBytes": 200_000_000,
                "memoryBaseBytes": 90_000_000,
                "environment": {"threads": 1, "runtime": "onnxruntime 1.20"},
            },
        },
    }


def completion_time_model(name: str = "default") -> Object:
    """The CompletionTimeModel with defaults only."""
    return {
        "apiVersion": "foretide.dev/v1alpha1",
        "kind": "CompletionTimeModel",
        "metadata": {"name": name},
        "spec": {},
    }


def changed(obj: Object, path: str, value: object) -> Object:
    """A copy of ``obj`` with the field at the dotted ``path`` set, or taken away (REMOVED).

    ``|`` writes a dot in a key.
    """
    result = copy.deepcopy(obj)
    *parents, last = (part.replace("|", ".") for part in path.split("."))
    at = result
    for part in parents:
        at = at.setdefault(part, {})
    if value is REMOVED:
        del at[last]
    else:
        at[last] = value
    return result
