"""The planner's process against a real API server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from devcluster import Cluster
from foretide.prediction import PodPrediction
from foretide_kube.client import KubeClient
from foretide_kube.names import AIWORKLOADS, LEASES, PODS
from tests.extender.real_objects import bind_pod, eventually, fetch, free_port, make_pod, process, small_cluster

pytestmark = pytest.mark.cluster

NAMESPACE = "planner-test"
MODULE = "foretide_operator.planner"


@pytest.fixture(scope="module")
def client(control_plane: Cluster) -> Iterator[KubeClient]:
    with small_cluster(control_plane, NAMESPACE) as client:
        yield client


def written(client: KubeClient, name: str) -> str | None:
    annotations = client.get(PODS, name, NAMESPACE)["metadata"].get("annotations") or {}
    text: str | None = annotations.get("foretide.dev/prediction")
    return text


def environment(port: int) -> dict[str, str]:
    return {"FORETIDE_NAMESPACE": NAMESPACE, "FORETIDE_PLANNER_PORT": str(port)}


def test_a_bound_task_gets_its_prediction_once_and_others_get_none(
    control_plane: Cluster, client: KubeClient, tmp_path: Path
) -> None:
    port = free_port()
    before_milliseconds = time.time_ns() // 10**6
    make_pod(client, NAMESPACE, "early")
    bind_pod(client, NAMESPACE, "early", "slow-1")
    with process(MODULE, control_plane, tmp_path / "log", **environment(port)):
        eventually(lambda: fetch(port, "/readyz")[0] == 200, "ready")
        make_pod(client, NAMESPACE, "task")
        make_pod(client, NAMESPACE, "waiting")
        make_pod(client, NAMESPACE, "inspection", role="inspect")
        make_pod(client, NAMESPACE, "on-bare")
        assert written(client, "task") is None
        for name, node in (("task", "medium-1"), ("inspection", "fast-1"), ("on-bare", "bare")):
            bind_pod(client, NAMESPACE, name, node)
        eventually(lambda: written(client, "task") is not None, "the prediction of a task")
        eventually(lambda: written(client, "early") is not None, "the prediction of one that was bound before")
        prediction = msgspec.json.decode(written(client, "task") or "", type=PodPrediction)
        assert (prediction.node, prediction.node_class) == ("medium-1", "medium")
        assert (prediction.inferences, prediction.work_milliseconds.median) == (100, 2700)
        assert before_milliseconds <= prediction.bound_milliseconds <= time.time_ns() // 10**6
        eventually(lambda: 'reason="NodeClassUnknown"} 1.0' in fetch(port, "/metrics")[1], "what was not predicted")
        text = fetch(port, "/metrics")[1]
        assert 'foretide_predictions_total{node_class="medium",source="Measured"} 1.0' in text
        assert "foretide_planner_leader 1.0" in text
        assert fetch(port, "/healthz") == (200, "ok\n")
        assert fetch(port, "/elsewhere")[0] == 404
        assert [written(client, name) for name in ("waiting", "inspection", "on-bare")] == [None] * 3
        control_plane.kubectl("-n", NAMESPACE, "delete", "pod", "on-bare", "--force", "--grace-period=0")
        version = client.get(PODS, "task", NAMESPACE)["metadata"]["resourceVersion"]
    assert client.get(LEASES, "foretide-planner", NAMESPACE)["spec"].get("holderIdentity") is None
    with process(MODULE, control_plane, tmp_path / "log-2", **environment(port)):
        eventually(lambda: "foretide_planner_leader 1.0" in fetch(port, "/metrics")[1], "leading")
        make_pod(client, NAMESPACE, "late")
        bind_pod(client, NAMESPACE, "late", "fast-1")
        eventually(lambda: written(client, "late") is not None, "the prediction after a restart")
        assert client.get(PODS, "task", NAMESPACE)["metadata"]["resourceVersion"] == version


def test_a_second_planner_stands_by_and_takes_over(control_plane: Cluster, client: KubeClient, tmp_path: Path) -> None:
    ports = free_port(), free_port()
    with process(MODULE, control_plane, tmp_path / "standby", **environment(ports[1])) as standby:
        eventually(lambda: "foretide_planner_leader 1.0" in fetch(ports[1], "/metrics")[1], "leading")
        with process(MODULE, control_plane, tmp_path / "second", **environment(ports[0])):
            eventually(lambda: fetch(ports[0], "/readyz")[0] == 200, "ready")
            assert "foretide_planner_leader 0.0" in fetch(ports[0], "/metrics")[1]
            standby.terminate()
            standby.wait(15)
            eventually(lambda: "foretide_planner_leader 1.0" in fetch(ports[0], "/metrics")[1], "taking over")
            make_pod(client, NAMESPACE, "handed-over")
            bind_pod(client, NAMESPACE, "handed-over", "fast-1")
            eventually(lambda: written(client, "handed-over") is not None, "the prediction by the successor")


def test_a_prediction_that_comes_late_is_waited_for(control_plane: Cluster, client: KubeClient, tmp_path: Path) -> None:
    port = free_port()
    workload = client.get(AIWORKLOADS, "resnet", NAMESPACE)
    client.patch(AIWORKLOADS, "resnet", {"status": {"predictions": None}}, NAMESPACE, subresource="status")
    with process(MODULE, control_plane, tmp_path / "log", **environment(port)):
        eventually(lambda: "foretide_planner_leader 1.0" in fetch(port, "/metrics")[1], "leading")
        make_pod(client, NAMESPACE, "patient")
        bind_pod(client, NAMESPACE, "patient", "fast-1")
        eventually(lambda: "foretide_planner_pending 1.0" in fetch(port, "/metrics")[1], "waiting")
        client.patch(AIWORKLOADS, "resnet", {"status": workload["status"]}, NAMESPACE, subresource="status")
        eventually(lambda: written(client, "patient") is not None, "the prediction")
