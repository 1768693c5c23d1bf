"""The operator as a whole: client, caches, worker, trainer and status port, put together and started in order."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from foretide.placement.task import WorkloadPredictions
from foretide_kube.cache import WatchCache
from foretide_kube.client import ApiError, KubeClient
from foretide_kube.kinds import aiworkload
from foretide_kube.names import PODS, Resource
from foretide_kube.published import predictions_of
from foretide_kube.readable import readable
from foretide_operator.controller import SERVICES, Controller
from foretide_operator.gates.guardian import Guardian
from foretide_operator.http import PORT, StatusServer
from foretide_operator.installation import what_is_missing
from foretide_operator.metrics import Metrics
from foretide_operator.queue import Key, KeyedQueue
from foretide_operator.services.reader import ServiceReader
from foretide_operator.settings import Settings
from foretide_operator.training.trainer import Trainer
from foretide_operator.triggers import Triggers
from foretide_operator.worker import Worker
from foretide_operator.world import World, open_world

log = logging.getLogger(__name__)

WORKER_AGE_SECONDS: Final = 180.0
"""A worker that has not come round for so long hangs: one request takes 15 s at most, one look a handful."""
WATCH_AGE_SECONDS: Final = 900.0
"""A watch that heard nothing for so long, not even a bookmark, is dead: the server sends one a minute."""
SYNC_SECONDS: Final = 60.0
STOP_SECONDS: Final = 1.0
"""How soon a stop is noticed where something is waited for."""
RETRY_SECONDS: Final = 5.0


class Operator:
    """One running operator; `start` blocks until it works, `stop` ends it."""

    def __init__(self, client: KubeClient, settings: Settings, *, port: int = PORT) -> None:
        self._client = client
        self._settings = settings
        self._queue = KeyedQueue()
        self._metrics = Metrics()
        self._triggers = Triggers(self._queue, time.monotonic)
        self._trainer = Trainer(lambda: self.ask(Key("model")))
        self._guardian = Guardian(
            client,
            self._published,
            self._metrics.gates_opened,
            namespace=settings.namespace,
            watch_namespaces=settings.watch_namespaces,
            clock=time.monotonic,
            now_seconds=time.time,
        )
        self._world: World | None = None
        self._worker: Worker | None = None
        self._services: ServiceReader | None = None
        self._stopped = threading.Event()
        self._problem = "starting"
        self._status = StatusServer(
            self._metrics.registry, alive=self.what_is_dead, ready=self.what_is_not_ready, port=port
        )
        self.port = self._status.port

    def open_port(self) -> None:
        """Answer probes from now on."""
        self._status.start()

    def guard_gates(self) -> None:
        """Keep tasks from waiting for ever from now on, whatever else works or does not."""
        self._guardian.start()

    def wait_for_kinds(self) -> bool:
        """Wait until our kinds are installed; False if stopped before. Says what is missing once per change."""
        said = ""
        while not self._stopped.is_set():
            self._problem = what_is_missing(self._client)
            if not self._problem:
                return True
            if self._problem != said:
                log.error("%s; waiting for it", self._problem)
                said = self._problem
            self._stopped.wait(RETRY_SECONDS)
        return False

    def start(self) -> None:
        """Fill the caches, read what was stored, begin to work."""
        self._problem = "the caches are being filled"
        world = open_world(
            self._client,
            namespace=self._settings.namespace,
            watch_namespaces=self._settings.watch_namespaces,
            clock=time.monotonic,
        )
        self._triggers.connect(world)
        self._world = world
        for _, cache in world.caches():
            cache.start()
        for resource, cache in world.caches():
            self._wait_for(resource, cache)
        if self._stopped.is_set():
            return
        controller = Controller(
            self._client,
            world,
            self._settings,
            queue=self._queue,
            trainer=self._trainer,
            metrics=self._metrics,
            wall=lambda: datetime.now(UTC),
            monotonic=time.monotonic,
            worked=time.thread_time,
        )
        if not self._load(controller):
            return
        self._worker = Worker(
            self._queue, controller.look, self._triggers.ask_for_everything, self._metrics, time.monotonic
        )
        self._worker.start()
        self._services = ServiceReader(
            world, controller.readings, self._metrics, lambda: self.ask(SERVICES), clock=time.monotonic
        )
        self._services.start()
        self._problem = ""
        log.info("working: %d AIWorkloads, %d nodes", len(world.workloads.snapshot()), len(world.nodes.snapshot()))

    def _wait_for(self, resource: Resource, cache: WatchCache) -> None:
        """Wait until ``cache`` is filled, or until stopped; say once in a while that it is not."""
        say_at_seconds = time.monotonic() + SYNC_SECONDS
        while not cache.wait_synced(STOP_SECONDS) and not self._stopped.is_set():
            if time.monotonic() >= say_at_seconds:
                say_at_seconds += SYNC_SECONDS
                self._problem = f"{resource.plural} cannot be listed; see the log"
                log.error("%s could not be listed in %.0f s; waiting on", resource.plural, SYNC_SECONDS)

    def _load(self, controller: Controller) -> bool:
        """Read what was stored, for as long as it takes; False if stopped before. The caches stay as they are."""
        while not self._stopped.is_set():
            try:
                controller.load()
            except ApiError as error:
                self._problem = f"what was stored cannot be read: {error}"
                log.error("%s; again in %.0f s", self._problem, RETRY_SECONDS)  # noqa: TRY400 - one line says it
                self._stopped.wait(RETRY_SECONDS)
            else:
                return True
        return False

    def ask(self, key: Key) -> None:
        """Ask for a look at ``key``, from any thread."""
        self._triggers.ask(key)

    def stop(self) -> None:
        """End what was started; the look under way is finished. May be called again, and from any thread."""
        self._stopped.set()
        self._guardian.stop()
        if self._services is not None:
            self._services.stop()
        self._trainer.stop()
        if self._worker is not None:
            self._worker.stop(timeout_seconds=10.0)
        if self._world is not None:
            for _, cache in self._world.caches():
                cache.stop()
        self._status.stop()

    def what_is_dead(self) -> str:
        """What will not come back by itself; empty if nothing is so."""
        if self._worker is not None and self._worker.age_seconds() > WORKER_AGE_SECONDS:
            return f"the worker has been stuck for {self._worker.age_seconds():.0f} s"
        if self._guardian.age_seconds() > WORKER_AGE_SECONDS:
            return f"the gates were not checked for {self._guardian.age_seconds():.0f} s"
        for resource, cache in self._caches():
            if cache.is_synced and cache.age_seconds() > WATCH_AGE_SECONDS:
                return f"nothing was received about {resource.plural} for {cache.age_seconds():.0f} s"
        return ""

    def what_is_not_ready(self) -> str:
        """What the operator still waits for; empty if it works."""
        return self._problem or self.what_is_dead()

    def _caches(self) -> Iterator[tuple[Resource, WatchCache]]:
        yield PODS, self._guardian.pods
        if self._world is not None:
            yield from self._world.caches()

    def _published(self, namespace: str, name: str) -> WorkloadPredictions | None:
        item = self._world.workloads.get(name, namespace) if self._world is not None else None
        return None if item is None else readable(lambda: predictions_of(aiworkload.parse(item)))
