"""Work that is asked for again and again, done as soon as it is asked for, but not all the time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

SHARE: Final = 0.1
"""The work takes this share of the time at most, or little more."""
_NEW_SHARE: Final = 0.2
"""What the latest piece counts in what a piece takes."""


class Throttle:
    """Learns what a piece of the work takes, and spaces rounds of it by that; ``monotonic`` gives seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._piece_seconds = 0.0
        self._begun_seconds = -math.inf

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Take note of what the piece in the block takes."""
        began = self._monotonic()
        yield
        self._piece_seconds += _NEW_SHARE * (self._monotonic() - began - self._piece_seconds)

    def rest_seconds(self, pieces: int) -> float:
        """Seconds until a round of so many may begin; 0 or less if it may now."""
        return self._begun_seconds + pieces * self._piece_seconds / SHARE - self._monotonic()

    def begin(self) -> None:
        """Take note that a round begins."""
        self._begun_seconds = self._monotonic()
