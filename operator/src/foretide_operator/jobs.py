"""The manifests that the operator makes, as pure functions: Jobs that measure, Jobs and Deployments that run.

What their Pods may do stands in `foretide_operator.pods`; here each gets its name and its owner, and a Job that
measures its deadline. A run has none: it is over when each of its tasks has succeeded or failed too often.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec

from foretide_kube.client import Object
from foretide_kube.kinds.aiworkload import AIWorkload, AIWorkloadSpec
from foretide_kube.kinds.common import plain
from foretide_kube.kinds.nodeclass import NodeClass
from foretide_kube.kinds.workloadprofile import Replaced
from foretide_kube.names import (
    ANNOTATION_INFERENCES,
    ANNOTATION_KEY,
    API_VERSION,
    CONTAINER,
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
from foretide_kube.profiler_call import workload_arguments
from foretide_operator.job_keys import measuring_key, probing_key, rollout_key, run_key
from foretide_operator.pods import (
    class_affinity,
    image_of,
    mount_model,
    restricted_pod,
    set_gate,
    set_preference,
    set_scheduler,
    set_service,
)
from foretide_operator.settings import Settings

ANNOTATION_ATTEMPT: Final = "foretide.dev/attempt"
"""On inspect, profile and probe Jobs: which try this is, from 1."""

ANNOTATION_REPLACED: Final = "foretide.dev/replaced"
"""On profile Jobs: the measurement that theirs is to replace and why, as in a WorkloadProfile's spec."""

RUN_TTL_SECONDS: Final = 3600
"""How long what has ended stays: an operator that was down for less loses nothing."""

RUN_RETRIES: Final = 6
"""How often a task of a run Job is tried again, 10 s later and then twice as long each time, 630 s in all.

Kubernetes counts a Pod that kubelet refused (`OutOfcpu` and the like) as a failure although nothing ran, and no rule
can except it: it has neither a condition nor an exit status. So there are enough tries to outlast a node that is full.
"""
_WRONG_CALL_STATUS: Final = 2
"""The profiler's exit status where no other try can go better; 1 may be something that passes."""

_PROBE_LIMITS: Final[Mapping[str, str | int]] = {"cpu": "1", "memory": "256Mi"}


def inspect_job(
    workload: AIWorkload, attempt: int, settings: Settings, node_classes: Sequence[NodeClass] = ()
) -> Object:
    """The Job that counts what one inference costs, on any node, rather on one of the faster ``node_classes``."""
    body = _measuring_job(workload, ROLE_INSPECT, attempt, settings)
    pod = body["spec"]["template"]["spec"]
    pod["containers"][0]["args"] = ["inspect", *workload_arguments(workload.spec)]
    set_preference(pod, node_classes)
    set_scheduler(pod, settings)
    return body


def profile_job(
    workload: AIWorkload,
    node_class: NodeClass,
    *,
    attempt: int,
    lost_nodes: Sequence[str],
    replaced: Replaced | None,
    settings: Settings,
) -> Object:
    """The Job that measures a workload on a node class, alone with respect to other measurements on its node.

    ``lost_nodes`` are selected by the class but belong to another; ``replaced`` is the measurement that this one is to
    replace, None for a first one. By its name alone the Job has its own, whatever the reason is when it is made.
    """
    series = "" if replaced is None else replaced.name
    body = _measuring_job(workload, ROLE_PROFILE, attempt, settings, class_name=node_class.metadata.name, series=series)
    if replaced is not None:
        body["metadata"]["annotations"][ANNOTATION_REPLACED] = msgspec.json.encode(replaced).decode()
    pod = body["spec"]["template"]["spec"]
    pod["containers"][0]["args"] = [
        "profile",
        *workload_arguments(workload.spec),
        "--max-seconds",
        str(settings.profile_max_seconds),
        "--min-samples",
        str(settings.profile_min_samples),
        "--min-seconds",
        str(settings.profile_min_seconds),
    ]
    pod["affinity"] = class_affinity(node_class.spec.selector, lost_nodes)
    return body


def replaced_by(job: Object) -> Replaced | None:
    """The measurement that a profile Job was made to replace; None for a first one, and for what cannot be read."""
    text = job["metadata"].get("annotations", {}).get(ANNOTATION_REPLACED)
    try:
        return None if text is None else msgspec.json.decode(text, type=Replaced)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None


