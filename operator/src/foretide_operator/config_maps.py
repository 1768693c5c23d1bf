"""ConfigMaps in the operator's namespace that hold its state: bytes under a name, removed with the operator."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Final

from foretide_kube.client import Object
from foretide_kube.names import LABEL_MANAGED_BY, MANAGED_BY

COMPONENT_LABEL: Final = "app.kubernetes.io/component"


def config_map(name: str, namespace: str, component: str, data: Mapping[str, bytes], owner: Object | None) -> Object:
    """A ConfigMap of ours; ``owner`` is the operator's Deployment, absent where it runs outside a cluster."""
    metadata: Object = {
        "name": name,
        "namespace": namespace,
        "labels": {LABEL_MANAGED_BY: MANAGED_BY, COMPONENT_LABEL: component},
    }
    if owner is not None:
        metadata["ownerReferences"] = [owner]
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata,
        "binaryData": {key: base64.b64encode(value).decode() for key, value in data.items()},
    }


def owner_reference(deployment: Object) -> Object:
    """The reference by which Kubernetes removes our ConfigMaps when the operator is uninstalled."""
    metadata = deployment["metadata"]
    return {"apiVersion": "apps/v1", "kind": "Deployment", "name": metadata["name"], "uid": metadata["uid"]}
