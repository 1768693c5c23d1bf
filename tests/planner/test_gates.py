"""The planner's process opens gates on a real API server; the test binds and ends Pods as scheduler and kubelet do."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from devcluster import Cluster
from foretide.prediction import PodPrediction
from foretide_kube.client import ApiError, KubeClient
from foretide_kube.names import AIWORKLOADS, EVENTS, GATE_PLAN, NODES, PODS
from tests.extender.cluster_values import NODES as NODE_NAMES
from tests.extender.cluster_values import pod_object, workload_object
from tests.extender.real_objects import bind_pod, eventually, fetch, free_port, process, small_cluster
from tests.planner.planner_values import FOREIGN_GATE, READY

pytestmark = pytest.mark.cluster

NAMESPACE = "gates-test"
MODULE = "foretide_operator.planner"
PLAN, PLANNED_NODE, PREDICTION = (f"foretide.dev/{name}" for name in ("plan", "planned-node", "prediction"))
HASTY_SECONDS = 3


@pytest.fixture(scope="module")
def client(control_plane: Cluster) -> Iterator[KubeClient]:
    """The small cluster, its nodes kept Ready, with the workloads resnet and hasty (which waits three seconds)."""
    with small_cluster(control_plane, NAMESPACE) as client:
        item = workload_object("hasty")
        status = item.pop("status")
        item["metadata"] = {"name": "hasty", "namespace": NAMESPACE}
        item["spec"]["maxWaitSeconds"] = HASTY_SECONDS
        client.create(AIWORKLOADS, item, NAMESPACE)
        client.patch(AIWORKLOADS, "hasty", {"status": status}, NAMESPACE, subresource="status")
        ended = threading.Event()

        def beat() -> None:
            while not ended.is_set():
                for name in NODE_NAMES:
                    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
                    condition = READY | {"lastHeartbeatTime": now, "reason": "KubeletReady", "message": ""}
                    patch = {"status": {"conditions": [condition]}}
                    with contextlib.suppress(ApiError):
                        client.patch(NODES, name, patch, patch_type="strategic", subresource="status")
                ended.wait(8.0)

        heart = threading.Thread(target=beat)
        heart.start()
        yield client
        ended.set()
        heart.join()
        client.delete(AIWORKLOADS, "hasty", NAMESPACE)


@pytest.fixture(autouse=True)
def _no_pods_remain(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    client: KubeClient = request.getfixturevalue("client")
    control_plane: Cluster = request.getfixturevalue("control_plane")
    control_plane.kubectl("-n", NAMESPACE, "delete", "pods", "--all", "--force", "--grace-period=0")
    eventually(lambda: not client.list_objects(PODS, NAMESPACE), "no Pod is left")


def make_gated(
    client: KubeClient,
    name: str,
    *,
    node_class: str = "fast",
    workload: str = "resnet",
    gates: tuple[str, ...] = (GATE_PLAN,),
    annotations: dict[str, str] | None = None,
) -> None:
    """A task of 1 CPU that may go to the nodes of a class only; those have two."""
    body = pod_object(name, role="run", workload=workload)
    spec = {
        **body["spec"],
        "schedulerName": "nobody",
        "automountServiceAccountToken": False,
        "tolerations": [{"operator": "Exists"}],
        "nodeSelector": {"foretide.dev/node-class": node_class},
        "schedulingGates": [{"name": gate} for gate in gates],
    }
    labels = body["metadata"]["labels"]
    metadata = {"name": name, "namespace": NAMESPACE, "labels": labels, "annotations": annotations or {}}
    client.create(PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}, NAMESPACE)


def pod(client: KubeClient, name: str) -> dict[str, Any]:
    return client.get(PODS, name, NAMESPACE)


def annotated(client: KubeClient, name: str) -> dict[str, str]:
    return pod(client, name)["metadata"].get("annotations") or {}


def note(client: KubeClient, name: str) -> dict[str, str]:
    found: dict[str, str] = msgspec.json.decode(annotated(client, name).get(PLAN, "{}"))
    return found


def gates(item: dict[str, Any]) -> list[str]:
    return [gate["name"] for gate in item["spec"].get("schedulingGates") or ()]


def opened(client: KubeClient) -> list[str]:
    return sorted(item["metadata"]["name"] for item in client.list_objects(PODS, NAMESPACE) if not gates(item))


def end(client: KubeClient, name: str) -> None:
    client.patch(PODS, name, {"status": {"phase": "Succeeded"}}, NAMESPACE, subresource="status")


def environment(port: int) -> dict[str, str]:
    return {"FORETIDE_NAMESPACE": NAMESPACE, "FORETIDE_PLANNER_PORT": str(port)}


def leads(port: int) -> bool:
    return "foretide_planner_leader 1.0" in fetch(port, "/metrics")[1]


@contextlib.contextmanager
def planner(control_plane: Cluster, directory: Path) -> Iterator[int]:
    """The planner, leading; gives its port."""
    port = free_port()
    with process(MODULE, control_plane, directory / "planner.log", **environment(port)):
        eventually(lambda: leads(port), "leading")
        yield port
        assert "foretide_planner_plan_errors_total 0.0" in fetch(port, "/metrics")[1]


@contextlib.contextmanager
def mortal(control_plane: Cluster, log: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A planner that may end in any way."""
    variables = os.environ | {"KUBECONFIG": str(control_plane.kubeconfig), "PYTHONSAFEPATH": "1"} | environment(port)
    with log.open("wb") as output:
        running = subprocess.Popen([sys.executable, "-m", MODULE], env=variables, stdout=output, stderr=output)
        try:
            yield running
        finally:
            running.kill()
            running.wait()


