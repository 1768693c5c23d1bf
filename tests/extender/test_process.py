"""The extender's process against a real API server."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from devcluster import Cluster
from foretide_kube.client import KubeClient
from foretide_kube.names import AIWORKLOADS
from tests.extender.cluster_values import NODES, pod_object
from tests.extender.real_objects import bind_pod, eventually, fetch, free_port, make_pod, process, small_cluster

pytestmark = pytest.mark.cluster

NAMESPACE = "extender-test"
ALL = list(NODES)


@pytest.fixture(scope="module")
def client(control_plane: Cluster) -> Iterator[KubeClient]:
    with small_cluster(control_plane, NAMESPACE) as client:
        yield client


def ask(port: int, verb: str, **options: Any) -> Any:
    pod = pod_object(**options)
    pod["metadata"]["namespace"] = NAMESPACE
    body = msgspec.json.encode({"Pod": pod, "Nodes": None, "NodeNames": ALL})
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST", f"/{verb}", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    assert response.status == 200
    answer = msgspec.json.decode(response.read())
    connection.close()
    return answer


def scores(port: int, **options: Any) -> dict[str, int]:
    return {item["Host"]: item["Score"] for item in ask(port, "prioritize", **options)}


def test_it_scores_by_what_the_api_server_says_and_follows_it(
    control_plane: Cluster, client: KubeClient, tmp_path: Path
) -> None:
    port, observe = free_port(), free_port()
    addresses = {"FORETIDE_SCHEDULER_LISTEN": f"127.0.0.1:{port}", "FORETIDE_OBSERVE_LISTEN": f":{observe}"}
    slow = {"FORETIDE_DECISION_DEADLINE_MILLISECONDS": "5000"}  # the machine may be busy: no decision may be late
    with process("foretide_extender", control_plane, tmp_path / "log", **addresses, **slow):
        eventually(lambda: fetch(observe, "/readyz")[0] == 200, "ready")
        assert scores(port) == {"fast-1": 10, "medium-1": 7, "medium-2": 7, "slow-1": 4, "slow-2": 4, "bare": 7}
        for index in range(6):
            make_pod(client, NAMESPACE, f"busy-{index}", annotations={"foretide.dev/inferences": "9000"})
            bind_pod(client, NAMESPACE, f"busy-{index}", "fast-1")
        eventually(lambda: scores(port)["fast-1"] < 10, "the load being seen")
        client.delete(AIWORKLOADS, "resnet", NAMESPACE)
        eventually(lambda: scores(port)["slow-1"] == 3, "the workload's end being seen")
        assert ask(port, "filter")["NodeNames"] == ALL
        text = fetch(observe, "/metrics")[1]
        assert re.search(r'decisions_total{source="ClassSpeed",verb="prioritize"} [1-9]', text)
        assert 'foretide_extender_watch_age_seconds{resource="pods"}' in text
        assert fetch(port, "/metrics")[0] == 404
