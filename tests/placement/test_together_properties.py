"""What holds of every plan over all tasks at once: by any order, whatever was planned before, is expected or urgent."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretide.placement.order import Order
from foretide.placement.plan import NOT_PREDICTED, Assignment, Expected, NodeState, Plan, Running, Waiting
from foretide.placement.resources import Resources
from foretide.placement.together import MOST_LEVELS, plan_together
from tests.placement.fleets import GROUPS, NOW, lags, nodes, running, waiting
from tests.placement.test_plan_properties import LagsByClass, check_requests, with_steady_requests


@dataclass
class Case:
    """What a planner may have before it."""

    tasks: list[Waiting]
    there: list[Running]
    fleet: list[NodeState]
    delays: LagsByClass
    queue: list[Waiting]
    coming: list[Waiting]
    previous: Plan | None
    order: Order

    def made(self, tasks: Sequence[Waiting] | None = None) -> Plan:
        """The plan."""
        return plan_together(
            self.tasks if tasks is None else tasks,
            self.there,
            self.fleet,
            now_seconds=NOW,
            pending=self.queue,
            groups=GROUPS,
            lags=self.delays,
            coming=self.coming,
            previous=self.previous,
            order=self.order,
        )


@st.composite
def cases(draw: st.DrawFn, *, oversubscribe: bool = True) -> Case:
    fleet = draw(nodes())
    tasks = [
        replace(
            task,
            arrival_seconds=draw(st.one_of(st.none(), st.floats(NOW - 100, NOW + 1))),
            due_seconds=draw(st.one_of(st.just(float("inf")), st.floats(NOW - 10, NOW + 100))),
            priority=draw(st.sampled_from([0, 0, 0, 5])),
        )
        for task in draw(waiting(oversubscribe=oversubscribe))
    ]
    coming = [
        replace(task, key=f"coming-{task.key}", arrival_seconds=NOW + draw(st.floats(0.1, 50)), latest_open_seconds=1e9)
        for task in draw(waiting(most=4, oversubscribe=oversubscribe))
    ]
    queue = [replace(each, key=f"pending-{each.key}") for each in draw(waiting(most=2, oversubscribe=oversubscribe))]
    names = [*(node.name for node in fleet), "gone"]
    kept = [
        Assignment(task.key, draw(st.floats(NOW - 5, NOW + 50)), draw(st.sampled_from(names)))
        for task in tasks
        if draw(st.booleans())
    ]
    previous = draw(st.sampled_from([None, Plan(tuple(kept), NOW - 1.0)]))
    there = draw(running(fleet, oversubscribe=oversubscribe))
    order = draw(st.sampled_from(get_args(Order)))
    return Case(tasks, there, fleet, draw(lags), draw(st.sampled_from([[], queue])), coming, previous, order)


@given(cases(), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_the_plan_does_not_depend_on_the_order_of_nodes_and_running_tasks(case: Case, rng: random.Random) -> None:
    shuffled = replace(
        case, there=rng.sample(case.there, len(case.there)), fleet=rng.sample(case.fleet, len(case.fleet))
    )
    assert shuffled.made() == case.made()


@given(cases())
@settings(max_examples=200, deadline=None)
def test_no_slot_is_promised_twice(case: Case) -> None:
    made = case.made()
    everything = Plan((*made.pending, *made.assignments), NOW)
    check_requests(everything, [*case.queue, *case.tasks], case.there, case.fleet, case.delays)


@given(cases())
@settings(max_examples=200, deadline=None)
def test_every_task_is_planned_once_within_its_bound_and_where_it_may_go(case: Case) -> None:
    made = case.made()
    assert [each.key for each in made.assignments] == [each.key for each in case.tasks]
    for task, done in zip(case.tasks, made.assignments, strict=True):
        assert NOW <= done.open_seconds <= max(task.latest_open_seconds, NOW)
        if done.node is not None and task.group == "some":
            assert done.node in {"node-0", "node-2"}
        if task.group == "none":
            assert done.node is None


@given(cases(oversubscribe=False))
@settings(max_examples=150, deadline=None)
def test_no_task_is_kept_waiting_beside_a_node_that_would_end_it_sooner(case: Case) -> None:
    """Whatever is expected, meant before or out of the search's sight: room that nobody takes is for who waits."""
    case = replace(case, fleet=with_steady_requests(case.fleet), queue=[])
    made = case.made()
    names = {node.name: node for node in case.fleet}
    used = {name: _amounts(node.in_use) for name, node in names.items()}
    for each in case.there:
        used[each.node] = _plus(used[each.node], _amounts(each.requests))
    by_key = {task.key: task for task in case.tasks}
    for done in made.assignments:  # promised for now or for later: only what is left beside all of it counts
        if done.node is not None:
            used[done.node] = _plus(used[done.node], _amounts(by_key[done.key].requests))
    for task, done in zip(case.tasks, made.assignments, strict=True):
        if done.finish_seconds is None or done.open_seconds <= NOW or done.reason == NOT_PREDICTED:
            continue
        allowed = GROUPS.get(task.group)
        for name, node in names.items():
            expected = task.expected.get(node.node_class or "")
            if expected is None or (allowed is not None and name not in allowed) or name == done.node:
                continue
            if node.lacks & task.images:
                continue
            total = _plus(used[name], _amounts(task.requests))
            if all(a <= b for a, b in zip(total, _amounts(node.allocatable), strict=True)):
                lead = case.delays[node.node_class or ""].open_to_bind_seconds
                assert done.finish_seconds <= NOW + lead + max(expected.median_seconds, 1e-3) + 1e-6


@given(cases(oversubscribe=False))
@settings(max_examples=100, deadline=None)
def test_no_task_delays_one_of_higher_priority(case: Case) -> None:
    case = replace(case, fleet=with_steady_requests(case.fleet), coming=[])
    urgent = [task for task in case.tasks if task.priority]
    among_all = {each.key: each for each in case.made().assignments}
    alone = case.made(urgent).assignments
    assert [among_all[each.key] for each in alone] == list(alone)


@pytest.mark.parametrize("order", get_args(Order))
def test_however_many_priorities_there_are_the_highest_goes_first(order: Order) -> None:
    """Whatever else speaks for the others: they came earlier, are shorter, or miss a deadline."""
    node = NodeState("node-0", "a", Resources(1000, 2**30, 10))
    tasks = [
        Waiting(
            f"task-{priority:02d}",
            Resources(1000, 0),
            1000,
            {"a": Expected(10.0 + priority, 12.0 + priority)},
            1e9,
            priority=priority,
            due_seconds=NOW + 15.0 * (1 + priority),
            arrival_seconds=NOW - 100.0 + priority,
        )
        for priority in range(2 * MOST_LEVELS)
    ]
    made = plan_together(tasks, [], [node], now_seconds=NOW, order=order).assignments
    assert sorted(made, key=lambda each: each.open_seconds) == list(reversed(made))


def _amounts(resources: Resources) -> tuple[int, int, int]:
    return resources.cpu_millis, resources.memory_bytes, resources.pods


def _plus(one: tuple[int, int, int], other: tuple[int, int, int]) -> tuple[int, int, int]:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]
