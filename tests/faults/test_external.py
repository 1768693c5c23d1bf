"""The Deployment of external mode on real nodes: with its Secret mounted, and one replica frozen, the other decides."""

from __future__ import annotations

import itertools
import signal
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
import yaml

from devcluster import Cluster, DevclusterError
from foretide_kube.client import Object
from foretide_kube.names import PODS, RESOURCE_TASK
from tests.chart.rendering import ROOT, render
from tests.extender.authority import Authority
from tests.extender.own_scheduler import SCHEDULER, scheduler
from tests.faults.crowd import Crowd, crowd
from tests.faults.readings import RESTARTED_SECONDS, container_started_seconds, scrape
from tests.faults.stage import Stage
from tests.installed import SYSTEM_NAMESPACE, say

pytestmark = pytest.mark.cluster

SELECTOR = "app.kubernetes.io/component=extender"
MOUNTED = "foretide-tls"
TASKS = 8


class Alternating(socketserver.ThreadingTCPServer):
    """In the place of a Service, which nothing here carries out: each connection goes to the next of ``ports``."""

    daemon_threads = True

    def __init__(self, ports: list[int]) -> None:
        self.next_port = itertools.cycle(ports).__next__
        super().__init__(("127.0.0.1", 0), Carrying)


class Carrying(socketserver.BaseRequestHandler):
    """One connection, carried both ways until either side ends."""

    def handle(self) -> None:
        assert isinstance(self.server, Alternating)
        with socket.create_connection(("127.0.0.1", self.server.next_port())) as far:
            back = threading.Thread(target=copy, args=(far, self.request), daemon=True)
            back.start()
            copy(self.request, far)
            back.join()


def copy(near: socket.socket, far: socket.socket) -> None:
    with suppress(OSError):
        while data := near.recv(65_536):
            far.sendall(data)
    for each in (near, far):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("external") / "authority")


@pytest.fixture(scope="module")
def replicas(stage: Stage, authority: Authority) -> Iterator[list[Object]]:
    """The Pods of the Deployment, beside the installation in secondary mode, whose account reads for them."""
    kubectl = stage.installed.cluster.kubectl
    files = authority.server()
    contents = (f"tls.crt={files.certificate}", f"tls.key={files.key}", f"ca.crt={files.client_authority}")
    words = [f"--from-file={each}" for each in contents]
    kubectl("create", "secret", "generic", MOUNTED, "-n", SYSTEM_NAMESPACE, *words)
    rendered = render(
        "scheduler.mode=external",
        f"scheduler.external.tlsSecret={MOUNTED}",
        files=(ROOT / "tests" / "installed-values.yaml",),
    )
    deployment = rendered["Deployment", "foretide-extender"]
    deployment["spec"]["template"]["spec"]["serviceAccountName"] = "foretide-scheduler"
    kubectl("apply", "-f", "-", stdin=yaml.safe_dump(deployment))
    try:
        kubectl("rollout", "status", "deployment/foretide-extender", "-n", SYSTEM_NAMESPACE, "--timeout=60s")
        yield extenders(stage)
    finally:
        kubectl("delete", "deployment/foretide-extender", f"secret/{MOUNTED}", "-n", SYSTEM_NAMESPACE)
        stage.installed.until("the extenders gone", lambda: not extenders(stage))


def extenders(stage: Stage) -> list[Object]:
    return stage.installed.client.list_objects(PODS, SYSTEM_NAMESPACE, label_selector=SELECTOR)


@contextmanager
def forwarded(cluster: Cluster, pods: list[Object], port: int) -> Iterator[list[int]]:
    with ExitStack() as stack:
        yield [stack.enter_context(cluster.forward(pod["status"]["podIP"], port)) for pod in pods]


@contextmanager
def frozen(stage: Stage, pod: Object) -> Iterator[None]:
    node, (status,) = stage.node(pod["spec"]["nodeName"]), pod["status"]["containerStatuses"]
    node.signal_container(status["containerID"], signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(DevclusterError):  # it was replaced
            node.signal_container(status["containerID"], signal.SIGCONT)


def decisions(observe: int) -> float:
    """What it decided about tasks."""
    readings, name = scrape(observe), "foretide_extender_decisions_total"
    return readings.total(name) - readings.total(name, source="Untouched")


def test_while_one_replica_is_frozen_the_other_decides_and_the_first_is_started_anew(
    stage: Stage, crowd_workload: str, replicas: list[Object], authority: Authority, tmp_path: Path
) -> None:
    cluster, (first, second) = stage.installed.cluster, replicas
    with ExitStack() as stack:
        ports = stack.enter_context(forwarded(cluster, [first, second], 8888))
        (observe,) = stack.enter_context(forwarded(cluster, [second], 8082))
        service = stack.enter_context(Alternating(ports))
        threading.Thread(target=service.serve_forever, daemon=True).start()
        stack.callback(service.shutdown)
        stack.enter_context(scheduler(cluster, tmp_path, service.server_address[1], authority, http_timeout="300ms"))
        pods = stack.enter_context(crowd(stage, "external"))
        give(pods, crowd_workload, 2)
        pods.wait_bound()
        frozen_seconds, before = time.time(), decisions(observe)
        stack.enter_context(frozen(stage, first))
        give(pods, crowd_workload, TASKS)
        pods.wait_bound()
        say(f"external: {decisions(observe) - before:.0f} decisions about {TASKS} Pods while one of two is frozen")
        assert decisions(observe) - before >= TASKS, "at most every other of two calls for each"
        stage.installed.until("the frozen one restarted", lambda: restarted(stage, first))
        after = restarted(stage, first)
        assert after is not None
        assert container_started_seconds(after) - frozen_seconds <= RESTARTED_SECONDS


def give(pods: Crowd, workload: str, count: int) -> None:
    pods.give(workload, of_each=count, sorts=("ungated",), scheduler=SCHEDULER, resources={RESOURCE_TASK: "1"})


def restarted(stage: Stage, pod: Object) -> Object | None:
    """The container's status, once it runs again."""
    now = stage.installed.client.get(PODS, pod["metadata"]["name"], SYSTEM_NAMESPACE)
    status: Object = now["status"]["containerStatuses"][0]
    return status if status["restartCount"] > 0 and "running" in status["state"] else None
