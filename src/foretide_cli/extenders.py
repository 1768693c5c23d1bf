"""The Pods in which extenders are, and the port that they have for observers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from foretide_kube.client import KubeClient, Object
from foretide_kube.forwarding import PodPort

EXTENDERS: Final = "app.kubernetes.io/name=foretide,app.kubernetes.io/component in (scheduler,extender)"
"""The label selector of these Pods."""
CONTAINER: Final = "extender"
_PORT: Final = "metrics"

Get = Callable[[KubeClient, PodPort, str, Mapping[str, str]], tuple[int, bytes]]
"""As `foretide_kube.forwarding.get_in_pod`."""


def container_status(pod: Object) -> Object:
    """What kubelet says of the extender's container; empty before it says anything."""
    running = (pod.get("status") or {}).get("containerStatuses") or ()
    return next((each for each in running if each["name"] == CONTAINER), {})


def observers_port(pod: Object) -> int | None:
    """The port of the Pod's extender that tells health, metrics and explanations; None where it has none."""
    containers = [each for each in pod["spec"]["containers"] if each["name"] == CONTAINER]
    ports = [port for each in containers for port in each.get("ports") or ()]
    return next((port["containerPort"] for port in ports if port.get("name") == _PORT), None)
