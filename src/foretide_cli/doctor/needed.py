"""What an installation needs of a cluster: versions of Kubernetes, and the rights of its accounts."""

from __future__ import annotations

from typing import Final

Version = tuple[int, int]
"""Major and minor."""

OLDEST_KUBERNETES: Final[Version] = (1, 30)
"""What the chart asks for (`kubeVersion`)."""
TESTED_KUBERNETES: Final[tuple[Version, ...]] = ((1, 35), (1, 36))
"""On which scheduler and extender were tested together: the table that the chart enforces."""

Rights = dict[str, str]
"""Verbs by resource, which is written as plural.group/subresource, or /name of the one object meant."""

_READ: Final = "list watch"

OPERATOR: Final[Rights] = {
    "aiworkloads.foretide.dev": _READ,
    "workloadprofiles.foretide.dev": f"{_READ} create delete",
    "aiworkloads.foretide.dev/status": "patch",
    "workloadprofiles.foretide.dev/status": "patch",
    "jobs.batch": f"{_READ} create patch delete",
    "deployments.apps": f"{_READ} create patch delete",
    "pods": f"{_READ} patch",
    "events": "create list",
}
"""Of the operator's account, in the namespaces that are watched, or in all."""

OPERATOR_OF_CLUSTER: Final[Rights] = {
    "nodeclasses.foretide.dev": f"{_READ} create",
    "completiontimemodels.foretide.dev": f"{_READ} create",
    "nodeclasses.foretide.dev/status": "patch",
    "completiontimemodels.foretide.dev/status": "patch",
    "nodes": _READ,
}
"""Of the operator's account, on what lies in no namespace."""

OPERATOR_IN_DEFAULT: Final[Rights] = {"events": "create"}
"""Of the operator's account in the namespace default, where Events about what lies in no namespace are."""

OPERATOR_AT_HOME: Final[Rights] = {
    "configmaps": f"{_READ} create patch delete",
    "deployments.apps/foretide-operator": "get",
    "leases.coordination.k8s.io": "create",
    "leases.coordination.k8s.io/foretide-planner": "get update patch",
}
"""Of the operator's account, in its own namespace."""

EXTENDER: Final[Rights] = {"aiworkloads.foretide.dev": _READ, "pods": _READ}
"""Of the extender's account, in the namespaces that are watched, or in all."""

EXTENDER_OF_CLUSTER: Final[Rights] = {
    "nodeclasses.foretide.dev": _READ,
    "nodes": _READ,
    "tokenreviews.authentication.k8s.io": "create",
    "subjectaccessreviews.authorization.k8s.io": "create",
}
"""Of the extender's account, on what lies in no namespace."""

SCHEDULER: Final[Rights] = {
    "pods": _READ,
    "pods/binding": "create",
    "pods/status": "patch",
    "nodes": _READ,
    "persistentvolumeclaims": _READ,
    "persistentvolumes": _READ,
}
"""Of our scheduler's account, in all namespaces: what it cannot do without."""
