"""The thread that takes keys from the queue and has them looked at, one after the other, until it is stopped."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from foretide_kube.client import ApiError
from foretide_kube.kinds.common import KindError
from foretide_operator.apply import NameTakenError
from foretide_operator.metrics import Metrics
from foretide_operator.queue import Key, KeyedQueue

log = logging.getLogger(__name__)

POLL_SECONDS: Final = 0.2
EVERYTHING_SECONDS: Final = 60.0
"""How often everything is looked at even if nothing was heard: what depends on time alone, or was missed."""


class Worker:
    """Runs ``look`` on keys that are due; a failure is logged in one line and the key tried again, later each time."""

    def __init__(
        self,
        queue: KeyedQueue,
        look: Callable[[Key], None],
        ask_for_everything: Callable[[float], None],
        metrics: Metrics,
        monotonic: Callable[[], float],
    ) -> None:
        self._queue = queue
        self._look = look
        self._ask_for_everything = ask_for_everything
        self._metrics = metrics
        self._monotonic = monotonic
        self._stopped = threading.Event()
        self._beat_seconds = monotonic()
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)

    def start(self) -> None:
        """Begin, with a look at everything."""
        self._thread.start()

    def stop(self, timeout_seconds: float) -> None:
        """End after the look under way."""
        self._stopped.set()
        self._thread.join(timeout_seconds)

    def age_seconds(self) -> float:
        """Seconds since the thread last came round."""
        return self._monotonic() - self._beat_seconds

    def step(self) -> bool:
        """Look at the key that is due, if there is one; gives whether there was."""
        key = self._queue.take(self._monotonic())
        if key is None:
            return False
        began_seconds = self._monotonic()
        outcome = "done"
        try:
            self._look(key)
        except ApiError as error:
            outcome = "conflict" if error.is_conflict else "failed"
            self._again(key, str(error))
        except (NameTakenError, KindError) as error:
            outcome = "failed"
            self._again(key, str(error))
        except Exception:
            outcome = "error"
            log.exception("reconciling %s failed; it is retried", _named(key))
            self._queue.failed(key, self._monotonic())
        else:
            self._queue.succeeded(key)
        self._metrics.reconciles.labels(key.kind, outcome).inc()
        self._metrics.reconcile_seconds.labels(key.kind).observe(self._monotonic() - began_seconds)
        self._metrics.queue_length.set(len(self._queue))
        return True

    def _again(self, key: Key, why: str) -> None:
        delay_seconds = self._queue.failed(key, self._monotonic())
        log.warning("%s: %s; again in %.1f s", _named(key), why, delay_seconds)

    def _run(self) -> None:
        everything_due_seconds = self._monotonic()
        while not self._stopped.is_set():
            now_seconds = self._beat_seconds = self._monotonic()
            if now_seconds >= everything_due_seconds:
                self._ask_for_everything(now_seconds)
                everything_due_seconds = now_seconds + EVERYTHING_SECONDS
            if not self.step():
                wait_seconds = self._queue.seconds_to_next(self._monotonic())
                self._stopped.wait(POLL_SECONDS if wait_seconds is None else min(POLL_SECONDS, wait_seconds))


def _named(key: Key) -> str:
    return "/".join(part for part in (key.kind, key.namespace, key.name) if part)
