"""Events about objects, as a value: what `kubectl describe` shows below the object itself."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from foretide_kube.client import Object

MAX_MESSAGE = 1024


def event_body(
    about: Object,
    severity: str,
    reason: str,
    message: str,
    *,
    component: str,
    fallback_namespace: str,
    now: datetime,
) -> Object:
    """A core/v1 Event; ``severity`` is Normal or Warning, ``reason`` CamelCase.

    Events about cluster-scoped objects lie in ``default``, as Kubernetes asks; ``fallback_namespace`` is where the
    reporter runs and is told as its instance.
    """
    metadata = about["metadata"]
    namespace = metadata.get("namespace") or "default"
    time = now.astimezone(UTC)
    digest = hashlib.sha256(f"{metadata.get('uid')}\0{reason}\0{message}\0{time.timestamp()}".encode()).hexdigest()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata['name'][:200]}.{digest[:16]}", "namespace": namespace},
        "involvedObject": {
            "apiVersion": about.get("apiVersion", ""),
            "kind": about.get("kind", ""),
            "name": metadata["name"],
            "namespace": metadata.get("namespace", ""),
            "uid": metadata.get("uid", ""),
        },
        "type": severity,
        "reason": reason,
        "message": message if len(message) <= MAX_MESSAGE else message[: MAX_MESSAGE - 3] + "...",
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
        "source": {"component": component},
        "reportingComponent": component,
        "reportingInstance": fallback_namespace,
    }
