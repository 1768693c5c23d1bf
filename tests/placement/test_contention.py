"""The plan where tasks that have their cores take longer beside others."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide.placement.plan import Expected, NodeState, Running, Waiting
from foretide.placement.resources import Resources
from foretide.placement.timeline import Lags
from tests.placement.listed import plan

GIB = 2**30
ONE = Resources(1000, GIB)
NO_LAGS = {name: Lags(0.0, 0.0) for name in ("fast", "slow")}


def node(name: str, node_class: str = "fast", *, cores: int = 2, steady_millis: int = 0) -> NodeState:
    return NodeState(name, node_class, Resources(1000 * cores, 8 * GIB, 110), steady_cpu_millis=steady_millis)


def task(key: str, *, contention: float = 0.0, **seconds: float) -> Waiting:
    return Waiting(key, ONE, 1000, {name: Expected(each, each, contention) for name, each in seconds.items()}, 1e9)


def running(key: str, on: str, seconds: float, *, contention: float = 0.0) -> Running:
    return Running(key, on, ONE, 1000, 0.0, Expected(seconds, seconds, contention))


def test_a_task_takes_longer_by_those_that_are_there_when_it_is_opened() -> None:
    (made,) = plan(
        [task("a", fast=10, contention=0.6)], [running("r", "f", 4)], [node("f")], now_seconds=0.0, lags=NO_LAGS
    ).assignments
    assert made.open_seconds == 0.0
    assert made.finish_seconds == pytest.approx(13.0)  # beside one of two cores


@pytest.mark.parametrize(("contention", "chosen"), [(0.0, "f"), (1.0, "s")])
def test_a_node_with_company_loses_against_an_empty_one_that_is_a_little_slower(contention: float, chosen: str) -> None:
    nodes = [node("f"), node("s", "slow")]
    asked = task("a", fast=10, slow=12, contention=contention)
    (made,) = plan([asked], [running("r", "f", 100)], nodes, now_seconds=0.0, lags=NO_LAGS).assignments
    assert made.node == chosen


def test_what_is_always_there_is_no_company() -> None:
    (made,) = plan(
        [task("a", fast=10, contention=1.0)], [], [node("f", steady_millis=1000)], now_seconds=0.0, lags=NO_LAGS
    ).assignments
    assert made.finish_seconds == 10.0


def test_a_task_that_takes_longer_beside_others_breaks_no_promise() -> None:
    two = Resources(2000, GIB)
    large = replace(task("large", fast=5), requests=two, cpu_millis=2000)
    small = task("small", fast=9, contention=1.0)
    made = plan([large, small], [running("r", "f", 10)], [node("f")], now_seconds=0.0, lags=NO_LAGS).assignments
    assert made[0].open_seconds == 10.0
    assert (made[1].open_seconds, made[1].finish_seconds) == (15.0, 24.0)  # not 13.5 s long beside r until 10 s


def test_what_runs_beside_others_is_expected_to_end_later() -> None:
    both = [running("r", "f", 10, contention=0.5), running("q", "f", 100)]
    (made,) = plan([task("a", fast=10)], both, [node("f")], now_seconds=1.0, lags=NO_LAGS).assignments
    assert made.waits_for == "r"
    assert made.open_seconds == pytest.approx(12.5)


def test_who_shares_cores_takes_longer_by_both() -> None:
    there = replace(running("r", "f", 100), requests=Resources(100, GIB))
    asked = replace(task("a", fast=10, contention=0.6), requests=Resources(100, GIB))
    (made,) = plan([asked], [there], [node("f", cores=1)], now_seconds=0.0, lags=NO_LAGS).assignments
    assert made.finish_seconds == pytest.approx(26.0)  # of one core the other gets a half: 10 s × 1.3 × 2


@given(
    st.lists(st.tuples(st.floats(0.5, 50), st.floats(0, 3)), min_size=1, max_size=8),
    st.lists(st.tuples(st.floats(0.5, 50), st.floats(0, 3)), max_size=4),
)
def test_promises_hold_and_nothing_ends_sooner_than_alone(
    asked: list[tuple[float, float]], there: list[tuple[float, float]]
) -> None:
    tasks = [task(str(number), fast=each, contention=c) for number, (each, c) in enumerate(asked)]
    busy = [running(f"r{number}", f"f{number % 2}", each, contention=c) for number, (each, c) in enumerate(there)]
    made = plan(tasks, busy, [node("f0"), node("f1")], now_seconds=0.0, lags=NO_LAGS).assignments
    for each, (seconds, _) in zip(made, asked, strict=True):
        assert each.start_seconds is not None
        assert each.finish_seconds is not None
        assert each.finish_seconds >= each.start_seconds + seconds - 1e-9
    for name in ("f0", "f1"):
        of_node = [each for each in made if each.node == name]
        for each in of_node:
            beside = [
                other for other in of_node if other.open_seconds <= each.open_seconds < (other.finish_seconds or 0)
            ]
            assert len(beside) <= 2
