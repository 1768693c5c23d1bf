"""What the fault tests stand on: an installed cluster, a predicted workload, and every Pod that ever performed it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle

from foretide_kube.cache import WatchCache
from foretide_kube.client import Object
from foretide_kube.kinds import aiworkload
from foretide_kube.kinds.aiworkload import AIWorkload
from foretide_kube.names import AIWORKLOADS, LABEL_WORKLOAD, PODS
from tests.faults.parts import Parts
from tests.installed import Installed


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
class Stage(Parts):
    """A workload in a namespace of a running cluster, and Foretide's parts there.

    ``run_tasks`` says how many tasks each of the operator's runs has: another number makes another run.
    """

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
            namespaces=(namespace,),
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
