"""Which namespaces every part watches, as the chart tells it."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from foretide_kube.client import ApiError, KubeClient
from foretide_kube.names import NAMESPACES

VARIABLE: Final = "FORETIDE_WATCH_NAMESPACES"


def watched_namespaces(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The namespaces in ``environment``, separated by commas; none means all."""
    return tuple(filter(None, environment.get(VARIABLE, "").split(",")))


def is_leaving(client: KubeClient, namespace: str) -> bool:
    """Whether a namespace is known to be gone or going: rights that were given in it are then gone as well."""
    try:
        found = client.find(NAMESPACES, namespace)
    except ApiError as error:
        if error.status != HTTPStatus.FORBIDDEN:
            raise
        return False  # who may not look at the namespace may have rights in it all the same
    return found is None or "deletionTimestamp" in found["metadata"]
