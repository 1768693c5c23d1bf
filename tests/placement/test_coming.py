"""Which tasks are expected to arrive: by chance or in bursts, soon or not at all."""

from __future__ import annotations

import math
import random

import pytest

from foretide.placement.coming import MOST_TASKS, WINDOW_SECONDS, expected_arrivals
from foretide.placement.plan import Expected, Waiting
from foretide.placement.resources import Resources

NOW = 1000.0


def task(at: float, seconds: float = 10.0, key: str = "") -> Waiting:
    expected = {"fast": Expected(seconds / 2, seconds), "slow": Expected(seconds * 2, seconds * 3)}
    return Waiting(key or f"t-{at}", Resources(1000, 1), 1000, expected, NOW + 600, None, at, NOW + 20)


def arrivals(recent: list[Waiting], now: float, *, since_seconds: float = -math.inf) -> list[Waiting]:
    known = [(each.arrival_seconds or 0.0, each) for each in recent]
    return expected_arrivals(known, lambda each: each, now, since_seconds=since_seconds)


def poisson(rate: float, seconds: float = 10.0, seed: int = 0) -> list[Waiting]:
    rng = random.Random(seed)
    now, found = NOW - WINDOW_SECONDS, []
    while (now := now + rng.expovariate(rate)) < NOW:
        found.append(task(now, seconds))
    return found


@pytest.mark.parametrize(("rate", "seconds"), [(0.3, 3.0), (0.3, 10.0), (1.0, 3.0), (4.0, 10.0), (0.1, 300.0)])
def test_as_many_as_come_by_chance_while_one_typically_takes(rate: float, seconds: float) -> None:
    counts = [len(arrivals(poisson(rate, seconds, seed), NOW)) for seed in range(20)]
    assert sum(counts) / len(counts) == pytest.approx(rate * seconds, rel=0.3, abs=0.7)


def test_they_come_evenly_after_now_and_are_like_the_latest() -> None:
    recent = [*poisson(2.0), task(NOW, 8.0, "latest")]
    coming = arrivals(recent, NOW)
    times = [each.arrival_seconds or 0.0 for each in coming]
    assert times == sorted(times)
    assert all(NOW < each <= NOW + 10.1 for each in times)
    assert coming[0].expected == task(0.0, 8.0).expected
    assert len({each.key for each in coming}) == len(coming)
    assert all(each.due_seconds == each.latest_open_seconds == math.inf for each in coming)
    assert arrivals(recent, NOW) == coming


def test_those_that_nothing_is_predicted_for_are_not_expected_as_others() -> None:
    recent = poisson(4.0)
    half = [
        each if index % 2 else Waiting(each.key, each.requests, 1000, {}, NOW, None, each.arrival_seconds)
        for index, each in enumerate(recent)
    ]
    assert len(arrivals(half, NOW)) == pytest.approx(len(arrivals(recent, NOW)) / 2, abs=2)


def test_a_burst_tells_nothing_of_the_next() -> None:
    assert not arrivals([task(NOW - 5.0, key=f"t-{index}") for index in range(100)], NOW)
    bursts = [task(NOW - ago, key=f"t-{ago}-{index}") for ago in (5.0, 25.0, 45.0) for index in range(100)]
    assert len(arrivals(bursts, NOW)) <= 1


def test_long_ago_later_than_now_and_unpredicted_count_for_nothing() -> None:
    unpredicted = Waiting("u", Resources(1000, 1), 1000, {}, NOW, None, NOW - 1.0)
    assert not arrivals([task(NOW - 61.0), task(NOW + 5.0), unpredicted], NOW)
    assert not arrivals([], NOW)


def test_a_stream_that_has_just_begun_is_not_spread_over_the_whole_window() -> None:
    recent = [each for each in poisson(2.0) if (each.arrival_seconds or 0.0) > NOW - 15.0]
    assert len(arrivals(recent, NOW, since_seconds=NOW - 15.0)) > len(arrivals(recent, NOW))


def test_there_is_a_bound_to_how_many() -> None:
    assert len(arrivals(poisson(40.0), NOW)) == MOST_TASKS
