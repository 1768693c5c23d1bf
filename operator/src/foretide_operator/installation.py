"""Whether our kinds are installed: asked before anything is watched, so that their absence is one clear line."""

from __future__ import annotations

from typing import Final

from foretide_kube.client import ApiError, KubeClient
from foretide_kube.names import (
    AIWORKLOADS,
    API_VERSION,
    COMPLETION_TIME_MODELS,
    GROUP,
    NODE_CLASSES,
    WORKLOAD_PROFILES,
    Resource,
)

KINDS: Final[tuple[Resource, ...]] = (AIWORKLOADS, NODE_CLASSES, WORKLOAD_PROFILES, COMPLETION_TIME_MODELS)


def what_is_missing(client: KubeClient) -> str:
    """What keeps the operator from starting, and what to do; empty if nothing does."""
    try:
        served = {item["name"] for item in client.raw("GET", f"/apis/{API_VERSION}").get("resources", [])}
    except ApiError as error:
        if not error.is_not_found:
            return f"the API server does not answer: {error}"
        served = set()
    missing = [f"{resource.plural}.{GROUP}" for resource in KINDS if resource.plural not in served]
    if not missing:
        return ""
    return (
        f"custom resource definitions are missing: {', '.join(missing)}; install the chart with crds.enabled=true, "
        "or kubectl apply -f crds/"
    )
