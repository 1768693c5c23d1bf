"""The manifests that the operator makes, as pure functions: Jobs that measure, Jobs and Deployments that run.

All of them run someone else's model, so they get no token, no privilege, a read-only root, and an end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from foretide_kube.client import Object
from foretide_kube.kinds.aiworkload import AIWorkload, AIWorkloadSpec, workload_key
from foretide_kube.kinds.common import LabelSelector, plain
from foretide_kube.kinds.nodeclass import NodeClass
from foretide_kube.names import (
    ANNOTATION_KEY,
    API_VERSION,
    LABEL_JOB_NODE_CLASS,
    LABEL_MANAGED_BY,
    LABEL_ROLE,
    LABEL_WORKLOAD,
    MANAGED_BY,
    ROLE_INSPECT,
    ROLE_PROBE,
    ROLE_PROFILE,
    ROLE_RUN,
    child_name,
)
from foretide_operator.settings import Settings

ANNOTATION_ATTEMPT: Final = "foretide.dev/attempt"
"""On inspect, profile and probe Jobs: which try this is, from 1."""

CONTAINER: Final = "profiler"
RUN_TTL_SECONDS: Final = 3600
"""How long what has ended stays: an operator that was down for less loses nothing."""

_USER: Final = 65532
_PROBE_LIMITS: Final[Mapping[str, str | int]] = {"cpu": "1", "memory": "256Mi"}
_SECURITY: Final[Object] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "runAsUser": _USER,
    "runAsGroup": _USER,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def measuring_key(spec: AIWorkloadSpec) -> str:
    """What inspect and profile Jobs are made for: the workload, and the limits that a failure may be due to."""
    return f"{workload_key(spec)}-{_digest(plain(spec.resources))}"


def run_key(spec: AIWorkloadSpec) -> str:
    """What a run is made for; parallelism, replicas and suspension change in place and are left out."""
    run = plain(spec.run)
    for mutable in ("parallelism", "replicas"):
        run.pop(mutable, None)
    return f"{workload_key(spec)}-{_digest({'run': run, 'n': spec.inferences, 'r': plain(spec.resources)})}"


def probing_key(node_class: NodeClass, settings: Settings) -> str:
    """What a probe Job is made for."""
    return _digest({"probe": plain(node_class.spec.probe), "image": settings.image_onnx})


def inspect_job(workload: AIWorkload, attempt: int, settings: Settings) -> Object:
    """The Job that counts what one inference costs, on any node."""
    body = _measuring_job(workload, ROLE_INSPECT, attempt, settings)
    pod = body["spec"]["template"]["spec"]
    pod["containers"][0]["args"] = ["inspect", *_workload_arguments(workload.spec)]
    _set_scheduler(pod, settings)
    return body


def profile_job(
    workload: AIWorkload,
    node_class: NodeClass,
    *,
    attempt: int,
    lost_nodes: Sequence[str],
    series: str,
    settings: Settings,
) -> Object:
    """The Job that measures a workload on a node class, alone with respect to other measurements on its node.

    ``lost_nodes`` are selected by the class but belong to another; ``series`` tells repeated measurements apart.
    """
    body = _measuring_job(workload, ROLE_PROFILE, attempt, settings, class_name=node_class.metadata.name, series=series)
    pod = body["spec"]["template"]["spec"]
    pod["containers"][0]["args"] = [
        "profile",
        *_workload_arguments(workload.spec),
        "--max-seconds",
        str(settings.profile_max_seconds),
        "--min-samples",
        str(settings.profile_min_samples),
        "--min-seconds",
        str(settings.profile_min_seconds),
    ]
    pod["affinity"] = _class_affinity(node_class.spec.selector, lost_nodes)
    return body


def probe_job(node_class: NodeClass, attempt: int, lost_nodes: Sequence[str], settings: Settings) -> Object:
    """The Job that finds out how a node class behaves on the fixed set of small tasks."""
    name = node_class.metadata.name
    key = probing_key(node_class, settings)
    limits = {**_PROBE_LIMITS, **node_class.spec.probe.resources.limits}
    labels = {LABEL_MANAGED_BY: MANAGED_BY, LABEL_ROLE: ROLE_PROBE, LABEL_JOB_NODE_CLASS: name}
    pod = _pod(settings.image_onnx, limits, settings)
    pod["containers"][0]["args"] = ["probe", "--max-seconds", str(settings.probe_max_seconds)]
    pod["affinity"] = _class_affinity(node_class.spec.selector, lost_nodes)
    if node_class.spec.probe.tolerations:
        pod["tolerations"] = [plain(toleration) for toleration in node_class.spec.probe.tolerations]
    return _job(
        name=child_name(name, ROLE_PROBE, f"{key}/{attempt}"),
        namespace=settings.namespace,
        labels=labels,
        annotations={ANNOTATION_KEY: key, ANNOTATION_ATTEMPT: str(attempt)},
        owner=_owner("NodeClass", name, node_class.metadata.uid),
        pod=pod,
        spec={"backoffLimit": 0, "activeDeadlineSeconds": settings.job_deadline_seconds},
    )


def run_job(workload: AIWorkload, settings: Settings) -> Object:
    """The Job that performs the workload's tasks, one Pod per task."""
    key = run_key(workload.spec)
    run = workload.spec.run
    pod_labels, pod_annotations, pod = _run_pod(workload, settings, repeat=False)
    body = _job(
        name=child_name(workload.metadata.name, ROLE_RUN, key),
        namespace=workload.metadata.namespace,
        labels=_labels(workload, ROLE_RUN),
        annotations={ANNOTATION_KEY: key},
        owner=_owner("AIWorkload", workload.metadata.name, workload.metadata.uid),
        pod=pod,
        spec={
            "completionMode": "Indexed",
            "completions": run.task_count,
            "parallelism": run.tasks_at_once,
            "suspend": workload.spec.suspend,
            "backoffLimitPerIndex": 2,
        },
    )
    template = body["spec"]["template"]
    template["metadata"]["labels"] = pod_labels
    template["metadata"]["annotations"] = {**pod_annotations, ANNOTATION_KEY: key}
    return body


