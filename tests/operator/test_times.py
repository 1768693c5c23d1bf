"""Waits are as long as they are meant to be, whatever clocks do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from foretide_kube.times import seconds_left
from tests.operator.cluster_objects import NOW

MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(MOMENTS, st.floats(1.0, 10**6))
def test_no_wait_lasts_longer_than_twice_its_length_whenever_it_began(began: datetime, wait_seconds: float) -> None:
    left_seconds = seconds_left(wait_seconds, began.isoformat(), NOW)
    assert 0.0 <= left_seconds <= 2 * wait_seconds
    if began <= NOW:
        assert left_seconds <= wait_seconds
        assert seconds_left(wait_seconds, began.isoformat(), began + timedelta(seconds=wait_seconds + 1)) == 0.0


def test_a_wait_ends_its_length_after_it_began() -> None:
    assert seconds_left(10.0, (NOW - timedelta(seconds=4)).isoformat(), NOW) == 6.0
    assert seconds_left(10.0, (NOW + timedelta(seconds=4)).isoformat(), NOW) == 14.0


def test_nothing_is_waited_for_since_a_time_that_nobody_told() -> None:
    assert seconds_left(10.0, None, NOW) == seconds_left(10.0, "soon", NOW) == 0.0
