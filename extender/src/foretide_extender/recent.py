"""What was found out some seconds ago and holds for a little longer, within bounds."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V")


class Recent(Generic[_K, _V]):
    """Keeps values for ``seconds`` by ``clock``, seconds that only grow; the oldest go where they weigh over ``most``.

    For one thread at a time.
    """

    def __init__(self, seconds: float, most: int, *, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._most = most
        self._clock = clock
        self._kept: dict[_K, tuple[float, int, _V]] = {}
        self._weight = 0

    def find(self, key: _K) -> _V | None:
        """What was put there; None if nothing was, or it is too long ago."""
        self._forget()
        found = self._kept.get(key)
        return None if found is None else found[2]

    def put(self, key: _K, value: _V, weight: int = 1) -> None:
        """Keep it in the place of what was there."""
        if key in self._kept:
            self._drop(key)
        self._kept[key] = self._clock() + self._seconds, weight, value
        self._weight += weight
        self._forget()

    def _forget(self) -> None:
        now = self._clock()
        while self._kept:
            oldest = next(iter(self._kept))
            if self._kept[oldest][0] >= now and self._weight <= self._most:
                return
            self._drop(oldest)

    def _drop(self, key: _K) -> None:
        self._weight -= self._kept.pop(key)[1]
