"""A queue of keys that are due at a time: each key once, and later each time that it did not work out."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

_FIRST_DELAY_SECONDS = 0.25
_LONGEST_DELAY_SECONDS = 30.0


class RetryQueue(Generic[K]):
    """Keys with the time when each is due, in seconds of a clock that the caller reads. Not thread-safe."""

    def __init__(self) -> None:
        self._due: dict[K, float] = {}
        self._began: dict[K, float] = {}
        self._failures: dict[K, int] = {}

    def __len__(self) -> int:
        return len(self._due)

    def add(self, key: K, now_seconds: float) -> None:
        """Make ``key`` due now; if it waits for a retry, it waits no longer."""
        self._began.setdefault(key, now_seconds)
        self._due[key] = now_seconds

    def next_due_seconds(self) -> float | None:
        """When the next key is due; None if there is none."""
        return min(self._due.values(), default=None)

    def take(self, now_seconds: float) -> K | None:
        """The key that is due the longest, taken out until `retry` or `forget`; None if none is due."""
        key = min(self._due, key=self._due.__getitem__, default=None)
        if key is None or self._due[key] > now_seconds:
            return None
        del self._due[key]
        return key

    def retry(self, key: K, now_seconds: float) -> None:
        """Make ``key`` due again, after twice the delay of the last time."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        delay_seconds = min(_FIRST_DELAY_SECONDS * 2.0 ** min(failures, 16), _LONGEST_DELAY_SECONDS)
        self._due.setdefault(key, now_seconds + delay_seconds)

    def tried_for_seconds(self, key: K, now_seconds: float) -> float:
        """How long ago ``key`` was added first."""
        return now_seconds - self._began.get(key, now_seconds)

    def forget(self, key: K) -> None:
        """Drop ``key`` and its history."""
        for table in (self._due, self._began, self._failures):
            table.pop(key, None)
