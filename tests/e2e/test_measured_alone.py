"""On real nodes: a measurement of a class whose only node is full of tasks, and more wait, has it alone in between."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples.models import make_onnx
from foretide_kube.client import Object
from foretide_kube.names import AIWORKLOADS, LABEL_ROLE, LABEL_WORKLOAD, PODS, WORKLOAD_PROFILES
from tests.e2e.workloads import onnx_workload, put_file
from tests.installed import Installed

pytestmark = pytest.mark.cluster
NODE_CLASS = "edge-fast"
TASKS = 16
TASK_SECONDS = 8.0


def on_class(installed: Installed, name: str, content: bytes, namespace: str, **spec: object) -> None:
    """Apply a workload that is measured and run on the one class."""
    put_file(installed.client, name, content, namespace)
    manifest = onnx_workload(name, content)
    manifest["spec"] |= {"nodeClassSelector": {"matchLabels": {"tier": NODE_CLASS}}, **spec}
    installed.client.create(AIWORKLOADS, manifest, namespace)


def pods(installed: Installed, workload: str, role: str, namespace: str) -> list[Object]:
    selector = f"{LABEL_WORKLOAD}={workload},{LABEL_ROLE}={role}"
    return installed.client.list_objects(PODS, namespace, label_selector=selector)


def profile(installed: Installed, workload: str, namespace: str) -> Object:
    (found,) = (
        item["spec"]
        for item in installed.client.list_objects(WORKLOAD_PROFILES, namespace)
        if item["spec"]["workload"]["name"] == workload
    )
    spec: Object = found
    return spec


def started(pod: Object) -> str:
    (status,) = pod["status"]["containerStatuses"]
    state = status["state"]
    time: str = (state.get("terminated") or state.get("running"))["startedAt"]
    return time


def test_a_measurement_among_tasks_has_its_turn_and_its_node_alone(installed: Installed, tmp_path: Path) -> None:
    namespace = installed.namespace("alone")
    content = make_onnx.build(tmp_path)["edge-cnn"].read_bytes()
    installed.cluster.kubectl("label", "nclass", NODE_CLASS, f"tier={NODE_CLASS}", "--overwrite")
    run = {"mode": "Job", "completions": TASKS, "template": {"nodeSelector": {"foretide.dev/node-class": NODE_CLASS}}}
    on_class(installed, "tasks", content, namespace, run=run, suspend=True)
    installed.wait_condition("tasks", "Profiled", namespace, status="True", timeout_seconds=300)
    mean = profile(installed, "tasks", namespace)["measurement"]["inferenceMicroseconds"]["mean"]
    go: Object = {"spec": {"suspend": False, "inferences": max(round(TASK_SECONDS * 1e6 / mean), 1)}}
    installed.client.patch(AIWORKLOADS, "tasks", go, namespace)

    def is_full() -> bool:
        running = [pod for pod in pods(installed, "tasks", "run", namespace) if pod["status"]["phase"] == "Running"]
        return bool(running)

    installed.until("tasks on the node", is_full, timeout_seconds=120)
    on_class(installed, "late", content, namespace)
    installed.wait_condition("late", "Profiled", namespace, status="True", timeout_seconds=300)
    found = profile(installed, "late", namespace)
    assert found["measurement"]["environment"]["coRunners"] == 0
    assert "replaced" not in found, "it was alone the first time"
    (measured,) = (
        pod for pod in pods(installed, "late", "profile", namespace) if pod["status"]["phase"] == "Succeeded"
    )
    installed.wait_condition("tasks", "RunComplete", namespace, status="True", timeout_seconds=300)
    starts = [
        started(pod) for pod in pods(installed, "tasks", "run", namespace) if pod["status"]["phase"] == "Succeeded"
    ]
    assert min(starts) < started(measured) < max(starts), "tasks were there before, and went on after it"
