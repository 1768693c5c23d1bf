"""Waves of tasks given to one scheduler, and what became of each task."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec

from foretide.prediction import PodPrediction
from foretide.results import ResultError, RunResult, parse
from foretide_kube.cache import WatchCache
from foretide_kube.client import KubeClient, Object
from foretide_kube.names import (
    ANNOTATION_PAIRED,
    ANNOTATION_PREDICTION,
    JOBS,
    LABEL_NODE_CLASS,
    LABEL_WORKLOAD,
    NODES,
    PODS,
)

LABEL_RUN = "demo.foretide.dev/scheduler"
LABEL_TASK = "demo.foretide.dev/task"

TaskManifest = Callable[[str, str], Object]
"""(workload, task name) → the Job of that task."""


@dataclass
class Task:
    """One task from its creation to the end of its container."""

    name: str
    workload: str
    wave: int
    created_seconds: float
    deadline_seconds: float | None
    node: str = ""
    node_class: str = ""
    prediction: PodPrediction | None = None
    result: RunResult | None = None
    paired: bool = False
    trouble: str = ""
    said: set[str] = field(default_factory=set)

    @property
    def is_ended(self) -> bool:
        """Whether its container has reported."""
        return self.result is not None

    @property
    def turnaround_seconds(self) -> float:
        """From the task's creation to its last inference done."""
        if self.result is None:
            raise ValueError(f"task {self.name} has not ended")
        return self.result.work_end / 1e3 - self.created_seconds

    @property
    def work_seconds(self) -> float:
        """From the model loaded to the last inference done."""
        if self.result is None:
            raise ValueError(f"task {self.name} has not ended")
        return (self.result.work_end - self.result.work_begin) / 1e3

    @property
    def met_deadline(self) -> bool:
        """Whether it ended within its deadline; a task without one always does."""
        return self.deadline_seconds is None or self.turnaround_seconds <= self.deadline_seconds


class WaveRun:
    """Gives waves of tasks to one scheduler and follows their Pods."""

    def __init__(
        self,
        client: KubeClient,
        *,
        label: str,
        namespace: str,
        scheduler_name: str,
        manifest: TaskManifest,
        deadlines_seconds: dict[str, float | None],
        say: Callable[[str], None],
    ) -> None:
        self._client = client
        self._label = label
        self._namespace = namespace
        self._scheduler_name = scheduler_name
        self._manifest = manifest
        self._deadlines = deadlines_seconds
        self._say = say
        self._changed = threading.Event()
        self._classes = {
            node["metadata"]["name"]: node["metadata"].get("labels", {}).get(LABEL_NODE_CLASS, "")
            for node in client.list_objects(NODES)
        }
        self._pods = WatchCache(
            client, PODS, clock=time.monotonic, namespace=namespace, label_selector=f"{LABEL_RUN}={label}"
        )
        self.tasks: dict[str, Task] = {}

    def run(self, waves: list[list[str]], *, next_when_ended: float, timeout_seconds: float) -> list[Task]:
        """Run all waves; TimeoutError names the tasks that did not end."""
        self._pods.add_listener(lambda _kind, _pod: self._changed.set())
        self._pods.start()
        give_up = time.monotonic() + timeout_seconds
        try:
            for number, wave in enumerate(waves, 1):
                current = [self._submit(number, place, workload) for place, workload in enumerate(wave, 1)]
                self._say(f"wave {number} of {len(waves)}: {len(wave)} tasks created for {self._scheduler_name}")
                needed = len(current) * (next_when_ended if number < len(waves) else 1.0)
                self._wait(partial(_have_ended, current, needed), give_up)
            self._wait(lambda: all(task.is_ended for task in self.tasks.values()), give_up)
            self._wait(
                lambda: all(task.paired for task in self.tasks.values()),
                time.monotonic() + 60.0,
                strict=False,
            )
        finally:
            self._pods.stop()
        return list(self.tasks.values())

    def _submit(self, wave: int, place: int, workload: str) -> Task:
        name = f"{self._label}-w{wave}-{place:02d}-{workload}"
        job = self._manifest(workload, name)
        template = job["spec"]["template"]
        for metadata in (job["metadata"], template.setdefault("metadata", {})):
            labels: dict[str, Any] = metadata.setdefault("labels", {})
            labels |= {LABEL_RUN: self._label, LABEL_TASK: name, LABEL_WORKLOAD: workload}
        template["spec"]["schedulerName"] = self._scheduler_name
        self._client.create(JOBS, job, self._namespace)
        task = Task(name, workload, wave, time.time(), self._deadlines[workload])
        self.tasks[name] = task
        return task

    def _wait(self, is_done: Callable[[], bool], give_up: float, *, strict: bool = True) -> None:
        while True:
            self._changed.clear()
            self._look()
            if is_done():
                return
            if time.monotonic() > give_up:
                if not strict:
                    return
                late = [
                    f"{task.name} on {task.node or 'no node'} {task.trouble}"
                    for task in self.tasks.values()
                    if not task.is_ended
                ]
                raise TimeoutError("these tasks did not end: " + "; ".join(late))
            self._changed.wait(1.0)

    def _look(self) -> None:
        for pod in self._pods.snapshot().values():
            task = self.tasks.get(pod["metadata"]["labels"].get(LABEL_TASK, ""))
            if task is not None:
                self._follow(task, pod)

    def _follow(self, task: Task, pod: Object) -> None:
        annotations = pod["metadata"].get("annotations", {})
        node = pod["spec"].get("nodeName", "")
        if node:
            task.node, task.node_class = node, self._classes.get(node, "")
        if ANNOTATION_PREDICTION in annotations and "predicted" not in task.said:
            task.said.add("predicted")
            task.prediction = msgspec.json.decode(annotations[ANNOTATION_PREDICTION], type=PodPrediction)
            work = task.prediction.work_milliseconds
            self._say(f"  {task.name:<34} → {node:<14} predicted work {work.median / 1e3:5.1f} s")
        task.paired = task.paired or ANNOTATION_PAIRED in annotations
        for status in pod.get("status", {}).get("containerStatuses", []):
            ended = status.get("state", {}).get("terminated")
            if ended and not task.is_ended:
                self._end(task, ended)

    def _end(self, task: Task, ended: dict[str, Any]) -> None:
        try:
            result = parse((ended.get("message") or "").encode())
        except ResultError as error:
            task.trouble = f"({ended.get('reason')}, {error})"
            return
        if isinstance(result, RunResult):
            task.result = result
            self._say(
                f"  {task.name:<34} ✓ {task.node:<14} work {task.work_seconds:5.1f} s,"
                f" turnaround {task.turnaround_seconds:5.1f} s"
            )
        else:
            task.trouble = f"({result})"


def _have_ended(tasks: list[Task], needed: float) -> bool:
    return sum(task.is_ended for task in tasks) >= needed