def probe_job(
    node_class: NodeClass,
    *,
    attempt: int,
    lost_nodes: Sequence[str],
    series: str,
    settings: Settings,
    owner: Object | None,
) -> Object:
    """The Job that finds out how a node class behaves on the fixed set of small tasks; ``series`` tells probes apart.

    It lives in the operator's namespace and belongs to ``owner``, the operator's Deployment, so that an uninstall takes
    it along: NodeClasses stay with their CRD. The operator itself removes it when its NodeClass goes.
    """
    name = node_class.metadata.name
    key = probing_key(node_class, settings)
    limits = {**_PROBE_LIMITS, **node_class.spec.probe.resources.limits}
    labels = {LABEL_MANAGED_BY: MANAGED_BY, LABEL_ROLE: ROLE_PROBE, LABEL_JOB_NODE_CLASS: name}
    pod = restricted_pod(settings.image_onnx, limits, settings)
    pod["containers"][0]["args"] = ["probe", "--max-seconds", str(settings.probe_max_seconds)]
    pod["affinity"] = class_affinity(node_class.spec.selector, lost_nodes)
    if node_class.spec.probe.tolerations:
        pod["tolerations"] = [plain(toleration) for toleration in node_class.spec.probe.tolerations]
    return _job(
        name=child_name(name, ROLE_PROBE, f"{key}/{series}/{attempt}"),
        namespace=settings.namespace,
        labels=labels,
        annotations={ANNOTATION_KEY: key, ANNOTATION_ATTEMPT: str(attempt)},
        owner=owner,
        pod=pod,
        spec=_measuring(settings),
    )


def run_job(workload: AIWorkload, settings: Settings) -> Object:
    """The Job that performs the workload's tasks, one Pod per task and try; it has no deadline.

    Its Pods wait behind the planner's gate. A service's do not: it has nothing to wait for.
    """
    key = run_key(workload)
    run = workload.spec.run
    pod_labels, pod_annotations, pod = _run_pod(workload, settings, "run")
    pod["containers"][0]["args"] += ["--inferences", str(workload.spec.inferences)]
    set_gate(pod, settings)
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
            "backoffLimitPerIndex": RUN_RETRIES,
        },
    )
    wrong_call = {"containerName": CONTAINER, "operator": "In", "values": [_WRONG_CALL_STATUS]}
    body["spec"]["podFailurePolicy"]["rules"].append({"action": "FailIndex", "onExitCodes": wrong_call})
    template = body["spec"]["template"]
    template["metadata"]["labels"] = pod_labels
    template["metadata"]["annotations"] = {
        **pod_annotations,
        ANNOTATION_KEY: key,
        ANNOTATION_INFERENCES: str(workload.spec.inferences),  # the Job's tasks keep it when the workload's changes
    }
    return body


def run_deployment(workload: AIWorkload, settings: Settings) -> Object:
    """The Deployment whose Pods answer requests."""
    key = rollout_key(workload.spec)
    pod_labels, pod_annotations, pod = _run_pod(workload, settings, "serve")
    set_service(pod, workload.spec.run.queue_length)
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
    return _job(
        name=child_name(workload.metadata.name, role, f"{key}/{class_name}/{series}/{attempt}"),
        namespace=workload.metadata.namespace,
        labels=labels,
        annotations={ANNOTATION_KEY: key, ANNOTATION_ATTEMPT: str(attempt)},
        owner=_owner("AIWorkload", workload.metadata.name, workload.metadata.uid),
        pod=_workload_pod(workload.spec, settings),
        spec=_measuring(settings),
    )


def _measuring(settings: Settings) -> Object:
    """One try within a deadline; it goes by itself an hour after its end, unless what failed is kept on it."""
    return {
        "backoffLimit": 0,
        "activeDeadlineSeconds": settings.job_deadline_seconds,
        "ttlSecondsAfterFinished": RUN_TTL_SECONDS,
    }


def _run_pod(
    workload: AIWorkload, settings: Settings, command: Literal["run", "serve"]
) -> tuple[dict[str, str], dict[str, str], Object]:
    spec = workload.spec
    template = spec.run.template
    pod = _workload_pod(spec, settings)
    pod["containers"][0]["args"] = [command, *workload_arguments(spec)]
    if template.node_selector:
        pod["nodeSelector"] = dict(template.node_selector)
    set_scheduler(pod, settings)
    return {**template.metadata.labels, **_labels(workload, ROLE_RUN)}, dict(template.metadata.annotations), pod


def _workload_pod(spec: AIWorkloadSpec, settings: Settings) -> Object:
    """What a model runs in, measured or at work alike: else one would tell nothing of the other."""
    template = spec.run.template
    pod = restricted_pod(image_of(spec, settings), spec.resources.limits, settings)
    mount_model(pod, spec)
    if template.env:
        pod["containers"][0]["env"] = [plain(variable) for variable in template.env]
    if template.runtime_class_name is not None:
        pod["runtimeClassName"] = template.runtime_class_name
    if template.tolerations:
        pod["tolerations"] = [plain(toleration) for toleration in template.tolerations]
    return pod


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
    owner: Object | None,
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
            **({"ownerReferences": [owner]} if owner is not None else {}),
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
