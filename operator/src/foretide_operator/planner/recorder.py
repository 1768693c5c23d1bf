"""Writes each task's prediction on its Pod, once, after the binding; tries again where the API server could not.

Level-based: the cache of Pods says what remains to be written, so a restart or a change of leader needs nothing but
to look at it again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from foretide.placement.task import WorkloadPredictions
from foretide_kube.client import ApiError, KubeClient
from foretide_kube.images import ImagesByNode
from foretide_kube.missing_images import missing_for
from foretide_kube.names import PODS
from foretide_kube.task_pods import TaskPod
from foretide_operator.planner.metrics import Metrics
from foretide_operator.planner.recording import (
    NotPredicted,
    annotation_patch,
    bound_milliseconds,
    needs_prediction,
    predict,
)
from foretide_operator.planner.retries import RetryQueue

log = logging.getLogger(__name__)

PATIENCE_SECONDS: Final = 15.0
"""How long a prediction that is not there yet is waited for: our watch of workloads may lag behind that of Pods."""
_IDLE_SECONDS: Final = 5.0

_Key = tuple[str, str, str]


class Facts(Protocol):
    """What is known of the cluster."""

    def pods(self) -> list[TaskPod]:
        """All Pods of workloads."""

    def pod(self, namespace: str, name: str) -> TaskPod | None:
        """One Pod, or None."""

    def workload(self, namespace: str, name: str) -> WorkloadPredictions | None:
        """The published predictions of a workload, or None."""

    def class_of(self, node: str) -> str | None:
        """The class of a node, or None."""

    def images(self) -> ImagesByNode:
        """What images nodes have."""


class Recorder:
    """A daemon thread that writes predictions while ``is_leader`` says so.

    ``clock`` gives monotonic seconds, ``now_seconds`` those since the epoch, ``pull_bytes_per_second`` how fast images
    are pulled by node class.
    """

    def __init__(
        self,
        client: KubeClient,
        facts: Facts,
        metrics: Metrics,
        *,
        is_leader: Callable[[], bool],
        clock: Callable[[], float],
        now_seconds: Callable[[], float],
        pull_bytes_per_second: Callable[[], Mapping[str, float]],
    ) -> None:
        self._client = client
        self._facts = facts
        self._metrics = metrics
        self._is_leader = is_leader
        self._clock = clock
        self._now_seconds = now_seconds
        self._pull_bytes_per_second = pull_bytes_per_second
        self._queue: RetryQueue[_Key] = RetryQueue()
        self._seen_milliseconds: dict[_Key, int] = {}
        self._done: set[str] = set()
        self._changed = threading.Condition()
        self._is_stopped = False
        self._last_turn_seconds = clock()
        self._thread = threading.Thread(target=self._run, name="record", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """End after the write that is under way."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify()
        self._thread.join(timeout=_IDLE_SECONDS)

    def pending(self) -> int:
        """Pods whose prediction waits to be written."""
        return len(self._queue)

    def silent_seconds(self) -> float:
        """Seconds since the thread last went round; it does at the latest every few seconds, plus one request."""
        return self._clock() - self._last_turn_seconds

    def heard(self, event: str, pod: TaskPod) -> None:
        """Take note of a Pod that appeared, changed or was deleted."""
        key = (pod.namespace, pod.name, pod.uid)
        with self._changed:
            if event == "DELETED":
                self._done.discard(pod.uid)
                self._settle(key)
            elif needs_prediction(pod) and pod.uid not in self._done:
                if key not in self._seen_milliseconds:
                    self._seen_milliseconds[key] = round(self._now_seconds() * 1e3)
                    self._queue.add(key, self._clock())
                    self._changed.notify()
            else:
                self._settle(key)

    def look_again(self) -> None:
        """Take note of every Pod there is: after leadership began."""
        for pod in self._facts.pods():
            self.heard("ADDED", pod)
        with self._changed:
            self._changed.notify()

    def turn(self) -> bool:
        """Write what is due for one Pod; False if nothing is, or somebody else leads."""
        with self._changed:
            key = self._queue.take(self._clock()) if self._is_leader() else None
        if key is None:
            return False
        namespace, name, uid = key
        pod = self._facts.pod(namespace, name)
        if pod is None or pod.uid != uid or not needs_prediction(pod):
            with self._changed:
                self._settle(key)
            return True
        self._record(key, pod)
        return True

    def _record(self, key: _Key, pod: TaskPod) -> None:
        seen = self._seen_milliseconds.get(key, round(self._now_seconds() * 1e3))
        workload = self._facts.workload(pod.namespace, pod.workload)
        node = pod.node or ""
        node_class = self._facts.class_of(node)
        prediction = predict(
            pod,
            node,
            node_class,
            workload,
            bound_milliseconds=bound_milliseconds(pod, seen),
            pull_milliseconds=self._pull_milliseconds(pod, node_class),
        )
        with self._changed:
            tried_seconds = self._queue.tried_for_seconds(key, self._clock())
        if isinstance(prediction, NotPredicted):
            if prediction.is_final:
                self._finish(key)
            elif tried_seconds < PATIENCE_SECONDS:
                self._retry(key)
            else:
                log.info("no prediction for %s/%s: %s: %s", *key[:2], prediction.reason, prediction.message)
                self._metrics.not_predicted.labels(prediction.reason).inc()
                self._finish(key)
            return
        if pod.inferences_problem:
            log.warning("%s/%s: %s", pod.namespace, pod.name, pod.inferences_problem)
        try:
            self._client.patch(PODS, pod.name, annotation_patch(pod, prediction), pod.namespace)
        except ApiError as error:
            if error.is_not_found or error.is_conflict:  # gone, or a namesake has its place
                with self._changed:
                    self._settle(key)
                return
            self._metrics.write_errors.labels(error.reason).inc()
            log.warning("the prediction of %s/%s was not written: %s", *key[:2], error)
            self._retry(key)
            return
        if pod.prediction is None:  # else it was counted when its gate was opened
            self._metrics.predictions.labels(prediction.node_class, prediction.source).inc()
        self._finish(key)

    def _pull_milliseconds(self, pod: TaskPod, node_class: str | None) -> int:
        """What a bound task waits, or waited a moment ago, for images that its node lacks."""
        lists = self._facts.images()
        missing = missing_for(pod, lists, self._facts.pods, self._now_seconds())
        return round(lists.pull_seconds(missing, node_class, self._pull_bytes_per_second()) * 1e3) if missing else 0

    def _retry(self, key: _Key) -> None:
        with self._changed:
            self._queue.retry(key, self._clock())

    def _finish(self, key: _Key) -> None:
        """Never look at this Pod again. Its deletion forgets it, unless it came while the Pod was being written on."""
        namespace, name, uid = key
        with self._changed:
            pod = self._facts.pod(namespace, name)
            if pod is not None and pod.uid == uid:
                self._done.add(uid)
            self._settle(key)

    def _settle(self, key: _Key) -> None:
        self._queue.forget(key)
        self._seen_milliseconds.pop(key, None)

    def _run(self) -> None:
        while not self._is_stopped:
            self._last_turn_seconds = self._clock()
            try:
                if self.turn():
                    continue
            except Exception:
                log.exception("a prediction was not written")
            with self._changed:
                due = self._queue.next_due_seconds() if self._is_leader() else None
                wait_seconds = _IDLE_SECONDS if due is None else min(max(due - self._clock(), 0.0), _IDLE_SECONDS)
                if not self._is_stopped:
                    self._changed.wait(wait_seconds)
