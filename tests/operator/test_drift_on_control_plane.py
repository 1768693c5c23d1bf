"""On a real API server a pair is measured again by one Job: its tasks drift, or its container is given something else.

The operator is killed meanwhile. There is one node, and its kubelet is played: it reports the node as Ready, and ends
every Pod of ours as it is told to.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
import pytest

from devcluster import Cluster, ClusterSpec
from foretide.prediction import Interval, PodPrediction
from foretide.results import Result
from foretide.termination_message import encode
from foretide_kube.client import ApiError, KubeClient, Object
from foretide_kube.names import AIWORKLOADS, EVENTS, JOBS, NAMESPACES, NODES, PODS, WORKLOAD_PROFILES
from foretide_kube.times import epoch_milliseconds
from tests.operator.cluster_objects import inspect_result, probe_result, profile_result, run_result, workload_object

pytestmark = pytest.mark.cluster
CRDS: Final = Path(__file__).resolve().parents[2] / "crds"
NAMESPACE: Final = "foretide-system"
NODE: Final = "board-1"
IMAGE: Final = "example/profiler:onnx"
HEARTBEAT_SECONDS: Final = 5.0


class Board:
    """The node; ``microseconds`` is what a measurement of one inference finds, None while it finds nothing."""

    def __init__(self, client: KubeClient) -> None:
        self.microseconds: int | None = 20_000
        self._client = client
        self._beat_seconds = -HEARTBEAT_SECONDS
        metadata = {"name": NODE, "labels": {"foretide.dev/node-class": "board"}}
        client.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": metadata})

    def turn(self) -> None:
        """Report, and end what runs."""
        if time.monotonic() - self._beat_seconds >= HEARTBEAT_SECONDS:
            self._beat_seconds = time.monotonic()
            ready = {"type": "Ready", "status": "True", "reason": "Ready", "message": "", "lastHeartbeatTime": at(0)}
            capacity = {"cpu": "16", "memory": "16Gi", "pods": "50"}
            info = {"architecture": "amd64", "machineID": "m"}
            status = {"allocatable": capacity, "capacity": capacity, "conditions": [ready], "nodeInfo": info}
            self._client.patch(NODES, NODE, {"status": status}, subresource="status")
        for pod in self._client.list_objects(PODS, label_selector="app.kubernetes.io/managed-by=foretide"):
            result = self._result(pod["metadata"]["labels"]["foretide.dev/role"])
            if pod["spec"].get("nodeName") == NODE and pod["status"]["phase"] == "Pending" and result is not None:
                self.end(pod, result)

    def end(self, pod: Object, result: Result) -> None:
        """A Pod has done its work."""
        state = {"exitCode": 0, "startedAt": at(0), "finishedAt": at(5), "message": encode(result).decode()}
        container = {
            "name": pod["spec"]["containers"][0]["name"],
            "image": IMAGE,
            "imageID": "",
            "ready": False,
            "restartCount": 0,
            "state": {"terminated": state},
        }
        status = {"phase": "Succeeded", "containerStatuses": [container]}
        metadata = pod["metadata"]
        self._client.patch(PODS, metadata["name"], {"status": status}, metadata["namespace"], subresource="status")

    def _result(self, role: str) -> Result | None:
        begin = milliseconds()
        if role == "inspect":
            return inspect_result()
        if role == "probe":
            return probe_result(process_start=begin, work_end=begin + 4_000)
        if self.microseconds is None:
            return None
        return profile_result(
            microseconds=self.microseconds, process_start=begin - 1_000, work_begin=begin, work_end=begin + 5_000
        )


def at(seconds: float) -> str:
    """A moment so many seconds from now, as the API writes it."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def milliseconds() -> int:
    return round(time.time() * 1000)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster.up(ClusterSpec(name="tests-drift"), replace=True) as cluster:
        for path in sorted(CRDS.glob("*.yaml")):
            cluster.kubectl("apply", "--server-side", "-f", str(path))
        yield cluster