def run_deployment(workload: AIWorkload, settings: Settings) -> Object:
    """The Deployment whose Pods perform task after task."""
    key = run_key(workload.spec)
    pod_labels, pod_annotations, pod = _run_pod(workload, settings, repeat=True)
    pod["restartPolicy"] = "Always"
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": deployment_name(workload),
            "namespace": workload.metadata.namespace,
            "labels": _labels(workload, ROLE_RUN),
            "annotations": {ANNOTATION_KEY: key},
            "ownerReferences": [_owner("AIWorkload", workload.metadata.name, workload.metadata.uid)],
        },
        "spec": {
            "replicas": wanted_replicas(workload.spec),
            "selector": {"matchLabels": {LABEL_WORKLOAD: workload.metadata.name, LABEL_ROLE: ROLE_RUN}},
            "template": {
                "metadata": {"labels": pod_labels, "annotations": {**pod_annotations, ANNOTATION_KEY: key}},
                "spec": pod,
            },
        },
    }


def deployment_name(workload: AIWorkload) -> str:
    """The one name of a workload's Deployment: what changes is rolled out, not made anew."""
    return child_name(workload.metadata.name, ROLE_RUN, "deployment")


def wanted_replicas(spec: AIWorkloadSpec) -> int:
    """Pods that a Deployment is to keep now."""
    return 0 if spec.suspend else spec.run.replica_count


def _measuring_job(
    workload: AIWorkload,
    role: str,
    attempt: int,
    settings: Settings,
    *,
    class_name: str = "",
    series: str = "",
) -> Object:
    key = measuring_key(workload.spec)
    labels = _labels(workload, role)
    if class_name:
        labels[LABEL_JOB_NODE_CLASS] = class_name
    pod = _pod(_image(workload.spec, settings), workload.spec.resources.limits, settings)
    _mount_model(pod, workload.spec)
    template = workload.spec.run.template
    if template.tolerations:
        pod["tolerations"] = [plain(toleration) for toleration in template.tolerations]
    return _job(
        name=child_name(workload.metadata.name, role, f"{key}/{class_name}/{series}/{attempt}"),
        namespace=workload.metadata.namespace,
        labels=labels,
        annotations={ANNOTATION_KEY: key, ANNOTATION_ATTEMPT: str(attempt)},
        owner=_owner("AIWorkload", workload.metadata.name, workload.metadata.uid),
        pod=pod,
        spec={"backoffLimit": 0, "activeDeadlineSeconds": settings.job_deadline_seconds},
    )


