"""Prediction intervals: split-conformal scores, kept apart by what was unknown when they were taken.

A *score* is |log actual - log predicted| over the row's spread. Scores of rows whose workload (or family, or device)
was left out of training calibrate questions about an unknown workload (family, device): those of random rows would
promise too much. Where there were too few groups to leave out, a heavy-tailed default stands in, which is wide.
"""

from __future__ import annotations

import math
from typing import Final, Literal

import numpy as np

from foretide.model.features import State
from foretide.model.table import Array

Regime = Literal["pair", "workload", "family", "device"]
"""What a question asks for: nothing new; a new workload; of a new family; a device without rows."""
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
        """How many spreads to either side hold `coverage` (within 0 and 1, both excluded) of the actual times."""
        default = student_quantile(coverage)
        scores = self.scores.get(regime)
        if not scores:
            return default
        rank = math.ceil(coverage * (len(scores) + 1))
        if rank > len(scores):  # so high a coverage cannot be read from so few scores
            return max(default, scores[-1])
        return scores[rank - 1]

    def half_width(self, spread: Array, regimes: list[tuple[Regime, ...]], coverage: float) -> Array:
        """Half-width in log seconds per row: the widest of the regimes that hold for it."""
        if not 0.0 < coverage < 1.0:
            raise ValueError(f"coverage is {coverage}; it must lie between 0 and 1, for example 0.9")
        factors = {regime: self.factor(regime, coverage) for regime in ("pair", "workload", "family", "device")}
        widest = np.array([max(factors[regime] for regime in row) for row in regimes])
        return np.minimum(widest * spread, MAX_HALF_WIDTH)
