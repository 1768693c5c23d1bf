"""Objects as the API gives them, small, with a knob for each thing that a test turns."""

from __future__ import annotations

import copy
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from foretide.results import Distribution, Environment, InspectResult, ProbeResult, ProfileResult, Result, RunResult
from foretide.signature import OperatorCost, Signature
from foretide.termination_message import encode
from foretide_kube.kinds import aiworkload, nodeclass
from foretide_kube.kinds.aiworkload import AIWorkload
from foretide_kube.kinds.nodeclass import NodeClass
from foretide_operator.settings import Settings

Object = dict[str, Any]

NOW = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC)
NOW_MILLISECONDS = round(NOW.timestamp() * 1000)
SETTINGS = Settings(
    namespace="foretide-system",
    scheduler_name="foretide-scheduler",
    image_onnx="registry.example/foretide/profiler:1-onnx",
    image_torch="registry.example/foretide/profiler:1-torch",
)
SIGNATURE = Signature(
    family="edge_cnn",
    macs=70_000_000,
    parameter_bytes=700_000,
    activation_bytes=5_000_000,
    peak_activation_bytes=1_000_000,
    operator_count=20,
    input_pixels=65536,
    by_kind={"denseConvolution": OperatorCost(macs=70_000_000, bytes_written=5_000_000, count=20)},
)
ENVIRONMENT = Environment(threads=1, runtime="onnxruntime 1.20", cpu_millis=1000)
SHA256 = "ab" * 32
_numbers = itertools.count(1)


def ago(seconds: float) -> str:
    """A moment before NOW as the API writes it."""
    return (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def uid() -> str:
    return f"00000000-0000-4000-8000-{next(_numbers):012d}"


def workload_object(name: str = "cnn", *, status: Object | None = None, **spec: Any) -> Object:
    body: Object = {
        "apiVersion": "foretide.dev/v1alpha1",
        "kind": "AIWorkload",
        "metadata": {
            "name": name,
            "namespace": "team",
            "uid": uid(),
            "generation": 1,
            "resourceVersion": "1",
            "creationTimestamp": ago(600),
        },
        "spec": {
            "model": {
                "source": "ONNX",
                "file": {"path": "m.onnx", "sha256": SHA256, "volume": {"configMap": {"name": "models"}}},
            },
            "input": {"shape": [3, 224, 224]},
            "inferences": 100,
            "resources": {"limits": {"cpu": "1", "memory": "512Mi"}},
            **spec,
        },
    }
    if status is not None:
        body["status"] = status
    return body


def workload(name: str = "cnn", *, status: Object | None = None, **spec: Any) -> AIWorkload:
    return aiworkload.parse(workload_object(name, status=status, **spec))


def node_class_object(name: str, *, age_seconds: float = 600, priority: int = 0, **fields: Any) -> Object:
    return {
        "apiVersion": "foretide.dev/v1alpha1",
        "kind": "NodeClass",
        "metadata": {
            "name": name,
            "uid": uid(),
            "generation": 1,
            "resourceVersion": "1",
            "creationTimestamp": ago(age_seconds),
            "labels": fields.pop("labels", {}),
        },
        "spec": {
            "selector": fields.pop("selector", {"matchLabels": {"foretide.dev/node-class": name}}),
            "priority": priority,
            **fields.pop("spec", {}),
        },
        **fields,
    }


def node_class(name: str, **fields: Any) -> NodeClass:
    return nodeclass.parse(node_class_object(name, **fields))


def node(name: str, node_class: str | None, *, ready: bool = True, **allocatable: str) -> Object:
    labels = {"kubernetes.io/hostname": name}
    if node_class is not None:
        labels["foretide.dev/node-class"] = node_class
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "uid": uid(), "labels": labels, "resourceVersion": "1"},
        "spec": {},
        "status": {
            "allocatable": {"cpu": "2", "memory": "2Gi", **allocatable},
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "nodeInfo": {"architecture": "amd64", "machineID": "m"},
        },
    }


def as_stored(manifest: Object, *, age_seconds: float = 60, status: Object | None = None) -> Object:
    """A manifest as the API server would give it back."""
    body = copy.deepcopy(manifest)
    body["metadata"].update(uid=uid(), creationTimestamp=ago(age_seconds), resourceVersion=str(next(_numbers)))
    body["status"] = status or {}
    return body


