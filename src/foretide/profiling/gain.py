"""What measuring a workload on a node class would gain: the time that its tasks lose for want of knowing better.

A measurement pays only if it changes a decision. Of a task two things are decided: *where* it goes, and *when*.

*Where.* The class competes with the best of the others that is free. With probability (1 - `BUSY`)·`BUSY`^k the k
fastest others are busy; the task would then go to the next one, or wait k turns for the fastest, whichever is sooner.
Let that take A seconds, and the class in question m as predicted. Who knows only m takes the smaller of the two; who
has measured the class, and found T, takes the smaller of A and T. The difference,

    E[max(A - T, 0)] - max(A - m, 0),

is the time value of an option on T with strike A (Black 1976: T log-normal with mean m). It is large where two classes
may as well be one as the other, and nothing where one is ahead by more than the prediction may be wrong.

*When.* Tasks take turns by their times, wherever they go. In a share `TURNS` of decisions the alternative is as good as
the class itself (A = m), as far as tasks come there at all. That keeps predictions within bounds on all classes that
are used, also where there is but one.

How far a *new* workload is from what is foretold of it is much the same on all classes, so its first measurement tells
on all of them when its tasks should have their turn; where they should go, only on its own class.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from foretide.prediction import RUN_TO_RUN

BUSY: Final = 0.5
"""How likely a class is to have no free node when a task is placed."""
TURNS: Final = 0.3
"""The share of decisions that are about when a task has its turn, not where it goes."""
SURE_SHARE: Final = 0.01
"""A prediction is sure enough if measuring would gain less than this share of a task's time on the fastest class."""
NINETY_PERCENT: Final = 1.645
"""Half the width of a normal distribution's 90 % interval, in standard deviations."""
MEASURED_SPREAD: Final = math.log(RUN_TO_RUN) / NINETY_PERCENT
"""The deviation of log seconds that no measurement takes away: a later run differs from the one that was measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """A class where a task may go: seconds taken for sure (start-up), seconds of work as predicted, and how sure.

    ``spread`` is the standard deviation of the logarithm of ``work_seconds``, which must be positive.
    """

    startup_seconds: float
    work_seconds: float
    spread: float

    @property
    def seconds(self) -> float:
        """What a task takes there as predicted."""
        return self.startup_seconds + self.work_seconds


@dataclass(frozen=True, slots=True)
class _Worth:
    """Seconds that a task gains: by going elsewhere, and by having its turn at another time."""

    where: float = 0.0
    when: float = 0.0


def spread_of(*, lower: float, upper: float) -> float:
    """The deviation of log seconds that a 90 % interval tells; its ends must be positive."""
    return math.log(upper / lower) / (2 * NINETY_PERCENT)


def gains(options: Sequence[Option], *, is_new: bool) -> list[float]:
    """Seconds that a task would gain on average if a class were measured, for each of the ``options``, in their order.

    ``is_new`` says that the workload was measured nowhere yet.
    """
    worths = [_worth(options, index) for index in range(len(options))]
    if not is_new:
        return [worth.where + worth.when for worth in worths]
    everywhere = sum(worth.when for worth in worths)
    return [worth.where + everywhere if worth.where + worth.when > 0.0 else 0.0 for worth in worths]


def sure_enough_seconds(options: Sequence[Option]) -> float:
    """What measuring has to gain a task; where it would gain less, the prediction is sure enough."""
    return SURE_SHARE * min(option.seconds for option in options)


def _worth(options: Sequence[Option], index: int) -> _Worth:
    option = options[index]
    spread = math.sqrt(max(option.spread**2 - MEASURED_SPREAD**2, 0.0))
    if spread == 0.0:
        return _Worth()
    strikes = _alternatives(sorted(other.seconds for place, other in enumerate(options) if place != index))
    where = sum(weight * _time_value(option, spread, strike) for strike, weight in strikes)
    comes = sum(weight * _chance(option, spread, strike) for strike, weight in strikes) if strikes else 1.0
    when = comes * _time_value(option, spread, option.seconds)
    return _Worth((1.0 - TURNS) * where, TURNS * when)


def _alternatives(others: Sequence[float]) -> list[tuple[float, float]]:
    """What the alternative to a class may take, in seconds, each with its probability; ``others`` ascend."""
    if not others:
        return []
    waits = [others[0] * (1 + turns) for turns in range(len(others) + 1)]
    strikes = [*(min(pair) for pair in zip(others, waits[:-1], strict=True)), waits[-1]]
    weights = [*((1.0 - BUSY) * BUSY**busy for busy in range(len(others))), BUSY ** len(others)]
    return list(zip(strikes, weights, strict=True))


def _time_value(option: Option, spread: float, strike_seconds: float) -> float:
    """What knowing the class's time is worth, in seconds, where the alternative takes ``strike_seconds``."""
    strike, mean = strike_seconds - option.startup_seconds, option.work_seconds
    if strike <= 0.0:
        return 0.0
    upper = math.log(mean / strike) / spread + spread / 2
    put = strike * _normal(spread - upper) - mean * _normal(-upper)
    return max(put - max(strike - mean, 0.0), 0.0)


def _chance(option: Option, spread: float, strike_seconds: float) -> float:
    """The probability that a task takes less than ``strike_seconds`` on the class."""
    strike = strike_seconds - option.startup_seconds
    return _normal(math.log(strike / option.work_seconds) / spread) if strike > 0.0 else 0.0


def _normal(value: float) -> float:
    """The distribution function of the standard normal distribution."""
    return 0.5 * math.erfc(-value / math.sqrt(2.0))
