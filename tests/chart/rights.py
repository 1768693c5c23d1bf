"""The rights that each role of the chart gives, all of them, and how the API server is asked about one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from devcluster import Cluster
from foretide_cli.doctor import needed
from foretide_cli.doctor.needed import Rights

NAMESPACE = "foretide-system"
OPERATOR = f"system:serviceaccount:{NAMESPACE}:foretide-operator"
SCHEDULER = f"system:serviceaccount:{NAMESPACE}:foretide-scheduler"

READ = "get list watch"

IN_THE_CLUSTER: dict[str, Rights] = {
    "foretide-operator": needed.OPERATOR,
    "foretide-operator-cluster": needed.OPERATOR_OF_CLUSTER,
    "foretide-extender": needed.EXTENDER,
    "foretide-extender-cluster": needed.EXTENDER_OF_CLUSTER,
    "foretide-explain": {"pods": "get list"},
    "foretide-explain-cluster": {"nodes": "list"},
    "foretide-view": {"aiworkloads.foretide.dev": READ, "workloadprofiles.foretide.dev": READ},
    "foretide-edit": {"aiworkloads.foretide.dev": "create update patch delete deletecollection"},
    "foretide-classes": {"nodeclasses.foretide.dev": READ},
    "foretide-predict": {
        **{
            f"{kind}.foretide.dev": "list"
            for kind in ("aiworkloads", "workloadprofiles", "nodeclasses", "completiontimemodels")
        },
        "pods": "list",
        "nodes": "list",
        "priorityclasses.scheduling.k8s.io": "list",
    },
}
"""By ClusterRole."""

IN_THE_NAMESPACE: dict[str, Rights] = {
    "foretide-operator": needed.OPERATOR_AT_HOME,
    "foretide-scheduler": {
        "leases.coordination.k8s.io": "create",
        "leases.coordination.k8s.io/foretide-scheduler": "get update",
    },
}
"""By Role of the installation's namespace; the scheduler's where there are several."""


def each(rights: Rights, namespace: str) -> Iterator[tuple[str, str, str]]:
    """Verb, resource and namespace of each right."""
    for resource, verbs in rights.items():
        for verb in verbs.split():
            yield verb, resource, namespace


def may(cluster: Cluster, account: str, verb: str, resource: str, namespace: str) -> bool:
    """Whether RBAC lets the account do it; ``resource`` as in `Rights`."""
    plural, _, below = resource.partition("/")
    plural, _, group = plural.partition(".")
    attributes = {"verb": verb, "resource": plural, "group": group, "namespace": namespace}
    attributes["name" if plural in {"leases", "deployments"} else "subresource"] = below
    spec: dict[str, Any] = {"user": account, "groups": ["system:serviceaccounts"], "resourceAttributes": attributes}
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
    answer = json.loads(cluster.kubectl("create", "-f", "-", "-o", "json", stdin=json.dumps(review)))
    return bool(answer["status"]["allowed"])
