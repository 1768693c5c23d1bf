"""Waves of tasks given to one scheduler, and what became of each task."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from demo.columns import Column
from demo.pod_times import PodTimes
from demo.task import Task
from foretide.prediction import PodPrediction
from foretide.results import ResultError, RunResult
from foretide.termination_message import parse
from foretide_kube.cache import WatchCache
from foretide_kube.client import KubeClient, Object
from foretide_kube.names import (
    ANNOTATION_PAIRED,
    ANNOTATION_PREDICTION,
    GATE_PLAN,
    JOBS,
    LABEL_WORKLOAD,
    PODS,
)
from foretide_kube.pod_form import PodForm, PodSpec
from foretide_kube.requests import requests_of
from foretide_kube.task_pods import TaskPod, read_pod
from foretide_kube.times import epoch_seconds

LABEL_RUN = "demo.foretide.dev/run"
LABEL_TASK = "demo.foretide.dev/task"
PAIRING_SECONDS = 60.0
"""How long to wait, after the last task has ended, for the operator to have paired all."""

TaskManifest = Callable[[str, str], Object]
"""(workload, task name) → the Job of that task."""


def needed_ends(tasks: int, share: float) -> int:
    """How many of a wave's tasks must have ended before the next wave comes."""
    return math.ceil(tasks * share)


