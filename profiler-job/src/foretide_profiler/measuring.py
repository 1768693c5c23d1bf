"""When to stop warming up, when to stop measuring, and whether the result can be relied upon.

Warm-up ends when the mean durations of three windows in a row agree within 10 %, and at the latest after a third of
the time; measuring ends with enough samples and enough seconds, or with the time. Where a CPU quota throttles the
process, single durations swing between "in one go" and "stopped until the next period": so windows span ten periods
there, and the spread of single durations says nothing about stability, only the drift of their mean does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from foretide_profiler.order_statistics import Durations

Clock = Callable[[], int]
"""A monotonic clock in nanoseconds."""

SECOND = 1_000_000_000
FEWEST_SAMPLES = 3
FEWEST_STABLE_SAMPLES = 10
WINDOWS_THAT_AGREE = 3
AGREEMENT = 0.10
WARM_UP_SHARE = 1 / 3
LARGEST_SPREAD = 0.5
"""Interquartile range over median, beyond which something else disturbed an unthrottled measurement."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to look. ``max_seconds`` bounds warm-up and measurement together."""

    max_seconds: float
    min_samples: int
    min_seconds: float
    is_throttled: bool

    @property
    def window_seconds(self) -> float:
        """The least length of a warm-up window: ten scheduling periods where a quota throttles."""
        return 1.0 if self.is_throttled else 0.2


@dataclass(slots=True)
class Measurement:
    """What has been measured so far; complete at any moment, so that an interrupted one can be reported."""

    first_nanoseconds: int = 0
    warm_up_inferences: int = 0
    is_settled: bool = False
    durations: Durations = field(default_factory=Durations)

    @property
    def is_reportable(self) -> bool:
        """True once there are enough samples to say anything."""
        return self.durations.count >= FEWEST_SAMPLES


def measure(infer: Callable[[], object], plan: Plan, clock: Clock, measurement: Measurement) -> None:
    """Call `infer` again and again and fill `measurement` as it goes."""
    begin = clock()
    infer()
    measurement.first_nanoseconds = clock() - begin
    _warm_up(infer, plan, clock, measurement, begin)
    _sample(infer, plan, clock, measurement, begin)


def why_unstable(measurement: Measurement, plan: Plan) -> str:
    """Why the durations should be used with care, as `Reason: what was seen`; empty if they can be relied upon."""
    durations = measurement.durations
    if durations.count < FEWEST_STABLE_SAMPLES:
        return f"TooFewSamples: {durations.count} of {FEWEST_STABLE_SAMPLES} within {plan.max_seconds:g} s"
    if not measurement.is_settled:
        return "WarmUpUnsettled: windows kept differing by more than 10 % until the time for warming up was over"
    kept = durations.in_order_of_time()
    half = len(kept) // 2
    early, late = sum(kept[:half]) / half, sum(kept[half:]) / (len(kept) - half)
    if abs(late - early) > 2 * AGREEMENT * min(early, late):
        return f"Drifting: the later half took {late / early:.2f} times the earlier half"
    lower, median, upper = durations.quantiles(0.25, 0.5, 0.75)
    if not plan.is_throttled and upper - lower > LARGEST_SPREAD * median:
        return f"Scattered: interquartile range is {(upper - lower) / median:.2f} of the median"
    return ""


def _warm_up(infer: Callable[[], object], plan: Plan, clock: Clock, measurement: Measurement, begin: int) -> None:
    end = begin + int(plan.max_seconds * WARM_UP_SHARE * SECOND)
    window = int(plan.window_seconds * SECOND)
    means: deque[float] = deque(maxlen=WINDOWS_THAT_AGREE)
    while not measurement.is_settled:
        opened, calls = clock(), 0
        while calls == 0 or clock() - opened < window:
            if clock() >= end:
                return
            infer()
            calls += 1
            measurement.warm_up_inferences += 1
        means.append((clock() - opened) / calls)
        measurement.is_settled = len(means) == WINDOWS_THAT_AGREE and max(means) <= (1 + AGREEMENT) * min(means)


def _sample(infer: Callable[[], object], plan: Plan, clock: Clock, measurement: Measurement, begin: int) -> None:
    durations = measurement.durations
    end = begin + int(plan.max_seconds * SECOND)
    opened = before = clock()
    enough = opened + int(plan.min_seconds * SECOND)
    while durations.count < FEWEST_SAMPLES or (
        before < end and (durations.count < plan.min_samples or before < enough)
    ):
        infer()
        after = clock()
        durations.add(after - before)
        before = after
