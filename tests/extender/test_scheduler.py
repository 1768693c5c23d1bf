"""The stock kube-scheduler with our extender beside it, on a real API server: which node is really chosen."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from devcluster import Cluster, binaries
from foretide_kube.client import KubeClient
from foretide_kube.names import AIWORKLOADS, PODS
from tests.extender.cluster_values import workload_object
from tests.extender.real_objects import eventually, fetch, free_port, make_pod, process, small_cluster

pytestmark = pytest.mark.cluster

NAMESPACE = "scheduler-test"


@pytest.fixture(scope="module")
def client(control_plane: Cluster) -> Iterator[KubeClient]:
    with small_cluster(control_plane, NAMESPACE) as client:
        yield client


@contextmanager
def scheduler(control_plane: Cluster, directory: Path, name: str, port: int, *, names: bool) -> Iterator[None]:
    """The stock scheduler, as the chart configures it; ``names`` says which form it sends."""
    program = binaries.ensure(["kube-scheduler"], lambda _: None)["kube-scheduler"]
    configuration = directory / f"{name}.yaml"
    configuration.write_text(
        f"""
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
leaderElection: {{leaderElect: false}}
clientConnection: {{kubeconfig: {control_plane.kubeconfig}}}
percentageOfNodesToScore: 100
profiles: [{{schedulerName: {name}}}]
extenders:
- urlPrefix: http://127.0.0.1:{port}
  filterVerb: filter
  prioritizeVerb: prioritize
  weight: 10
  nodeCacheCapable: {"true" if names else "false"}
  ignorable: true
  httpTimeout: 2s
""",
        encoding="utf-8",
    )
    with (directory / f"{name}.log").open("wb") as log:
        running = subprocess.Popen(
            [program, "--config", configuration, "--secure-port=0"], stdout=log, stderr=subprocess.STDOUT
        )
        try:
            yield
        finally:
            running.terminate()
            running.wait(15)


def node_of(client: KubeClient, name: str) -> str | None:
    node: str | None = client.get(PODS, name, NAMESPACE)["spec"].get("nodeName")
    return node


def test_a_task_goes_to_no_class_that_its_workload_does_not_select_though_nothing_is_predicted(
    control_plane: Cluster, client: KubeClient, tmp_path: Path
) -> None:
    for name, tier in (("small", "medium"), ("nowhere", "large")):
        item = workload_object(name, selector={"matchLabels": {"tier": tier}})
        del item["status"], item["metadata"]["resourceVersion"]
        item["metadata"]["namespace"] = NAMESPACE
        client.create(AIWORKLOADS, item, NAMESPACE)
    port, observe = free_port(), free_port()
    environment = {
        "FORETIDE_SCHEDULER_LISTEN": f"127.0.0.1:{port}",
        "FORETIDE_OBSERVE_LISTEN": f":{observe}",
        "FORETIDE_DECISION_DEADLINE_MILLISECONDS": "1500",
    }
    with process("foretide_extender", control_plane, tmp_path / "extender.log", **environment):
        eventually(lambda: fetch(observe, "/readyz")[0] == 200, "the extender ready")
        with scheduler(control_plane, tmp_path, "selecting", port, names=True):
            make_pod(client, NAMESPACE, "homeless", scheduler="selecting", workload="nowhere")
            for index in range(4):  # more than all other nodes are as good for
                make_pod(client, NAMESPACE, f"small-{index}", scheduler="selecting", workload="small", cpu="500m")
                eventually(lambda index=index: node_of(client, f"small-{index}") is not None, "a task bound")  # type: ignore[misc]
            assert {node_of(client, f"small-{index}") for index in range(4)} <= {"medium-1", "medium-2"}
            eventually(lambda: "NodeClassNotSelected" in condition_of(client, "homeless"), "the scheduler says why")
            assert node_of(client, "homeless") is None
    for name in ("small", "nowhere"):
        client.delete(AIWORKLOADS, name, NAMESPACE)


def condition_of(client: KubeClient, name: str) -> str:
    """What the scheduler says of a Pod that it could not bind."""
    conditions = client.get(PODS, name, NAMESPACE)["status"].get("conditions") or ()
    return " ".join(each.get("message", "") for each in conditions)


@pytest.mark.parametrize("names", [True, False])
def test_a_task_goes_where_it_would_end_first_and_elsewhere_when_it_must(
    control_plane: Cluster,
    client: KubeClient,
    tmp_path: Path,
    names: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    port, observe = free_port(), free_port()
    form = "names" if names else "nodes"
    environment = {
        "FORETIDE_SCHEDULER_LISTEN": f"127.0.0.1:{port}",
        "FORETIDE_OBSERVE_LISTEN": f":{observe}",
        "FORETIDE_DECISION_DEADLINE_MILLISECONDS": "1500",  # the machine may be busy: no decision may be late
    }
    with process("foretide_extender", control_plane, tmp_path / "extender.log", **environment):
        eventually(lambda: fetch(observe, "/readyz")[0] == 200, "the extender ready")
        with scheduler(control_plane, tmp_path, f"foretide-{form}", port, names=names):
            for index in range(3):  # the fastest node has room for two
                make_pod(client, NAMESPACE, f"task-{form}-{index}", scheduler=f"foretide-{form}")
                eventually(lambda index=index: node_of(client, f"task-{form}-{index}") is not None, "a task bound")  # type: ignore[misc]
            chosen = [node_of(client, f"task-{form}-{index}") for index in range(3)]
            assert chosen[:2] == ["fast-1", "fast-1"]
            # what nothing is known of counts as the median of the classes, which is the medium one
            assert chosen[2] in {"medium-1", "medium-2", "bare"}
    with scheduler(control_plane, tmp_path, f"alone-{form}", port, names=names):
        make_pod(client, NAMESPACE, f"task-{form}-alone", scheduler=f"alone-{form}")
        eventually(lambda: node_of(client, f"task-{form}-alone") is not None, "a task bound without the extender")
    for index in range(3):
        name = f"task-{form}-{index}"
        control_plane.kubectl("-n", NAMESPACE, "delete", "pod", name, "--force", "--grace-period=0")
