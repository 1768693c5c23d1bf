"""Several estimates of one time made into one, each by how much it is worth: a profile, and a running mean of actuals.

The logarithm of an estimate errs by two independent parts: the scatter of its samples about their mean, which more
samples narrow, and the difference between the circumstances it was taken in and those it is asked for, which they do
not. Estimates are combined with the inverse of the sum of both variances as weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import msgspec

LEAST_VARIANCE: Final = 1e-12
MAX_DISAGREEMENT: Final = 3.0
"""Mean squared misfit, in variances, beyond which estimates contradict each other."""


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """A mean time: positive seconds, the number of samples behind it, and two deviations of log seconds.

    ``scatter`` is of one sample about the mean; ``circumstance`` of the mean between one occasion and another.
    """

    seconds: float
    samples: int
    scatter: float
    circumstance: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.seconds) and self.seconds > 0.0):
            raise ValueError(f"seconds is {self.seconds}; it must be finite and above 0")
        if self.samples < 1:
            raise ValueError(f"samples is {self.samples}; an estimate rests on at least one")
        if not (min(self.scatter, self.circumstance) >= 0.0 and LEAST_VARIANCE <= self.variance < math.inf):
            raise ValueError(
                f"scatter is {self.scatter}, circumstance {self.circumstance}; they must be finite and not negative, "
                "and leave a deviation of at least a millionth"
            )

    @property
    def variance(self) -> float:
        """Of log seconds."""
        return self.scatter**2 / self.samples + self.circumstance**2


class Merged(msgspec.Struct, frozen=True, kw_only=True):
    """What several estimates say together: seconds, and the deviation of their logarithm.

    ``is_contradictory`` says that they differ by more than they may (`MAX_DISAGREEMENT`).
    """

    seconds: float
    deviation: float
    is_contradictory: bool


def merged(estimates: Sequence[Estimate]) -> Merged:
    """The estimates' weighted geometric mean; ValueError if there is none.

    Where they contradict each other by more than `MAX_DISAGREEMENT`, the deviation is multiplied by the root of their
    mean squared misfit (Birge 1932): then one of them is of another time, or another machine.
    """
    if not estimates:
        raise ValueError("no estimate: give at least one")
    weights = [1.0 / each.variance for each in estimates]
    total = sum(weights)
    mean = sum(weight * math.log(each.seconds) for weight, each in zip(weights, estimates, strict=True)) / total
    misfit = sum(weight * (math.log(each.seconds) - mean) ** 2 for weight, each in zip(weights, estimates, strict=True))
    freedom = len(estimates) - 1
    is_contradictory = bool(freedom) and misfit / freedom > MAX_DISAGREEMENT
    scale = misfit / freedom if is_contradictory else 1.0
    return Merged(seconds=math.exp(mean), deviation=math.sqrt(scale / total), is_contradictory=is_contradictory)
