"""Who gets a Pod explained by the extender's process, as the token and access reviews of a real API server have it."""

from __future__ import annotations

import http.client
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from devcluster import Cluster
from foretide_kube.client import KubeClient
from foretide_kube.explanation import AUDIENCE, Explanation
from tests.extender.cluster_values import NODES, pod_object
from tests.extender.real_objects import bind_pod, eventually, fetch, free_port, make_pod, process, small_cluster

pytestmark = pytest.mark.cluster

NAMESPACE = "explain-test"
RULES = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
ACCOUNTS = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts"
ROLES = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}"


@pytest.fixture(scope="module")
def client(control_plane: Cluster) -> Iterator[KubeClient]:
    """The small cluster with two accounts, of which ``reader`` may get Pods."""
    with small_cluster(control_plane, NAMESPACE) as client:
        for name in ("reader", "stranger"):
            client.raw("POST", ACCOUNTS, body={"metadata": {"name": name}})
        client.raw("POST", f"{ROLES}/roles", body={"metadata": {"name": "read"}, "rules": RULES})
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "read"}
        subject = {"kind": "ServiceAccount", "name": "reader", "namespace": NAMESPACE}
        bound = {"metadata": {"name": "read"}, "roleRef": role, "subjects": [subject]}
        client.raw("POST", f"{ROLES}/rolebindings", body=bound)
        yield client


def token_of(client: KubeClient, account: str, audiences: Sequence[str] = (AUDIENCE,)) -> str:
    spec = {"audiences": list(audiences), "expirationSeconds": 600}
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    made = client.raw("POST", f"{ACCOUNTS}/{account}/token", body=body)
    token: str = made["status"]["token"]
    return token


def call(port: int, method: str, path: str, body: bytes | None = None, token: str | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, body, {} if token is None else {"Authorization": f"Bearer {token}"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def test_who_may_get_the_pod_is_told_and_nobody_else(
    control_plane: Cluster, client: KubeClient, tmp_path: Path
) -> None:
    port, observe = free_port(), free_port()
    addresses = {"FORETIDE_SCHEDULER_LISTEN": f"127.0.0.1:{port}", "FORETIDE_OBSERVE_LISTEN": f":{observe}"}
    slow = {"FORETIDE_DECISION_DEADLINE_MILLISECONDS": "5000"}  # the machine may be busy: no decision may be late
    path = f"/explain?namespace={NAMESPACE}&pod=asked"

    def explained() -> Explanation:
        status, body = call(observe, "GET", path, token=reader)
        assert status == 200, body
        return msgspec.json.decode(body, type=Explanation)

    with process("foretide_extender", control_plane, tmp_path / "log", **addresses, **slow):
        eventually(lambda: fetch(observe, "/readyz")[0] == 200, "ready")
        reader, stranger = token_of(client, "reader"), token_of(client, "stranger")
        uid = make_pod(client, NAMESPACE, "asked")
        asked: dict[str, Any] = pod_object("asked")
        asked["metadata"] |= {"namespace": NAMESPACE, "uid": uid}
        body = msgspec.json.encode({"Pod": asked, "Nodes": None, "NodeNames": list(NODES)})
        before = explained()
        assert (before.status, before.as_of, before.candidates) == ("NotDecided", None, [])
        assert "the right to list nodes" in before.message
        for verb in ("filter", "prioritize"):
            assert call(port, "POST", f"/{verb}", body)[0] == 200
        decided = explained()
        assert (decided.status, decided.placed) == ("Decided", None)
        assert {node for each in decided.candidates for node in each.nodes} == set(NODES)
        assert {each.others for each in decided.candidates} == {None}
        bind_pod(client, NAMESPACE, "asked", "medium-1")
        placed = explained().placed
        assert placed is not None
        assert (placed.node, placed.best_node) == ("medium-1", "fast-1")
        assert (placed.regret_seconds or 0.0) > 0.0

        status, text = call(observe, "GET", path, token=stranger)
        who = f"system:serviceaccount:{NAMESPACE}:stranger"
        assert (status, text.decode()) == (403, f"{who} lacks the right to get pods in namespace {NAMESPACE}\n")
        assert call(observe, "GET", path, token=reader[:-8] + "AAAAAAAA")[0] == 401
        assert call(observe, "GET", path)[0] == 401
        for audiences in ((), ("another",)):
            status, text = call(observe, "GET", path, token=token_of(client, "reader", audiences))
            assert (status, AUDIENCE.encode() in text) == (401, True)
        assert call(observe, "GET", "/explain?namespace=kube-system&pod=asked", token=reader)[0] == 403
        assert call(port, "GET", path, token=reader)[0] == 404, "not on the scheduler's port"
        assert fetch(observe, "/metrics")[0] == 200
