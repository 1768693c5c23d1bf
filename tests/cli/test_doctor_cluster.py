"""`foretide doctor` on a real control plane with the chart on it: the likeliest mistakes, made and mended for real.

There are no nodes, so what kubelets and the operator write is written by hand, in their words. An old Kubernetes cannot
be had here: `test_doctor` has it in values, with all other mistakes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from devcluster import Cluster, ClusterSpec
from foretide_cli.doctor.command import doctor
from foretide_kube.client import KubeClient, Object
from foretide_kube.forwarding import get_in_pod
from release.versions import version
from tests.chart.rendering import CHART, NAMESPACE, ROOT
from tests.cli.shown import Shown

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A control plane of its own, for these tests take it apart."""
    with Cluster.up(ClusterSpec(name="tests-doctor"), replace=True) as own:
        own.helm("install", "foretide", str(CHART), "--namespace", NAMESPACE, "--create-namespace")
        own.kubectl("create", "namespace", "team")
        own.kubectl("create", "namespace", "other")
        client = KubeClient.connect(str(own.kubeconfig))
        until("Pods of both Deployments", lambda: len(pods(client)) == 2)
        yield own


@pytest.fixture
def client(cluster: Cluster) -> KubeClient:
    return KubeClient.connect(str(cluster.kubeconfig))


def until(what: str, look: Callable[[], Any]) -> Any:
    give_up = time.monotonic() + 60
    while not (found := look()):
        if time.monotonic() > give_up:
            pytest.fail(f"after 60 s still not: {what}")
        time.sleep(0.5)
    return found


def pods(client: KubeClient) -> dict[str, str]:
    """The names of the installation's Pods, by their component."""
    found = client.raw("GET", f"/api/v1/namespaces/{NAMESPACE}/pods")["items"]
    return {each["metadata"]["labels"]["app.kubernetes.io/component"]: each["metadata"]["name"] for each in found}


def diagnosis(client: KubeClient) -> Object:
    shown = Shown()
    doctor(
        client,
        "team",
        system_namespace=NAMESPACE,
        get=get_in_pod,
        clock=time.time,
        show=shown,
    )
    told: Object = shown.document
    return told


def told(client: KubeClient, reason: str, *words: str) -> list[Object]:
    """The findings of that reason that have all the words."""
    rows = [row for check in diagnosis(client)["checks"] for row in check["findings"] if row["reason"] == reason]
    return [row for row in rows if all(word in json.dumps(row) for word in words)]


def create(cluster: Cluster, *objects: Object) -> None:
    for each in objects:
        cluster.kubectl("apply", "-f", "-", stdin=json.dumps(each))


def patch_status(cluster: Cluster, kind: str, name: str, namespace: str, status: Object) -> None:
    words = ["patch", kind, name, "-n", namespace, "--subresource=status", "--type=merge"]
    cluster.kubectl(*words, "-p", json.dumps({"status": status}))


def restore(cluster: Cluster) -> None:
    """What remedies say of all that the chart makes."""
    cluster.helm("upgrade", "foretide", str(CHART), "--namespace", NAMESPACE, "--reset-then-reuse-values")


NODE = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "edge-1", "labels": {"foretide.dev/nodeclass": "slow"}},
}
CLASS = {
    "apiVersion": "foretide.dev/v1alpha1",
    "kind": "NodeClass",
    "metadata": {"name": "empty"},
    "spec": {"selector": {"matchLabels": {"board": "none"}}},
}
WORKLOAD = {
    "apiVersion": "foretide.dev/v1alpha1",
    "kind": "AIWorkload",
    "metadata": {"name": "detect", "namespace": "team"},
    "spec": {
        "model": {
            "source": "ONNX",
            "file": {"path": "a.onnx", "sha256": "a" * 64, "volume": {"configMap": {"name": "models"}}},
        },
        "input": {"shape": [3, 8, 8]},
        "resources": {"limits": {"cpu": "1", "memory": "64Mi"}},
    },
}
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "plain", "namespace": "team", "labels": {"foretide.dev/workload": "detect"}},
    "spec": {"containers": [{"name": "main", "image": "registry.example/a:1"}]},
}


