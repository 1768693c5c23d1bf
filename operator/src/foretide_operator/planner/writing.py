"""The planner's writes on Pods of the plan, and its Events: what a refusal means, and when it is tried again.

A Pod that cannot be written on (a webhook, a policy) leaves the plan for a while, longer each time, so that neither its
place is kept idle nor anybody kept waiting behind it. So does one that twice was not as our watch has it, until the
watch tells of it. Where the API server itself is away, nothing more is tried.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from math import inf
from typing import Final, NamedTuple, Protocol

from foretide_kube.client import ApiError, KubeClient, Object
from foretide_kube.events import event_body
from foretide_kube.names import EVENTS, PODS
from foretide_kube.task_pods import TaskPod
from foretide_operator.planner.metrics import Metrics

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 60.0
FIRST_STALE_SECONDS: Final = 0.1
LONGEST_STALE_SECONDS: Final = 5.0
EVENT_SECONDS: Final = 2.0
"""An Event that takes longer is given up: Events may be kept in a store of their own, and no plan waits for that."""
EVENTS_REST_SECONDS: Final = 30.0
"""So long no Event is tried where the last one was not taken."""
EVENTS_AT_ONCE: Final = 1
"""Told after each turn, however much there is to plan."""
_EVENTS_KEPT: Final = 1000
_AWAY: Final = frozenset({0, 429, 503, 504})


class AwayError(Exception):
    """The API server does not answer, or asks to be left alone."""


class _Stale(NamedTuple):
    """How often a Pod was not as it is in ``version``, and until when it is not tried again in that version."""

    version: str
    failures: int
    until_seconds: float


class Absorbing(Protocol):
    """What is known of the cluster, and learns from our own writes."""

    def absorb_pod(self, item: Object) -> None:
        """Take note of a Pod as a write gave it back."""


class Writer:
    """Writes on Pods, and tells Events when there is time. For one thread.

    ``clock`` gives monotonic seconds, ``now_seconds`` those since the epoch.
    """

    def __init__(
        self,
        client: KubeClient,
        facts: Absorbing,
        metrics: Metrics,
        *,
        namespace: str,
        clock: Callable[[], float],
        now_seconds: Callable[[], float],
    ) -> None:
        self._client = client
        self._facts = facts
        self._metrics = metrics
        self._namespace = namespace
        self._clock = clock
        self._now_seconds = now_seconds
        self._refused: dict[str, tuple[int, float]] = {}
        self._stale: dict[str, _Stale] = {}
        self._no_events_until_seconds = 0.0
        self._events: deque[Object] = deque(maxlen=_EVENTS_KEPT)

    def patch(self, pod: TaskPod, patch: Object) -> bool:
        """Write on ``pod``; False if it is not as it was, or this is refused. AwayError stops all writing for now."""
        try:
            written = self._client.patch(PODS, pod.name, patch, pod.namespace)
        except ApiError as error:
            if error.is_not_found or error.is_conflict:  # gone, changed by somebody, or a namesake has its place
                self._found_stale(pod)
                return False
            log.warning("%s/%s was not written: %s", pod.namespace, pod.name, error)
            self.pause(pod, error.reason)
            if error.status in _AWAY:
                raise AwayError(str(error)) from error
            return False
        self._refused.pop(pod.uid, None)
        self._stale.pop(pod.uid, None)
        self._facts.absorb_pod(written)
        return True

    def pause(self, pod: TaskPod, reason: str) -> None:
        """Leave ``pod`` alone for a while, longer each time, and count why."""
        self._metrics.write_errors.labels(reason).inc()
        failures, _ = self._refused.get(pod.uid, (0, 0.0))
        pause_seconds = min(FIRST_PAUSE_SECONDS * 2.0 ** min(failures, 16), LONGEST_PAUSE_SECONDS)
        self._refused[pod.uid] = failures + 1, self._clock() + pause_seconds

    def is_paused(self, pod: TaskPod) -> bool:
        """Whether a write on ``pod`` failed and it is too early for the next."""
        refused, stale = self._refused.get(pod.uid), self._stale.get(pod.uid)
        if stale is not None and stale.version == pod.version and self._clock() < stale.until_seconds:
            return True
        return refused is not None and self._clock() < refused[1]

    def seconds_to_next_try(self) -> float:
        """Seconds until a Pod that was not as our watch has it is tried again; infinite if none waits for that."""
        now_seconds = self._clock()
        untils = (stale.until_seconds for stale in self._stale.values())
        return min((until - now_seconds for until in untils if until > now_seconds), default=inf)

    def _found_stale(self, pod: TaskPod) -> None:
        """The watch is about to tell, so the first time costs nothing; it may also lag, or be dead."""
        known = self._stale.get(pod.uid)
        failures = known.failures + 1 if known is not None and known.version == pod.version else 1
        pause_seconds = min(FIRST_STALE_SECONDS * 2.0 ** min(failures - 2, 16), LONGEST_STALE_SECONDS)
        until_seconds = self._clock() + (pause_seconds if failures > 1 else 0.0)
        self._stale[pod.uid] = _Stale(pod.version, failures, until_seconds)

    def forget_all_but(self, uids: Collection[str]) -> None:
        """Drop what is known of Pods that are no more."""
        for uid in self._refused.keys() - uids:
            del self._refused[uid]
        for uid in self._stale.keys() - uids:
            del self._stale[uid]

    def announce(self, pod: TaskPod, message: str) -> None:
        """Have an Event told of ``pod`` by `tell`; of very many the oldest are lost."""
        self._events.append(self._event(pod, message))

    def tell(self, *, is_in_haste: Callable[[], bool], beat: Callable[[], None]) -> None:
        """Create the Events that wait, ``beat`` after each; only a few if there is something else to do."""
        told = 0
        while self._may_tell() and (told < EVENTS_AT_ONCE or not is_in_haste()):
            event = self._events.popleft()
            metadata = event["metadata"]
            told += 1
            try:
                self._client.create(EVENTS, event, metadata["namespace"], timeout_seconds=EVENT_SECONDS)
            except ApiError as error:
                log.info("no Event %s/%s: %s", metadata["namespace"], metadata["name"], error)
                if error.status in _AWAY:
                    self._no_events_until_seconds = self._clock() + EVENTS_REST_SECONDS
            beat()

    def _may_tell(self) -> bool:
        return bool(self._events) and self._clock() >= self._no_events_until_seconds

    def _event(self, pod: TaskPod, message: str) -> Object:
        about = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid},
        }
        return event_body(
            about,
            "Normal",
            "Planned",
            message,
            component="foretide-planner",
            fallback_namespace=self._namespace,
            now=datetime.fromtimestamp(self._now_seconds(), UTC),
        )
