"""Ends of tasks that share cores, each from its own start."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide.placement.completion import NodeLoad, RunningTask, completion_seconds
from foretide.placement.sharing import Share, shared_ends


@pytest.mark.parametrize(
    ("shares", "ends"),
    [
        ([Share(0, 4, 1000)], [4]),
        ([Share(0, 4, 1000), Share(0, 4, 1000)], [8, 8]),
        ([Share(0, 4, 1000), Share(2, 4, 1000)], [6, 8]),  # 2 alone, 4 at half speed, 2 alone
        ([Share(0, 4, 1000), Share(4, 4, 1000)], [4, 8]),
        ([Share(0, math.inf, 1000), Share(0, 3, 1000)], [math.inf, 6]),
        ([], []),
    ],
)
def test_who_shares_goes_on_in_proportion(shares: list[Share], ends: list[float]) -> None:
    assert shared_ends(shares, allocatable_millis=1000) == pytest.approx(ends)


@given(
    st.floats(0.1, 100),
    st.integers(1, 4000),
    st.integers(1, 8000),
    st.integers(0, 4000),
    st.lists(st.tuples(st.floats(0.1, 100), st.integers(1, 4000)), max_size=5),
)
def test_it_agrees_with_the_completion_of_a_task_bound_now(
    alone: float, cpu: int, allocatable: int, steady: int, others: list[tuple[float, int]]
) -> None:
    shares = [Share(0, seconds, millis) for seconds, millis in others]
    running = [RunningTask(millis, seconds, seconds, 0.0) for seconds, millis in others]
    *_, end = shared_ends([*shares, Share(0, alone, cpu)], allocatable_millis=allocatable, steady_millis=steady)
    assert end == pytest.approx(completion_seconds(alone, cpu, NodeLoad(allocatable, steady, running)))
