"""How wrong the predictions of a scenario are: by chance about what is true, or as a model really was."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np

UPPER_DEVIATIONS: Final = 1.645
"""From the median of a log-normal to its 95 % quantile."""
UPPER: Final = 0.95
_STEPS: Final = 200
"""Into so many equally likely parts the scatter of tasks is cut."""


@dataclass(frozen=True, slots=True)
class LogNormal:
    """Log predictions are off by this standard deviation."""

    deviation: float

    def draw(self, chance: random.Random) -> float:
        """A prediction over what is true."""
        return math.exp(chance.gauss(0.0, self.deviation))

    def upper(self, time_deviation: float) -> float:
        """The 95 % quantile of what a task takes over what is predicted; the deviation is of its log seconds."""
        return math.exp(UPPER_DEVIATIONS * math.hypot(self.deviation, time_deviation))


@dataclass(frozen=True, slots=True)
class Residuals:
    """Predictions are off as a model's were: ``logs`` are the logarithms of actual over predicted times."""

    logs: Sequence[float]

    def draw(self, chance: random.Random) -> float:
        """A prediction over what is true: one of them, with replacement."""
        return math.exp(-chance.choice(self.logs))

    def upper(self, time_deviation: float) -> float:
        """As `LogNormal.upper`, and at least 1."""
        scatter = NormalDist(0.0, 1.0)
        steps = [scatter.inv_cdf((step + 0.5) / _STEPS) * time_deviation for step in range(_STEPS)]
        return math.exp(max(float(np.quantile(np.add.outer(self.logs, steps), UPPER)), 0.0))
