"""Opens gates when the planner is silent, and where a task waited longer than it may: a thread with a timer.

It depends on no event, on no look of the reconcile worker, and on nothing that the planner keeps: only on the Lease,
on Pods that are not bound, and, for their bounds, on what is published of their workloads.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from prometheus_client import Counter

from foretide.placement.task import WorkloadPredictions
from foretide.placement.waiting import wait_bound_seconds
from foretide_kube.cache import WatchCache
from foretide_kube.client import ApiError, KubeClient, Object
from foretide_kube.events import event_body
from foretide_kube.gate import MAY_BE_GATED, opening_patch
from foretide_kube.names import EVENTS, LEASES, PODS
from foretide_kube.reduced import facts_of, reduce_pod
from foretide_kube.task_pods import TaskPod
from foretide_operator.gates.openings import Gated, Opening, openings
from foretide_operator.gates.vigil import Vigil
from foretide_operator.planner.leadership import LEASE_NAME

log = logging.getLogger(__name__)

TURN_SECONDS: Final = 2.0
OPENED_PER_TURN: Final = 100
"""50 a second: the scheduler is not flooded, and the Lease is looked at again in between."""
RETRY_SECONDS: Final = 30.0
"""A gate that could not be opened waits so long for the next try, so that it keeps no other waiting."""
EVENT_REASON: Final = "GateOpenedWithoutPlan"
COMPONENT: Final = "foretide-operator"

WorkloadOf = Callable[[str, str], WorkloadPredictions | None]
"""What is published of a workload, by namespace and name; None where there is none, or it is not known yet."""


class Guardian:
    """A daemon thread that keeps tasks from waiting for ever.

    ``namespace`` is the operator's own, where the planner's Lease lies; Pods are watched in ``watch_namespaces``, in
    all if there are none. ``clock`` gives monotonic seconds,
    ``now_seconds`` those since the epoch. ``opened`` counts by reason.
    """

    def __init__(
        self,
        client: KubeClient,
        workload_of: WorkloadOf,
        opened: Counter,
        *,
        namespace: str,
        watch_namespaces: Sequence[str] = (),
        clock: Callable[[], float],
        now_seconds: Callable[[], float],
    ) -> None:
        self._client = client
        self._workload_of = workload_of
        self._opened = opened
        self._namespace = namespace
        self._clock = clock
        self._now_seconds = now_seconds
        self.pods = WatchCache(
            client, PODS, clock=clock, namespaces=watch_namespaces, field_selector=MAY_BE_GATED, reduce=reduce_pod
        )
        self._vigil = Vigil.begin(clock())
        self._first_seen_seconds: dict[str, float] = {}
        self._retry_at_seconds: dict[str, float] = {}
        self._last_turn_seconds = clock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gates", daemon=True)

    def start(self) -> None:
        """Begin to watch over the gates."""
        self.pods.start()
        self._thread.start()

    def stop(self) -> None:
        """End after the gate that is being opened."""
        self._stopped.set()
        self.pods.stop()

    def age_seconds(self) -> float:
        """Seconds since the thread last came round."""
        return self._clock() - self._last_turn_seconds

    def turn(self) -> None:
        """Look at the Lease and open what is to be opened, as much as a turn allows."""
        began_seconds = self._last_turn_seconds = self._clock()
        was_silent = self._vigil.is_silent()
        self._vigil = self._read_lease(began_seconds)
        if self._vigil.is_silent() != was_silent:
            log.warning("the planner %s", "lives again" if was_silent else "is silent: gates are opened without it")
        due = openings(self._gated(began_seconds), self._vigil, began_seconds)
        ready = [each for each in due if self._retry_at_seconds.get(each.pod.uid, 0.0) <= began_seconds]
        for opening in ready[:OPENED_PER_TURN]:
            if self._stopped.is_set() or self._clock() - began_seconds > TURN_SECONDS:
                return
            self._open(opening)

    def _read_lease(self, now_seconds: float) -> Vigil:
        try:
            lease = self._client.find(LEASES, LEASE_NAME, self._namespace)
        except ApiError as error:
            log.warning("the planner's Lease cannot be read: %s", error)
            return self._vigil.after_failure(is_away=error.is_transient)
        return self._vigil.after_reading(lease, now_seconds)

    def _gated(self, now_seconds: float) -> list[Gated]:
        """The Pods behind our gate; how long they waited goes by the longer of two clocks, as either may be off."""
        pods: list[TaskPod] = [facts_of(item) for item in self.pods.snapshot().values()]
        gated = [pod for pod in pods if pod.is_gated]
        self._first_seen_seconds = {pod.uid: self._first_seen_seconds.get(pod.uid, now_seconds) for pod in gated}
        known = {pod.uid for pod in gated}
        self._retry_at_seconds = {uid: at for uid, at in self._retry_at_seconds.items() if uid in known}
        names = {(pod.namespace, pod.workload) for pod in gated}
        workloads = {name: self._workload_of(*name) for name in names}
        return [
            Gated(
                pod,
                max(self._age_seconds(pod), now_seconds - self._first_seen_seconds[pod.uid]),
                _bound_seconds(pod, workloads[pod.namespace, pod.workload]),
            )
            for pod in gated
        ]

    def _age_seconds(self, pod: TaskPod) -> float:
        return 0.0 if pod.created_seconds is None else self._now_seconds() - pod.created_seconds

    def _open(self, opening: Opening) -> None:
        pod = opening.pod
        try:
            made = self._client.patch(PODS, pod.name, opening_patch(pod.uid, pod.gates), pod.namespace)
        except ApiError as error:
            if not (error.is_not_found or error.is_conflict):  # gone, or a namesake has its place
                log.warning("the gate of %s/%s was not opened: %s", pod.namespace, pod.name, error)
            self._retry_at_seconds[pod.uid] = self._clock() + RETRY_SECONDS
            return
        self.pods.absorb(made)
        self._opened.labels(opening.reason.value).inc()
        log.info("gate of %s/%s opened: %s", pod.namespace, pod.name, opening.message)
        self._tell(made, opening)

    def _tell(self, pod: Object, opening: Opening) -> None:
        body = event_body(
            {"apiVersion": PODS.api_version, "kind": PODS.kind, **pod},
            "Warning",
            EVENT_REASON,
            opening.message,
            component=COMPONENT,
            fallback_namespace=self._namespace,
            now=datetime.fromtimestamp(self._now_seconds(), UTC),
        )
        try:
            self._client.create(EVENTS, body, body["metadata"]["namespace"])
        except ApiError as error:  # the Pod runs all the same
            log.info("the Event on %s/%s was not written: %s", opening.pod.namespace, opening.pod.name, error)

    def _run(self) -> None:
        while not self._stopped.is_set():
            began_seconds = self._clock()
            try:
                self.turn()
            except Exception:
                log.exception("the gates were not checked; again in %.0f s", TURN_SECONDS)
            self._stopped.wait(max(TURN_SECONDS - (self._clock() - began_seconds), 0.1))


def _bound_seconds(pod: TaskPod, workload: WorkloadPredictions | None) -> float:
    """How long the Pod may wait; one whose workload is gone, or was never named, as one of which nothing is known."""
    return wait_bound_seconds(None, ()) if workload is None else workload.wait_bound_seconds_of(pod.task)
