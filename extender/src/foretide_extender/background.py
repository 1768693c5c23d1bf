"""What runs beside the thread that answers kube-scheduler, and makes way for it.

The threads are daemons: a process that is told to end waits for none of them, be the API server silent or not.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from typing import Any, Final, TypeVar

CHUNK_SECONDS: Final = 0.001
"""So long is worked between two rests."""

_T = TypeVar("_T")


class Background:
    """``threads`` of their own, for what blocks or takes long; calls wait for one in the order in which they came."""

    def __init__(self, threads: int, name: str) -> None:
        self._calls: SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = SimpleQueue()
        for number in range(threads):
            Thread(target=self._work, name=f"{name}-{number}", daemon=True).start()

    async def run(self, call: Callable[[], _T]) -> _T:
        """What ``call`` returns or raises. Where the caller is cancelled, a call that still waits is never begun."""
        future: Future[_T] = Future()
        self._calls.put((future, call))
        return await asyncio.wrap_future(future)

    def _work(self) -> None:
        while True:
            future, call = self._calls.get()
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(call())
                except Exception as error:  # noqa: BLE001 - it is for who waits
                    future.set_exception(error)
            del future, call


class Pace:
    """Called again and again by long work, it rests as long as was worked: half of a core is left, whatever comes.

    For one thread. ``clock`` is seconds that only grow.
    """

    def __init__(
        self, *, clock: Callable[[], float] = time.perf_counter, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._since_seconds = clock()

    def __call__(self) -> None:
        """Rest, if it is time to."""
        worked_seconds = self._clock() - self._since_seconds
        if worked_seconds >= CHUNK_SECONDS:
            self._sleep(worked_seconds)
            self._since_seconds = self._clock()
