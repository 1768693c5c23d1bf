"""What the fault tests stand on: an installed cluster, a predicted workload, and every Pod that ever performed it."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle

from devcluster import DevclusterError
from devcluster.node import RunningNode
from foretide_kube.cache import WatchCache
from foretide_kube.client import Object
from foretide_kube.kinds import aiworkload
from foretide_kube.kinds.aiworkload import AIWorkload
from foretide_kube.names import AIWORKLOADS, LABEL_WORKLOAD, PODS
from tests.installed import SYSTEM_NAMESPACE, Installed

PARTS = {
    "operator": ("operator", "operator"),
    "planner": ("operator", "planner"),
    "extender": ("scheduler", "extender"),
    "scheduler": ("scheduler", "kube-scheduler"),
}
"""The parts that can fail: the component whose Pod has it, and its container there."""


@dataclass
class Pods:
    """All Pods of a workload that were ever there, each as it was last seen, by UID; ``gone`` are no more."""

    seen: dict[str, Object] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)

    def hear(self, event: str, pod: Object) -> None:
        """Take note of what the watch tells."""
        uid = pod["metadata"]["uid"]
        self.seen[uid] = pod
        if event == "DELETED":
            self.gone.add(uid)

    def all(self) -> list[Object]:
        """Each as it was last seen, deleted ones included."""
        return list(self.seen.values())


@dataclass
class Stage:
    """A workload in a namespace of a running cluster.

    ``run_tasks`` says how many tasks each of the operator's runs has: another number makes another run.
    """

    installed: Installed
    namespace: str
    workload_name: str
    pods: Pods
    run_tasks: Iterator[int] = field(default_factory=lambda: cycle((3, 4, 5)))

    @classmethod
    @contextmanager
    def of(cls, installed: Installed, namespace: str, workload_name: str) -> Iterator[Stage]:
        """Watch the workload's Pods while the block lasts."""
        pods = Pods()
        watch = WatchCache(
            installed.client,
            PODS,
            clock=time.monotonic,
            namespace=namespace,
            label_selector=f"{LABEL_WORKLOAD}={workload_name}",
        )
        watch.add_listener(pods.hear)
        watch.start()
        try:
            yield cls(installed, namespace, workload_name, pods)
        finally:
            watch.stop()

    def workload(self) -> AIWorkload:
        """The workload as it is now."""
        return aiworkload.parse(self.installed.client.get(AIWORKLOADS, self.workload_name, self.namespace))

    def condition(self, kind: str) -> Object:
        """A condition of the workload."""
        return self.installed.condition(AIWORKLOADS, self.workload_name, kind, self.namespace)

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
