"""An installation for chosen namespaces on a real API server: it works there, and asks for nothing elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from devcluster import Cluster, ClusterSpec
from foretide_kube.client import KubeClient
from foretide_kube.names import AIWORKLOADS, COMPLETION_TIME_MODELS, GATE_PLAN, JOBS, NAMESPACES, PODS
from tests.chart.rendering import CHART, NAMESPACE, render
from tests.chart.rights import OPERATOR, may
from tests.extender.cluster_values import workload_object
from tests.extender.real_objects import bind_pod, eventually, fetch, free_port, make_pod, process, small_cluster

pytestmark = pytest.mark.cluster

WATCHED, LEAVING, OTHER = "watched", "leaving", "other"
VALUES = (f"watchNamespaces={{{WATCHED},{LEAVING}}}", "crds.enabled=false")
SEEN = {WATCHED, LEAVING, NAMESPACE}
"""The namespaces that may be listed and watched."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A control plane that tells who asked for what."""
    with Cluster.up(ClusterSpec(name="tests-namespaced", audit=True), replace=True) as own:
        yield own


@pytest.fixture(scope="module")
def client(cluster: Cluster) -> Iterator[KubeClient]:
    """The chart in it, two namespaces with the same workload, one of them watched, and another that is watched."""
    with small_cluster(cluster, WATCHED) as client:
        for name in (LEAVING, OTHER):
            client.create(NAMESPACES, {"metadata": {"name": name}})
        body = workload_object()
        metadata = {"name": body["metadata"]["name"], "namespace": OTHER}
        client.create(AIWORKLOADS, {**body, "metadata": metadata} | {"kind": "AIWorkload"}, OTHER)
        values = [word for value in VALUES for word in ("--set", value)]
        cluster.helm("install", "foretide", str(CHART), "--namespace", NAMESPACE, "--create-namespace", *values)
        yield client


