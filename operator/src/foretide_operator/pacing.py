"""When a status may be written that changed in small ways only: what changes all the time must not be written so.

After a write there is a pause for each workload; and all workloads together share a rate, so that a new model, which
moves a figure of each, costs the API server no more than it should. What has to be known at once does not wait.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from foretide_operator.queue import Key

REST_SECONDS: Final = 5.0
"""What changed in small ways is not told sooner after the last write."""
GAP_SECONDS: Final = 0.2
"""Between two such writes, whichever workloads they are of."""


class Pace:
    """Gives each workload that wants to tell of small changes its moment; ``monotonic`` gives seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._written_seconds: dict[Key, float] = {}
        self._moments_seconds: dict[Key, float] = {}
        self._free_seconds = -math.inf

    def rest_seconds(self, key: Key) -> float:
        """Seconds until small changes may be written; 0 or less if they may be now."""
        moment = self._moments_seconds.get(key)
        return (self._next(key) if moment is None else moment) - self._monotonic()

    def reserve(self, key: Key) -> float:
        """Give ``key`` its moment, if it has none; gives the seconds until then."""
        if key not in self._moments_seconds:
            self._moments_seconds[key] = self._next(key)
            self._free_seconds = self._moments_seconds[key] + GAP_SECONDS
        return self._moments_seconds[key] - self._monotonic()

    def wrote(self, key: Key) -> None:
        """Take note of a write."""
        now = self._monotonic()
        self._written_seconds[key] = now
        if self._moments_seconds.pop(key, None) is None:
            self._free_seconds = max(self._free_seconds, now + GAP_SECONDS)

    def forget(self, key: Key) -> None:
        """Forget a workload that is gone."""
        self._written_seconds.pop(key, None)
        self._moments_seconds.pop(key, None)

    def _next(self, key: Key) -> float:
        return max(self._written_seconds.get(key, -math.inf) + REST_SECONDS, self._free_seconds, self._monotonic())
