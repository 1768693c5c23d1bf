"""What holds of every plan, whatever the fleet, the tasks and what runs already."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretide.placement.completion import LEAST_SECONDS, RunningTask, remaining_seconds
from foretide.placement.plan import NOT_PREDICTED, WAIT_BOUND_REACHED, NodeState, Plan, Running, Waiting
from foretide.placement.pulls import Pulling, PullTimes
from foretide.placement.resources import Resources
from foretide.placement.timeline import Lags
from tests.placement.fleets import GROUPS, NOW, lags, nodes, running, waiting
from tests.placement.listed import plan

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
        replace(each, expected=dict(rng.sample(sorted(each.expected.items()), len(each.expected)))) for each in tasks
    ]
    again = make(shuffled, rng.sample(there, len(there)), rng.sample(fleet, len(fleet)), delays)
    assert again == make(tasks, there, fleet, delays)


def with_steady_requests(fleet: Sequence[NodeState]) -> list[NodeState]:
    """Nodes on which what is there for good uses what it requests, so that who fits is not slowed."""
    return [NodeState(n.name, n.node_class, n.allocatable, n.in_use, n.in_use.cpu_millis) for n in fleet]


@given(cases(oversubscribe=False))
@settings(max_examples=120, deadline=None)
def test_no_slot_is_promised_twice(
    case: tuple[list[Waiting], list[Running], list[NodeState], LagsByClass],
) -> None:
    tasks, there, fleet, delays = case
    fleet = with_steady_requests(fleet)
    check_requests(make(tasks, there, fleet, delays), tasks, there, fleet, delays)


@given(cases(), waiting(most=3))
@settings(max_examples=120, deadline=None)
def test_no_slot_is_promised_twice_where_cores_are_shared_and_others_are_pending(
    case: tuple[list[Waiting], list[Running], list[NodeState], LagsByClass], queue: list[Waiting]
) -> None:
    tasks, there, fleet, delays = case
    queue = [replace(each, key=f"pending-{each.key}") for each in queue]
    made = plan(tasks, there, fleet, now_seconds=NOW, groups=GROUPS, lags=delays, pending=queue)
    everything = Plan((*made.pending, *made.assignments), NOW)
    check_requests(everything, [*queue, *tasks], there, fleet, delays)


def check_requests(
    made: Plan,
    tasks: Sequence[Waiting],
    there: Sequence[Running],
    fleet: Sequence[NodeState],
    delays: LagsByClass,
) -> None:
    """Swept over time apart from the plan's own books: requests always fit, and each task ends when the plan says."""
    by_key = {each.key: each for each in tasks}
    for node in fleet:
        delay = delays[node.node_class or ""]
        runs = [each for each in there if each.node == node.name]
        planned = [each for each in made.assignments if each.node == node.name]
        waits = waits_of(runs, node)
        works = [Work(NOW, remaining(each, waits[each.key]), each.cpu_millis) for each in runs]
        for done in planned:
            task = by_key[done.key]
            known = task.expected.get(node.node_class or "")
            alone = math.inf if known is None or done.reason == NOT_PREDICTED else known.median_seconds
            alone += done.pull_seconds
            pulls = PullTimes().seconds("any", None) * len(node.lacks & task.images)
            assert -1e-9 <= done.pull_seconds <= pulls + 1e-9
            works.append(Work(done.start_seconds or 0.0, alone, task.cpu_millis))
        ends = ends_of(works, node)
        held = [(NOW, end + delay.release_seconds, each.requests) for each, end in zip(runs, ends, strict=False)]
        for done, work, end in zip(planned, works[len(runs) :], ends[len(runs) :], strict=True):
            said = math.inf if done.finish_seconds is None else done.finish_seconds
            assert said == pytest.approx(end, abs=1e-5)
            opened = work.start_seconds - delay.open_to_bind_seconds
            held.append((opened, end + delay.release_seconds, by_key[done.key].requests))
        for time in {begin for begin, _, _ in held}:
            # A rounding of the times must not count as an overlap.
            used = [amounts(each) for begin, end, each in held if begin <= time + 1e-6 and time + 1e-6 < end - 1e-6]
            total = map(sum, zip(amounts(node.in_use), *used, strict=True))
            assert all(a <= b for a, b in zip(total, amounts(node.allocatable), strict=True))


@dataclass
class Work:
    """What runs from a time on, and the seconds that it takes alone."""

    start_seconds: float
    alone_seconds: float
    cpu_millis: int


def waits_of(runs: Sequence[Running], node: NodeState) -> dict[str, float]:
    """What running tasks wait for images that the node lacks; who was bound first pulls for all."""
    pulling = Pulling(PullTimes(), [node.lacks], [node.node_class])
    in_order = sorted(runs, key=lambda each: (each.bound_seconds, each.key))
    return {each.key: pulling.start(0, each.images, each.bound_seconds) for each in in_order}


def remaining(running: Running, pull_seconds: float) -> float:
    """Seconds that a running task still takes alone."""
    if running.expected is None:
        return math.inf
    median, upper = running.expected.median_seconds + pull_seconds, running.expected.upper_seconds + pull_seconds
    elapsed = NOW - running.bound_seconds
    return max(remaining_seconds(RunningTask(running.cpu_millis, median, upper, elapsed)), LEAST_SECONDS)


def ends_of(works: Sequence[Work], node: NodeState) -> list[float]:
    """When each ends, found by going from one start or end to the next and reckoning everything anew."""
    left = [work.alone_seconds for work in works]
    ends = [math.inf] * len(works)
    clock = NOW
    while clock < math.inf:
        active = [place for place, work in enumerate(works) if work.start_seconds <= clock and ends[place] == math.inf]
        demand = node.steady_cpu_millis + sum(works[place].cpu_millis for place in active)
        slower = max(1.0, demand / node.allocatable.cpu_millis)
        starts = [work.start_seconds for work in works if work.start_seconds > clock]
        then = min([*starts, *(clock + left[place] * slower for place in active)], default=math.inf)
        for place in active if then < math.inf else []:
            left[place] -= (then - clock) / slower
            if left[place] < 1e-9:
                ends[place] = then
        clock = then
    return ends


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
    fleet = with_steady_requests(fleet)
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