def scheduler_left_out(cluster: Cluster) -> None:
    client = KubeClient.connect(str(cluster.kubeconfig))
    until("an account", lambda: client.raw("GET", "/api/v1/namespaces/team/serviceaccounts")["items"])
    create(cluster, WORKLOAD, POD)


def image_missing(cluster: Cluster) -> None:
    waiting = {"reason": "ImagePullBackOff", "message": "Back-off pulling image: not found"}
    status = {
        "name": "operator",
        "image": f"docker.io/foretide/operator:{version()}",
        "imageID": "",
        "ready": False,
        "restartCount": 0,
        "state": {"waiting": waiting},
    }
    name = pods(KubeClient.connect(str(cluster.kubeconfig)))["operator"]
    patch_status(cluster, "pod", name, NAMESPACE, {"containerStatuses": [status]})


def digest_wrong(cluster: Cluster) -> None:
    create(cluster, WORKLOAD)
    row = {
        "type": "Inspected",
        "status": "False",
        "reason": "ModelDigestMismatch",
        "message": f"spec.model.file.sha256 is {'a' * 64}, the file read has {'b' * 64}",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    patch_status(cluster, "aiworkload", "detect", "team", {"conditions": [row]})


def extender_unreachable(cluster: Cluster) -> None:
    """Its container is said to run, and nobody is there to forward a port to it."""
    status = {
        "name": "extender",
        "image": "a",
        "imageID": "",
        "ready": True,
        "restartCount": 0,
        "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
    }
    name = pods(KubeClient.connect(str(cluster.kubeconfig)))["scheduler"]
    patch_status(cluster, "pod", name, NAMESPACE, {"containerStatuses": [status]})


def two_installations(cluster: Cluster) -> None:
    """As those who render the chart and apply it: what helm asks the cluster first is not asked."""
    words = ["template", "second", str(CHART), "--namespace", "other", "--set", "crds.enabled=false"]
    text = cluster.helm(*words, "--kube-version", "1.36.2")
    cluster.kubectl("apply", "-f", "-", stdin=text)


def delete_second(cluster: Cluster) -> None:
    cluster.kubectl("delete", "deployments,services,configmaps", "--all", "-n", "other")
    restore(cluster)


Step = Callable[[Cluster], object]


def kubectl(*words: str) -> Step:
    return lambda cluster: cluster.kubectl(*words)


class Mistake(NamedTuple):
    """What is done wrong, the reason and words by which it is named, and what mends it."""

    name: str
    make: Step
    reason: str
    words: tuple[str, ...]
    mend: Step


MISTAKES = [
    Mistake(
        "wrong label",
        lambda cluster: create(cluster, NODE),
        "LabelMisspelt",
        ("Node edge-1", "metadata.labels[foretide.dev/nodeclass]"),
        kubectl("label", "node", "edge-1", "foretide.dev/node-class=slow", "foretide.dev/nodeclass-"),
    ),
    Mistake(
        "no scheduler name",
        scheduler_left_out,
        "NotPlacedByPrediction",
        ("Pod team/plain", "spec.schedulerName", "default-scheduler"),
        kubectl("delete", "pod", "plain", "-n", "team", "--grace-period=0", "--force"),
    ),
    Mistake(
        "missing image",
        image_missing,
        "ImageMissing",
        (
            "spec.containers[operator].image",
            f"docker.io/foretide/operator:{version()}",
            "docs/install.md#what-it-needs",
        ),
        kubectl("delete", "pods", "--all", "-n", NAMESPACE, "--grace-period=0", "--force"),
    ),
    Mistake(
        "RBAC cut",
        kubectl("delete", "clusterrolebinding", "foretide-operator"),
        "RightsMissing",
        ("ServiceAccount foretide-system/foretide-operator", "aiworkloads.foretide.dev", "helm upgrade foretide"),
        restore,
    ),
    Mistake(
        "CRDs absent",
        kubectl("delete", "crd", "completiontimemodels.foretide.dev"),
        "DefinitionMissing",
        ("CustomResourceDefinition completiontimemodels.foretide.dev", "kubectl apply --server-side -f crds/"),
        kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds")),
    ),
    Mistake(
        "wrong digest",
        digest_wrong,
        "ModelDigestMismatch",
        ("AIWorkload team/detect", "status.conditions[Inspected]", "sha256sum FILE"),
        kubectl("delete", "aiworkload", "detect", "-n", "team"),
    ),
    Mistake(
        "class without nodes",
        lambda cluster: create(cluster, CLASS),
        "ClassWithoutNodes",
        ("NodeClass empty", "spec.selector", "board=none", "kubectl delete nclass empty"),
        kubectl("delete", "nclass", "empty"),
    ),
    Mistake(
        "extender unreachable",
        extender_unreachable,
        "ExtenderUnreachable",
        ("Pod foretide-system/foretide-scheduler", "port-forward to Pod", "-c extender"),
        kubectl("delete", "pods", "--all", "-n", NAMESPACE, "--grace-period=0", "--force"),
    ),
    Mistake(
        "two installations",
        two_installations,
        "TwoInstallations",
        ("Deployment other/foretide-operator", "helm uninstall second --namespace other"),
        delete_second,
    ),
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=[each.name for each in MISTAKES])
def test_a_mistake_is_named_until_it_is_mended(mistake: Mistake, cluster: Cluster, client: KubeClient) -> None:
    def look() -> list[Object]:
        return told(client, mistake.reason, *mistake.words)

    assert look() == []
    mistake.make(cluster)
    try:
        (finding,) = until(mistake.reason, look)
        assert finding["remedy"]
    finally:
        mistake.mend(cluster)
    until(f"no {mistake.reason}", lambda: not look())


def test_without_nodes_it_says_what_keeps_the_parts_from_starting(cluster: Cluster) -> None:
    """As a process: exit status, and the form for people."""
    status, text, complaints = run("doctor", kubeconfig=cluster.kubeconfig)
    assert (status, complaints) == (1, "")
    assert "definitions   ok" in text
    assert "rights        ok" in text
    assert "Error PartNotReady: " in text or "Error Unschedulable: " in text


def run(*words: str, kubeconfig: Path) -> tuple[int, str, str]:
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "PYTHONSAFEPATH": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "foretide_cli", *words], env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