class WaveRun:
    """Gives waves of tasks to one scheduler and follows their Pods.

    ``name`` tells this run from all others in the cluster; ``classes`` gives the class of each node.
    """

    def __init__(
        self,
        client: KubeClient,
        *,
        name: str,
        column: Column,
        namespace: str,
        manifest: TaskManifest,
        deadlines_seconds: Mapping[str, float | None],
        classes: Mapping[str, str],
        say: Callable[[str], None],
    ) -> None:
        self._client = client
        self._name = name
        self._column = column
        self._namespace = namespace
        self._manifest = manifest
        self._deadlines = deadlines_seconds
        self._classes = classes
        self._say = say
        self._changed = threading.Event()
        self._said: set[tuple[str, str]] = set()
        self._watch = WatchCache(
            client, PODS, clock=time.monotonic, namespaces=(namespace,), label_selector=f"{LABEL_RUN}={name}"
        )
        self._watch.add_listener(self._note)
        self._tasks: dict[str, Task] = {}
        self._pods: dict[str, PodTimes] = {}

    def run(self, waves: Sequence[Sequence[str]], *, next_when_ended: float, timeout_seconds: float) -> list[Task]:
        """Run all waves; TimeoutError names the tasks that did not end."""
        self._watch.start()
        give_up = time.monotonic() + timeout_seconds
        tasks = self._tasks
        try:
            for number, wave in enumerate(waves, 1):
                current = [self._submit(number, place, workload) for place, workload in enumerate(wave, 1)]
                self._say(f"wave {number} of {len(waves)}: {len(wave)} tasks created for {self._column.label}")
                needed = needed_ends(len(current), next_when_ended if number < len(waves) else 1.0)
                self._wait(partial(_have_ended, current, needed), give_up)
            self._wait(lambda: all(task.is_ended for task in tasks.values()), give_up)
            self._wait(
                lambda: all(task.paired and task.is_released for task in tasks.values()),
                time.monotonic() + PAIRING_SECONDS,
                strict=False,
            )
        finally:
            self._watch.stop()
        return list(tasks.values())

    @property
    def pods(self) -> list[PodTimes]:
        """All Pods seen so far, those that were refused included."""
        return list(self._pods.values())

    def delete_jobs(self) -> None:
        """Take the Jobs with their Pods away, when nobody needs them any more."""
        for name in self._tasks:
            self._client.delete(JOBS, name, self._namespace)

    def _submit(self, wave: int, place: int, workload: str) -> Task:
        name = f"{self._name}-w{wave}-{place:02d}-{workload}"
        job = self._manifest(workload, name)
        template = job["spec"]["template"]
        for metadata in (job["metadata"], template.setdefault("metadata", {})):
            labels: dict[str, Any] = metadata.setdefault("labels", {})
            labels |= {LABEL_RUN: self._name, LABEL_TASK: name, LABEL_WORKLOAD: workload}
        template["spec"]["schedulerName"] = self._column.scheduler_name
        if self._column.is_gated:
            template["spec"]["schedulingGates"] = [{"name": GATE_PLAN}]
        requests = requests_of(msgspec.convert(template["spec"], PodSpec))
        self._client.create(JOBS, job, self._namespace)
        task = Task(name, workload, wave, time.time(), self._deadlines[workload], requests)
        self._tasks[name] = task
        return task

    def _note(self, _kind: str, pod: Object) -> None:
        """Called by the watch at once, so that times are those of the events."""
        now, facts = time.time(), read_pod(msgspec.convert(pod, PodForm))
        times = self._pods.get(facts.uid)
        if times is None:
            self._pods[facts.uid] = PodTimes.first_seen(facts, now)
        else:
            times.note(facts, now)
        self._changed.set()

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
                    for task in self._tasks.values()
                    if not task.is_ended
                ]
                raise TimeoutError("these tasks did not end: " + "; ".join(late))
            self._changed.wait(1.0)

    def _look(self) -> None:
        for pod in self._watch.snapshot().values():
            task = self._tasks.get(pod["metadata"]["labels"].get(LABEL_TASK, ""))
            if task is not None:
                self._follow(task, pod)

    def _follow(self, task: Task, pod: Object) -> None:
        facts = read_pod(msgspec.convert(pod, PodForm))
        annotations = pod["metadata"].get("annotations", {})
        self._say_plan(task, facts)
        if facts.node and (not task.is_ended or self._pods.get(facts.uid) is task.pod):
            task.node, task.node_class = facts.node, self._classes.get(facts.node, "")
        if ANNOTATION_PREDICTION in annotations and self._is_news(facts, "predicted"):
            task.prediction = msgspec.json.decode(annotations[ANNOTATION_PREDICTION], type=PodPrediction)
            work = task.prediction.work_milliseconds
            self._say(f"  {task.name:<34} → {task.prediction.node:<14} predicted work {work.median / 1e3:5.1f} s")
        task.paired = task.paired or ANNOTATION_PAIRED in annotations
        for status in pod.get("status", {}).get("containerStatuses", []):
            ended = status.get("state", {}).get("terminated")
            if ended and not task.is_ended:
                self._end(task, facts, ended)

    def _say_plan(self, task: Task, pod: TaskPod) -> None:
        plan = pod.plan
        if plan is None or not plan.node or not pod.is_gated or not self._is_news(pod, f"planned {plan.node}"):
            return
        start = epoch_seconds(plan.expected_start_time)
        at = "" if start is None else f" at {start - task.created_seconds:+.0f} s"
        self._say(f"  {task.name:<34} waits for {plan.node}{at}")

    def _is_news(self, pod: TaskPod, what: str) -> bool:
        key = (pod.uid, what)
        is_news = key not in self._said
        self._said.add(key)
        return is_news

    def _end(self, task: Task, pod: TaskPod, ended: dict[str, Any]) -> None:
        try:
            result = parse((ended.get("message") or "").encode())
        except ResultError as error:
            task.trouble = f"({ended.get('reason')}, {error})"
            return
        if isinstance(result, RunResult):
            task.result, task.pod = result, self._pods.get(pod.uid)
            self._say(
                f"  {task.name:<34} ✓ {task.node:<14} work {task.work_seconds:5.1f} s,"
                f" turnaround {task.turnaround_seconds:5.1f} s"
            )
        else:
            task.trouble = f"({result})"


def _have_ended(tasks: Sequence[Task], needed: int) -> bool:
    return sum(task.is_ended for task in tasks) >= needed
