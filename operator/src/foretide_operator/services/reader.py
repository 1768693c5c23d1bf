"""The thread that asks all services once a minute what their requests took; nothing else waits for it.

What it hears is put into `Readings`, from which the worker takes it: there alone it is believed, paired and stored.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from foretide.service_report import ReportError
from foretide_kube.client import Object
from foretide_operator.metrics import Metrics
from foretide_operator.pods import SERVICE_PORT
from foretide_operator.services.fetching import UnreachableError, fetch
from foretide_operator.services.targets import Reading, last_words, reading_of, service_pods, to_ask
from foretide_operator.world import World

log = logging.getLogger(__name__)

ROUND_SECONDS: Final = 60.0
AT_ONCE: Final = 16
"""Questions under way: 500 Pods that all let us wait take 63 s; a round never begins before the last has ended."""
MOST_READINGS: Final = 5_000


class Readings:
    """What was heard and not paired yet, the latest of each life of each Pod; from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[tuple[str, str], Reading] = {}

    def put(self, reading: Reading) -> None:
        """Keep a reading, unless a later one of that life is there; beyond the bound the oldest Pods' are dropped."""
        key = (reading.uid, reading.report.boot)
        with self._lock:
            known = self._waiting.get(key)
            if known is None or known.report.up_milliseconds <= reading.report.up_milliseconds:
                self._waiting[key] = reading
            while len(self._waiting) > MOST_READINGS:
                del self._waiting[next(iter(self._waiting))]

    def waiting(self) -> Sequence[Reading]:
        """All that wait, in the order in which each life was first heard of."""
        with self._lock:
            return tuple(self._waiting.values())

    def drop(self, done: Sequence[Reading]) -> None:
        """Forget those that are stored, but for what was heard since."""
        with self._lock:
            for reading in done:
                key = (reading.uid, reading.report.boot)
                if self._waiting.get(key) is reading:
                    del self._waiting[key]


class ServiceReader:
    """A daemon thread; ``heard`` is called when there are readings. ``clock`` gives monotonic seconds."""

    def __init__(
        self,
        world: World,
        readings: Readings,
        metrics: Metrics,
        heard: Callable[[], None],
        *,
        clock: Callable[[], float],
        port: int = SERVICE_PORT,
    ) -> None:
        self._world = world
        self._readings = readings
        self._metrics = metrics
        self._heard = heard
        self._clock = clock
        self._port = port
        self._asked_seconds: dict[str, float] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="services", daemon=True)

    def start(self) -> None:
        """Begin with a round, and hear of Pods that end from now on."""
        self._world.task_pods.add_listener(self._on_pod)
        self._thread.start()

    def stop(self) -> None:
        """Ask nobody any more; questions under way end by themselves."""
        self._stopped.set()

    def turn(self) -> None:
        """One round: ask all, and read the last words of those that ended."""
        workloads = self._world.workloads.snapshot()
        pods = list(service_pods(self._world.task_pods.snapshot().values(), workloads))
        asked = to_ask(pods, self._asked_seconds)
        there = {pod["metadata"]["uid"] for pod in pods}
        self._asked_seconds = {uid: at for uid, at in self._asked_seconds.items() if uid in there}
        for pod in pods:
            self._listen(pod)
        if asked:
            with ThreadPoolExecutor(min(AT_ONCE, len(asked)), thread_name_prefix="service") as pool:
                list(pool.map(lambda item: self._ask(*item), asked))
        if self._readings.waiting():
            self._heard()

    def _ask(self, pod: Object, address: str) -> None:
        if self._stopped.is_set():
            return
        metadata = pod["metadata"]
        self._asked_seconds[metadata["uid"]] = self._clock()
        try:
            self._readings.put(reading_of(pod, fetch(address, self._port)))
        except UnreachableError as error:
            self._metrics.service_reports.labels("Unreachable").inc()
            log.debug("service Pod %s/%s: %s", metadata["namespace"], metadata["name"], error)
        except ReportError as error:
            self._metrics.service_reports.labels("Refused").inc()
            log.warning("service Pod %s/%s is not believed: %s", metadata["namespace"], metadata["name"], error)

    def _on_pod(self, kind: str, item: Object) -> None:
        if kind != "DELETED" and self._listen(item):
            self._heard()

    def _listen(self, pod: Object) -> bool:
        """Keep the last words of a Pod of a service; gives whether there were any."""
        words = last_words(pod)
        if not words or not list(service_pods([pod], self._world.workloads.snapshot())):
            return False
        for report in words:
            self._readings.put(reading_of(pod, report))
        return True

    def _run(self) -> None:
        while not self._stopped.is_set():
            began_seconds = self._clock()
            try:
                self.turn()
            except Exception:
                log.exception("a round through the services failed")
            self._stopped.wait(max(ROUND_SECONDS - (self._clock() - began_seconds), 1.0))
