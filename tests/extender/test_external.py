"""The cluster's own scheduler asks the extender over mTLS, about the Pods alone that request foretide.dev/task."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from devcluster import Cluster
from foretide_extender.certificates import Files
from foretide_kube.client import KubeClient
from foretide_kube.names import NODES, PODS, RESOURCE_TASK
from tests.extender.authority import Authority
from tests.extender.own_scheduler import SCHEDULER, scheduler
from tests.extender.real_objects import eventually, fetch, free_port, make_pod, process, small_cluster

pytestmark = pytest.mark.cluster

NAMESPACE = "external-test"
PATIENT = "5s"
"""How long the scheduler waits for the extender: the machine may be busy."""


@pytest.fixture(scope="module")
def client(control_plane: Cluster) -> Iterator[KubeClient]:
    with small_cluster(control_plane, NAMESPACE) as client:
        yield client


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("external") / "authority")


@contextmanager
def extender(control_plane: Cluster, files: Files, log: Path) -> Iterator[tuple[int, int]]:
    """The extender as the chart has it in external mode, ready: its ports for the scheduler and for observers."""
    port, observe = free_port(), free_port()
    environment = {
        "FORETIDE_SCHEDULER_LISTEN": f":{port}",
        "FORETIDE_TLS_CERT": str(files.certificate),
        "FORETIDE_TLS_KEY": str(files.key),
        "FORETIDE_TLS_CLIENT_CA": str(files.client_authority),
        "FORETIDE_OBSERVE_LISTEN": f":{observe}",
        "FORETIDE_DECISION_DEADLINE_MILLISECONDS": "1500",  # the machine may be busy: no decision may be late
    }
    with process("foretide_extender", control_plane, log, **environment):
        eventually(lambda: fetch(observe, "/readyz")[0] == 200, "the extender ready")
        yield port, observe


def requests(observe: int) -> float:
    """How often the extender was asked."""
    lines = fetch(observe, "/metrics")[1].splitlines()
    name = "foretide_extender_request_duration_seconds_count"
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


def node_of(client: KubeClient, name: str) -> str | None:
    node: str | None = client.get(PODS, name, NAMESPACE)["spec"].get("nodeName")
    return node


def bound(client: KubeClient, name: str, *, is_marked: bool) -> str:
    """The node of a task that is made here."""
    make_pod(client, NAMESPACE, name, scheduler=SCHEDULER, marks={RESOURCE_TASK: "1"} if is_marked else None)
    eventually(lambda: node_of(client, name) is not None, f"{name} bound")
    return str(node_of(client, name))


def test_marked_pods_are_scored_over_mtls_though_no_node_has_the_resource_and_others_never_reach_us(
    control_plane: Cluster, client: KubeClient, tmp_path: Path, authority: Authority
) -> None:
    assert not [node for node in client.list_objects(NODES) if RESOURCE_TASK in node["status"]["allocatable"]]
    with extender(control_plane, authority.server(), tmp_path / "extender.log") as (port, observe):
        with scheduler(control_plane, tmp_path, port, authority, http_timeout=PATIENT):
            assert [bound(client, f"marked-{index}", is_marked=True) for index in range(2)] == ["fast-1", "fast-1"]
            assert requests(observe) == 4
            for index in range(3):
                bound(client, f"unmarked-{index}", is_marked=False)
            assert requests(observe) == 4
        assert is_refused(port, authority)
        assert 'given_up_total{reason="HandshakeFailed"} 1.0' in fetch(observe, "/metrics")[1]
        assert requests(observe) == 4


def test_a_marked_pod_finds_a_node_while_the_extender_is_away(
    control_plane: Cluster, client: KubeClient, tmp_path: Path, authority: Authority
) -> None:
    with scheduler(control_plane, tmp_path, free_port(), authority, http_timeout=PATIENT):
        bound(client, "alone", is_marked=True)


def is_refused(port: int, authority: Authority) -> bool:
    """Whether who shows no certificate gets no answer."""
    context = ssl.create_default_context(cafile=str(authority.certificate))
    with closing(http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=context)) as connection:
        try:
            connection.request("POST", "/filter", b"{}")
            connection.getresponse()
        except OSError:
            return True
    return False


@pytest.mark.usefixtures("client")
def test_certificates_that_cannot_be_used_any_more_are_told_of_though_nobody_connects(
    control_plane: Cluster, tmp_path: Path, authority: Authority
) -> None:
    files = authority.server()
    with extender(control_plane, files, tmp_path / "extender.log") as (_, observe):
        name = "foretide_extender_certificate_reload_failed"
        assert f"{name} 0.0" in fetch(observe, "/metrics")[1]
        files.certificate.write_text("no certificate")
        eventually(lambda: f"{name} 1.0" in fetch(observe, "/metrics")[1], "the failure told")