@contextlib.contextmanager
def history(client: KubeClient) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """All states that Pods of the namespace go through meanwhile."""
    _, version = client.list_objects_with_version(PODS, NAMESPACE)
    seen: list[dict[str, Any]] = []

    def watch() -> None:
        for kind, item in client.watch(PODS, NAMESPACE, resource_version=version, timeout_seconds=20):
            if kind in {"ADDED", "MODIFIED"}:
                seen.append(item)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    yield lambda: list(seen)
    watcher.join(60.0)


def test_a_burst_is_opened_in_one_write_each_and_the_next_when_a_task_has_ended(
    control_plane: Cluster, client: KubeClient, tmp_path: Path
) -> None:
    names = ["a", "b", "c", "d"]
    with planner(control_plane, tmp_path) as port, history(client) as seen:
        for name in names:
            make_gated(client, name)
        eventually(lambda: len(opened(client)) == 2, "two slots are filled")
        first = opened(client)
        rest = sorted(set(names) - set(first))
        eventually(lambda: all(note(client, name).get("waitsFor") for name in rest), "the others are told")
        for name in rest:
            told = note(client, name)
            start, finish = (datetime.fromisoformat(told[key]) for key in ("expectedStartTime", "expectedFinishTime"))
            assert told["node"] == "fast-1"
            assert told["waitsFor"] in names
            assert datetime.now(UTC) < finish
            assert 1.0 < (finish - start).total_seconds() < 10.0
            assert PLANNED_NODE not in annotated(client, name)
        for name in first:
            bind_pod(client, NAMESPACE, name, annotated(client, name)[PLANNED_NODE])
        time.sleep(1.0)
        assert opened(client) == first
        end(client, first[0])
        eventually(lambda: len(opened(client)) == 3, "the next is opened")
        text = fetch(port, "/metrics")[1]
        assert 'foretide_planner_gates_opened_total{reason="Planned"} 3.0' in text
        assert "foretide_planner_waiting 1.0" in text
        eventually(
            lambda: "Planned" in {event["reason"] for event in client.list_objects(EVENTS, NAMESPACE)}, "the Event"
        )
    for name in opened(client):
        states = [item for item in seen() if item["metadata"]["name"] == name]
        at_opening = next(item for item in states if not gates(item))
        told = at_opening["metadata"]["annotations"]
        prediction = msgspec.json.decode(told[PREDICTION], type=PodPrediction)
        assert told[PLANNED_NODE] == prediction.node == msgspec.json.decode(told[PLAN])["node"] == "fast-1"
        before = states[: states.index(at_opening)]
        assert all(PLANNED_NODE not in (item["metadata"].get("annotations") or {}) for item in before)


