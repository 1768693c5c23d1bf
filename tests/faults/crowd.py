"""Pods that have only to be bound: tasks behind our gate, tasks without it, and Pods that are none of ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from foretide_kube.client import Object
from foretide_kube.names import GATE_PLAN, LABEL_WORKLOAD, PODS, SCHEDULER_NAME
from tests.faults.stage import Stage

Sort = Literal["gated", "ungated", "other"]
TASKS: tuple[Sort, ...] = ("gated", "ungated")
SORTS: tuple[Sort, ...] = (*TASKS, "other")
LIMITS = {"cpu": "100m", "memory": "384Mi"}
"""What each may use; small enough that there is room for all at once."""

_LABEL = "crowd"
_REQUESTS = {"cpu": "100m", "memory": "32Mi"}


@dataclass
class Crowd:
    """Pods of one name, given all at once."""

    stage: Stage
    name: str
    given: list[str] = field(default_factory=list)

    def give(
        self,
        workload: str,
        *,
        of_each: int,
        sorts: tuple[Sort, ...] = SORTS,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        scheduler: str = SCHEDULER_NAME,
        resources: Mapping[str, str] | None = None,
    ) -> None:
        """Create Pods of each sort, those that are tasks of a workload; ``resources`` they ask for besides."""
        for _ in range(of_each):
            for sort in sorts:
                pod = _pod(f"{self.name}-{sort}-{len(self.given)}", sort, workload)
                pod["metadata"]["labels"] |= {_LABEL: self.name, **(labels or {})}
                pod["metadata"]["annotations"] = dict(annotations or {})
                pod["spec"]["schedulerName"] = scheduler
                for amounts in pod["spec"]["containers"][0]["resources"].values():
                    amounts.update(resources or {})
                self.stage.installed.client.create(PODS, pod, self.stage.namespace)
                self.given.append(pod["metadata"]["name"])

    def pods(self) -> list[Object]:
        """Those that are there."""
        return self.stage.installed.client.list_objects(
            PODS, self.stage.namespace, label_selector=f"{_LABEL}={self.name}"
        )

    def waiting(self) -> list[str]:
        """The names of those that have no node."""
        bound = {pod["metadata"]["name"] for pod in self.pods() if pod["spec"].get("nodeName")}
        return [name for name in self.given if name not in bound]

    def wait_bound(self) -> None:
        """Wait until every one has a node; nobody needs to start."""
        self.stage.installed.until(
            f"all of {self.name} bound", lambda: not self.waiting(), timeout_seconds=60, every_seconds=0.1
        )

    def remove(self) -> None:
        """Delete them, and wait until they are gone."""
        namespace, selector = ("-n", self.stage.namespace), ("-l", f"{_LABEL}={self.name}")
        self.stage.installed.cluster.kubectl("delete", "pods", *namespace, *selector, "--grace-period=0", "--force")
        self.stage.installed.until(f"nothing left of {self.name}", lambda: not self.pods())


@contextmanager
def crowd(stage: Stage, name: str) -> Iterator[Crowd]:
    """A crowd that is removed after the block."""
    found = Crowd(stage, name)
    try:
        yield found
    finally:
        found.remove()


def _pod(name: str, sort: Sort, workload: str) -> Object:
    # Without a limit of memory a prediction is held against the nodes alone.
    limits = {"cpu": LIMITS["cpu"]} if sort == "ungated" else LIMITS
    container = {
        "name": "sleeper",
        "image": "foretide/profiler:dev-onnx",
        "command": ["sleep", "600"],
        "resources": {"requests": dict(_REQUESTS), "limits": dict(limits)},
    }
    spec: Object = {"restartPolicy": "Never", "containers": [container]}
    if sort == "gated":
        spec["schedulingGates"] = [{"name": GATE_PLAN}]
    labels = {} if sort == "other" else {LABEL_WORKLOAD: workload}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": spec}
