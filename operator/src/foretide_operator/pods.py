"""Pod templates for someone else's model: no token, no privilege, a read-only root."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from foretide.scratch import SCRATCH_MEBIBYTES
from foretide_kube.client import Object
from foretide_kube.kinds.aiworkload import AIWorkloadSpec
from foretide_kube.kinds.common import LabelSelector, plain
from foretide_kube.kinds.nodeclass import NodeClass
from foretide_kube.names import (
    CONTAINER,
    GATE_PLAN,
    LABEL_ROLE,
    LABEL_WORKLOAD,
    RESOURCE_TASK,
    ROLE_INSPECT,
    ROLE_PROBE,
    ROLE_PROFILE,
)
from foretide_kube.profiler_call import MODEL_FOLDER
from foretide_operator.settings import Settings

SERVICE_PORT: Final = 8080
"""Where the Pods of services answer."""
_DRAIN_SECONDS: Final = 30
"""Kubernetes kills a service that has not ended so long after its Pod was deleted; from SIGTERM on it needs 20 s."""
_FORGET_SECONDS: Final = 5
"""So long a service goes on answering before SIGTERM, until all nodes have taken it out of its Service."""
_USER: Final = 65532
_MOST_WEIGHT: Final = 100
"""Of a preference, as Kubernetes bounds it."""
_SECURITY: Final[Object] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "runAsUser": _USER,
    "runAsGroup": _USER,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def restricted_pod(image: str, limits: Mapping[str, str | int], settings: Settings) -> Object:
    """One container with requests equal to limits, and no right that it does not need."""
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 10,
        "securityContext": {"runAsNonRoot": True, "fsGroup": _USER, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": CONTAINER,
                "image": image,
                "imagePullPolicy": settings.image_pull_policy,
                "resources": {"limits": dict(limits), "requests": dict(limits)},
                "securityContext": _SECURITY,
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
                "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - the container's own, empty
            }
        ],
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": f"{SCRATCH_MEBIBYTES}Mi"}}],
    }


def mount_model(pod: Object, spec: AIWorkloadSpec) -> None:
    """Mount the model's file read-only under /model, where the workload has one."""
    if spec.model.file is None:
        return
    volume = spec.model.file.volume
    if volume.config_map is not None:
        source: Object = {"configMap": {"name": volume.config_map.name}}
    elif volume.persistent_volume_claim is not None:
        source = {"persistentVolumeClaim": {"claimName": volume.persistent_volume_claim.claim_name, "readOnly": True}}
    elif volume.image is not None:
        source = {"image": plain(volume.image)}
    else:
        raise ValueError("spec.model.file.volume names no volume")
    pod["volumes"].append({"name": "model", **source})
    pod["containers"][0]["volumeMounts"].append({"name": "model", "mountPath": str(MODEL_FOLDER), "readOnly": True})


def image_of(spec: AIWorkloadSpec, settings: Settings) -> str:
    """The profiler's image that can run the workload."""
    return settings.image_onnx if spec.model.source == "ONNX" else settings.image_torch


def set_service(pod: Object, queue_length: int) -> None:
    """Have the Pod live on, with a port that Kubernetes probes: it is ready once it has made an inference.

    Loading may take long, and so may any answer of a node whose CPU is taken: what is alive is given two minutes.
    """
    container = pod["containers"][0]
    container["args"] += ["--port", str(SERVICE_PORT), "--queue", str(queue_length)]
    container["ports"] = [{"name": "http", "containerPort": SERVICE_PORT, "protocol": "TCP"}]
    container["lifecycle"] = {"preStop": {"sleep": {"seconds": _FORGET_SECONDS}}}
    container["readinessProbe"] = _probe("/readyz", period_seconds=5, failures=2)
    container["livenessProbe"] = _probe("/healthz", period_seconds=20, failures=6)
    pod["restartPolicy"] = "Always"
    pod["terminationGracePeriodSeconds"] = _DRAIN_SECONDS


def _probe(path: str, *, period_seconds: int, failures: int) -> Object:
    return {
        "httpGet": {"path": path, "port": "http"},
        "periodSeconds": period_seconds,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }


def set_scheduler(pod: Object, settings: Settings) -> None:
    """Have the Pod placed by our scheduler where it is installed, or marked for the one that asks our extender."""
    if settings.scheduler_name:
        pod["schedulerName"] = settings.scheduler_name
    if settings.external_scheduler:
        for amounts in pod["containers"][0]["resources"].values():
            amounts[RESOURCE_TASK] = "1"


def set_gate(pod: Object, settings: Settings) -> None:
    """Have the Pod wait for the planner, where gates are on and the scheduler does as the plan says."""
    if settings.gates and (settings.scheduler_name or settings.external_scheduler):
        pod["schedulingGates"] = [{"name": GATE_PLAN}]


def set_preference(pod: Object, node_classes: Iterable[NodeClass]) -> None:
    """Have the Pod rather on a node of a class that was probed to be fast: importing a runtime is computation."""
    probed = [(each, each.status.probe) for each in node_classes if _requirements(each.spec.selector)]
    speeds = {each.metadata.name: probe.gemm_flops_per_second for each, probe in probed if probe is not None}
    fastest = max(speeds.values(), default=0)
    if not fastest:
        return
    terms = [
        {
            "weight": max(_MOST_WEIGHT * speeds[each.metadata.name] // fastest, 1),
            "preference": {"matchExpressions": _requirements(each.spec.selector)},
        }
        for each, probe in probed
        if probe is not None
    ]
    pod["affinity"] = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": terms}}


def class_affinity(selector: LabelSelector, lost_nodes: Sequence[str]) -> Object:
    """To the nodes of a class but for those that belong to another, away from other measurements, rather from tasks.

    By the preference kube-scheduler keeps tasks away from measurements, too: it looks at those of Pods that are there.
    """
    term: Object = {"matchExpressions": _requirements(selector)}
    if lost_nodes:
        term["matchFields"] = [
            {"key": "metadata.name", "operator": "NotIn", "values": [name]} for name in sorted(lost_nodes)
        ]
    affinity: Object = {
        "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                _beside({"key": LABEL_ROLE, "operator": "In", "values": [ROLE_PROFILE, ROLE_PROBE]})
            ],
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {
                    "weight": _MOST_WEIGHT,
                    "podAffinityTerm": _beside(
                        {"key": LABEL_WORKLOAD, "operator": "Exists"},
                        {"key": LABEL_ROLE, "operator": "NotIn", "values": [ROLE_INSPECT, ROLE_PROFILE, ROLE_PROBE]},
                    ),
                }
            ],
        }
    }
    if term["matchExpressions"] or lost_nodes:  # a term without requirements matches nothing in Kubernetes
        affinity["nodeAffinity"] = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    return affinity


def _beside(*requirements: Object) -> Object:
    """The nodes with Pods, of any namespace, whose labels meet these."""
    return {
        "labelSelector": {"matchExpressions": list(requirements)},
        "namespaceSelector": {},
        "topologyKey": "kubernetes.io/hostname",
    }


def _requirements(selector: LabelSelector) -> list[Object]:
    """A selection by labels as requirements on a node."""
    return [
        *({"key": key, "operator": "In", "values": [value]} for key, value in sorted(selector.match_labels.items())),
        *(
            {
                "key": requirement.key,
                "operator": requirement.operator,
                **({"values": list(requirement.values)} if requirement.values else {}),
            }
            for requirement in selector.match_expressions
        ),
    ]
