"""How often something may happen that others cause: so often in the long run, and some at once."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from typing import Final

MOST_KNOWN: Final = 256
"""Of those who share a `Rates`; who caused nothing for longest is forgotten, and begins anew when it is back."""


class Rate:
    """At most ``burst`` at once and ``per_second`` in the long run; ``clock`` gives monotonic seconds."""

    def __init__(self, *, per_second: float, burst: int, clock: Callable[[], float]) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._left = float(burst)
        self._noted_seconds = clock()

    def take(self) -> bool:
        """Whether it may happen now, which is then counted."""
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._noted_seconds) * self._per_second)
        self._noted_seconds = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


class Rates:
    """A `Rate` for each of those who cause it, so that nobody takes the share of another."""

    def __init__(self, *, per_second: float, burst: int, clock: Callable[[], float]) -> None:
        self._new = partial(Rate, per_second=per_second, burst=burst, clock=clock)
        self._known: dict[Hashable, Rate] = {}

    def take(self, who: Hashable) -> bool:
        """Whether ``who`` may cause it now, which is then counted."""
        rate = self._known.pop(who, None) or self._new()
        self._known[who] = rate
        if len(self._known) > MOST_KNOWN:
            del self._known[next(iter(self._known))]
        return rate.take()
