"""From completions to the integers 0 to 10 that kube-scheduler takes.

The best node gets 10, and every factor of ``16 ** 0.1`` (1.32) in completion costs one point, down to 0 at sixteen
times the best. The scale is logarithmic because classes differ by factors, and rounds to the nearest point, so that
nodes within 15 % of each other tie: a prediction is hardly surer than that, and the scheduler's own plugins then
choose among equals (by spreading load, for one).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Final

TOP_SCORE: Final = 10
_SLOWEST_RATIO: Final = 16.0
_POINTS_PER_LOG: Final = TOP_SCORE / math.log(_SLOWEST_RATIO)


def scores(completions_seconds: Sequence[float]) -> list[int]:
    """The score of each node, in order; completions are positive. Sooner never scores less than later."""
    best = min(completions_seconds, default=1.0)
    return [_points(completion / best) for completion in completions_seconds]


def _points(ratio: float) -> int:
    return max(0, math.floor(TOP_SCORE - _POINTS_PER_LOG * math.log(ratio) + 0.5))


def complete(completions_seconds: Sequence[float | None], speeds: Sequence[float | None]) -> list[float] | None:
    """Fill in the completions that are not predicted, or None if there is nothing to tell nodes apart by.

    A node of known class speed is guessed from the predicted ones: completion in inverse proportion to speed (the
    geometric mean where several are predicted). With nothing predicted at all, only the relative order by speed is
    meant. A node of which nothing is known counts as the median of the others: it is neither favoured nor starved.
    """
    work = [
        math.log(completion * speed)
        for completion, speed in zip(completions_seconds, speeds, strict=True)
        if completion is not None and speed is not None
    ]
    is_predicted = any(completion is not None for completion in completions_seconds)
    scale = math.exp(statistics.fmean(work)) if work else None if is_predicted else 1.0
    known = [
        completion if completion is not None else scale / speed if scale is not None and speed is not None else None
        for completion, speed in zip(completions_seconds, speeds, strict=True)
    ]
    middle = statistics.median([value for value in known if value is not None]) if any(known) else None
    if middle is None:
        return None
    return [middle if value is None else value for value in known]
