"""What was predicted held against what really happened, task by task, and how good the predictions were.

*Work*, *start-up* and *completion* are paired each by itself; see `foretide.prediction` for their meaning.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from foretide.prediction import PodPrediction

Quantity = Literal["work", "startup", "completion"]
IntervalOutcome = Literal["below", "inside", "above"]


class Pairing(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One task that ended. Work and start-up are None where only the API's times are known (not our runner)."""

    prediction: PodPrediction
    actual_work_milliseconds: int | None = None
    actual_startup_milliseconds: int | None = None
    actual_completion_milliseconds: int
    turnaround_milliseconds: int
    deadline_milliseconds: int | None = None

    @classmethod
    def of(
        cls,
        prediction: PodPrediction,
        *,
        created_milliseconds: int,
        ended_milliseconds: int,
        work_begin_milliseconds: int | None = None,
        work_end_milliseconds: int | None = None,
        deadline_milliseconds: int | None = None,
    ) -> Pairing:
        """Pair by moments since the epoch; clocks that disagree give 0 rather than a negative duration.

        `ended` is the container's end by the API; the runner's own moments, where known, are taken before it.
        """
        bound = prediction.bound_milliseconds
        end = ended_milliseconds if work_end_milliseconds is None else work_end_milliseconds
        work = startup = None
        if work_begin_milliseconds is not None and work_end_milliseconds is not None:
            work = max(work_end_milliseconds - work_begin_milliseconds, 0)
            startup = max(work_begin_milliseconds - bound, 0)
        return cls(
            prediction=prediction,
            actual_work_milliseconds=work,
            actual_startup_milliseconds=startup,
            actual_completion_milliseconds=max(end - bound, 0),
            turnaround_milliseconds=max(end - created_milliseconds, 0),
            deadline_milliseconds=deadline_milliseconds,
        )

    def predicted_milliseconds(self, quantity: Quantity) -> int:
        """The median that was predicted."""
        work, startup = self.prediction.work_milliseconds.median, self.prediction.startup_milliseconds
        return {"work": work, "startup": startup, "completion": work + startup}[quantity]

    def actual_milliseconds(self, quantity: Quantity) -> int | None:
        """What it took; None where it is not known."""
        return {
            "work": self.actual_work_milliseconds,
            "startup": self.actual_startup_milliseconds,
            "completion": self.actual_completion_milliseconds,
        }[quantity]

    @property
    def interval_outcome(self) -> IntervalOutcome:
        """Where the actual work lies against its 90 % interval; without it, completion against the interval shifted."""
        interval, shift = self.prediction.work_milliseconds, 0
        actual = self.actual_work_milliseconds
        if actual is None:
            actual, shift = self.actual_completion_milliseconds, self.prediction.startup_milliseconds
        if actual < interval.lower + shift:
            return "below"
        return "above" if actual > interval.upper + shift else "inside"

    @property
    def is_deadline_met(self) -> bool | None:
        """Whether the turnaround kept the deadline; None where there was none."""
        return (
            None if self.deadline_milliseconds is None else self.turnaround_milliseconds <= self.deadline_milliseconds
        )


class ErrorStatistics(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Sums over pairings from which every ratio follows; sums of two sets add up."""

    count: int = 0
    predicted_milliseconds: int = 0
    actual_milliseconds: int = 0
    absolute_error_milliseconds: int = 0
    inside: int = 0
    deadlines: int = 0
    deadline_hits: int = 0

    @property
    def wape(self) -> float | None:
        """Weighted absolute percentage error as a fraction: Σ|actual - predicted| / Σ actual."""
        return self.absolute_error_milliseconds / self.actual_milliseconds if self.actual_milliseconds else None

    @property
    def bias(self) -> float | None:
        """(Σ predicted - Σ actual) / Σ actual: positive where times were predicted too long."""
        if not self.actual_milliseconds:
            return None
        return (self.predicted_milliseconds - self.actual_milliseconds) / self.actual_milliseconds

    @property
    def coverage(self) -> float | None:
        """Share of tasks whose actual lay within the 90 % interval."""
        return self.inside / self.count if self.count else None

    def __add__(self, other: ErrorStatistics) -> ErrorStatistics:
        return ErrorStatistics(
            **{name: getattr(self, name) + getattr(other, name) for name in self.__struct_fields__},
        )


def statistics(pairings: Iterable[Pairing], quantity: Quantity = "work") -> ErrorStatistics:
    """Statistics of one quantity over the pairings that know it."""
    total = ErrorStatistics()
    for pairing in pairings:
        actual = pairing.actual_milliseconds(quantity)
        if actual is None:
            continue
        predicted = pairing.predicted_milliseconds(quantity)
        met = pairing.is_deadline_met
        total += ErrorStatistics(
            count=1,
            predicted_milliseconds=predicted,
            actual_milliseconds=actual,
            absolute_error_milliseconds=abs(actual - predicted),
            inside=int(pairing.interval_outcome == "inside"),
            deadlines=int(met is not None),
            deadline_hits=int(met is True),
        )
    return total


def statistics_by_class(pairings: Iterable[Pairing], quantity: Quantity = "work") -> dict[str, ErrorStatistics]:
    """The same per node class, classes in order of their names."""
    groups: dict[str, list[Pairing]] = {}
    for pairing in pairings:
        groups.setdefault(pairing.prediction.node_class, []).append(pairing)
    return {name: statistics(groups[name], quantity) for name in sorted(groups)}
