"""The main job on real nodes: from an applied workload to an actual time paired with its prediction."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from examples.models import make_onnx
from foretide.prediction import PodPrediction
from foretide.results import RunResult
from foretide.termination_message import parse
from foretide_kube.client import Object
from foretide_kube.explanation import Explanation
from foretide_kube.names import (
    AIWORKLOADS,
    ANNOTATION_PAIRED,
    ANNOTATION_PREDICTION,
    COMPLETION_TIME_MODELS,
    JOBS,
    LABEL_ROLE,
    LABEL_WORKLOAD,
    NODE_CLASSES,
    PODS,
    SCHEDULER_NAME,
    WORKLOAD_PROFILES,
)
from tests.e2e.workloads import onnx_workload, put_file, torchvision_workload
from tests.installed import Installed

pytestmark = pytest.mark.cluster
CLASSES = {"edge-fast", "edge-slow"}


def task_pods(installed: Installed, workload: str, namespace: str) -> list[Object]:
    """The Pods that perform the workload's tasks."""
    selector = f"{LABEL_WORKLOAD}={workload},{LABEL_ROLE}=run"
    return installed.client.list_objects(PODS, namespace, label_selector=selector)


def test_labelled_nodes_get_a_node_class_that_is_probed(installed: Installed) -> None:
    def all_ready() -> bool:
        names = {item["metadata"]["name"] for item in installed.client.list_objects(NODE_CLASSES)}
        return names >= CLASSES and all(
            installed.condition(NODE_CLASSES, name, "Ready")["status"] == "True" for name in CLASSES
        )

    installed.until("both node classes Ready", all_ready, timeout_seconds=240)
    probes = {name: installed.client.get(NODE_CLASSES, name)["status"]["probe"] for name in CLASSES}
    assert probes["edge-fast"]["gemmFlopsPerSecond"] > probes["edge-slow"]["gemmFlopsPerSecond"]


def test_an_onnx_workload_is_profiled_on_every_class_runs_and_is_paired_once(
    installed: Installed, tmp_path: Path
) -> None:
    namespace = installed.namespace("main-onnx")
    content = make_onnx.build(tmp_path)["edge-cnn"].read_bytes()
    put_file(installed.client, "cnn", content, namespace)
    manifest = onnx_workload("cnn", content)
    manifest["spec"]["run"] = {"mode": "Job", "completions": 3}
    installed.client.create(AIWORKLOADS, manifest, namespace)

    installed.wait_condition("cnn", "Inspected", namespace, status="True")
    installed.wait_condition("cnn", "Profiled", namespace, status="True", timeout_seconds=300)
    profiles = installed.client.list_objects(WORKLOAD_PROFILES, namespace)
    means = {
        item["spec"]["nodeClass"]: item["spec"]["measurement"]["inferenceMicroseconds"]["mean"] for item in profiles
    }
    assert means.keys() == CLASSES
    assert means["edge-slow"] > 1.5 * means["edge-fast"]

    installed.wait_condition("cnn", "RunComplete", namespace, status="True", timeout_seconds=300)

    def measured_on_every_class() -> Object | None:
        status: Object = installed.client.get(AIWORKLOADS, "cnn", namespace)["status"]
        measured = {row["nodeClass"] for row in status["predictions"] if row["source"] == "Measured"}
        return status if measured == CLASSES else None

    status = installed.until("a measured prediction for every class", measured_on_every_class)
    assert status["best"]["nodeClass"] == "edge-fast"

    def all_paired() -> list[Object]:
        pods = [pod for pod in task_pods(installed, "cnn", namespace) if pod["status"]["phase"] == "Succeeded"]
        paired = [pod for pod in pods if ANNOTATION_PAIRED in pod["metadata"].get("annotations", {})]
        return paired if len(paired) == 3 else []

    pods = installed.until("three tasks paired", all_paired)
    for pod in pods:
        assert pod["spec"]["schedulerName"] == SCHEDULER_NAME
        prediction = msgspec.json.decode(pod["metadata"]["annotations"][ANNOTATION_PREDICTION], type=PodPrediction)
        assert prediction.node == pod["spec"]["nodeName"]
        assert prediction.inferences == 20
        message = pod["status"]["containerStatuses"][0]["state"]["terminated"]["message"]
        result = parse(message.encode())
        assert isinstance(result, RunResult)
        assert result.inferences == 20
    installed.until(
        "actuals of three tasks in the status",
        lambda: installed.client.get(AIWORKLOADS, "cnn", namespace)["status"].get("actuals", {}).get("count") == 3,
    )