def test_forged_annotations_are_overwritten_and_a_deleted_pod_stops_nobody(
    control_plane: Cluster, client: KubeClient, tmp_path: Path
) -> None:
    forged = {PLANNED_NODE: "slow-1", PREDICTION: "{}", PLAN: '{"openedTime":"2099-01-01T00:00:00Z"}'}
    make_gated(client, "doomed-1", annotations=forged)
    make_gated(client, "doomed-2")
    with planner(control_plane, tmp_path):
        eventually(lambda: len(opened(client)) == 2, "both are opened")
        found = annotated(client, "doomed-1")
        assert found[PLANNED_NODE] == msgspec.json.decode(found[PREDICTION], type=PodPrediction).node == "fast-1"
        assert "2099" not in found[PLAN]
        for name in ("doomed-1", "doomed-2"):
            bind_pod(client, NAMESPACE, name, "fast-1")
        make_gated(client, "gone")
        make_gated(client, "stays")
        eventually(lambda: bool(note(client, "gone")), "the one that goes is told as well")
        client.delete(PODS, "gone", NAMESPACE)
        for name in ("doomed-1", "doomed-2"):
            end(client, name)
        eventually(lambda: "stays" in opened(client), "the one that stays")


def test_a_bound_fires_without_any_event_and_another_gate_is_kept(
    control_plane: Cluster, client: KubeClient, tmp_path: Path
) -> None:
    with planner(control_plane, tmp_path) as port:
        make_gated(client, "nowhere", workload="hasty", node_class="none")
        make_gated(client, "held", workload="hasty", gates=(FOREIGN_GATE, GATE_PLAN))
        eventually(lambda: note(client, "nowhere").get("reason") == "NoEligibleNode", "the reason is told")
        assert gates(pod(client, "nowhere")) == [GATE_PLAN]
        eventually(lambda: gates(pod(client, "nowhere")) == [], "the bound", seconds=HASTY_SECONDS + 10.0)
        eventually(lambda: gates(pod(client, "held")) == [FOREIGN_GATE], "our gate", seconds=HASTY_SECONDS + 10.0)
        assert PLANNED_NODE not in annotated(client, "held")
        assert 'gates_opened_total{reason="GatedByOthers"} 1.0' in fetch(port, "/metrics")[1]


def test_a_second_planner_takes_over_when_the_first_is_killed(
    control_plane: Cluster, client: KubeClient, tmp_path: Path
) -> None:
    ports = free_port(), free_port()
    with mortal(control_plane, tmp_path / "first", ports[0]) as first:
        eventually(lambda: leads(ports[0]), "leading")
        with process(MODULE, control_plane, tmp_path / "second", **environment(ports[1])):
            eventually(lambda: fetch(ports[1], "/readyz")[0] == 200, "the second is ready")
            for name in ("a", "b", "c"):
                make_gated(client, name)
            eventually(lambda: len(opened(client)) == 2, "the first opens")
            done = opened(client)
            first.kill()
            first.wait()
            for name in done:
                bind_pod(client, NAMESPACE, name, "fast-1")
                end(client, name)
            eventually(lambda: len(opened(client)) == 3, "the second opens the last")
            assert 'gates_opened_total{reason="Planned"} 1.0' in fetch(ports[1], "/metrics")[1]


def test_a_planner_that_was_stopped_leaves_alone_what_others_opened(
    control_plane: Cluster, client: KubeClient, tmp_path: Path
) -> None:
    ports = free_port(), free_port()
    with mortal(control_plane, tmp_path / "stopped", ports[0]) as stopped:
        eventually(lambda: leads(ports[0]), "leading")
        with process(MODULE, control_plane, tmp_path / "second", **environment(ports[1])):
            eventually(lambda: fetch(ports[1], "/readyz")[0] == 200, "the second is ready")
            make_gated(client, "a")
            make_gated(client, "b")
            stopped.send_signal(signal.SIGSTOP)  # it has seen them arrive, or will when it wakes
            eventually(lambda: opened(client) == ["a", "b"], "the second opens")
            before = {name: annotated(client, name) for name in ("a", "b")}
            for name in before:
                bind_pod(client, NAMESPACE, name, "fast-1")
            make_gated(client, "c")
            eventually(lambda: bool(note(client, "c")), "the second tells what waits")
            stopped.send_signal(signal.SIGCONT)
            time.sleep(4.0)
            text = fetch(ports[0], "/metrics")[1]
            assert "foretide_planner_leader 0.0" in text
            assert "foretide_planner_gates_opened_total{" not in text
            assert opened(client) == ["a", "b"]
            assert {name: annotated(client, name) for name in before} == before
