"""What holds of every plan, whatever the fleet, the tasks and what runs already."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretide.placement.completion import RunningTask, remaining_seconds
from foretide.placement.plan import NOT_PREDICTED, WAIT_BOUND_REACHED, NodeState, Plan, Running, Waiting, plan
from foretide.placement.resources import Resources
from foretide.placement.timeline import Lags
from tests.placement.fleets import GROUPS, NOW, lags, nodes, running, waiting

LagsByClass = dict[str, Lags]


@st.composite
def cases(
    draw: st.DrawFn, *, oversubscribe: bool = True
) -> tuple[list[Waiting], list[Running], list[NodeState], LagsByClass]:
    fleet = draw(nodes())
    return (
        draw(waiting(oversubscribe=oversubscribe)),
        draw(running(fleet, oversubscribe=oversubscribe)),
        fleet,
        draw(lags),
    )


def make(tasks: Sequence[Waiting], there: Sequence[Running], fleet: Sequence[NodeState], delays: LagsByClass) -> Plan:
    return plan(tasks, there, fleet, now_seconds=NOW, groups=GROUPS, lags=delays)


def amounts(resources: Resources) -> tuple[int, int, int]:
    return resources.cpu_millis, resources.memory_bytes, resources.pods


@given(cases(), st.randoms(use_true_random=False))
@settings(max_examples=80, deadline=None)
def test_the_plan_does_not_depend_on_the_order_of_nodes_running_tasks_or_predictions(
    case: tuple[list[Waiting], list[Running], list[NodeState], LagsByClass], rng: random.Random
) -> None:
    tasks, there, fleet, delays = case
    shuffled = [
        Waiting(
            each.key,
            each.requests,
            each.cpu_millis,
            dict(rng.sample(sorted(each.expected.items()), len(each.expected))),
            each.latest_open_seconds,
            each.group,
        )
        for each in tasks
    ]
    again = make(shuffled, rng.sample(there, len(there)), rng.sample(fleet, len(fleet)), delays)
    assert again == make(tasks, there, fleet, delays)


@given(cases(oversubscribe=False))
@settings(max_examples=120, deadline=None)
def test_no_slot_is_promised_twice(
    case: tuple[list[Waiting], list[Running], list[NodeState], LagsByClass],
) -> None:
    """Swept over time apart from the plan's own books: where limits are requests, ends are those alone."""
    tasks, there, fleet, delays = case
    fleet = [NodeState(n.name, n.node_class, n.allocatable, n.in_use, n.in_use.cpu_millis) for n in fleet]
    check_requests(make(tasks, there, fleet, delays), tasks, there, fleet, delays)


@given(cases())
@settings(max_examples=120, deadline=None)
def test_no_slot_is_promised_twice_where_cores_are_shared(
    case: tuple[list[Waiting], list[Running], list[NodeState], LagsByClass],
) -> None:
    """Without what runs already: its ends, when shared, are not told by the plan."""
    tasks, _, fleet, delays = case
    check_requests(make(tasks, [], fleet, delays), tasks, [], fleet, delays)


def check_requests(
    made: Plan,
    tasks: Sequence[Waiting],
    there: Sequence[Running],
    fleet: Sequence[NodeState],
    delays: LagsByClass,
) -> None:
    by_key = {each.key: each for each in tasks}
    for node in fleet:
        delay = delays[node.node_class or ""]
        held: list[tuple[float, float, Resources]] = []
        for each in there:
            if each.node == node.name:
                end = math.inf
                if each.expected:
                    median, upper = each.expected.median_seconds, each.expected.upper_seconds
                    gone = NOW - each.bound_seconds
                    left = remaining_seconds(RunningTask(each.cpu_millis, median, upper, gone))
                    end = NOW + max(left, 1e-3) + delay.release_seconds
                held.append((NOW, end, each.requests))
        for done in made.assignments:
            if done.node == node.name and done.start_seconds is not None:
                end = math.inf if done.finish_seconds is None else done.finish_seconds + delay.release_seconds
                held.append((done.start_seconds - delay.open_to_bind_seconds, end, by_key[done.key].requests))
        for time in {begin for begin, _, _ in held}:
            # A rounding of the times must not count as an overlap.
            used = [amounts(each) for begin, end, each in held if begin <= time + 1e-7 and time + 1e-7 < end - 1e-7]
            total = map(sum, zip(amounts(node.in_use), *used, strict=True))
            assert all(a <= b for a, b in zip(total, amounts(node.allocatable), strict=True))


@given(cases())
@settings(max_examples=80, deadline=None)
def test_no_gate_stays_closed_beyond_its_bound_and_none_opens_in_the_past(
    case: tuple[list[Waiting], list[Running], list[NodeState], LagsByClass],
) -> None:
    made = make(*case)
    assert [each.key for each in made.assignments] == [each.key for each in case[0]]
    for task, done in zip(case[0], made.assignments, strict=True):
        assert NOW <= done.open_seconds <= max(task.latest_open_seconds, NOW)
        if done.node is not None and done.reason != WAIT_BOUND_REACHED:
            delay = case[3][next(node.node_class or "" for node in case[2] if node.name == done.node)]
            assert done.start_seconds == pytest.approx(done.open_seconds + delay.open_to_bind_seconds)
        if done.reason == NOT_PREDICTED:
            assert done.open_seconds == NOW
        if done.node is not None and task.group == "some":
            assert done.node in {"node-0", "node-2"}


@given(cases(oversubscribe=False))
@settings(max_examples=80, deadline=None)
def test_no_task_is_delayed_by_those_after_it(
    case: tuple[list[Waiting], list[Running], list[NodeState], LagsByClass],
) -> None:
    tasks, there, fleet, delays = case
    fleet = [NodeState(n.name, n.node_class, n.allocatable, n.in_use, n.in_use.cpu_millis) for n in fleet]
    half = len(tasks) // 2
    alone = make(tasks[:half], there, fleet, delays).assignments
    assert make(tasks, there, fleet, delays).assignments[:half] == alone


@given(cases())
@settings(max_examples=60, deadline=None)
def test_where_cores_are_shared_no_promised_start_is_delayed_by_those_after_it(
    case: tuple[list[Waiting], list[Running], list[NodeState], LagsByClass],
) -> None:
    tasks, there, fleet, delays = case
    half = len(tasks) // 2
    alone = make(tasks[:half], there, fleet, delays).assignments
    together = make(tasks, there, fleet, delays).assignments[:half]
    assert [(each.node, each.open_seconds) for each in together] == [(each.node, each.open_seconds) for each in alone]
