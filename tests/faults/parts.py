"""Foretide's parts in a running cluster, to be hurt from outside as nothing inside a Pod could."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from devcluster import DevclusterError
from devcluster.node import RunningNode
from foretide_kube.client import Object
from foretide_kube.names import PODS
from tests.installed import SYSTEM_NAMESPACE, Installed

PARTS = {
    "operator": ("operator", "operator"),
    "planner": ("operator", "planner"),
    "extender": ("scheduler", "extender"),
    "scheduler": ("scheduler", "kube-scheduler"),
}
"""The parts that can fail: the component whose Pod has it, and its container there."""


@dataclass
class Parts:
    """Foretide's parts in an installed cluster."""

    installed: Installed

    def node(self, name: str) -> RunningNode:
        """A node that can be hurt."""
        return self.installed.cluster.node(name)

    def container(self, part: str) -> Object:
        """The status of a part's container."""
        return self._container(part)[1]

    def restarts(self) -> dict[str, int]:
        """How often the container of each part was restarted in its Pod."""
        return {part: self.container(part)["restartCount"] for part in PARTS}

    def kill(self, part: str) -> None:
        """End all processes of a part at once: kill -9."""
        node, status = self._container(part)
        node.signal_container(status["containerID"], signal.SIGKILL)

    @contextmanager
    def hung(self, part: str) -> Iterator[None]:
        """Stop all processes of a part while the block lasts, as if it hung."""
        node, status = self._container(part)
        node.signal_container(status["containerID"], signal.SIGSTOP)
        try:
            yield
        finally:
            with contextlib.suppress(DevclusterError):  # kubelet has replaced it: it did not answer its probe
                node.signal_container(status["containerID"], signal.SIGCONT)

    def pod_of(self, part: str) -> Object:
        """The Pod that has a part."""
        selector = f"app.kubernetes.io/component={PARTS[part][0]}"
        pods = self.installed.client.list_objects(PODS, SYSTEM_NAMESPACE, label_selector=selector)
        (pod,) = [pod for pod in pods if pod["status"]["phase"] == "Running"]
        return pod

    def _container(self, part: str) -> tuple[RunningNode, Object]:
        pod = self.pod_of(part)
        (status,) = [each for each in pod["status"]["containerStatuses"] if each["name"] == PARTS[part][1]]
        return self.node(pod["spec"]["nodeName"]), status
