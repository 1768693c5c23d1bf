"""Which tasks have just arrived: a burst is planned as one, not as its first Pods and then the rest.

That is worth waiting for over the room that it finds. Room that has only just come free is taken at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

SETTLE_SECONDS: Final = 0.15
"""A burst has arrived when nothing more came for so long (a Job's Pods come some 30 ms apart) …"""
LONGEST_SECONDS: Final = 1.0
"""… or its first Pod was seen so long ago."""


class Arrivals:
    """The burst that is arriving, if any. ``clock`` gives monotonic seconds; one thread adds, any may ask."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began_seconds = self._latest_seconds = -LONGEST_SECONDS
        self._members: set[str] = set()
        self._freed_seconds: dict[str, float] = {}

    def add(self, uid: str) -> None:
        """Take note of a task that is seen for the first time."""
        now = self._clock()
        if self.seconds_left() <= 0.0:
            self._members = set()
            self._began_seconds = now
        self._members.add(uid)
        self._latest_seconds = now

    def freed(self, node: str) -> None:
        """Take note of room that came free on a node."""
        now = self._clock()
        recent = {name: at for name, at in self._freed_seconds.items() if now - at < LONGEST_SECONDS}
        self._freed_seconds = recent | {node: now}

    def seconds_left(self) -> float:
        """Seconds until the burst has arrived; 0 if none is arriving."""
        ends = min(self._latest_seconds + SETTLE_SECONDS, self._began_seconds + LONGEST_SECONDS)
        return max(ends - self._clock(), 0.0)

    def is_held(self, uid: str, node: str | None) -> bool:
        """Whether a task belongs to a burst that has not arrived as a whole, and its node has had room for a while."""
        freed_seconds = self._freed_seconds.get(node or "", -LONGEST_SECONDS)
        is_fresh = self._clock() - freed_seconds < LONGEST_SECONDS
        return self.seconds_left() > 0.0 and uid in self._members and not is_fresh