def test_why_a_task_went_to_its_node_is_told_by_the_command(installed: Installed) -> None:
    namespace = "main-onnx"
    pod = task_pods(installed, "cnn", namespace)[0]
    words = ["explain", "pod", pod["metadata"]["name"], "--namespace", namespace, "--output", "json"]
    done = subprocess.run(
        [sys.executable, "-m", "foretide_cli", *words],
        env={**os.environ, "KUBECONFIG": str(installed.cluster.kubeconfig)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    told = msgspec.json.decode(done.stdout, type=Explanation)
    assert told.status == "Decided"
    assert told.placed
    assert told.placed.node == pod["spec"]["nodeName"]
    assert told.placed.node in {node for each in told.candidates for node in each.nodes}


def test_a_torchvision_workload_gets_a_signature_a_profile_and_a_prediction_on_every_class(
    installed: Installed,
) -> None:
    namespace = installed.namespace("main-torch")
    installed.client.create(AIWORKLOADS, torchvision_workload("net", "mobilenet_v3_small"), namespace)
    installed.wait_condition("net", "Inspected", namespace, status="True", timeout_seconds=240)
    signature = installed.client.get(AIWORKLOADS, "net", namespace)["status"]["signature"]
    assert signature["parameterBytes"] > 1_000_000
    assert signature["byKind"]["depthwiseConvolution"]["macs"] > 0
    installed.wait_condition("net", "Predicted", namespace, status="True", timeout_seconds=300)
    installed.wait_condition("net", "Profiled", namespace, status="True", timeout_seconds=400)


def test_the_model_is_trained_from_what_was_measured(installed: Installed) -> None:
    def trained() -> bool:
        row = installed.condition(COMPLETION_TIME_MODELS, "default", "Trained")
        return bool(row["status"] == "True")

    installed.until("the model Trained", trained)
    status = installed.client.get(COMPLETION_TIME_MODELS, "default")["status"]
    assert status["activeVersion"]
    assert installed.condition(COMPLETION_TIME_MODELS, "default", "ArtefactValid")["status"] == "True"


def test_a_pod_of_its_own_with_two_lines_is_placed_and_predicted(installed: Installed) -> None:
    """The Pod of somebody else's program: no role, no result of ours, only label and scheduler."""
    namespace = "main-onnx"
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "own", "labels": {LABEL_WORKLOAD: "cnn"}},
        "spec": {
            "schedulerName": SCHEDULER_NAME,
            "restartPolicy": "Never",
            "containers": [
                {
                    "name": "task",
                    "image": "foretide/profiler:dev-torch",
                    "command": ["python3", "-c", "print('done')"],
                    "resources": {"limits": {"cpu": "1", "memory": "128Mi"}},
                }
            ],
        },
    }
    installed.client.create(PODS, pod, namespace)

    def predicted() -> str:
        annotations = installed.client.get(PODS, "own", namespace)["metadata"].get("annotations", {})
        text: str = annotations.get(ANNOTATION_PREDICTION, "")
        return text

    prediction = msgspec.json.decode(installed.until("a prediction on the Pod", predicted), type=PodPrediction)
    assert prediction.node_class in CLASSES


def test_a_pod_that_is_not_ours_is_scheduled_as_ever(installed: Installed) -> None:
    namespace = installed.namespace("not-ours")
    container = {"name": "c", "image": "foretide/profiler:dev-torch", "command": ["true"]}
    spec = {"schedulerName": SCHEDULER_NAME, "restartPolicy": "Never", "containers": [container]}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "plain"}, "spec": spec}
    installed.client.create(PODS, body, namespace)
    installed.until(
        "the Pod ended", lambda: installed.client.get(PODS, "plain", namespace)["status"].get("phase") == "Succeeded"
    )
    assert ANNOTATION_PREDICTION not in installed.client.get(PODS, "plain", namespace)["metadata"].get(
        "annotations", {}
    )


def test_a_suspended_workload_is_measured_but_not_run_until_it_is_resumed(installed: Installed, tmp_path: Path) -> None:
    namespace = installed.namespace("suspended")
    content = make_onnx.build(tmp_path)["sensor-mixer"].read_bytes()
    put_file(installed.client, "mixer", content, namespace)
    manifest = onnx_workload("mixer", content)
    manifest["spec"] |= {"input": {"shape": [512, 64]}, "run": {"mode": "Job"}, "suspend": True}
    installed.client.create(AIWORKLOADS, manifest, namespace)
    installed.wait_condition("mixer", "Profiled", namespace, status="True", timeout_seconds=300)
    assert not task_pods(installed, "mixer", namespace)
    installed.client.patch(AIWORKLOADS, "mixer", {"spec": {"suspend": False}}, namespace)
    installed.wait_condition("mixer", "RunComplete", namespace, status="True")
    jobs = installed.client.list_objects(JOBS, namespace, label_selector=f"{LABEL_ROLE}=run")
    assert [job["status"].get("succeeded") for job in jobs] == [1]
