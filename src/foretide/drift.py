"""Whether actual times have departed for good from what was predicted: the Page-Hinkley test, on both sides.

    S_n = max(0, S_{n-1} + z_n - δ),  alarm when S_n > λ;  z_n = log(actual / predicted) / σ

(Page 1954; Hinkley 1971.) z is the logarithm of the ratio in units of the spread that the prediction itself states, so
that one threshold serves sure and unsure predictions. With the default δ and λ, ratios that scatter as stated give a
false alarm once in about 10,000 tasks (tested by simulation); a lasting change of one spread is told after about 18
tasks, one of two spreads after 6.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec

TOLERATED: Final = 0.5
"""δ: half of the smallest lasting change that matters, in spreads."""
THRESHOLD: Final = 8.0
"""λ: how much evidence an alarm takes."""
LARGEST: Final = 4.0
"""One task counts as no more than so many spreads: a single outlier is no drift."""


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """The test's state after ``count`` tasks; ``slower`` and ``faster`` are the evidence for either side."""

    count: int = 0
    slower: float = 0.0
    faster: float = 0.0

    def after(self, *, actual_seconds: float, predicted_seconds: float, spread: float) -> Drift:
        """The state after one more task; ``spread`` is the deviation of its log ratio as predicted.

        Times and spread must be positive; ValueError names the one that is not.
        """
        for name, value in (("actual", actual_seconds), ("predicted", predicted_seconds), ("spread", spread)):
            if not (math.isfinite(value) and value > 0.0):
                raise ValueError(f"{name} is {value}; it must be finite and above 0")
        ratio = (math.log(actual_seconds) - math.log(predicted_seconds)) / spread
        ratio = min(max(ratio, -LARGEST), LARGEST)
        return Drift(
            count=self.count + 1,
            slower=max(0.0, self.slower + ratio - TOLERATED),
            faster=max(0.0, self.faster - ratio - TOLERATED),
        )

    @property
    def is_alarmed(self) -> bool:
        """Whether predictions are wrong by more than scatter explains."""
        return max(self.slower, self.faster) > THRESHOLD
