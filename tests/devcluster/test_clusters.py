"""Real clusters: they come up, run what they are given as slow as they should, and leave nothing, however they end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from devcluster import Cluster, ClusterSpec, cgroups, leftovers, processes
from devcluster.cluster import down
from devcluster.errors import ClusterInUseError, ClusterNotFoundError, CommandError, DevclusterError
from devcluster.images import bases, catalogue
from devcluster.images.catalogue import BuiltImage
from devcluster.paths import REPOSITORY
from devcluster.spec import parse

pytestmark = pytest.mark.cluster

HERE = Path(__file__).parent
REFERENCE = "localhost/devcluster/node-seen:test"
IMAGE = BuiltImage("test-node-seen", REFERENCE, "Dockerfile", bases.PYTHON, root=HERE / "image")
CLASSES: dict[str, Any] = {
    "fast": {"cpus": 1, "speed": 0.9, "memoryMiB": 512},
    "slow": {"cpus": 2, "speed": 0.15, "memoryMiB": 512, "cpuset": "0", "environment": {"ONEDNN_MAX_CPU_ISA": "SSE41"}},
}
OWNER = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it, and so do its children
from devcluster import Cluster
from devcluster.spec import parse
import json
with Cluster.up(parse(json.loads(sys.argv[1]))) as cluster:
    print("up", flush=True)
    time.sleep(600)
"""


def described(name: str, *nodes: str, audit: bool = False) -> dict[str, Any]:
    return {
        "name": name,
        "classes": CLASSES,
        "nodes": [{"name": node, "class": node.partition("-")[0]} for node in nodes],
        "audit": audit,
    }


def pod(name: str, node: str, *arguments: str, kind: str = "Pod", cpu: str | None = "1") -> str:
    resources = {"limits": {"cpu": cpu, "memory": "128Mi"}} if cpu else {}
    container = {
        "name": "c",
        "image": REFERENCE,
        "imagePullPolicy": "Never",
        "args": list(arguments),
        "resources": resources,
    }
    spec = {"nodeSelector": {"kubernetes.io/hostname": node}, "containers": [container]}
    if kind == "Job":
        return json.dumps(
            {
                "apiVersion": "batch/v1",
                "kind": "Job",
                "metadata": {"name": name},
                "spec": {"template": {"spec": {**spec, "restartPolicy": "Never"}}},
            }
        )
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})


def eventually(what: str, condition: Callable[[], bool], timeout_seconds: float = 60) -> None:
    end = time.monotonic() + timeout_seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.2)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    archive = catalogue.archive(IMAGE, print)
    with Cluster.up(parse(described("tests-nodes", "fast-1", "slow-1")), images=[archive], progress=print) as up:
        yield up
    assert leftovers.of("tests-nodes") == []


@pytest.mark.parametrize(
    ("node", "cpu", "seen"),
    [
        ("fast-1", "500m", {"share": 0.45, "isa": None}),
        ("slow-1", "1", {"share": 0.15, "cpus": 1, "isa": "SSE41"}),
        ("slow-1", None, {"share": 0.30, "cpus": 1, "isa": "SSE41"}),
    ],
)
def test_a_job_runs_as_slow_as_its_node_and_sees_its_hardware(
    cluster: Cluster, node: str, cpu: str | None, seen: dict[str, Any]
) -> None:
    name = f"{node}-{'none' if cpu is None else cpu}"
    cluster.kubectl("apply", "-f", "-", stdin=pod(name, node, kind="Job", cpu=cpu))
    cluster.kubectl("wait", f"job/{name}", "--for=condition=Complete", "--timeout=60s")
    told = json.loads(cluster.kubectl("logs", f"job/{name}"))
    assert {key: told[key] for key in seen} == pytest.approx(seen)


def test_what_kubernetes_may_give_out_is_the_class_and_not_its_speed(cluster: Cluster) -> None:
    node = json.loads(cluster.kubectl("get", "node", "slow-1", "-o", "json"))
    assert node["status"]["allocatable"]["cpu"] == "2"
    assert node["status"]["allocatable"]["memory"] in {"512Mi", f"{512 * 1024}Ki", f"{512 * 1024 + 576}Ki"} or (
        abs(int(node["status"]["allocatable"]["memory"].removesuffix("Ki")) - 512 * 1024) < 2048
    )