@pytest.fixture(scope="module")
def accounts(cluster: Cluster, client: KubeClient, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A kubeconfig for each account of the installation."""
    del client
    folder = tmp_path_factory.mktemp("accounts")
    found = {}
    for account in ("foretide-operator", "foretide-scheduler"):
        kubeconfig = json.loads(cluster.kubectl("config", "view", "--raw", "-o", "json"))
        token = cluster.kubectl("create", "token", account, "--namespace", NAMESPACE).strip()
        kubeconfig["users"] = [{"name": kubeconfig["users"][0]["name"], "user": {"token": token}}]
        found[account] = str(folder / account)
        (folder / account).write_text(json.dumps(kubeconfig))
    return found


def environment_of(accounts: dict[str, str], deployment: str, container: str) -> dict[str, str]:
    return render(*VALUES).environment(deployment, container) | {"KUBECONFIG": accounts[deployment]}


@contextmanager
def planner_and_extender_ready(cluster: Cluster, accounts: dict[str, str], folder: Path) -> Iterator[None]:
    """Their processes."""
    ports = free_port(), free_port(), free_port()
    planner = environment_of(accounts, "foretide-operator", "planner") | {"FORETIDE_PLANNER_PORT": str(ports[0])}
    extender = environment_of(accounts, "foretide-scheduler", "extender") | {
        "FORETIDE_SCHEDULER_LISTEN": f"127.0.0.1:{ports[1]}",
        "FORETIDE_OBSERVE_LISTEN": f":{ports[2]}",
    }
    with (
        process("foretide_operator.planner", cluster, folder / "planner", **planner),
        process("foretide_extender", cluster, folder / "extender", **extender),
    ):
        eventually(lambda: fetch(ports[0], "/readyz")[0] == 200, "the planner ready")
        eventually(lambda: fetch(ports[2], "/readyz")[0] == 200, "the extender ready")
        yield


@contextmanager
def operator_at_work(accounts: dict[str, str], log: Path) -> Iterator[None]:
    """The operator's process, which listens on a port that is free."""
    environment = environment_of(accounts, "foretide-operator", "operator")
    code = "import sys; from foretide_operator.__main__ import main; sys.exit(main(port=0))"
    with log.open("wb") as output:
        running = subprocess.Popen([sys.executable, "-c", code], env=os.environ | environment, stderr=output)
        try:
            eventually(lambda: "working: " in log.read_text(), "the operator at work")
            yield
            running.terminate()
            assert running.wait(30) == 0, log.read_text()
        finally:
            running.kill()
            running.wait()


@pytest.fixture(scope="module")
def gone(cluster: Cluster, accounts: dict[str, str]) -> None:
    """Somebody has deleted a namespace that is watched, and with it what bound the rights there."""
    del accounts
    cluster.kubectl("delete", "namespace", LEAVING)


def asked(cluster: Cluster) -> list[dict[str, Any]]:
    """What the accounts of the installation asked of the API server."""
    events = [json.loads(line) for line in cluster.audit_log.read_text().splitlines()]
    own = f"system:serviceaccount:{NAMESPACE}:foretide-"
    return [event for event in events if event["user"]["username"].startswith(own)]


def hook(accounts: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """What the hook before an uninstall does, as its account may."""
    _, *words = render(*VALUES)["Job", "foretide-release"]["spec"]["template"]["spec"]["containers"][0]["command"]
    environment = os.environ | {"KUBECONFIG": accounts["foretide-operator"]}
    return subprocess.run([sys.executable, *words], env=environment, capture_output=True, text=True, check=False)


def doctor(cluster: Cluster) -> list[dict[str, Any]]:
    """All that the command finds amiss."""
    done = subprocess.run(
        [sys.executable, "-m", "foretide_cli", "doctor", "-o", "json"],
        env=os.environ | {"KUBECONFIG": str(cluster.kubeconfig)},
        capture_output=True,
        text=True,
        check=False,
    )
    return [one for check in json.loads(done.stdout)["checks"] for one in check["findings"]]


def annotated(client: KubeClient, namespace: str, name: str) -> bool:
    annotations = client.get(PODS, name, namespace)["metadata"].get("annotations") or {}
    return "foretide.dev/prediction" in annotations


def test_all_parts_work_in_the_chosen_namespace_and_ask_for_nothing_elsewhere(
    cluster: Cluster, client: KubeClient, accounts: dict[str, str], tmp_path: Path
) -> None:
    with planner_and_extender_ready(cluster, accounts, tmp_path):
        for namespace in (WATCHED, OTHER):
            make_pod(client, namespace, "task")
            bind_pod(client, namespace, "task", "medium-1")
        eventually(lambda: annotated(client, WATCHED, "task"), "a prediction on a Pod of the chosen namespace")
        with operator_at_work(accounts, tmp_path / "operator"):
            eventually(lambda: bool(client.list_objects(JOBS, WATCHED)), "a Job for the workload there")
            eventually(lambda: client.find(COMPLETION_TIME_MODELS, "default") is not None, "the model of the cluster")
    assert hook(accounts).returncode == 0

    assert not annotated(client, OTHER, "task")
    assert client.list_objects(JOBS, OTHER) == []
    assert "status" not in client.get(AIWORKLOADS, workload_object()["metadata"]["name"], OTHER)
    requests = asked(cluster)
    refused = {(one["user"]["username"], one["verb"], one["requestURI"]) for one in requests if _is_refused(one)}
    assert refused == set()
    of_cluster = {"nodes", "nodeclasses", "completiontimemodels", "priorityclasses", "customresourcedefinitions"}
    looked = {
        (one["objectRef"]["resource"], one["objectRef"].get("namespace", ""))
        for one in requests
        if one["verb"] in {"list", "watch"} and one.get("objectRef", {}).get("resource") not in of_cluster
    }
    assert {resource for resource, _ in looked} >= {"pods", "aiworkloads", "jobs", "workloadprofiles", "configmaps"}
    assert {namespace for _, namespace in looked} <= SEEN


def _is_refused(event: dict[str, Any]) -> bool:
    return bool(event["responseStatus"]["code"] == 403)


def test_the_command_finds_all_rights_given_and_says_where_nobody_looks(cluster: Cluster, client: KubeClient) -> None:
    del client
    found = doctor(cluster)
    assert [one for one in found if one["reason"] == "RightsMissing"] == []
    (unwatched,) = [one for one in found if one["reason"] == "NamespaceNotWatched"]
    assert unwatched["object"].startswith(f"AIWorkload {OTHER}/")


def test_explanations_are_asked_for_by_an_account_that_reads_pods_where_they_are_watched_alone(
    cluster: Cluster, client: KubeClient
) -> None:
    del client
    account = f"system:serviceaccount:{NAMESPACE}:foretide-explain"
    places = [place for place in (*sorted(SEEN), OTHER, "") if may(cluster, account, "list", "pods", place)]
    assert places == sorted(SEEN)
    assert may(cluster, account, "list", "nodes", "")


def test_all_parts_go_on_where_a_watched_namespace_is_gone(
    cluster: Cluster, client: KubeClient, accounts: dict[str, str], gone: None, tmp_path: Path
) -> None:
    del gone
    item = workload_object("later")
    item["metadata"] = {"name": "later", "namespace": WATCHED}
    del item["status"]
    with planner_and_extender_ready(cluster, accounts, tmp_path), operator_at_work(accounts, tmp_path / "operator"):
        client.create(AIWORKLOADS, item, WATCHED)
        eventually(
            lambda: any(job["metadata"]["name"].startswith("later-") for job in client.list_objects(JOBS, WATCHED)),
            "a Job for a workload in the other namespace",
        )
    reasons = {one["reason"]: one["value"] for one in doctor(cluster)}
    assert reasons["WatchedNamespaceGone"] == LEAVING
    assert "RightsMissing" not in reasons


def test_the_hook_before_an_uninstall_goes_on_where_a_namespace_is_gone_but_not_where_it_may_not_read(
    cluster: Cluster, client: KubeClient, accounts: dict[str, str], gone: None
) -> None:
    del gone
    spec = {
        "schedulingGates": [{"name": GATE_PLAN}],
        "containers": [{"name": "main", "image": "registry.example/a:1"}],
        "automountServiceAccountToken": False,
    }
    client.create(PODS, {"metadata": {"name": "waiting"}, "spec": spec}, WATCHED)
    done = hook(accounts)
    assert (done.returncode, done.stderr) == (0, "")
    assert (
        f"there is no namespace {LEAVING}, or it is being deleted: no gates to open there" in done.stdout.splitlines()
    )
    assert f"{WATCHED}/waiting released" in done.stdout.splitlines()
    cluster.kubectl("delete", "rolebinding", "foretide-operator-namespaced", "--namespace", WATCHED)
    eventually(lambda: not may(cluster, OPERATOR, "list", "pods", WATCHED), "the right gone")
    done = hook(accounts)
    assert done.returncode == 1
    (complaint,) = done.stderr.splitlines()
    assert "pods is forbidden" in complaint
    assert f'in the namespace "{WATCHED}"' in complaint