@pytest.fixture(scope="module")
def client(cluster: Cluster) -> KubeClient:
    client = KubeClient.connect(str(cluster.kubeconfig))
    client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    return client


@pytest.fixture(scope="module")
def board(client: KubeClient) -> Board:
    return Board(client)


@contextmanager
def operator(cluster: Cluster) -> Iterator[None]:
    """The operator's process, killed in the end as a lost machine would end it."""
    environment = {
        **os.environ,
        "KUBECONFIG": str(cluster.kubeconfig),
        "FORETIDE_NAMESPACE": NAMESPACE,
        "FORETIDE_PROFILER_IMAGE_ONNX": IMAGE,
        "FORETIDE_PROFILER_IMAGE_TORCH": "example/profiler:torch",
    }
    code = "import sys; from foretide_operator.__main__ import main; sys.exit(main(port=0))"
    with subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            yield
            assert process.poll() is None, "it was at work until it was killed"
        finally:
            process.kill()


def eventually(board: Board, is_so: Callable[[], object], what: str, seconds: float = 180.0) -> None:
    give_up = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < give_up, what
        board.turn()
        time.sleep(0.2)


def for_a_while(board: Board, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        board.turn()
        time.sleep(0.2)


def prediction(client: KubeClient, namespace: str = "default") -> Object:
    rows = client.get(AIWORKLOADS, "cnn", namespace).get("status", {}).get("predictions", [])
    return rows[0] if rows else {}


def profiles(client: KubeClient, namespace: str = "default") -> list[Object]:
    return client.list_objects(WORKLOAD_PROFILES, namespace)


def current(client: KubeClient, namespace: str = "default") -> list[tuple[str, str]]:
    """Status and reason of the profiles' condition Current."""
    conditions = [
        condition for item in profiles(client, namespace) for condition in item.get("status", {}).get("conditions", [])
    ]
    return [(c["status"], c["reason"]) for c in conditions if c["type"] == "Current"]


def profile_jobs(client: KubeClient, namespace: str = "default") -> set[str]:
    found = client.list_objects(JOBS, namespace, label_selector="foretide.dev/role=profile")
    return {job["metadata"]["name"] for job in found}


def is_made(client: KubeClient, body: Object) -> bool:
    """Whether a Pod could be made; before its namespace has an account, none can."""
    try:
        client.create(PODS, body, "default")
    except ApiError:
        return False
    return True


def task_ends(client: KubeClient, board: Board, name: str, *, work_milliseconds: int) -> None:
    """A user's own Pod with a task of a hundred inferences, predicted by what is published, has taken so long."""
    limits = {"cpu": "1", "memory": "512Mi"}
    body = {
        "metadata": {"name": name, "labels": {"foretide.dev/workload": "cnn"}},
        "spec": {"containers": [{"name": "main", "image": IMAGE, "resources": {"limits": limits}}]},
    }
    eventually(board, lambda: is_made(client, body), "the Pod can be made")

    def bound() -> int | None:
        conditions = client.get(PODS, name, "default")["status"].get("conditions", [])
        found = [c for c in conditions if (c["type"], c["status"]) == ("PodScheduled", "True")]
        return epoch_milliseconds(found[0]["lastTransitionTime"]) if found else None

    eventually(board, lambda: bound() is not None, "the Pod is bound")
    row = prediction(client)
    told = PodPrediction(
        node=NODE,
        node_class="board",
        inferences=100,
        work_milliseconds=Interval(**{k: v // 10 for k, v in row["workMicrosecondsPerInference"].items()}),
        startup_milliseconds=row["startupMilliseconds"],
        memory_bytes=1,
        source=row["source"],
        model_version="",
        bound_milliseconds=bound() or 0,
    )
    text = msgspec.json.encode(told).decode()
    client.patch(PODS, name, {"metadata": {"annotations": {"foretide.dev/prediction": text}}}, "default")
    begin = milliseconds()
    result = run_result(
        work_milliseconds=work_milliseconds,
        process_start=begin,
        work_begin=begin,
        work_end=begin + work_milliseconds,
    )
    board.end(client.get(PODS, name, "default"), result)


def test_what_its_container_is_given_is_measured_again_when_it_changes_and_not_when_the_operator_is_killed(
    cluster: Cluster, client: KubeClient, board: Board
) -> None:
    client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "given"}})
    body = workload_object("cnn")
    body["metadata"] = {"name": "cnn"}
    client.create(AIWORKLOADS, body, "given")

    def is_settled() -> bool:
        is_predicted = prediction(client, "given").get("source") == "Measured"
        return is_predicted and current(client, "given") == [("True", "UpToDate")]

    def versions() -> dict[str, str]:
        found = [*profiles(client, "given"), *client.list_objects(JOBS, "given")]
        return {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in found}

    with operator(cluster):
        eventually(board, is_settled, "the workload is measured")
        (first,) = profiles(client, "given")
        variable = {"name": "OMP_WAIT_POLICY", "value": "active"}
        client.patch(AIWORKLOADS, "cnn", {"spec": {"run": {"template": {"env": [variable]}}}}, "given")
        eventually(
            board,
            lambda: any("replaced" in item["spec"] for item in profiles(client, "given")),
            "it is measured again",
        )
        eventually(board, is_settled, "the new measurement alone is left")
        (second,) = profiles(client, "given")
        why = second["spec"]["replaced"]
        assert (why["name"], why["reason"]) == (first["metadata"]["name"], "ContainerChanged")
        for_a_while(board, 3.0)
    before = versions()
    with operator(cluster):
        for_a_while(board, 5.0)
    assert versions() == before
    client.delete(AIWORKLOADS, "cnn", "given")


