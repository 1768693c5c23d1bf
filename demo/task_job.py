"""The Job of one task, as an application would submit it: its own, labelled with the workload and nothing more."""

from __future__ import annotations

from foretide_kube.client import Object
from foretide_kube.kinds.aiworkload import AIWorkload
from foretide_kube.names import LABEL_WORKLOAD
from foretide_operator.jobs import run_job
from foretide_operator.settings import Settings


def task_job(workload: AIWorkload, name: str, settings: Settings) -> Object:
    """One task of ``workload``: the Pod that the operator would make, in a Job of the application's own."""
    pod = run_job(workload, settings)["spec"]["template"]["spec"]
    labels = {LABEL_WORKLOAD: workload.metadata.name}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": workload.metadata.namespace, "labels": dict(labels)},
        "spec": {
            "backoffLimit": 2,
            "ttlSecondsAfterFinished": 3600,
            "template": {"metadata": {"labels": dict(labels)}, "spec": pod},
        },
    }
