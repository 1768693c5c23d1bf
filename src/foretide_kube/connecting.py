"""The way to the API server, or one line that says why there is none and what to do."""

from __future__ import annotations

from foretide_kube.client import KubeClient


class NoWayError(Exception):
    """There is no usable kubeconfig and this is no Pod; the message says what to do."""


def connect() -> KubeClient:
    """A client as the Pod's service account or KUBECONFIG says; NoWayError without either. It asks nothing yet."""
    try:
        return KubeClient.connect()
    except Exception as error:
        # The official client raises whatever it meets: its own, of YAML, of base64, of a key that is missing.
        why = " ".join(str(error).split()) or type(error).__name__
        raise NoWayError(f"no way to the API server: {why}; run in a Pod or set KUBECONFIG") from error
