"""Durations of many calls in bounded memory, and the order statistics that describe them."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

CAPACITY = 65_536
"""Durations that are kept; beyond it every second one is dropped, again and again."""

P90_SAMPLES = 64
P99_SAMPLES = 662
"""Below these counts a percentile says more about chance than about the model."""


class Durations:
    """Durations in nanoseconds, in the order in which they came.

    Count and total are exact. Quantiles come from an evenly thinned subset once there are more than ``CAPACITY``.
    """

    def __init__(self) -> None:
        self.count = 0
        self.total_nanoseconds = 0
        self._kept = array("q")
        self._stride = 1

    def add(self, nanoseconds: int) -> None:
        """Append one duration."""
        if self.count % self._stride == 0:
            if len(self._kept) == CAPACITY:
                self._kept = self._kept[::2]
                self._stride *= 2
            if self.count % self._stride == 0:
                self._kept.append(nanoseconds)
        self.count += 1
        self.total_nanoseconds += nanoseconds

    def in_order_of_time(self) -> Sequence[int]:
        """The kept durations, oldest first, in nanoseconds."""
        return self._kept

    def quantiles(self, *shares: float) -> list[float]:
        """The quantile at each share (0 to 1), in nanoseconds, interpolated between neighbours."""
        ordered = sorted(self._kept)
        return [_quantile(ordered, share) for share in shares]


def _quantile(ordered: Sequence[int], share: float) -> float:
    position = share * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])