def test_a_user_of_one_namespace_is_told_which_rights_are_missing(cluster: Cluster, tmp_path: Path) -> None:
    cluster.kubectl("create", "serviceaccount", "viewer", "-n", "team")
    cluster.kubectl(
        "create", "rolebinding", "viewer", "--clusterrole=view", "--serviceaccount=team:viewer", "-n", "team"
    )
    kubeconfig = json.loads(cluster.kubectl("config", "view", "--raw", "-o", "json"))
    token = cluster.kubectl("create", "token", "viewer", "-n", "team").strip()
    kubeconfig["users"] = [{"name": kubeconfig["users"][0]["name"], "user": {"token": token}}]
    (tmp_path / "kubeconfig").write_text(json.dumps(kubeconfig))
    _, text, complaints = run("doctor", "-n", "team", "-o", "json", kubeconfig=tmp_path / "kubeconfig")
    assert complaints == ""
    found = json.loads(text)
    assert {
        "list deployments.apps in all namespaces",
        "list nodes",
        "list pods in all namespaces",
    } <= set(found["missingRights"])
    outcomes = {check["check"]: check["outcome"] for check in found["checks"]}
    assert outcomes["definitions"] == "Healthy", "schemas are told to every user"
    assert outcomes["installation"] == outcomes["node classes"] == "NotChecked"
    assert outcomes["workloads"] == "Healthy", "those of the own namespace"