def test_a_drifted_pair_is_measured_again_once_though_the_operator_is_killed_at_every_step(
    cluster: Cluster, client: KubeClient, board: Board
) -> None:
    body = workload_object("cnn")
    body["metadata"] = {"name": "cnn"}
    client.create(AIWORKLOADS, body, "default")
    with operator(cluster):
        eventually(board, lambda: prediction(client).get("source") == "Measured", "the workload is measured")
        (first,) = profiles(client)
        board.microseconds = None
        for_a_while(board, 16.0)  # it ended in five; tasks bound within ten more may be predicted by something else
        for number in range(2):
            task_ends(client, board, f"task-{number}", work_milliseconds=4_000)
        eventually(
            board,
            lambda: "foretide.dev/paired" in client.get(PODS, "task-1", "default")["metadata"].get("annotations", {}),
            "tasks are paired",
        )
        assert len(profile_jobs(client)) == 1, "two tasks are no drift"
    with operator(cluster):
        task_ends(client, board, "task-2", work_milliseconds=4_000)
        eventually(board, lambda: len(profile_jobs(client)) == 2, "what was told before the kill is remembered")
        # An Event comes after what it tells of: killed between the two, nobody would be told.
        eventually(board, lambda: client.list_objects(EVENTS, "default", field_selector="reason=Drifted"), "it is told")
    with operator(cluster):
        for_a_while(board, 5.0)
        assert len(profile_jobs(client)) == 2
        assert [item["metadata"]["name"] for item in profiles(client)] == [first["metadata"]["name"]]
        board.microseconds = 40_000
        eventually(board, lambda: "replaced" in profiles(client)[0]["spec"], "the new measurement is stored")
    with operator(cluster):
        eventually(
            board,
            lambda: (
                [item["spec"].get("replaced", {}).get("name") for item in profiles(client)]
                == [first["metadata"]["name"]]
            ),
            "the old one is gone",
        )
        eventually(
            board,
            lambda: prediction(client)["workMicrosecondsPerInference"]["median"] == 40_000,
            "the new one is what is predicted",
        )
        eventually(board, lambda: current(client) == [("True", "UpToDate")], "all that was said of the old one is over")
        for_a_while(board, 5.0)
    assert len(profile_jobs(client)) == 2
    (second,) = profiles(client)
    assert second["spec"]["replaced"]["reason"] == "Drifted"
