"""Completion on a loaded node: what is alone keeps its time, what shares cores does not."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide.placement.completion import (
    NodeLoad,
    RunningTask,
    completion_seconds,
    exposure,
    interference,
    remaining_seconds,
)


def running(seconds: float, *, cpu_millis: int = 1000, elapsed: float = 0.0, upper: float = 1.25) -> RunningTask:
    return RunningTask(cpu_millis, seconds, seconds * upper, elapsed)


@pytest.mark.parametrize(
    ("load", "expected"),
    [
        (NodeLoad(2000), 10.0),
        (NodeLoad(2000, 0, [running(100.0)]), 10.0),  # both have their core
        (NodeLoad(2000, 1000), 10.0),
        (NodeLoad(1000, 1000), 20.0),  # shares its core for ever
        (NodeLoad(1000, 0, [running(4.0)]), 14.0),  # 8 s at half speed, then 6 s alone
        (NodeLoad(1000, 0, [running(40.0)]), 20.0),  # the other outlasts it
        (NodeLoad(1000, 0, [running(4.0), running(6.0)]), 20.0),  # 12 s at a third, 4 s at a half, 4 s alone
        (NodeLoad(1000, 0, [running(4.0, cpu_millis=500)]), 12.0),  # 6 s at two thirds, then 6 s
        (NodeLoad(0), 10_000.0),  # a node that says nothing of its cores is no division by zero
    ],
)
def test_cores_are_shared_in_proportion_while_limits_exceed_them(load: NodeLoad, expected: float) -> None:
    assert completion_seconds(10.0, 1000, load) == pytest.approx(expected)


tasks = st.lists(
    st.builds(running, st.floats(0.01, 1e4), cpu_millis=st.integers(1, 8000), elapsed=st.floats(0, 1e5)), max_size=6
)


@given(st.floats(1e-3, 1e4), st.integers(1, 8000), st.integers(0, 16000), st.integers(0, 4000), tasks)
def test_nothing_ends_sooner_than_alone_and_more_company_never_helps(
    alone: float, cpu: int, allocatable: int, steady: int, others: list[RunningTask]
) -> None:
    whole = completion_seconds(alone, cpu, NodeLoad(allocatable, steady, others))
    fewer = completion_seconds(alone, cpu, NodeLoad(allocatable, steady, others[1:]))
    assert math.isfinite(whole)
    assert whole >= alone * (1 - 1e-9)
    assert whole >= fewer * (1 - 1e-9)


@given(st.floats(1e-3, 1e4), st.floats(1.001, 3.0), st.integers(1, 8000), tasks)
def test_a_longer_task_never_ends_sooner(
    alone: float, factor: float, allocatable: int, others: list[RunningTask]
) -> None:
    load = NodeLoad(allocatable, 0, others)
    assert completion_seconds(alone * factor, 1000, load) >= completion_seconds(alone, 1000, load) * (1 - 1e-9)


def test_a_task_that_just_began_has_all_before_it() -> None:
    assert remaining_seconds(running(10.0)) == 10.0
    assert remaining_seconds(running(10.0, elapsed=-3.0)) == 10.0


def test_a_task_half_way_has_about_half_before_it() -> None:
    assert remaining_seconds(running(10.0, elapsed=5.0)) == pytest.approx(5.0, rel=0.01)


def test_a_task_that_overruns_is_not_taken_for_ended() -> None:
    late = remaining_seconds(running(10.0, elapsed=12.0))
    assert 0.1 < late < 2.0
    assert remaining_seconds(running(10.0, elapsed=20.0)) > late
    assert remaining_seconds(running(10.0, elapsed=1e6)) == pytest.approx(1e6 * 0.054, rel=0.02)


@given(st.floats(1e-3, 1e5), st.floats(1.0, 50.0), st.floats(0, 1e7))
def test_what_remains_is_finite_and_not_negative(median: float, upper: float, elapsed: float) -> None:
    remaining = remaining_seconds(running(median, upper=upper, elapsed=elapsed))
    assert math.isfinite(remaining)
    assert remaining >= 0


@pytest.mark.parametrize(
    ("others", "demand", "cores", "expected"),
    [
        (1000, 2000, 4000, 0.25),
        (3000, 4000, 4000, 0.75),
        (3000, 6000, 4000, 0.5),  # of cores that are shared the others get their part
        (0, 1000, 4000, 0.0),
        (1000, 2000, 0, 0.5),  # a node that says nothing of its cores
    ],
)
def test_exposure_is_the_share_of_the_cores_that_others_get(
    others: int, demand: int, cores: int, expected: float
) -> None:
    assert exposure(others, demand, cores) == expected
    assert interference(0.4, expected) == pytest.approx(1 + 0.4 * expected)
