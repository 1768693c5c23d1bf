"""What measuring gains: nothing where it changes no decision, more where it may change more."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide.profiling.gain import MEASURED_SPREAD, Option, gains, spread_of, sure_enough_seconds

SECONDS = st.floats(0.01, 1e4)
OPTIONS = st.lists(
    st.builds(Option, startup_seconds=st.floats(0.0, 100.0), work_seconds=SECONDS, spread=st.floats(0.0, 2.8)),
    min_size=1,
    max_size=8,
)
FACTOR_2 = math.log(2) / 1.645


def option(seconds: float, spread: float = FACTOR_2, *, startup: float = 0.0) -> Option:
    return Option(startup_seconds=startup, work_seconds=seconds, spread=spread)


def is_sure(options: list[Option], index: int) -> bool:
    return gains(options, is_new=False)[index] < sure_enough_seconds(options)


@pytest.mark.parametrize(
    ("options", "index", "sure"),
    [
        ([option(10), option(11)], 0, False),  # may as well be the other way round
        ([option(10), option(11)], 1, False),
        ([option(10), option(100)], 1, True),  # within a factor of 2, it is never the faster
        ([option(10), option(100, spread=1.8)], 1, False),  # within a factor of 20 it may be
        ([option(10, 0.1), option(20, 0.1), option(40, 0.1)], 0, True),
        ([option(10, MEASURED_SPREAD), option(10.5, MEASURED_SPREAD)], 0, True),  # measuring tells no more
        ([option(10)], 0, False),  # there is nowhere else, but tasks wait for their turn
        ([option(10, 0.06)], 0, True),
        (
            [option(0.01, startup=10), option(0.01, startup=10)],
            0,
            True,
        ),  # all is start-up: what the work takes is no matter
    ],
)
def test_a_prediction_is_sure_enough_where_measuring_would_change_no_decision(
    options: list[Option], index: int, *, sure: bool
) -> None:
    assert is_sure(options, index) is sure


def test_of_two_equally_unsure_classes_the_one_nearer_to_the_fastest_gains_more() -> None:
    near, far = gains([option(10, 0.0), option(12), option(25)], is_new=False)[1:]
    assert near > far > 0.0


def test_a_class_that_is_used_only_when_others_are_busy_gains_less_than_the_same_tie_at_the_top() -> None:
    gained = gains([option(10), option(10.5), option(30), option(31)], is_new=False)
    assert min(gained[:2]) / 10 > max(gained[2:]) / 30


def test_the_first_measurement_of_a_workload_gains_on_all_its_classes() -> None:
    options = [option(10), option(12), option(15)]
    first, later = gains(options, is_new=True), gains(options, is_new=False)
    assert all(one > other for one, other in zip(first, later, strict=True))


def test_what_is_known_as_well_as_a_measurement_is_not_measured_for_the_sake_of_other_classes() -> None:
    assert gains([option(10, MEASURED_SPREAD), option(11)], is_new=True)[0] == 0.0


@given(OPTIONS, st.booleans())
def test_gains_are_finite_never_negative_and_the_same_each_time(options: list[Option], is_new: bool) -> None:  # noqa: FBT001
    gained = gains(options, is_new=is_new)
    assert len(gained) == len(options)
    assert all(math.isfinite(gain) and gain >= 0.0 for gain in gained)
    assert gains(options, is_new=is_new) == gained


@given(OPTIONS, st.floats(1e-3, 1e3))
def test_gains_are_in_the_unit_of_the_tasks(options: list[Option], factor: float) -> None:
    longer = [
        Option(
            startup_seconds=factor * each.startup_seconds, work_seconds=factor * each.work_seconds, spread=each.spread
        )
        for each in options
    ]
    expected = [pytest.approx(factor * gain, rel=1e-6, abs=1e-9 * factor) for gain in gains(options, is_new=False)]
    assert gains(longer, is_new=False) == expected


@given(OPTIONS, st.floats(1.05, 3.0))
def test_where_a_task_goes_gains_no_less_the_less_sure_a_class_is(options: list[Option], factor: float) -> None:
    first = options[0]
    less_sure = Option(
        startup_seconds=first.startup_seconds, work_seconds=first.work_seconds, spread=factor * first.spread
    )
    before, after = (gains([head, option(first.seconds)], is_new=False)[0] for head in (first, less_sure))
    assert after >= before * (1 - 1e-9)


def test_an_intervals_spread_is_that_of_a_normal_distribution_of_log_seconds() -> None:
    assert spread_of(lower=5, upper=20) == pytest.approx(math.log(2) / 1.645)
    assert spread_of(lower=7, upper=7) == 0.0
