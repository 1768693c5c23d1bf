"""Work that is asked for again and again, done as soon as it is asked for, but not all the time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

SHARE: Final = 0.1
"""The work takes this share of the time at most, or little more; more only where that would be too rare."""
MOST_REST_SECONDS: Final = 300.0
"""No round waits longer for the one before it: some things are told by rounds alone."""
_NEW_SHARE: Final = 0.2
"""What the latest piece counts in what a piece takes."""


class Throttle:
    """Learns what a piece of the work takes, and spaces rounds of it by that.

    ``monotonic`` gives seconds that only grow, ``worked`` the seconds for which the thread has computed: what it waits
    for an API server that is slow is no load of ours, and must not make rounds rare.
    """

    def __init__(self, monotonic: Callable[[], float], worked: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._worked = worked
        self._piece_seconds = 0.0
        self._begun_seconds = -math.inf

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Take note of what the piece in the block takes."""
        began = self._worked()
        yield
        self._piece_seconds += _NEW_SHARE * (self._worked() - began - self._piece_seconds)

    def rest_seconds(self, pieces: int) -> float:
        """Seconds until a round of so many may begin; 0 or less if it may now."""
        return self._begun_seconds + min(pieces * self._piece_seconds / SHARE, MOST_REST_SECONDS) - self._monotonic()

    def begin(self) -> None:
        """Take note that a round begins."""
        self._begun_seconds = self._monotonic()
