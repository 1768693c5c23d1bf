"""Tasks held against what was told of them, and figures over many of them: errors, calibration, what stands out.

What is compared is the work where the runner reported it, else the completion, as everywhere (`foretide.pairing`).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final, TypeVar

from foretide.placement.completion import quantile_seconds
from foretide.prediction import BLIND_FACTOR, Source
from foretide_cli.export.document import Task

K = TypeVar("K", bound=Hashable)

LEAST_SECONDS: Final = 1e-3
"""Times are milliseconds: a shorter one counts as this, so that ratios exist."""
NEAR: Final = 0.10
LEVELS: Final = (5, 50, 75, 90, 95)
"""Quantiles that are told, in per cent: the interval's ends, the median, and what nodes are compared by."""
_Z90: Final = 1.645


@dataclass(frozen=True, slots=True)
class Compared:
    """One task: what was told (median and 90 % interval) and what it took, in seconds."""

    task: Task
    source: Source
    model_version: str
    lower: float
    told: float
    upper: float
    took: float
    is_work: bool

    @property
    def ratio(self) -> float:
        """How many times what was told it took; both are at least a millisecond."""
        return self.took / self.told

    @property
    def outcome(self) -> str:
        """below, inside or above the interval."""
        return "below" if self.took < self.lower else "above" if self.took > self.upper else "inside"

    def told_quantile(self, percent: int) -> float:
        """The seconds that ``percent`` of such tasks were told to keep to."""
        if percent == 5:
            return self.lower
        return quantile_seconds(self.told, self.upper, percent)


def compared(task: Task) -> Compared | None:
    """A task that was held against a prediction; None of others.

    Anybody who makes Pods may forge what is told of them: it counts for no more than 20 times what the task took, as in
    the operator's metrics.
    """
    pairing = task.pairing
    if pairing is None:
        return None
    prediction = pairing.prediction
    work, shift = pairing.actual_work_milliseconds, 0
    is_work = work is not None
    took = work if work is not None else pairing.actual_completion_milliseconds
    if not is_work:
        shift = prediction.startup_milliseconds
    most = BLIND_FACTOR * max(took / 1e3, LEAST_SECONDS)
    interval = prediction.work_milliseconds
    lower, told, upper = (
        min(max((each + shift) / 1e3, LEAST_SECONDS), most)
        for each in (interval.lower, interval.median, interval.upper)
    )
    return Compared(
        task=task,
        source=prediction.source,
        model_version=prediction.model_version,
        lower=lower,
        told=told,
        upper=upper,
        took=max(took / 1e3, LEAST_SECONDS),
        is_work=is_work,
    )


def all_compared(tasks: Iterable[Task]) -> list[Compared]:
    """Those of ``tasks`` that were held against a prediction, in their order."""
    return [each for each in map(compared, tasks) if each is not None]


def grouped(rows: Iterable[Compared], key: Callable[[Compared], K]) -> dict[K, list[Compared]]:
    """``rows`` by ``key``."""
    groups: defaultdict[K, list[Compared]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return dict(groups)


@dataclass(frozen=True, slots=True)
class Errors:
    """Errors over some tasks, as shares.

    ``weighted`` (WAPE) is the sum of absolute errors over the sum of what they took, ``bias`` how much more was told
    than they took, together; ``middle`` the median absolute error, ``near`` the share within 10 %, ``inside`` that
    within the 90 % interval, ``middle_ratio`` the median of what each took over what was told.
    """

    tasks: int
    weighted: float
    bias: float
    middle: float
    near: float
    inside: float
    middle_ratio: float

    @classmethod
    def of(cls, rows: Sequence[Compared]) -> Errors:
        """Over at least one task."""
        took = math.fsum(row.took for row in rows)
        errors = [abs(row.told - row.took) / row.took for row in rows]
        return cls(
            tasks=len(rows),
            weighted=math.fsum(abs(row.told - row.took) for row in rows) / took,
            bias=math.fsum(row.told for row in rows) / took - 1.0,
            middle=median(errors),
            near=sum(error <= NEAR for error in errors) / len(rows),
            inside=sum(row.outcome == "inside" for row in rows) / len(rows),
            middle_ratio=median(row.ratio for row in rows),
        )


@dataclass(frozen=True, slots=True)
class Kept:
    """How many of ``tasks`` kept to a quantile of ``percent``, as a share with its 90 % interval (Wilson's)."""

    percent: int
    tasks: int
    share: float
    lower: float
    upper: float

    @property
    def is_as_told(self) -> bool:
        """Whether what was told lies within what so few tasks can tell."""
        return self.lower <= self.percent / 100 <= self.upper


def kept(rows: Sequence[Compared], percent: int) -> Kept:
    """How many of at least one task kept to the told quantile."""
    return _share(sum(row.took <= row.told_quantile(percent) for row in rows), len(rows), percent)


def inside(rows: Sequence[Compared]) -> Kept:
    """How many of at least one task lay within the 90 % interval."""
    return _share(sum(row.outcome == "inside" for row in rows), len(rows), 90)


def _share(count: int, tasks: int, percent: int) -> Kept:
    share, weight = count / tasks, _Z90**2 / tasks
    middle = (share + weight / 2) / (1 + weight)
    half = _Z90 * math.sqrt(share * (1 - share) / tasks + weight / (4 * tasks)) / (1 + weight)
    return Kept(percent, tasks, share, max(middle - half, 0.0), min(middle + half, 1.0))


def worst(rows: Iterable[Compared], most: int) -> list[Compared]:
    """Those outside their interval that were the farthest off as a factor, the farthest first.

    Of each workload on a class it is the worst one alone: others like it say the same.
    """
    outside = [row for row in rows if row.outcome != "inside"]
    outside.sort(key=lambda row: (-abs(math.log(row.ratio)), row.task.namespace, row.task.pod))
    first: dict[tuple[str, str, str], Compared] = {}
    for row in outside:
        first.setdefault((row.task.namespace, row.task.workload, row.task.node_class), row)
    return list(first.values())[:most]
