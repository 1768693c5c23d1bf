"""What Jobs and Deployments are made for, as keys: one that has another key than is wanted now is stale."""

from __future__ import annotations

import hashlib

import msgspec

from foretide_kube.client import Object
from foretide_kube.kinds.aiworkload import AIWorkload, AIWorkloadSpec, workload_key
from foretide_kube.kinds.common import plain
from foretide_kube.kinds.nodeclass import NodeClass
from foretide_kube.names import ANNOTATION_KEY
from foretide_kube.quantity import millis
from foretide_operator.settings import Settings


def measuring_key(spec: AIWorkloadSpec) -> str:
    """What inspect and profile Jobs are made for: the workload, and what else a time or a failure may be due to."""
    return f"{workload_key(spec)}-{container_key(spec)}"


def container_key(spec: AIWorkloadSpec) -> str:
    """A digest of what may change of a workload and its container is given, measured or at work alike.

    Equal for equal quantities however written, as `workload_key`, which has the CPU limit.
    """
    template = spec.run.template
    limits = spec.resources.limits
    return _digest(
        {
            "limits": {name: millis(quantity) for name, quantity in limits.items() if name != "cpu"},
            "env": [plain(variable) for variable in template.env],
            "runtimeClassName": template.runtime_class_name,
        }
    )


def measured_key(job: Object) -> str:
    """The key of the workload (`workload_key`) that a profile Job measures; empty if it does not say."""
    return str(job["metadata"].get("annotations", {}).get(ANNOTATION_KEY, "")).partition("-")[0]


def run_key(workload: AIWorkload) -> str:
    """What a run Job is made for: this very workload, and how many tasks; all else that can change changes no run."""
    made_for = {"uid": workload.metadata.uid, "completions": workload.spec.run.task_count}
    return f"{workload_key(workload.spec)}-{_digest(made_for)}"


def rollout_key(spec: AIWorkloadSpec) -> str:
    """What a Deployment's Pods are made of; a change is rolled out. Replicas and suspension are no part of it."""
    made_of = {
        "template": plain(spec.run.template),
        "queue": spec.run.queue_length,
        "resources": plain(spec.resources),
    }
    return f"{workload_key(spec)}-{_digest(made_of)}"


def probing_key(node_class: NodeClass, settings: Settings) -> str:
    """What a probe Job is made for: this very NodeClass, not one that had its name before."""
    return _digest(
        {"uid": node_class.metadata.uid, "probe": plain(node_class.spec.probe), "image": settings.image_onnx}
    )


def _digest(value: object) -> str:
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()[:8]
