"""Manifests that the end-to-end tests apply."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from foretide_kube.client import KubeClient, Object
from foretide_kube.names import AIWORKLOADS, CONFIG_MAPS


def onnx_workload(name: str, content: bytes, *, sha256: str = "", limits: dict[str, str] | None = None) -> Object:
    """A workload of an ONNX file in the ConfigMap of its own name."""
    file = {
        "path": "model.onnx",
        "sha256": sha256 or hashlib.sha256(content).hexdigest(),
        "volume": {"configMap": {"name": name}},
    }
    return workload(name, {"source": "ONNX", "file": file}, shape=[3, 256, 256], limits=limits)


def onnx_service(name: str, content: bytes) -> Object:
    """The same, served by one Pod and measured nowhere."""
    manifest = onnx_workload(name, content)
    manifest["spec"] |= {
        "profiling": {"policy": "Never"},
        "objective": {"latencyMilliseconds": 60_000},
        "run": {"mode": "Deployment", "replicas": 1},
    }
    return manifest


def torchvision_workload(name: str, architecture: str, *, shape: list[int] | None = None) -> Object:
    """A workload of a TorchVision architecture."""
    model = {"source": "TorchVision", "name": architecture}
    return workload(name, model, shape=shape or [3, 96, 96], limits={"cpu": "1", "memory": "768Mi"})


def workload(name: str, model: Object, *, shape: list[int], limits: dict[str, str] | None = None) -> Object:
    """A workload that is measured on every class and runs nothing by itself."""
    spec: dict[str, Any] = {
        "model": model,
        "input": {"shape": shape},
        "inferences": 20,
        "profiling": {"policy": "Always"},
        "resources": {"limits": limits or {"cpu": "1", "memory": "384Mi"}},
    }
    return {"apiVersion": AIWORKLOADS.api_version, "kind": "AIWorkload", "metadata": {"name": name}, "spec": spec}


def put_file(client: KubeClient, name: str, content: bytes, namespace: str) -> None:
    """Put a model file into a ConfigMap."""
    data = {"model.onnx": base64.b64encode(content).decode()}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "binaryData": data}
    client.create(CONFIG_MAPS, body, namespace)
