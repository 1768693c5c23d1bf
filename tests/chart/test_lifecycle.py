"""Installing, refusing, upgrading and uninstalling on a real control plane."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from devcluster import Cluster, ClusterSpec
from devcluster.errors import CommandError
from tests.chart.rendering import CHART, ROOT

pytestmark = pytest.mark.cluster

NAMESPACE = "foretide-system"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A control plane of its own: these tests install and uninstall."""
    with Cluster.up(ClusterSpec(name="tests-chart"), replace=True) as own:
        yield own


@pytest.fixture(autouse=True)
def uninstalled(cluster: Cluster) -> Iterator[None]:
    yield
    for release in json.loads(cluster.helm("list", "--all", "--all-namespaces", "-o", "json")):
        uninstall(cluster, release=release["name"], namespace=release["namespace"])


@pytest.fixture
def without_definitions(cluster: Cluster) -> None:
    cluster.kubectl("delete", "-f", str(ROOT / "crds"), "--ignore-not-found", "--wait=false")
    until("the definitions gone", lambda: not definitions(cluster))


@pytest.fixture
def definitions_of_somebody_else(cluster: Cluster) -> None:
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))
    cluster.kubectl(
        "annotate", "crd", *definitions(cluster), "meta.helm.sh/release-name-", "meta.helm.sh/release-namespace-"
    )


def definitions(cluster: Cluster) -> list[str]:
    """The names of the definitions of our kinds that are in the cluster."""
    names = cluster.kubectl("get", "crd", "-o", "name").split()
    return sorted(name.partition("/")[2] for name in names if name.endswith(".foretide.dev"))


def install(cluster: Cluster, *words: str, release: str = "foretide", namespace: str = NAMESPACE) -> str:
    return cluster.helm("install", release, str(CHART), "--namespace", namespace, "--create-namespace", *words)


def uninstall(cluster: Cluster, *words: str, release: str = "foretide", namespace: str = NAMESPACE) -> None:
    """Uninstall without the hook, whose Pod no node is there to run."""
    cluster.helm("uninstall", release, "--namespace", namespace, "--wait", "--no-hooks", *words)


def objects(cluster: Cluster) -> set[str]:
    """Everything in the cluster but what comes and goes by itself."""
    kinds = cluster.kubectl("api-resources", "--verbs=list", "-o", "name").split()
    listed = [kind for kind in kinds if not kind.startswith(("events", "componentstatuses", "ipaddresses"))]
    found = cluster.kubectl(
        "get", ",".join(listed), "--all-namespaces", "-o",
        'jsonpath={range .items[*]}{.kind}/{.metadata.namespace}/{.metadata.name}{"\\n"}{end}',
    )  # fmt: skip
    return {one for one in found.split() if not one.startswith("Lease/kube-")}


def until(what: str, look: Any) -> Any:
    give_up = time.monotonic() + 60
    while not (found := look()):
        if time.monotonic() > give_up:
            pytest.fail(f"after 60 s still not: {what}")
        time.sleep(0.25)
    return found


def hand_over(cluster: Cluster, *, namespace: str) -> None:
    """Make the definitions those of the release foretide in ``namespace``."""
    owner = ["meta.helm.sh/release-name=foretide", f"meta.helm.sh/release-namespace={namespace}"]
    cluster.kubectl("annotate", "--overwrite", "crd", *definitions(cluster), *owner)
    cluster.kubectl("label", "--overwrite", "crd", *definitions(cluster), "app.kubernetes.io/managed-by=Helm")


@pytest.mark.usefixtures("without_definitions")
def test_missing_definitions_are_named_before_anything_is_installed(cluster: Cluster) -> None:
    with pytest.raises(CommandError, match=r"definition aiworkloads\.foretide\.dev is not in this cluster"):
        install(cluster, "--set", "crds.enabled=false")
    assert cluster.kubectl("get", "deployments", "--all-namespaces", "-o", "name") == ""


def test_uninstalling_leaves_nothing_but_the_definitions(cluster: Cluster) -> None:
    cluster.kubectl("create", "namespace", "to-leave")
    until("the namespace's own objects", lambda: "ServiceAccount/to-leave/default" in objects(cluster))
    before = objects(cluster)
    install(cluster, namespace="to-leave")
    until("Pods of both Deployments", lambda: sum(one.startswith("Pod/to-leave/") for one in objects(cluster)) == 2)
    uninstall(cluster, "--cascade", "foreground", namespace="to-leave")
    assert {one for one in objects(cluster) if one.startswith(("Pod/", "ReplicaSet/"))} == set()
    left = {
        one for one in objects(cluster) - before if not one.startswith(("CustomResourceDefinition/", "APIService/"))
    }
    assert left == set()
    assert len(definitions(cluster)) == 4


