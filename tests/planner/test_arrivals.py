"""When a burst has arrived."""

from __future__ import annotations

from foretide_operator.planner.arrivals import LONGEST_SECONDS, SETTLE_SECONDS, Arrivals


class Burst:
    def __init__(self) -> None:
        self.now = 0.0
        self.arrivals = Arrivals(lambda: self.now)


def test_at_the_start_nothing_is_arriving() -> None:
    burst = Burst()
    assert burst.arrivals.seconds_left() == 0.0
    assert not burst.arrivals.is_held("a", "n1")


def test_a_task_alone_has_arrived_after_a_moment() -> None:
    burst = Burst()
    burst.arrivals.add("a")
    assert burst.arrivals.seconds_left() == SETTLE_SECONDS
    assert burst.arrivals.is_held("a", "n1")
    assert not burst.arrivals.is_held("somebody else", "n1")
    burst.now += SETTLE_SECONDS
    assert not burst.arrivals.is_held("a", "n1")


def test_a_burst_has_arrived_as_a_whole_when_nothing_more_comes() -> None:
    burst = Burst()
    burst.arrivals.add("a")
    burst.now += SETTLE_SECONDS * 0.9
    burst.arrivals.add("b")
    burst.now += SETTLE_SECONDS * 0.9
    assert burst.arrivals.is_held("a", "n1")
    burst.now += SETTLE_SECONDS * 0.2
    assert not burst.arrivals.is_held("a", "n1")
    assert not burst.arrivals.is_held("b", "n1")


def test_an_endless_stream_keeps_nobody_for_longer_than_the_longest() -> None:
    burst = Burst()
    seen: dict[str, float] = {}
    for step in range(200):
        burst.arrivals.add(f"t{step}")
        seen[f"t{step}"] = burst.now
        for uid, since in seen.items():
            assert not burst.arrivals.is_held(uid, "n1") or burst.now - since <= LONGEST_SECONDS
        burst.now += 0.07


def test_a_new_burst_does_not_hold_the_last_one_back() -> None:
    burst = Burst()
    burst.arrivals.add("a")
    burst.now += 5.0
    burst.arrivals.add("b")
    assert burst.arrivals.is_held("b", "n1")
    assert not burst.arrivals.is_held("a", "n1")


def test_room_that_has_only_just_come_free_is_taken_at_once() -> None:
    burst = Burst()
    burst.arrivals.add("a")
    assert burst.arrivals.is_held("a", "n1")
    assert burst.arrivals.is_held("a", None)
    burst.arrivals.freed("n1")
    assert not burst.arrivals.is_held("a", "n1")
    assert burst.arrivals.is_held("a", "n2")


def test_room_stays_fresh_through_the_bursts_of_a_moment_and_no_longer() -> None:
    burst = Burst()
    burst.arrivals.freed("n1")
    for step in range(3):
        burst.now += SETTLE_SECONDS * 1.5
        burst.arrivals.add(f"t{step}")
        assert not burst.arrivals.is_held(f"t{step}", "n1")
    burst.now += LONGEST_SECONDS
    burst.arrivals.add("later")
    assert burst.arrivals.is_held("later", "n1")
