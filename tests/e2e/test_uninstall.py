"""`helm uninstall` leaves the CRDs and nothing else: the last end-to-end test, it removes what the others stand on."""

from __future__ import annotations

import json

import pytest

from tests.installed import SYSTEM_NAMESPACE, Installed

pytestmark = pytest.mark.cluster

CLUSTER_SCOPED = (
    "clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings,priorityclasses"
)
NAMESPACED = "deployments,pods,configmaps,serviceaccounts,roles,rolebindings,leases,jobs,networkpolicies,secrets"
EVERYWHERE = "roles,rolebindings"
OF_KUBERNETES = {"kube-root-ca.crt", "default"}


def names(installed: Installed, kinds: str, *arguments: str) -> set[str]:
    """Names of all objects of some kinds."""
    items = json.loads(installed.cluster.kubectl("get", kinds, *arguments, "-o", "json"))["items"]
    return {item["metadata"]["name"] for item in items}


def test_uninstall_leaves_only_the_crds(installed: Installed) -> None:
    installed.cluster.helm("uninstall", "foretide", "--namespace", SYSTEM_NAMESPACE, "--wait", "--timeout", "2m")

    def is_gone() -> bool:
        return names(installed, NAMESPACED, "-n", SYSTEM_NAMESPACE) <= OF_KUBERNETES

    installed.until("the namespace empty", is_gone)
    assert not {name for name in names(installed, CLUSTER_SCOPED) if "foretide" in name}
    assert not {name for name in names(installed, EVERYWHERE, "-A") if "foretide" in name}
    crds = {name for name in names(installed, "crds") if name.endswith("foretide.dev")}
    assert len(crds) == 4
