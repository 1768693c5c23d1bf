"""When warming up and measuring end, and what is told of their stability; all on a clock that the test moves."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain, repeat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretide_profiler.measuring import FEWEST_SAMPLES, SECOND, Measurement, Plan, measure, why_unstable

MILLISECOND = SECOND // 1000


class _World:
    """A clock that only inferences move, each by the next of the given durations (nanoseconds)."""

    def __init__(self, durations: Iterable[int]) -> None:
        self.now = 0
        self._durations = iter(durations)

    def clock(self) -> int:
        return self.now

    def infer(self) -> None:
        self.now += next(self._durations)


def _plan(*, max_seconds: float = 30, min_samples: int = 64, min_seconds: float = 5, throttled: bool = False) -> Plan:
    return Plan(max_seconds, min_samples, min_seconds, is_throttled=throttled)


def _measured(durations: Iterable[int], plan: Plan) -> tuple[Measurement, int]:
    world, measurement = _World(durations), Measurement()
    measure(world.infer, plan, world.clock, measurement)
    return measurement, world.now


def test_a_steady_model_is_measured_until_there_are_seconds_and_samples_enough() -> None:
    measurement, end = _measured(chain([900 * MILLISECOND], repeat(10 * MILLISECOND)), _plan())
    assert measurement.first_nanoseconds == 900 * MILLISECOND
    assert measurement.warm_up_inferences == 60  # three windows of 0.2 s
    assert measurement.durations.count == 500  # the seconds decide
    assert end == 900 * MILLISECOND + 600 * MILLISECOND + 5 * SECOND
    assert why_unstable(measurement, _plan()) == ""


def test_a_slow_steady_model_is_measured_until_there_are_samples_enough() -> None:
    measurement, _ = _measured(repeat(200 * MILLISECOND), _plan())
    assert measurement.durations.count == 64


def test_warm_up_goes_on_until_the_model_stops_getting_faster() -> None:
    falling = [int(300 * MILLISECOND * 0.9**i) + 10 * MILLISECOND for i in range(60)]
    measurement, _ = _measured(chain(falling, repeat(10 * MILLISECOND)), _plan())
    assert measurement.is_settled
    assert measurement.durations.quantiles(1.0)[0] < 20 * MILLISECOND


def test_warm_up_that_never_settles_ends_after_a_third_of_the_time_and_is_told() -> None:
    swinging = chain.from_iterable(repeat((*repeat(10 * MILLISECOND, 20), *repeat(20 * MILLISECOND, 10))))
    plan = _plan(max_seconds=9)
    measurement, end = _measured(swinging, plan)
    assert not measurement.is_settled
    assert why_unstable(measurement, plan).startswith("WarmUpUnsettled:")
    assert end <= 9 * SECOND


def test_an_inference_longer_than_all_the_time_is_still_measured_three_times() -> None:
    plan = _plan(max_seconds=1)
    measurement, _ = _measured(repeat(10 * SECOND), plan)
    assert (measurement.warm_up_inferences, measurement.durations.count) == (0, 3)
    assert why_unstable(measurement, plan).startswith("TooFewSamples: 3 of 10")


def test_a_throttled_process_swings_and_is_stable_all_the_same() -> None:
    stalling = chain.from_iterable(repeat((2 * MILLISECOND, 2 * MILLISECOND, 96 * MILLISECOND)))
    plan = _plan(throttled=True)
    measurement, _ = _measured(stalling, plan)
    assert why_unstable(measurement, plan) == ""
    mean = measurement.durations.total_nanoseconds / measurement.durations.count
    assert mean == pytest.approx(100 * MILLISECOND / 3, rel=0.02)


def test_the_same_swings_without_a_quota_are_scatter() -> None:
    stalling = chain.from_iterable(repeat((2 * MILLISECOND, 50 * MILLISECOND)))
    measurement, _ = _measured(stalling, _plan())
    assert why_unstable(measurement, _plan()).startswith("Scattered:")


def test_a_model_that_slows_down_while_measured_is_drifting() -> None:
    durations = chain(repeat(10 * MILLISECOND, 61 + 250), repeat(15 * MILLISECOND))
    measurement, _ = _measured(durations, _plan())
    assert why_unstable(measurement, _plan()).startswith("Drifting: the later half took 1.4")


@settings(deadline=None)
@given(
    durations=st.lists(st.integers(1000, 5 * SECOND), min_size=1, max_size=20),
    max_seconds=st.floats(0.5, 20),
    min_samples=st.integers(3, 1000),
    min_seconds=st.floats(0.1, 30),
    throttled=st.booleans(),
)
def test_the_time_is_kept_but_for_the_fewest_samples(
    durations: list[int], *, max_seconds: float, min_samples: int, min_seconds: float, throttled: bool
) -> None:
    plan = _plan(max_seconds=max_seconds, min_samples=min_samples, min_seconds=min_seconds, throttled=throttled)
    longest, cycle = max(durations), chain.from_iterable(repeat(durations))
    measurement, end = _measured(_at_least(cycle, MILLISECOND), plan)
    assert measurement.is_reportable
    longest = max(longest, MILLISECOND)
    assert end <= max(max_seconds * SECOND, (1 + FEWEST_SAMPLES) * longest) + (1 + FEWEST_SAMPLES) * longest
    if measurement.durations.count < min_samples:
        assert end >= int(max_seconds * SECOND)


def _at_least(durations: Iterable[int], least: int) -> Iterable[int]:
    return (max(duration, least) for duration in durations)


def test_what_was_measured_before_an_interruption_is_kept() -> None:
    world, measurement = _World(chain(repeat(10 * MILLISECOND, 61 + 5))), Measurement()
    infer: Callable[[], None] = world.infer
    with pytest.raises(StopIteration):
        measure(infer, _plan(), world.clock, measurement)
    assert measurement.durations.count == 5
    assert measurement.is_reportable
