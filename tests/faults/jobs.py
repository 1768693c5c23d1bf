"""Jobs of tasks, as a user writes them: the Pod that the operator would make, or a program of the user's own."""

from __future__ import annotations

from foretide_kube.client import Object
from foretide_kube.kinds.aiworkload import AIWorkload
from foretide_kube.names import LABEL_NODE_CLASS, LABEL_WORKLOAD, SCHEDULER_NAME
from foretide_operator.jobs import run_job
from foretide_operator.settings import Settings
from tests.installed import SYSTEM_NAMESPACE

SETTINGS = Settings(
    namespace=SYSTEM_NAMESPACE,
    scheduler_name=SCHEDULER_NAME,
    image_onnx="foretide/profiler:dev-onnx",
    image_torch="foretide/profiler:dev-torch",
)
FAILURES = "metadata.annotations['batch.kubernetes.io/job-index-failure-count']"


def task_job(name: str, workload: AIWorkload, *, tasks: int, annotations: dict[str, str] | None = None) -> Object:
    """A user's own Job whose Pods wait for the planner; ``annotations`` are those of its Pods."""
    pod = run_job(workload, SETTINGS)["spec"]["template"]["spec"]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {
            "completionMode": "Indexed",
            "completions": tasks,
            "parallelism": tasks,
            "backoffLimitPerIndex": 6,
            "podFailurePolicy": {
                "rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
            },
            "template": {
                "metadata": {
                    "labels": {LABEL_WORKLOAD: workload.metadata.name},
                    "annotations": dict(annotations or {}),
                },
                "spec": pod,
            },
        },
    }


def run_job_name(workload: AIWorkload) -> str:
    """The name of the Job that the operator makes for the workload as it is."""
    return str(run_job(workload, SETTINGS)["metadata"]["name"])


def pod_of(job: Object) -> Object:
    """The specification of a Job's Pods, to be changed in place."""
    spec: Object = job["spec"]["template"]["spec"]
    return spec


def run_program(job: Object, program: str) -> None:
    """Have the Pods run a Python program instead of inferences; FAILURES tells it how often its index has failed."""
    container = pod_of(job)["containers"][0]
    del container["args"]
    container["command"] = ["python3", "-c", program]
    container["env"] = [{"name": "FAILURES", "valueFrom": {"fieldRef": {"fieldPath": FAILURES}}}]


def pin(job: Object, node_class: str) -> None:
    """Have the Pods run on nodes of one class."""
    pod_of(job)["nodeSelector"] = {LABEL_NODE_CLASS: node_class}


def mount_claim(job: Object, claim: str) -> None:
    """Have the Pods need a PersistentVolumeClaim, whether it is there or not."""
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": claim, "readOnly": True}}
    pod_of(job)["volumes"].append(volume)


def ungate(job: Object) -> None:
    """Have the Pods not wait for the planner."""
    del pod_of(job)["schedulingGates"]
