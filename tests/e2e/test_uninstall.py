"""`helm uninstall` opens gates and leaves the CRDs: the last end-to-end test, it removes what the others stand on."""

from __future__ import annotations

import json

import pytest

from foretide_kube.names import GATE_PLAN, PODS, SCHEDULER_NAME
from tests.installed import SYSTEM_NAMESPACE, Installed

pytestmark = pytest.mark.cluster

CLUSTER_SCOPED = (
    "clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings,priorityclasses"
)
NAMESPACED = "deployments,pods,configmaps,serviceaccounts,roles,rolebindings,leases,jobs,networkpolicies,secrets"
EVERYWHERE = "roles,rolebindings"
THEIRS = "example.com/theirs"
OF_KUBERNETES = {"kube-root-ca.crt", "default"}


def names(installed: Installed, kinds: str, *arguments: str) -> set[str]:
    """Names of all objects of some kinds."""
    items = json.loads(installed.cluster.kubectl("get", kinds, *arguments, "-o", "json"))["items"]
    return {item["metadata"]["name"] for item in items}


def gates(installed: Installed, namespace: str) -> list[str]:
    """What keeps the Pod `left`."""
    spec = installed.client.get(PODS, "left", namespace)["spec"]
    return [gate["name"] for gate in spec.get("schedulingGates", [])]


def test_uninstall_opens_our_gate_and_leaves_only_the_crds(installed: Installed) -> None:
    namespace = installed.namespace("waiting")
    # The second gate keeps the planner from it for a minute: before that, only the hook of the uninstall opens ours.
    spec = {
        "schedulerName": SCHEDULER_NAME,
        "schedulingGates": [{"name": GATE_PLAN}, {"name": THEIRS}],
        "containers": [{"name": "task", "image": "registry.example/a:1"}],
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "left"}, "spec": spec}
    installed.client.create(PODS, pod, namespace)
    assert gates(installed, namespace) == [GATE_PLAN, THEIRS]
    installed.cluster.helm("uninstall", "foretide", "--namespace", SYSTEM_NAMESPACE, "--wait", "--timeout", "2m")
    assert gates(installed, namespace) == [THEIRS]

    def is_gone() -> bool:
        return names(installed, NAMESPACED, "-n", SYSTEM_NAMESPACE) <= OF_KUBERNETES

    installed.until("the namespace empty", is_gone)
    assert not {name for name in names(installed, CLUSTER_SCOPED) if "foretide" in name}
    assert not {name for name in names(installed, EVERYWHERE, "-A") if "foretide" in name}
    crds = {name for name in names(installed, "crds") if name.endswith("foretide.dev")}
    assert len(crds) == 4