def _run_pod(
    workload: AIWorkload, settings: Settings, *, repeat: bool
) -> tuple[dict[str, str], dict[str, str], Object]:
    spec = workload.spec
    template = spec.run.template
    pod = _pod(_image(spec, settings), spec.resources.limits, settings)
    _mount_model(pod, spec)
    pod["containers"][0]["args"] = [
        "run",
        *_workload_arguments(spec),
        "--inferences",
        str(spec.inferences),
        *(["--repeat"] if repeat else []),
    ]
    if template.env:
        pod["containers"][0]["env"] = [plain(variable) for variable in template.env]
    if template.node_selector:
        pod["nodeSelector"] = dict(template.node_selector)
    if template.tolerations:
        pod["tolerations"] = [plain(toleration) for toleration in template.tolerations]
    _set_scheduler(pod, settings)
    return {**template.metadata.labels, **_labels(workload, ROLE_RUN)}, dict(template.metadata.annotations), pod


def _labels(workload: AIWorkload, role: str) -> dict[str, str]:
    return {LABEL_MANAGED_BY: MANAGED_BY, LABEL_ROLE: role, LABEL_WORKLOAD: workload.metadata.name}


def _owner(kind: str, name: str, uid: str) -> Object:
    # blockOwnerDeletion stays false: true needs the right to set finalizers where that admission plugin is on.
    return {"apiVersion": API_VERSION, "kind": kind, "name": name, "uid": uid, "controller": True}


def _job(
    *,
    name: str,
    namespace: str,
    labels: dict[str, str],
    annotations: dict[str, str],
    owner: Object,
    pod: Object,
    spec: Object,
) -> Object:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": labels,
            "annotations": annotations,
            "ownerReferences": [owner],
        },
        "spec": {
            **spec,
            # An eviction is no failure of the task: its Pod is made again and nothing is counted against it.
            "podFailurePolicy": {
                "rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
            },
            "template": {"metadata": {"labels": dict(labels), "annotations": dict(annotations)}, "spec": pod},
        },
    }


def _pod(image: str, limits: Mapping[str, str | int], settings: Settings) -> Object:
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
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}}],
    }


def _mount_model(pod: Object, spec: AIWorkloadSpec) -> None:
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
    pod["containers"][0]["volumeMounts"].append({"name": "model", "mountPath": "/model", "readOnly": True})


def _workload_arguments(spec: AIWorkloadSpec) -> list[str]:
    arguments = ["--source", spec.model.source]
    if spec.model.name is not None:
        arguments += ["--name", spec.model.name]
    if spec.model.file is not None:
        arguments += ["--file", f"/model/{spec.model.file.path}", "--sha256", spec.model.file.sha256]
    return [
        *arguments,
        "--input",
        ",".join(str(size) for size in spec.input.shape),
        "--data-type",
        spec.input.data_type,
        "--batch-size",
        str(spec.batch_size),
        "--precision",
        spec.precision,
    ]


def _image(spec: AIWorkloadSpec, settings: Settings) -> str:
    return settings.image_onnx if spec.model.source == "ONNX" else settings.image_torch


def _set_scheduler(pod: Object, settings: Settings) -> None:
    if settings.scheduler_name:
        pod["schedulerName"] = settings.scheduler_name


def _class_affinity(selector: LabelSelector, lost_nodes: Sequence[str]) -> Object:
    term: Object = {
        "matchExpressions": [
            *(
                {"key": key, "operator": "In", "values": [value]}
                for key, value in sorted(selector.match_labels.items())
            ),
            *(
                {
                    "key": requirement.key,
                    "operator": requirement.operator,
                    **({"values": list(requirement.values)} if requirement.values else {}),
                }
                for requirement in selector.match_expressions
            ),
        ]
    }
    if lost_nodes:
        term["matchFields"] = [
            {"key": "metadata.name", "operator": "NotIn", "values": [name]} for name in sorted(lost_nodes)
        ]
    affinity: Object = {
        "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {
                    "labelSelector": {
                        "matchExpressions": [
                            {"key": LABEL_ROLE, "operator": "In", "values": [ROLE_PROFILE, ROLE_PROBE]}
                        ]
                    },
                    "namespaceSelector": {},
                    "topologyKey": "kubernetes.io/hostname",
                }
            ]
        }
    }
    if term["matchExpressions"] or lost_nodes:  # a term without requirements matches nothing in Kubernetes
        affinity["nodeAffinity"] = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    return affinity


def _digest(value: object) -> str:
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()[:8]