def test_a_pods_port_can_be_reached_from_the_host(cluster: Cluster) -> None:
    cluster.kubectl("apply", "-f", "-", stdin=pod("server", "fast-1", "serve", cpu="200m"))
    cluster.kubectl("wait", "pod/server", "--for=condition=Ready", "--timeout=60s")
    address = cluster.kubectl("get", "pod", "server", "-o", "jsonpath={.status.podIP}")

    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                return "share" in json.load(answer)
        except (OSError, ValueError):
            return False

    with cluster.forward(address, 8000) as port:
        eventually("the pod answers by the relay", answers)


def test_a_node_that_lost_its_power_comes_back_with_its_pods(cluster: Cluster) -> None:
    cluster.kubectl("apply", "-f", "-", stdin=pod("survivor", "slow-1", "serve", cpu="200m"))
    cluster.kubectl("wait", "pod/survivor", "--for=condition=Ready", "--timeout=60s")
    node = cluster.node("slow-1")
    node.power_cut()
    assert cgroups.tasks(cluster.name, "slow-1") == set()
    assert cgroups.tasks(cluster.name, "fast-1") != set()
    node.power_on()

    def restarted() -> bool:
        status = json.loads(cluster.kubectl("get", "pod", "survivor", "-o", "json"))["status"]
        container = status["containerStatuses"][0]
        return bool(container["restartCount"] >= 1 and container["ready"])

    eventually("the pod runs again", restarted)


def test_a_kubelet_restart_does_not_disturb_pods(cluster: Cluster) -> None:
    cluster.kubectl("apply", "-f", "-", stdin=pod("calm", "fast-1", "serve", cpu="200m"))
    cluster.kubectl("wait", "pod/calm", "--for=condition=Ready", "--timeout=60s")
    before = cgroups.tasks(cluster.name, "fast-1")
    cluster.node("fast-1").restart_kubelet()
    cluster.wait_ready()
    assert before <= cgroups.tasks(cluster.name, "fast-1")


def test_a_containerd_restart_does_not_disturb_pods_and_new_ones_start(cluster: Cluster) -> None:
    cluster.kubectl("apply", "-f", "-", stdin=pod("lasting", "fast-1", "serve", cpu="200m"))
    cluster.kubectl("wait", "pod/lasting", "--for=condition=Ready", "--timeout=60s")
    before = cgroups.tasks(cluster.name, "fast-1")
    with cluster.node("fast-1").without("containerd"):
        assert before <= cgroups.tasks(cluster.name, "fast-1")
    cluster.wait_ready()
    assert before <= cgroups.tasks(cluster.name, "fast-1")
    cluster.kubectl("apply", "-f", "-", stdin=pod("later", "fast-1", "serve", cpu="200m"))
    cluster.kubectl("wait", "pod/later", "--for=condition=Ready", "--timeout=60s")
    cluster.kubectl("delete", "pod", "lasting", "later", "--now")  # the node has no room for more beside them


def test_a_node_whose_kubelet_ended_is_revived(cluster: Cluster) -> None:
    processes.kill(processes.find(cluster.name, "fast-1/kubelet"))
    assert processes.exhaust(lambda: not processes.find(cluster.name, "fast-1/kubelet"), 5)
    cluster.node("fast-1").revive()
    cluster.wait_ready()


def test_a_frozen_api_server_answers_again_after_the_block(cluster: Cluster) -> None:
    with cluster.frozen("kube-apiserver"), pytest.raises(CommandError):
        cluster.kubectl("get", "nodes", "--request-timeout=2s")
    cluster.wait_ready()


def test_a_container_can_be_stopped_continued_and_killed_from_outside(cluster: Cluster) -> None:
    cluster.kubectl("apply", "-f", "-", stdin=pod("signalled", "fast-1", "serve", cpu="200m"))
    cluster.kubectl("wait", "pod/signalled", "--for=condition=Ready", "--timeout=60s")

    def container() -> dict[str, Any]:
        status = json.loads(cluster.kubectl("get", "pod", "signalled", "-o", "json"))["status"]
        found: dict[str, Any] = status["containerStatuses"][0]
        return found

    def states() -> set[str]:
        pids = cgroups.container_tasks(cluster.name, "fast-1", identity.removeprefix("containerd://"))
        return {Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] for pid in pids}

    identity, node = container()["containerID"], cluster.node("fast-1")
    node.signal_container(identity, signal.SIGSTOP)
    eventually("the container is stopped", lambda: states() == {"T"})
    node.signal_container(identity, signal.SIGCONT)
    eventually("the container goes on", lambda: states() <= {"R", "S"})
    node.signal_container(identity, signal.SIGKILL)
    eventually("the container is restarted", lambda: container()["restartCount"] == 1)
    assert container()["lastState"]["terminated"]["exitCode"] == 128 + signal.SIGKILL
    with pytest.raises(DevclusterError, match="no process of container"):
        node.signal_container(identity, signal.SIGCONT)