@pytest.mark.usefixtures("definitions_of_somebody_else")
def test_definitions_kept_from_another_release_are_handed_over_as_the_refusal_says(cluster: Cluster) -> None:
    hand_over(cluster, namespace="to-leave")
    with pytest.raises(CommandError) as refusal:
        install(cluster)
    assert 'put there by release "foretide" in namespace "to-leave"' in str(refusal.value)
    assert "kubectl annotate --overwrite crd" in str(refusal.value)
    hand_over(cluster, namespace=NAMESPACE)
    install(cluster)


@pytest.mark.usefixtures("definitions_of_somebody_else")
def test_definitions_of_somebody_else_are_not_taken_over_in_silence(cluster: Cluster) -> None:
    with pytest.raises(CommandError) as refusal:
        install(cluster)
    assert "put there by something other than helm" in str(refusal.value)
    assert "--set crds.enabled=false" in str(refusal.value)
    install(cluster, "--set", "crds.enabled=false")


@pytest.mark.usefixtures("definitions_of_somebody_else")
def test_kept_definitions_are_used_again_and_outlive_an_upgrade_without_them(cluster: Cluster) -> None:
    hand_over(cluster, namespace=NAMESPACE)
    install(cluster)
    cluster.helm("upgrade", "foretide", str(CHART), "--namespace", NAMESPACE, "--set", "crds.enabled=false")
    assert len(definitions(cluster)) == 4


@pytest.mark.usefixtures("definitions_of_somebody_else")
def test_a_second_installation_is_refused_with_the_way_out(cluster: Cluster) -> None:
    install(cluster, "--set", "crds.enabled=false")
    with pytest.raises(CommandError) as refusal:
        install(cluster, release="second", namespace="other")
    text = str(refusal.value)
    assert 'already installed in this cluster, as release "foretide" in namespace "foretide-system"' in text
    assert "helm uninstall foretide --namespace foretide-system" in text


@pytest.mark.usefixtures("definitions_of_somebody_else")
def test_an_uninstall_whose_hook_cannot_run_ends_with_its_deadline_and_goes_on_without_hooks(cluster: Cluster) -> None:
    cluster.kubectl("create", "namespace", "held")
    cluster.kubectl("label", "namespace", "held", "pod-security.kubernetes.io/enforce=restricted")
    install(cluster, "--set", "crds.enabled=false", namespace="held")
    before = objects(cluster)
    with ThreadPoolExecutor() as pool:
        leaving = pool.submit(cluster.helm, "uninstall", "foretide", "--namespace", "held")
        until(
            "the hook's Pod", lambda: [one for one in objects(cluster) if one.startswith("Pod/held/foretide-release")]
        )
        cluster.kubectl("patch", "job", "foretide-release", "-n", "held", "-p", '{"spec":{"activeDeadlineSeconds":1}}')
        with pytest.raises(CommandError, match="job foretide-release failed: DeadlineExceeded"):
            leaving.result(timeout=60)
    assert before <= objects(cluster), "nothing is removed before the gates are open"
    uninstall(cluster, namespace="held")
    left = {one for one in objects(cluster) if one.startswith("Deployment/held/")}
    assert left == set()


@pytest.mark.usefixtures("definitions_of_somebody_else")
def test_tasks_left_behind_are_found_as_the_installation_page_says(cluster: Cluster) -> None:
    page = (ROOT / "docs" / "install.md").read_text()
    command = "kubectl get pods --all-namespaces --field-selector spec.schedulerName=foretide-scheduler,spec.nodeName="
    assert command in page
    until("an account", lambda: "ServiceAccount/default/default" in objects(cluster))
    for name, scheduler in (("left", "foretide-scheduler"), ("other", "default-scheduler")):
        spec = {"schedulerName": scheduler, "containers": [{"name": "main", "image": "registry.example/a:1"}]}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
        cluster.kubectl("create", "-f", "-", stdin=json.dumps(pod))
    assert cluster.kubectl(*command.split()[1:], "-o", "name").split() == ["pod/left"]
    cluster.kubectl("delete", "pods", "--all", "--grace-period=0", "--force")


@pytest.mark.usefixtures("definitions_of_somebody_else")
def test_pods_are_admitted_under_restricted_pod_security(cluster: Cluster) -> None:
    cluster.kubectl("create", "namespace", "restricted")
    cluster.kubectl("label", "namespace", "restricted", "pod-security.kubernetes.io/enforce=restricted")
    install(cluster, "--set", "scheduler.replicas=2,crds.enabled=false", namespace="restricted")

    def pods() -> list[str]:
        names = cluster.kubectl("get", "pods", "-n", "restricted", "-o", "name").split()
        return sorted(name.split("-")[1] for name in names)

    until("three Pods", lambda: pods() == ["operator", "scheduler", "scheduler"])
