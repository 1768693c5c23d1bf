"""A queue of keys to look at: each once however often it was asked for, at its time, later after each failure.

A key stands for an object, not for an event, so nothing is lost by merging: whoever works on it reads the state of
that moment. Time comes in as a value; nothing here waits.
"""

from __future__ import annotations

import heapq
import math
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

MAX_BACK_OFF_SECONDS: Final = 60.0
_HURRIED_LOOKS: Final = 4
"""So many looks at keys that are due come before one at a key that has time."""
_STALE_ENTRIES: Final = 64
"""So few entries that are out of date are never worth clearing out."""


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """What to look at: one object of one kind; the names are empty where there is only one."""

    kind: str
    namespace: str = ""
    name: str = ""


class KeyedQueue:
    """Keys with the time at which each is due, and keys that have time. Safe to use from any thread.

    What has time is looked at when nothing is due; where something always is, it gets every fifth look.
    """

    def __init__(self) -> None:
        self._due_seconds: dict[Key, float] = {}
        self._heap: list[tuple[float, Key]] = []
        """The keys by the time that they are due; an entry that is not in ``_due_seconds`` so is out of date."""
        self._unhurried: dict[Key, None] = {}
        """The keys that have time, in the order in which they were asked for."""
        self._hurried_looks = 0
        self._failures: dict[Key, int] = {}
        self._lock = threading.Lock()

    def add(self, key: Key, due_seconds: float) -> None:
        """Ask for ``key`` to be looked at, at that time or before."""
        with self._lock:
            if due_seconds < self._due_seconds.get(key, math.inf):
                self._due_seconds[key] = due_seconds
                heapq.heappush(self._heap, (due_seconds, key))
                self._clear_out()

    def add_unhurried(self, keys: Iterable[Key]) -> None:
        """Ask for ``keys`` to be looked at when there is time."""
        with self._lock:
            for key in keys:
                self._unhurried.setdefault(key)

    def take(self, now_seconds: float) -> Key | None:
        """The key that has been due for longest, or one that has time, removed from the queue; None if none is due."""
        with self._lock:
            next_due = self._next()
            is_due = next_due is not None and next_due[0] <= now_seconds
            if self._unhurried and (not is_due or self._hurried_looks >= _HURRIED_LOOKS):
                key = next(iter(self._unhurried))
                self._hurried_looks = 0
            elif next_due is not None and is_due:
                key = next_due[1]
                self._hurried_looks += 1
            else:
                return None
            if self._due_seconds.get(key, math.inf) <= now_seconds:
                del self._due_seconds[key]
            self._unhurried.pop(key, None)
            return key

    def succeeded(self, key: Key) -> None:
        """Forget the failures of ``key``."""
        with self._lock:
            self._failures.pop(key, None)

    def failed(self, key: Key, now_seconds: float) -> float:
        """Ask for ``key`` again after a delay that doubles with each failure; gives the delay in seconds."""
        with self._lock:
            count = self._failures[key] = self._failures.get(key, 0) + 1
        delay_seconds: float = min(MAX_BACK_OFF_SECONDS, 0.5 * 2 ** min(count, 10))
        self.add(key, now_seconds + delay_seconds)
        return delay_seconds

    def seconds_to_next(self, now_seconds: float) -> float | None:
        """Seconds until the next key is due, 0 if one is or has time; None if the queue is empty."""
        with self._lock:
            if self._unhurried:
                return 0.0
            next_due = self._next()
        return None if next_due is None else max(0.0, next_due[0] - now_seconds)

    def __len__(self) -> int:
        """How many keys wait."""
        with self._lock:
            return len(self._due_seconds.keys() | self._unhurried.keys())

    def _clear_out(self) -> None:
        """Drop what is out of date before it is most of the heap: its own time may be weeks away."""
        if len(self._heap) > 2 * len(self._due_seconds) + _STALE_ENTRIES:
            self._heap = [(due_seconds, key) for key, due_seconds in self._due_seconds.items()]
            heapq.heapify(self._heap)

    def _next(self) -> tuple[float, Key] | None:
        while self._heap and self._due_seconds.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0] if self._heap else None
