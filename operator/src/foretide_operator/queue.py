"""A queue of keys to look at: each once however often it was asked for, at its time, later after each failure.

A key stands for an object, not for an event, so nothing is lost by merging: whoever works on it reads the state of
that moment. Time comes in as a value; nothing here waits.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Final

MAX_BACK_OFF_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """What to look at: one object of one kind; the names are empty where there is only one."""

    kind: str
    namespace: str = ""
    name: str = ""


@dataclass(slots=True)
class KeyedQueue:
    """Keys with the time at which each is due. Safe to use from any thread."""

    _due_seconds: dict[Key, float] = field(default_factory=dict)
    _failures: dict[Key, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, key: Key, due_seconds: float) -> None:
        """Ask for ``key`` to be looked at, at that time or before."""
        with self._lock:
            self._due_seconds[key] = min(due_seconds, self._due_seconds.get(key, due_seconds))

    def take(self, now_seconds: float) -> Key | None:
        """The key that has been due for longest, removed from the queue; None if none is due."""
        with self._lock:
            key = min(self._due_seconds, key=lambda item: (self._due_seconds[item], item), default=None)
            if key is None or self._due_seconds[key] > now_seconds:
                return None
            del self._due_seconds[key]
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
        """Seconds until the next key is due, 0 if one is; None if the queue is empty."""
        with self._lock:
            earliest = min(self._due_seconds.values(), default=None)
        return None if earliest is None else max(0.0, earliest - now_seconds)

    def __len__(self) -> int:
        """How many keys wait."""
        return len(self._due_seconds)
