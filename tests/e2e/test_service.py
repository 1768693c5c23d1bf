"""A service on real nodes: placed by the latency of a request, answering over HTTP, its requests paired to the last."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from examples.models import make_onnx
from foretide_kube.client import Object
from foretide_kube.names import AIWORKLOADS, DEPLOYMENTS, LABEL_ROLE, LABEL_WORKLOAD, NODE_CLASSES, PODS
from tests.e2e.workloads import onnx_service, put_file
from tests.installed import Installed

pytestmark = pytest.mark.cluster
NAMESPACE = "service"
IMAGE = np.zeros((1, 3, 256, 256), np.float32).tobytes()


def service_pods(installed: Installed) -> list[Object]:
    selector = f"{LABEL_WORKLOAD}=served,{LABEL_ROLE}=run"
    return installed.client.list_objects(PODS, NAMESPACE, label_selector=selector)


def ask(port: int, times: int) -> list[Any]:
    """As many requests over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    answers = []
    for _ in range(times):
        connection.request("POST", "/infer", IMAGE, {"Content-Type": "application/octet-stream"})
        answer = connection.getresponse()
        answers.append((answer.status, json.loads(answer.read())))
    connection.close()
    return answers


def probed(installed: Installed) -> set[str]:
    """The node classes that were probed: a service goes to the best of those that are known when it is placed."""
    classes = installed.client.list_objects(NODE_CLASSES)
    return {each["metadata"]["name"] for each in classes if each.get("status", {}).get("probe")}


def told(installed: Installed) -> Any:
    return installed.client.get(AIWORKLOADS, "served", NAMESPACE)["status"].get("service", {})


def test_a_service_is_placed_by_its_latency_answers_and_every_request_is_paired(
    installed: Installed, tmp_path: Path
) -> None:
    installed.until("both classes probed", lambda: probed(installed) >= {"edge-fast", "edge-slow"})
    installed.namespace(NAMESPACE)
    content = make_onnx.build(tmp_path)["edge-cnn"].read_bytes()
    put_file(installed.client, "served", content, NAMESPACE)
    installed.client.create(AIWORKLOADS, onnx_service("served", content), NAMESPACE)
    installed.wait_condition(
        "served", "Admissible", NAMESPACE, status="True", reason="MeetsLatency", timeout_seconds=300
    )
    installed.wait_condition("served", "Available", NAMESPACE, status="True", timeout_seconds=300)
    (pod,) = service_pods(installed)
    assert pod["spec"]["nodeName"] == "edge-fast-1"
    with installed.cluster.forward(pod["status"]["podIP"], 8080) as port:
        for status, document in ask(port, 5):
            assert status == 200
            assert document["outputs"][0]["shape"] == [1, 10]
        installed.until("five requests paired", lambda: told(installed).get("requests") == 5)
        first = told(installed)
        assert (first["judgedMinutes"], first["metMinutes"]) == (first["minutes"], first["minutes"])
        assert first["inFlightPermille"] == 1000
        assert first["observedLatencyMicroseconds"] > 0
        assert first["predictedLatencyMicroseconds"] > 0
        assert len(ask(port, 2)) == 2
    installed.client.patch(AIWORKLOADS, "served", {"spec": {"suspend": True}}, NAMESPACE)
    installed.until("no Pod is left", lambda: not service_pods(installed))
    installed.until("the last requests paired", lambda: told(installed).get("requests") == 7)


def test_a_service_that_cannot_load_its_model_says_why(installed: Installed, tmp_path: Path) -> None:
    installed.client.patch(AIWORKLOADS, "served", {"spec": {"suspend": False, "run": {"replicas": 2}}}, NAMESPACE)
    installed.wait_condition("served", "Available", NAMESPACE, status="True")
    content = make_onnx.build(tmp_path)["sensor-mixer"].read_bytes()
    installed.cluster.kubectl("delete", "configmap", "served", "-n", NAMESPACE)
    put_file(installed.client, "served", content, NAMESPACE)
    installed.cluster.kubectl("delete", "pods", "-n", NAMESPACE, "-l", f"{LABEL_WORKLOAD}=served,{LABEL_ROLE}=run")
    row = installed.wait_condition("served", "Available", NAMESPACE, status="False", reason="ModelDigestMismatch")
    assert "model.file.sha256" in row["message"]


def test_a_service_ends_when_its_workload_is_to_run_nothing_any_more(installed: Installed) -> None:
    nothing: Object = {"objective": None, "run": {"mode": "None", "replicas": None}}
    installed.client.patch(AIWORKLOADS, "served", {"spec": nothing}, NAMESPACE)
    installed.until("nothing is left", lambda: not installed.client.list_objects(DEPLOYMENTS, NAMESPACE))
    installed.client.delete(AIWORKLOADS, "served", NAMESPACE)