def test_the_api_server_can_be_gone_for_a_while(cluster: Cluster) -> None:
    before = cgroups.tasks(cluster.name)
    with cluster.without("kube-apiserver"), pytest.raises(CommandError, match=r"EOF|refused|reset"):
        cluster.kubectl("get", "nodes", "--request-timeout=5s")
    cluster.wait_ready()
    assert before <= cgroups.tasks(cluster.name)


def test_a_cluster_in_use_cannot_be_brought_up_or_taken_down_by_another(cluster: Cluster) -> None:
    with pytest.raises(ClusterInUseError, match="another process is using"):
        Cluster.up(cluster.spec)
    with pytest.raises(ClusterInUseError, match="still using it"):
        down(cluster.name)


def test_another_process_can_attach_to_a_cluster(cluster: Cluster) -> None:
    other = Cluster.attach(cluster.name)
    assert other.spec == cluster.spec
    assert other.ready_nodes() == {"fast-1", "slow-1"}


def test_two_clusters_live_side_by_side_and_one_ends_alone(cluster: Cluster) -> None:
    with Cluster.up(parse(described("tests-beside", "fast-1"))) as beside:
        assert beside.ready_nodes() == {"fast-1"}
        beside.kubectl("create", "namespace", "only-here")
    assert leftovers.of("tests-beside") == []
    assert "only-here" not in cluster.kubectl("get", "namespaces")
    assert "fast-1" in cluster.ready_nodes()


def test_a_control_plane_alone_answers_audits_and_leaves_nothing_after_an_error() -> None:
    links = leftovers.links()

    def fail(cluster: Cluster) -> None:
        cluster.kubectl("create", "namespace", "audited")
        lines = [json.loads(line) for line in cluster.audit_log.read_text().splitlines()]
        created = [line for line in lines if line["verb"] == "create" and line["objectRef"].get("name") == "audited"]
        assert created[0]["user"]["username"] == "admin"
        assert "requestObject" not in created[0]
        cluster.kubectl("get", "toasters")

    with (
        pytest.raises(CommandError, match="the server doesn't have a resource type"),
        Cluster.up(parse(described("tests-alone", audit=True))) as cluster,
    ):
        fail(cluster)
    assert leftovers.of("tests-alone") == []
    assert leftovers.links() == links
    with pytest.raises(ClusterNotFoundError, match="no cluster of this name"):
        Cluster.attach("tests-alone")


def owner(name: str, *nodes: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    argv = [sys.executable, "-c", OWNER, json.dumps(described(name, *nodes))]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_owner_that_is_told_to_end_takes_its_cluster_down(number: signal.Signals) -> None:
    with owner("tests-told") as process:
        process.send_signal(number)
        try:
            assert process.wait(timeout=60) != 0
        finally:
            process.kill()
    assert leftovers.of("tests-told") == []


def test_what_a_killed_owner_leaves_is_removed_by_the_next_call() -> None:
    links = leftovers.links()
    with owner("tests-killed", "fast-1") as process:
        process.kill()
    left = leftovers.of("tests-killed")
    assert any("fast-1/kubelet" in line for line in left)
    with Cluster.up(ClusterSpec("tests-killed")) as cluster:
        assert cluster.ready_nodes() == set()
    assert leftovers.of("tests-killed") == []
    assert leftovers.links() == links


def test_a_cluster_that_was_left_up_stays_until_it_is_taken_down() -> None:
    cluster = Cluster.up(ClusterSpec("tests-kept"))
    cluster.detach()
    try:
        with pytest.raises(ClusterInUseError, match="is up already"):
            Cluster.up(ClusterSpec("tests-kept"))
        assert Cluster.attach("tests-kept").detached
    finally:
        down("tests-kept")
    assert leftovers.of("tests-kept") == []
