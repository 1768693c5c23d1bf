"""`foretide predict` as a process on a real API server, by somebody who may read little, and then all that it needs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devcluster import Cluster
from foretide_kube.client import KubeClient
from foretide_kube.kinds.aiworkload import parse, workload_key
from foretide_kube.names import AIWORKLOADS, NODES, PODS
from tests.chart.rights import may
from tests.cli.small_cluster import MANIFEST
from tests.cli.test_release import run, until_there
from tests.extender.cluster_values import NODES as NODE_NAMES
from tests.extender.real_objects import bind_pod, eventually, make_pod, small_cluster
from tests.planner.planner_values import READY

pytestmark = pytest.mark.cluster

NAMESPACE = "predict-test"
ASKED = MANIFEST.replace("team", NAMESPACE) + "  run: {mode: Job, template: {tolerations: [{operator: Exists}]}}\n"
"""Nothing keeps these nodes ready, so that they are tainted."""


@pytest.fixture
def client(chart_installed: Cluster) -> Iterator[KubeClient]:
    """The small cluster, its nodes Ready, with predictions that are of their workload's key; the fast node is full."""
    with small_cluster(chart_installed, NAMESPACE) as client:
        item = client.get(AIWORKLOADS, "resnet", NAMESPACE)
        status = {"status": {"key": workload_key(parse(item).spec)}}
        client.patch(AIWORKLOADS, "resnet", status, NAMESPACE, subresource="status")
        for name in NODE_NAMES:
            condition = READY | {"reason": "KubeletReady", "message": ""}
            client.patch(NODES, name, {"status": {"conditions": [condition]}}, subresource="status")
        until_there(client, f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default")
        for slot in range(2):
            make_pod(client, NAMESPACE, f"there-{slot}")
            bind_pod(client, NAMESPACE, f"there-{slot}", "fast-1")
        yield client


def kubeconfig_of(cluster: Cluster, file: Path) -> Path:
    """A kubeconfig of the namespace's service account, which has the role view there."""
    view = ("--clusterrole=view", f"--serviceaccount={NAMESPACE}:default")
    cluster.kubectl("-n", NAMESPACE, "create", "rolebinding", "view", *view)
    account = f"system:serviceaccount:{NAMESPACE}:default"
    eventually(
        lambda: may(cluster, account, "list", f"{AIWORKLOADS.plural}.{AIWORKLOADS.group}", NAMESPACE), "the role"
    )
    token = cluster.kubectl("-n", NAMESPACE, "create", "token", "default").strip()
    found = json.loads(cluster.kubectl("config", "view", "--raw", "-o", "json"))
    found["users"] = [{"name": found["users"][0]["name"], "user": {"token": token}}]
    file.write_text(json.dumps(found))
    return file


def test_it_tells_what_its_user_may_see_names_the_missing_rights_and_makes_nothing(
    client: KubeClient, chart_installed: Cluster, tmp_path: Path
) -> None:
    manifest, kubeconfig = tmp_path / "mine.yaml", kubeconfig_of(chart_installed, tmp_path / "kubeconfig")
    manifest.write_text(ASKED)

    def asked() -> tuple[int, dict[str, Any], str]:
        status, said, complaints = run("predict", "-f", str(manifest), "-o", "json", kubeconfig=kubeconfig)
        return status, json.loads(said[0])[0], complaints

    status, answer, complaints = asked()
    assert (status, answer["now"]) == (0, None)
    assert {each["node_class"]: each["completion_seconds"] for each in answer["classes"]}["fast"] == 1.5
    assert answer["knowledge"] == f"as published for {NAMESPACE}/resnet, which does the same work"
    assert "what tasks would meet now is left out; missing rights: " in complaints
    for right in ("list pods in all namespaces", "list nodes", "list nodeclasses.foretide.dev"):
        assert right in complaints
    assert complaints.count("\n") == 1
    binding = ("--clusterrole=foretide-predict", f"--serviceaccount={NAMESPACE}:default")
    chart_installed.kubectl("create", "clusterrolebinding", "predict-test", *binding)
    try:
        eventually(lambda: asked()[1]["now"] is not None, "a binding counts some moments after it was made")
        status, answer, complaints = asked()
    finally:
        chart_installed.kubectl("delete", "clusterrolebinding", "predict-test")
    assert (status, complaints) == (0, "")
    nodes = {each["node"]: each for each in answer["now"]["nodes"]}
    assert nodes["fast-1"]["wait_seconds"] > 0.0
    assert nodes["slow-1"]["wait_seconds"] == 0.0
    assert {each["node_class"]: each["nodes"] for each in answer["classes"]} == {"fast": 1, "medium": 2, "slow": 2}
    assert client.find(AIWORKLOADS, "mine", NAMESPACE) is None
    assert {item["metadata"]["name"] for item in client.list_objects(PODS, NAMESPACE)} == {"there-0", "there-1"}
