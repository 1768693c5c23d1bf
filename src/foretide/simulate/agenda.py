"""What happens in a simulation, in order of time.

Of what happens at the same time comes first what is known from the start, then what was put in first.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable, Iterable

Happen = Callable[[float], None]
"""What happens at a time."""


class Agenda:
    """Times in seconds; ``known`` is in order of time."""

    def __init__(self, known: Iterable[tuple[float, Happen]]) -> None:
        self._known = deque(known)
        self._heap: list[tuple[float, int, Happen]] = []
        self._number = 0

    def put(self, seconds: float, happen: Happen) -> None:
        """Let something happen."""
        self._number += 1
        heapq.heappush(self._heap, (seconds, self._number, happen))

    @property
    def next_seconds(self) -> float:
        """When the next thing happens; infinite if nothing does."""
        return min(self._known[0][0] if self._known else math.inf, self._heap[0][0] if self._heap else math.inf)

    @property
    def is_all_known_past(self) -> bool:
        """Whether all that was known from the start has happened."""
        return not self._known

    def take(self) -> tuple[float, Happen]:
        """The next thing, which is left out from now on."""
        if self._known and not (self._heap and self._heap[0][0] < self._known[0][0]):
            return self._known.popleft()
        seconds, _, happen = heapq.heappop(self._heap)
        return seconds, happen
