"""Prediction intervals: split-conformal scores, kept apart by what was unknown when they were taken.

A *score* is log actual - log predicted over the row's spread. Scores of rows whose workload (or family, or device)
was left out of training calibrate questions about an unknown workload (family, device): those of random rows would
promise too much. Where there were too few groups to leave out, a heavy-tailed default stands in, which is wide.
"""

from __future__ import annotations

import math
from typing import Final, Literal

import numpy as np

from foretide.model.features import State
from foretide.model.table import Array

Regime = Literal["measured", "pair", "workload", "family", "device", "few"]
"""What a question asks for: a pair that was measured; a pair of a known workload and device; a new workload; one of a
new family; a device without rows; one with few rows."""
REGIMES: Final[tuple[Regime, ...]] = ("measured", "pair", "workload", "family", "device", "few")
MAX_HALF_WIDTH: Final = math.log(100.0)
"""An interval wider than a factor of 100 to either side says nothing more."""


def student_quantile(coverage: float) -> float:
    """Half-width of a central interval of Student's t with 4 degrees of freedom (closed form, Shaw 2006)."""
    root = math.sqrt(1.0 - coverage * coverage)
    return 2.0 * math.sqrt(max(math.cos(math.acos(root) / 3.0) / root - 1.0, 0.0))


class Intervals(State, frozen=True, kw_only=True):
    """Sorted scores per calibrated regime."""

    scores: dict[Regime, list[float]]

    def factor(self, regime: Regime, coverage: float) -> float:
        """How many spreads to either side hold `coverage` (within 0 and 1, both excluded) of the actual values."""
        sizes = sorted(map(abs, self.scores.get(regime, ())))
        return _at(sizes, coverage, student_quantile(coverage))

    def above(self, regime: Regime, quantile: float) -> float:
        """How many spreads above the median the actual value stays with probability `quantile`; below if negative."""
        beyond = math.copysign(student_quantile(abs(2.0 * quantile - 1.0)), quantile - 0.5)
        scores = self.scores.get(regime, [])
        if quantile >= 0.5:
            return max(_at(scores, quantile, beyond), 0.0)
        return min(-_at([-score for score in reversed(scores)], 1.0 - quantile, -beyond), 0.0)

    def half_width(self, spread: Array, regimes: list[tuple[Regime, ...]], coverage: float) -> Array:
        """Half-width of the central interval in logarithms per row: the widest of the regimes that hold for it."""
        if not 0.0 < coverage < 1.0:
            raise ValueError(f"coverage is {coverage}; it must lie between 0 and 1, for example 0.9")
        factors = {regime: self.factor(regime, coverage) for regime in REGIMES}
        widest = np.array([max(factors[regime] for regime in row) for row in regimes])
        return np.minimum(widest * spread, MAX_HALF_WIDTH)

    def shift(self, spread: Array, regimes: list[tuple[Regime, ...]], quantile: float) -> Array:
        """From the median to a quantile in logarithms per row: the furthest of the regimes that hold for it."""
        if not 0.0 < quantile < 1.0:
            raise ValueError(f"quantile is {quantile}; it must lie between 0 and 1, for example 0.95")
        above = {regime: self.above(regime, quantile) for regime in REGIMES}
        furthest = np.array([max((above[regime] for regime in row), key=abs) for row in regimes])
        return np.clip(furthest * spread, -MAX_HALF_WIDTH, MAX_HALF_WIDTH)


def _at(ordered: list[float], share: float, otherwise: float) -> float:
    """The order statistic that holds `share`; where so much cannot be read from so few, the default."""
    rank = math.ceil(share * (len(ordered) + 1))
    if not ordered:
        return otherwise
    return ordered[rank - 1] if rank <= len(ordered) else max(otherwise, ordered[-1])
