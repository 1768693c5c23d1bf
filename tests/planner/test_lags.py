"""How long a slot stays taken after the work: learned by class, never from nonsense."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretide.placement.timeline import Lags
from foretide_operator.planner.lags import ReleaseLags


def test_a_class_that_was_never_seen_has_the_defaults() -> None:
    lags = ReleaseLags()
    lags.saw_release("fast", 1.0)
    assert set(lags.by_class()) == {"fast"}


def test_what_is_seen_again_and_again_is_learned_for_that_class_alone() -> None:
    lags = ReleaseLags()
    for _ in range(40):
        lags.saw_release("fast", 0.7)
        lags.saw_release("slow", 4.0)
    known = lags.by_class()
    assert known["fast"].release_seconds == pytest.approx(0.7, abs=0.01)
    assert known["slow"].release_seconds == pytest.approx(4.0, abs=0.01)
    assert known["fast"].open_to_bind_seconds == Lags().open_to_bind_seconds


@pytest.mark.parametrize("lag", [-0.1, 15.1, float("inf"), float("nan")])
def test_a_clock_that_is_off_is_not_learned_from(lag: float) -> None:
    lags = ReleaseLags()
    lags.saw_release("fast", lag)
    assert not lags.by_class()


@settings(deadline=None)
@given(st.lists(st.floats(min_value=-100.0, max_value=100.0)))
def test_what_is_learned_stays_among_what_can_be(seen: list[float]) -> None:
    lags = ReleaseLags()
    for each in seen:
        lags.saw_release("fast", each)
    assert all(0.0 <= each.release_seconds <= 15.0 for each in lags.by_class().values())