def ended(job: Object, kind: str = "Complete", *, reason: str = "", seconds_ago: float = 30, **status: Any) -> Object:
    condition = {"type": kind, "status": "True", "reason": reason, "lastTransitionTime": ago(seconds_ago)}
    return {**job, "status": {"conditions": [condition], **status}}


def pod_of(
    job: Object,
    *,
    message: str | bytes | Result | None = None,
    phase: str = "Succeeded",
    terminated: Object | None = None,
    node_name: str | None = "n1",
    **status: Any,
) -> Object:
    """The Pod of a Job; with a message, its container has ended and said that."""
    template = job["spec"].get("template", {"metadata": job["metadata"]})["metadata"]
    if message is not None and not isinstance(message, str | bytes):
        message = encode(message)
    text = message.decode() if isinstance(message, bytes) else message
    container: Object = {"name": "profiler", "image": "x", "state": {"running": {"startedAt": ago(55)}}}
    if text is not None or terminated is not None:
        container["state"] = {
            "terminated": {
                "exitCode": 0 if phase == "Succeeded" else 1,
                "startedAt": ago(55),
                "finishedAt": ago(30),
                **({"message": text} if text is not None else {}),
                **(terminated or {}),
            }
        }
    return {
        "metadata": {
            "name": f"{job['metadata']['name']}-x{next(_numbers)}",
            "namespace": job["metadata"].get("namespace", "team"),
            "uid": uid(),
            "labels": dict(template.get("labels", {})),
            "annotations": dict(template.get("annotations", {})),
            "creationTimestamp": ago(58),
            "resourceVersion": str(next(_numbers)),
            "ownerReferences": [
                {"kind": "Job", "name": job["metadata"]["name"], "uid": job["metadata"].get("uid"), "controller": True}
            ],
        },
        "spec": {
            "nodeName": node_name,
            "containers": [{"name": "profiler", "resources": {"limits": {"cpu": "1", "memory": "512Mi"}}}],
        },
        "status": {
            "phase": phase,
            "conditions": [{"type": "PodScheduled", "status": "True", "lastTransitionTime": ago(57)}],
            "containerStatuses": [container],
            **status,
        },
    }


def inspect_result(**fields: Any) -> InspectResult:
    return InspectResult(**{"signature": SIGNATURE, "model_sha256": SHA256, **fields})


def profile_result(*, microseconds: int = 20_000, **fields: Any) -> ProfileResult:
    begin = NOW_MILLISECONDS - 50_000
    return ProfileResult(
        **{
            "process_start": begin - 1_000,
            "work_begin": begin,
            "work_end": begin + 15_000,
            "load_milliseconds": 900,
            "first_inference_microseconds": 2 * microseconds,
            "warmup_inferences": 5,
            "inference": Distribution(
                samples=100, mean=microseconds, median=microseconds, interquartile_range=microseconds // 20
            ),
            "stable": True,
            "memory_peak_bytes": 120_000_000,
            "memory_base_bytes": 40_000_000,
            "model_sha256": SHA256,
            "environment": ENVIRONMENT,
            **fields,
        }
    )


def probe_result(**fields: Any) -> ProbeResult:
    return ProbeResult(
        **{
            "process_start": NOW_MILLISECONDS - 50_000,
            "work_end": NOW_MILLISECONDS - 35_000,
            "startup_milliseconds": 800,
            "gemm_flops_per_second": 10**10,
            "memory_bandwidth_bytes_per_second": 5 * 10**9,
            "model_microseconds": {"dense": 1000},
            "environment": ENVIRONMENT,
            **fields,
        }
    )


def run_result(*, work_milliseconds: int = 2_000, inferences: int = 100, **fields: Any) -> RunResult:
    begin = NOW_MILLISECONDS - 50_000
    return RunResult(
        **{
            "process_start": begin - 1_000,
            "work_begin": begin,
            "work_end": begin + work_milliseconds,
            "inferences": inferences,
            "inference_median_microseconds": 1000 * work_milliseconds // inferences,
            "memory_peak_bytes": 120_000_000,
            "environment": ENVIRONMENT,
            **fields,
        }
    )
