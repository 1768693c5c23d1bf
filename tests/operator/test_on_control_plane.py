"""The operator's process on a real API server: waits for its kinds, works without a restart, stops when told to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devcluster import Cluster, ClusterSpec
from foretide_kube.client import ApiError, KubeClient, Object
from foretide_kube.kinds.completiontimemodel import NAME
from foretide_kube.names import (
    AIWORKLOADS,
    COMPLETION_TIME_MODELS,
    EVENTS,
    JOBS,
    NAMESPACES,
    NODE_CLASSES,
    NODES,
    PODS,
)
from tests.operator.cluster_objects import workload_object

pytestmark = pytest.mark.cluster
CRDS = Path(__file__).resolve().parents[2] / "crds"
NAMESPACE = "foretide-system"
PORT = 8080


@pytest.fixture(scope="module")
def bare() -> Iterator[Cluster]:
    """A control plane without our kinds."""
    with Cluster.up(ClusterSpec(name="tests-operator"), replace=True) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def client(bare: Cluster) -> KubeClient:
    return KubeClient.connect(str(bare.kubeconfig))


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("operator") / "log"


@pytest.fixture(scope="module")
def process(bare: Cluster, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = {
        **os.environ,
        "KUBECONFIG": str(bare.kubeconfig),
        "FORETIDE_NAMESPACE": NAMESPACE,
        "FORETIDE_PROFILER_IMAGE_ONNX": "example/profiler:onnx",
        "FORETIDE_PROFILER_IMAGE_TORCH": "example/profiler:torch",
    }
    with (
        log.open("wb") as output,
        subprocess.Popen([sys.executable, "-m", "foretide_operator"], env=environment, stderr=output) as process,
    ):
        yield process
        if process.poll() is None:
            process.kill()


def answer(path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}{path}", timeout=5) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


def eventually(is_so: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    give_up = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < give_up, what
        time.sleep(0.2)


def is_made(client: KubeClient, pod: Object) -> bool:
    """Whether the Pod could be made; before its namespace has an account, none can."""
    try:
        client.create(PODS, pod, "default")
    except ApiError:
        return False
    return True


def conditions(item: Object | None) -> dict[str, str]:
    found = (item or {}).get("status", {}).get("conditions", [])
    return {condition["type"]: condition["reason"] for condition in found}


def test_a_gated_pod_is_let_go_although_there_is_neither_a_planner_nor_one_of_our_kinds(
    process: subprocess.Popen[bytes], client: KubeClient
) -> None:
    body = {
        "metadata": {"name": "waits"},
        "spec": {
            "schedulingGates": [{"name": "foretide.dev/plan"}],
            "containers": [{"name": "main", "image": "example/main"}],
        },
    }
    eventually(lambda: is_made(client, body), "the Pod can be made")
    eventually(lambda: not client.get(PODS, "waits", "default")["spec"].get("schedulingGates"), "the gate is opened")
    eventually(
        lambda: client.list_objects(EVENTS, "default", field_selector="reason=GateOpenedWithoutPlan"), "it is told"
    )
    assert 'foretide_gates_opened_without_plan_total{reason="PlannerSilent"} 1.0' in answer("/metrics")[1]
    assert process.poll() is None


def test_without_its_kinds_it_is_alive_not_ready_and_says_once_what_to_do(
    process: subprocess.Popen[bytes], log: Path
) -> None:
    eventually(lambda: answer("/readyz")[0] == 503 and "are missing" in answer("/readyz")[1], "it says what is missing")
    assert answer("/healthz")[0] == 200
    time.sleep(6.0)
    assert process.poll() is None
    words = log.read_text()
    assert words.count("aiworkloads.foretide.dev") == 1
    assert "kubectl apply -f crds/" in words
    assert "Traceback" not in words


def test_it_begins_to_work_when_its_kinds_are_there(bare: Cluster, client: KubeClient, log: Path) -> None:
    for path in sorted(CRDS.glob("*.yaml")):
        bare.kubectl("apply", "--server-side", "-f", str(path))
    client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    eventually(lambda: answer("/readyz")[0] == 200, log.read_text())
    eventually(
        lambda: conditions(client.find(COMPLETION_TIME_MODELS, NAME)).get("Ready") == "TooFewObservations",
        "the model is made, with its conditions",
    )


def test_a_labelled_node_gets_its_class_and_a_probe(client: KubeClient) -> None:
    client.create(
        NODES,
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": "board-1", "labels": {"foretide.dev/node-class": "board"}},
        },
    )
    client.patch(
        NODES,
        "board-1",
        {
            "status": {
                "allocatable": {"cpu": "2", "memory": "2Gi", "pods": "20"},
                "conditions": [{"type": "Ready", "status": "True", "reason": "x", "message": "x"}],
            }
        },
        subresource="status",
    )
    eventually(lambda: conditions(client.find(NODE_CLASSES, "board")).get("NodesSelected") == "Selected", "counted")
    eventually(lambda: client.list_objects(JOBS, NAMESPACE, label_selector="foretide.dev/role=probe"), "probed")


def test_a_workload_gets_its_conditions_and_its_inspect_job(client: KubeClient) -> None:
    body = workload_object("cnn")
    body["metadata"] = {"name": "cnn"}
    client.create(AIWORKLOADS, body, "default")
    eventually(lambda: client.list_objects(JOBS, "default", label_selector="foretide.dev/role=inspect"), "inspected")
    eventually(
        lambda: (
            set(conditions(client.get(AIWORKLOADS, "cnn", "default")))
            == {"Inspected", "Profiled", "Predicted", "Admissible", "Ready"}
        ),
        "all conditions are set",
    )


def test_a_refused_job_is_told_by_the_quota_in_the_workloads_status(client: KubeClient) -> None:
    client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "poor"}})
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "none"},
        "spec": {"hard": {"count/jobs.batch": "0"}},
    }
    client.raw("POST", "/api/v1/namespaces/poor/resourcequotas", body=quota)
    eventually(
        lambda: client.raw("GET", "/api/v1/namespaces/poor/resourcequotas/none").get("status", {}).get("hard"),
        "the quota is in force",
    )
    body = workload_object("cnn")
    body["metadata"] = {"name": "cnn"}
    client.create(AIWORKLOADS, body, "poor")
    eventually(
        lambda: conditions(client.get(AIWORKLOADS, "cnn", "poor")).get("Inspected") == "QuotaExceeded",
        "the quota's refusal is a reason",
    )


def test_it_is_small_and_quiet_and_stops_when_told_to(process: subprocess.Popen[bytes], log: Path) -> None:
    status = Path(f"/proc/{process.pid}/status").read_text()
    resident = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    assert int(resident.split()[1]) < 256 * 1024
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert "Traceback" not in log.read_text()
