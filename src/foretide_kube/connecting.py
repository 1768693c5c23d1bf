"""The way to the API server, or one line that says why there is none and what to do."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from foretide_kube.client import KubeClient

DEFAULT_NAMESPACE: Final = "default"
_IN_A_POD: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class NoWayError(Exception):
    """There is no usable kubeconfig and this is no Pod; the message says what to do."""


def connect() -> KubeClient:
    """A client as the Pod's service account or KUBECONFIG says; NoWayError without either. It asks nothing yet."""
    try:
        return KubeClient.connect()
    except Exception as error:
        # The official client raises whatever it meets: its own, of YAML, of base64, of a key that is missing.
        why = " ".join(str(error).split()) or type(error).__name__
        raise NoWayError(f"cannot connect to the API server: {why}; run in a Pod or set KUBECONFIG") from error


def own_cluster() -> str:
    """What the cluster is called by who asks: the context of KUBECONFIG; empty in a Pod, or where there is none."""
    try:
        if "KUBERNETES_SERVICE_HOST" in os.environ and _IN_A_POD.exists():
            return ""
        from kubernetes import config  # noqa: PLC0415 - as in `foretide_kube.client`

        return str(config.list_kube_config_contexts()[1]["name"])
    except Exception:  # noqa: BLE001 - as in `connect`
        return ""


def own_namespace() -> str:
    """The namespace that is meant where none is named: the Pod's, or that of the context of KUBECONFIG, as for kubectl.

    Without any it is ``default``; why there is no way to the cluster `connect` says.
    """
    try:
        if "KUBERNETES_SERVICE_HOST" in os.environ and _IN_A_POD.exists():
            return _IN_A_POD.read_text(encoding="utf-8").strip() or DEFAULT_NAMESPACE
        from kubernetes import config  # noqa: PLC0415 - as in `foretide_kube.client`

        _, context = config.list_kube_config_contexts()
        return context["context"].get("namespace") or DEFAULT_NAMESPACE
    except Exception:  # noqa: BLE001 - as in `connect`
        return DEFAULT_NAMESPACE
