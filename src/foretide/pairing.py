"""What was predicted held against what really happened, task by task.

*Work*, *start-up* and *completion* are paired each by itself; see `foretide.prediction` for their meaning.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import msgspec

from foretide.prediction import PodPrediction

Quantity = Literal["work", "startup", "completion"]
IntervalOutcome = Literal["below", "inside", "above"]

_WHOLE_SECOND_MILLISECONDS: Final = 1_000


class TaskTimes(NamedTuple):
    """What a task took from its binding on: until its work began, and its work; ``end`` is the moment it ended."""

    startup_milliseconds: int
    work_milliseconds: int
    end_milliseconds: int

    @classmethod
    def of(
        cls,
        *,
        bound_milliseconds: int,
        ended_milliseconds: int,
        work_begin_milliseconds: int,
        work_end_milliseconds: int,
    ) -> TaskTimes:
        """By moments since the epoch; clocks that disagree give 0 rather than a negative duration.

        `bound` and `ended` are binding and end of the container by the API, in whole seconds; the runner's own moments
        are taken before `ended`. Where they lie outside the Pod's time on its node, that node's clock is off: the work
        is then taken to have ended with the container, for how long it took is right by any clock, and when it was
        only by the API's.
        """
        work = max(work_end_milliseconds - work_begin_milliseconds, 0)
        is_clock_right = (
            work_begin_milliseconds >= bound_milliseconds - _WHOLE_SECOND_MILLISECONDS
            and work_end_milliseconds <= ended_milliseconds + _WHOLE_SECOND_MILLISECONDS
        )
        end = work_end_milliseconds if is_clock_right else ended_milliseconds
        return cls(max(end - work - bound_milliseconds, 0), work, end)


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
        """Pair by moments since the epoch, as `TaskTimes.of` takes them; the work's may be unknown."""
        bound = prediction.bound_milliseconds
        end = ended_milliseconds
        work = startup = None
        if work_begin_milliseconds is not None and work_end_milliseconds is not None:
            startup, work, end = TaskTimes.of(
                bound_milliseconds=bound,
                ended_milliseconds=ended_milliseconds,
                work_begin_milliseconds=work_begin_milliseconds,
                work_end_milliseconds=work_end_milliseconds,
            )
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
