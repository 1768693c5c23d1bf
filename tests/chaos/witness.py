"""What really happened, seen at the API server itself: every Pod and Job that ever was, and what must not be."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from foretide_kube.cache import WatchCache
from foretide_kube.client import KubeClient, Object
from foretide_kube.names import (
    ANNOTATION_KEY,
    ANNOTATION_PAIRED,
    JOBS,
    LABEL_JOB_NODE_CLASS,
    LABEL_ROLE,
    PODS,
)
from foretide_operator.outcome import finished_condition
from tests.faults.burst import has_ended

_TRACKING_FINALIZER: Final = "batch.kubernetes.io/job-tracking"

JobPurpose = tuple[str, str, str, str]
"""Owner's UID, role, node class, key: what a Job that the operator makes is for."""


class Witness:
    """Keeps every Pod and Job as it was last seen, by UID; ``gone`` are no more.

    ``let_go`` are Pods that their Job gave up before they had ended, as it does when it is suspended: it takes its
    finalizer from them, deletes them, and counts nothing that comes of them. ``rivals`` tells of Jobs under way that
    were for the same as another at the same time. ``marked_seconds`` is when each Pod was first seen marked as paired,
    since the epoch.
    """

    def __init__(self) -> None:
        self.pods: dict[str, Object] = {}
        self.jobs: dict[str, Object] = {}
        self.gone: set[str] = set()
        self.let_go: set[str] = set()
        self.rivals: list[str] = []
        self.marked_seconds: dict[str, float] = {}
        self._lock = threading.Lock()

    def hear_of_pod(self, event: str, pod: Object) -> None:
        """Take note of what the watch tells of a Pod."""
        uid = pod["metadata"]["uid"]
        with self._lock:
            self.pods[uid] = pod
            if event == "DELETED":
                self.gone.add(uid)
            if not has_ended(pod) and _TRACKING_FINALIZER not in pod["metadata"].get("finalizers", []):
                self.let_go.add(uid)
            if ANNOTATION_PAIRED in pod["metadata"].get("annotations", {}):
                self.marked_seconds.setdefault(uid, time.time())

    def hear_of_job(self, event: str, job: Object) -> None:
        """Take note of what the watch tells of a Job."""
        uid = job["metadata"]["uid"]
        with self._lock:
            self.jobs[uid] = job
            if event == "DELETED":
                self.gone.add(uid)
            elif event == "ADDED" and (purpose := purpose_of(job)) is not None:
                self.rivals += [
                    f"{job['metadata']['name']} was made while {other['metadata']['name']} was under way"
                    for other in self.jobs.values()
                    if other["metadata"]["uid"] not in {uid, *self.gone}
                    and purpose_of(other) == purpose
                    and finished_condition(other) is None
                    and "deletionTimestamp" not in other["metadata"]
                ]

    def all_pods(self) -> list[Object]:
        """Every Pod that ever was."""
        with self._lock:
            return list(self.pods.values())

    def all_jobs(self) -> list[Object]:
        """Every Job that ever was."""
        with self._lock:
            return list(self.jobs.values())

    @contextmanager
    def watching(self, client: KubeClient) -> Iterator[None]:
        """Watch while the block lasts."""
        watches = [WatchCache(client, resource, clock=time.monotonic) for resource in (PODS, JOBS)]
        for watch, listener in zip(watches, (self.hear_of_pod, self.hear_of_job), strict=True):
            watch.add_listener(listener)
            watch.start()
        try:
            for watch in watches:
                watch.wait_synced(30)
            yield
        finally:
            for watch in watches:
                watch.stop()


def purpose_of(job: Object) -> JobPurpose | None:
    """What a Job of the operator is for; None for those of others."""
    metadata = job["metadata"]
    labels = metadata.get("labels", {})
    owner = next((each["uid"] for each in metadata.get("ownerReferences", []) if each.get("controller")), "")
    if LABEL_ROLE not in labels:
        return None
    key = metadata.get("annotations", {}).get(ANNOTATION_KEY, "")
    return owner, labels[LABEL_ROLE], labels.get(LABEL_JOB_NODE_CLASS, ""), key
