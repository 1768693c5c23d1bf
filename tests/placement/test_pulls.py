"""Pulls in the plan: who lacks an image is later, a pull is paid once, and where nothing is known nothing changes."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from foretide.placement.order import Order
from foretide.placement.plan import Expected, NodeState, Plan, Running, Waiting
from foretide.placement.pulls import PullTimes
from foretide.placement.resources import Resources
from foretide.placement.timeline import Lags
from foretide.placement.together import plan_together

MIB = 2**20
ONE = Resources(1000, 2**30)
IMAGE = frozenset({"registry.example/net:1"})
NO_LAGS = {name: Lags(0.0, 0.0) for name in ("fast", "slow")}
NEVER = 1e9
TIMES = PullTimes({"registry.example/net:1": 100 * MIB}, {"fast": 10.0 * MIB, "slow": 10.0 * MIB})
"""Ten seconds everywhere."""

orders = pytest.mark.parametrize("order", get_args(Order))


def node(name: str, node_class: str, *, cores: int = 1, lacks: frozenset[str] = frozenset()) -> NodeState:
    return NodeState(name, node_class, Resources(1000 * cores, 2**36, 110), lacks=lacks)


def task(key: str, **by_class: float) -> Waiting:
    expected = {name: Expected(each, each) for name, each in by_class.items()}
    return Waiting(key, ONE, 1000, expected, NEVER, arrival_seconds=0.0, images=IMAGE)


def planned(
    tasks: list[Waiting], nodes: list[NodeState], running: tuple[Running, ...] = (), *, order: Order = "Balanced"
) -> Plan:
    return plan_together(tasks, running, nodes, now_seconds=0.0, lags=NO_LAGS, pull_times=TIMES, order=order)


@orders
@pytest.mark.parametrize(("slow_seconds", "expected"), [(11.0, ("slow-1", 11.0, 0.0)), (13.0, ("fast-1", 12.0, 10.0))])
def test_a_slower_node_that_has_the_image_is_chosen_where_the_pull_costs_more(
    order: Order, slow_seconds: float, expected: tuple[str, float, float]
) -> None:
    fleet = [node("fast-1", "fast", lacks=IMAGE), node("slow-1", "slow")]
    (made,) = planned([task("a", fast=2.0, slow=slow_seconds)], fleet, order=order).assignments
    assert (made.node, made.finish_seconds, made.pull_seconds) == expected


@orders
def test_of_two_equal_nodes_the_one_with_the_image_is_chosen(order: Order) -> None:
    fleet = [node("fast-1", "fast", lacks=IMAGE), node("fast-2", "fast")]
    (made,) = planned([task("a", fast=2.0)], fleet, order=order).assignments
    assert (made.node, made.finish_seconds) == ("fast-2", 2.0)


@orders
def test_a_pull_is_paid_once_on_a_node(order: Order) -> None:
    made = planned([task(key, fast=2.0) for key in "abc"], [node("fast-1", "fast", lacks=IMAGE)], order=order)
    assert sorted(each.finish_seconds or 0.0 for each in made.assignments) == [12.0, 14.0, 16.0]
    assert sorted(each.pull_seconds for each in made.assignments) == [0.0, 0.0, 10.0]


@orders
def test_tasks_that_start_together_wait_for_the_same_pull(order: Order) -> None:
    made = planned([task(key, fast=2.0) for key in "ab"], [node("fast-1", "fast", cores=2, lacks=IMAGE)], order=order)
    assert [(each.finish_seconds, each.pull_seconds) for each in made.assignments] == [(12.0, 10.0), (12.0, 10.0)]


@orders
def test_a_queue_for_a_fast_node_that_pulls_first_is_worth_it_where_many_come(order: Order) -> None:
    """Each by itself would end sooner on the slow node; together they share the pull."""
    fleet = [node("fast-1", "fast", lacks=IMAGE), node("slow-1", "slow")]
    made = planned([task(str(index), fast=2.0, slow=11.0) for index in range(8)], fleet, order=order)
    assert sum(each.node == "fast-1" for each in made.assignments) >= 6
    assert max(each.finish_seconds or 0.0 for each in made.assignments) <= 26.0


def test_who_comes_while_an_image_is_pulled_waits_for_the_rest_of_it() -> None:
    pulling = Running("r", "fast-1", ONE, 1000, -4.0, Expected(2.0, 2.0), IMAGE)
    fleet = [node("fast-1", "fast", cores=2, lacks=IMAGE)]
    (made,) = planned([task("a", fast=2.0)], fleet, (pulling,)).assignments
    assert (made.open_seconds, made.finish_seconds, made.pull_seconds) == (0.0, 8.0, 6.0)


@pytest.mark.parametrize(("bound", "pull_seconds"), [(-10.0, 0.0), (-11.0, 1.0), (-15.0, 5.0), (-600.0, 10.0)])
def test_the_longer_a_pull_is_overdue_the_later_it_is_expected(bound: float, pull_seconds: float) -> None:
    stuck = [Running(key, "fast-1", ONE, 1000, bound, Expected(2.0, 2.0), IMAGE) for key in "rs"]
    fleet = [node("fast-1", "fast", cores=3, lacks=IMAGE)]
    (made,) = planned([task("a", fast=2.0)], fleet, tuple(stuck)).assignments
    assert made.pull_seconds == pull_seconds


def test_a_task_goes_elsewhere_than_where_a_pull_is_stuck() -> None:
    stuck = Running("r", "fast-1", ONE, 1000, -600.0, Expected(2.0, 2.0), IMAGE)
    fleet = [node("fast-1", "fast", cores=2, lacks=IMAGE), node("slow-1", "slow")]
    (made,) = planned([task("a", fast=2.0, slow=8.0)], fleet, (stuck,)).assignments
    assert made.node == "slow-1"


def test_a_running_task_that_has_not_started_is_expected_to_pull_first() -> None:
    running = Running("r", "fast-1", ONE, 1000, -4.0, Expected(2.0, 2.0), IMAGE)
    fleet = [node("fast-1", "fast", lacks=IMAGE)]
    (made,) = planned([task("a", fast=2.0)], fleet, (running,)).assignments
    assert (made.open_seconds, made.finish_seconds) == (8.0, 10.0), "12 s from its binding, which was 4 s ago"
    started = replace(running, images=frozenset())
    (sooner,) = planned([task("a", fast=2.0)], [node("fast-1", "fast")], (started,)).assignments
    assert sooner.open_seconds < 4.0


@orders
def test_an_image_that_nobody_needs_changes_nothing(order: Order) -> None:
    fleet = [node("fast-1", "fast"), node("fast-2", "fast", cores=2), node("slow-1", "slow")]
    tasks = [task(str(index), fast=2.0 + index, slow=5.0 + index) for index in range(6)]
    other = [replace(each, lacks=frozenset({"registry.example/other:1"})) for each in fleet[:2]] + fleet[2:]
    assert planned(tasks, other, order=order) == planned(tasks, fleet, order=order)


def test_each_image_that_is_lacked_is_pulled_and_sizes_and_speeds_have_defaults() -> None:
    both = IMAGE | {"registry.example/model:1"}
    fleet = [NodeState("bare", "unseen", Resources(1000, 2**36, 110), lacks=both)]
    one = replace(task("a", unseen=2.0), images=both)
    (made,) = planned([one], fleet).assignments
    assert made.pull_seconds == pytest.approx((100 + 200) / 20), "100 MiB, and 200 where no size is known, at 20 MiB/s"


def test_nodes_with_the_image_are_left_to_those_that_need_it() -> None:
    fleet = [node("fast-1", "fast", lacks=IMAGE), node("fast-2", "fast")]
    needs, needs_nothing = task("a", fast=2.0), replace(task("b", fast=2.0), images=frozenset())
    made = planned([needs_nothing, needs], fleet).assignments
    assert [each.node for each in made] == ["fast-1", "fast-2"]
