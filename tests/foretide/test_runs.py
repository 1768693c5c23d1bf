"""What tasks took as an estimate: which runs count, and that hiccups, company and machines that are gone do not."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide.contention import kind_of
from foretide.evidence import Estimate
from foretide.observation import Observation
from foretide.observation_table import PROFILES_FIRST
from foretide.runs import LEAST_RUNS, Runs
from tests.foretide.workloads import SIGNATURE, observation, question


def run(at: int, microseconds: int, **changes: Any) -> Observation:
    values = {"origin": "Run", "exposure_permille": 0, "inference_microseconds": microseconds}
    return observation(**{**values, "observed_milliseconds": at, **changes})


def profile(at: int, microseconds: int) -> Observation:
    return observation(origin="Profile", inference_microseconds=microseconds, observed_milliseconds=at)


def estimate(rows: list[Observation], **changes: Any) -> Estimate | None:
    return Runs(rows, {}).estimate(question(**changes))


def milliseconds(rows: list[Observation]) -> float | None:
    found = estimate(rows)
    return None if found is None else round(1e3 * found.seconds, 3)


def test_few_runs_say_nothing_yet() -> None:
    rows = [run(at, 20_000) for at in range(LEAST_RUNS)]
    assert estimate(rows[:-1]) is None
    assert milliseconds(rows) == 20.0


def test_one_hiccup_does_not_count() -> None:
    assert milliseconds([run(1, 20_000), run(2, 20_500), run(3, 900_000), run(4, 20_500), run(5, 20_500)]) == 20.5


@pytest.mark.parametrize(
    "other",
    [
        {"workload": "team/other/k"},
        {"node_class": "slow"},
        {"cpu_millis": 250},
        {"exposure_permille": None},  # it shared cores, or nobody knows who was beside it
        {"origin": "Profile"},
        {"origin": "Sweep"},
    ],
)
def test_what_tells_nothing_of_the_question_is_left_out(other: dict[str, Any]) -> None:
    rows = [run(at, 20_000) for at in range(3)]
    off = [run(at, 90_000, **other) for at in range(10, 13)]
    assert milliseconds([*rows, *off]) == 20.0


def test_runs_count_by_what_they_would_have_taken_alone() -> None:
    rows = [run(at, 30_000, exposure_permille=500) for at in range(3)]
    found = Runs(rows, {("fast", kind_of(SIGNATURE)): 1000}).estimate(question())
    assert found is not None
    assert found.seconds == pytest.approx(0.020, rel=1e-3)


def test_a_machine_that_is_measured_to_have_changed_leaves_its_runs_behind() -> None:
    before = [profile(0, 20_000), *(run(at, 20_000) for at in range(1, 9))]
    assert milliseconds([*before, profile(10, 30_000)]) is None
    assert milliseconds([*before, profile(10, 30_000), *(run(at, 31_000) for at in range(11, 14))]) == 31.0


def test_where_a_new_measurement_says_the_same_as_the_last_runs_that_differ_count_on() -> None:
    before = [profile(0, 20_000), *(run(at, 30_000) for at in range(1, 5))]
    assert milliseconds([*before, profile(10, 21_000)]) == 30.0


def test_of_several_measurements_the_runs_since_the_first_that_agrees_with_the_last_count() -> None:
    rows = [
        profile(0, 10_000),
        *(run(at, 10_000) for at in range(1, 9)),
        profile(10, 20_000),
        *(run(at, 26_000) for at in range(11, 14)),
        profile(20, 21_000),
    ]
    assert milliseconds(rows) == 26.0


def test_runs_before_the_oldest_of_many_measurements_are_of_a_machine_that_nobody_knows() -> None:
    before = [run(at, 50_000) for at in range(1, 9)]
    since = [run(at, 20_000) for at in range(50, 54)]
    many = [profile(at, 20_000) for at in range(40, 40 + PROFILES_FIRST)]
    assert milliseconds([*before, *many, *since]) == 20.0
    assert milliseconds([*before, *many[1:], *since]) == 50.0


@given(st.lists(st.integers(1, 86_400_000_000), min_size=3, max_size=15))
def test_whatever_runs_took_the_estimate_lies_among_them(times: list[int]) -> None:
    found = estimate([run(at, time) for at, time in enumerate(times)])
    assert found is not None
    assert min(times) * (1 - 1e-9) <= found.seconds * 1e6 <= max(times) * (1 + 1e-9)
    assert math.isfinite(found.variance)
