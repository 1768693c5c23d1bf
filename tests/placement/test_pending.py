"""Pending tasks in the plan: each where the scheduler will put it, and no promise of room that they are to take."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from foretide.placement.plan import NO_ELIGIBLE_NODE, WAIT_BOUND_REACHED, Assignment, NodeState, Running, Waiting
from foretide.placement.resources import Resources
from tests.placement.fleets import GROUPS, NOW, expected, lags, nodes, running, times, waiting
from tests.placement.listed import plan
from tests.placement.test_plan import NEVER, NO_LAGS, ONE, node, seconds, task
from tests.placement.test_plan_properties import LagsByClass, amounts, remaining, waits_of, with_steady_requests

FLEET = [node("f"), node("s", "slow")]
BUSY = Running("r", "f", ONE, 1000, 100.0, seconds(fast=2)["fast"])


def places(assignments: Sequence[Assignment]) -> list[tuple[str | None, float]]:
    return [(each.node, each.open_seconds) for each in assignments]


def test_a_pending_task_takes_the_first_room_where_a_waiting_one_would_wait_for_a_faster_node() -> None:
    patient = plan([task("a", fast=2, slow=20)], [BUSY], FLEET, now_seconds=100.0, lags=NO_LAGS)
    assert places(patient.assignments) == [("f", 102.0)]
    made = plan([], [BUSY], FLEET, now_seconds=100.0, lags=NO_LAGS, pending=[task("a", fast=2, slow=20)])
    assert places(made.pending) == [("s", 100.0)]


def test_of_the_nodes_that_have_room_it_takes_the_one_where_it_ends_first() -> None:
    made = plan([], [], FLEET, now_seconds=100.0, lags=NO_LAGS, pending=[task("a", slow=20, fast=2)])
    assert places(made.pending) == [("f", 100.0)]


def test_waiting_tasks_are_planned_around_the_queue() -> None:
    made = plan(
        [task("a", fast=2)],
        [BUSY],
        FLEET,
        now_seconds=100.0,
        lags=NO_LAGS,
        pending=[task("p", fast=2), task("q", fast=2)],
    )
    assert places(made.pending) == [("f", 102.0), ("f", 104.0)]
    assert places(made.assignments) == [("f", 106.0)]
    assert made.assignments[0].waits_for == "q"


def test_a_pending_task_of_which_nothing_is_expected_keeps_its_room_for_good() -> None:
    made = plan([task("a", fast=2)], [BUSY], FLEET, now_seconds=100.0, lags=NO_LAGS, pending=[task("p"), task("q")])
    assert places(made.pending) == [("s", 100.0), ("f", 102.0)]
    assert made.assignments[0].node is None


def test_a_pending_task_that_may_go_nowhere_keeps_nothing() -> None:
    nowhere = Waiting("p", ONE, 1000, seconds(fast=2), 0.0, "none")
    made = plan([task("a", fast=2)], [], FLEET, now_seconds=100.0, groups=GROUPS, lags=NO_LAGS, pending=[nowhere])
    assert [(each.node, each.reason) for each in made.pending] == [(None, NO_ELIGIBLE_NODE)]
    assert places(made.assignments) == [("f", 100.0)]


@st.composite
def queues(draw: st.DrawFn) -> list[Waiting]:
    """Pending tasks of one size, often more than there is room for."""
    requests = Resources(500 * draw(st.integers(2, 4)), draw(st.integers(0, 2)) * 2**30)
    by_class = {name: expected(draw(times)) for name in draw(st.sampled_from([("a",), ("a", "b", "c")]))}
    group = draw(st.sampled_from([None, "some"]))
    return [
        Waiting(f"p{n}", requests, requests.cpu_millis, by_class, NEVER, group) for n in range(draw(st.integers(1, 12)))
    ]


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[Waiting], list[Waiting], list[Running], list[NodeState], LagsByClass]:
    fleet = with_steady_requests(draw(nodes()))
    return (
        draw(queues()),
        draw(waiting(oversubscribe=False)),
        draw(running(fleet, oversubscribe=False)),
        fleet,
        draw(lags),
    )


@given(cases())
@settings(max_examples=150, deadline=None)
def test_no_slot_is_promised_while_a_pending_task_fits_it(
    case: tuple[list[Waiting], list[Waiting], list[Running], list[NodeState], LagsByClass],
) -> None:
    queue, tasks, there, fleet, delays = case
    made = plan(tasks, there, fleet, now_seconds=NOW, groups=GROUPS, lags=delays, pending=queue)
    alone = plan([], there, fleet, now_seconds=NOW, groups=GROUPS, lags=delays, pending=queue)
    assert made.pending == alone.pending, "those behind the gate change nothing for the queue"
    allowed = GROUPS.get(queue[0].group)
    for node_state in fleet:
        if node_state.node_class not in queue[0].expected or (allowed and node_state.name not in allowed):
            continue
        delay = delays[node_state.node_class or ""]
        runs = [each for each in there if each.node == node_state.name]
        waits = waits_of(runs, node_state)
        held = [(NOW, NOW + remaining(each, waits[each.key]) + delay.release_seconds, each.requests) for each in runs]
        for each in made.pending:
            if each.node == node_state.name:
                end = math.inf if each.finish_seconds is None else each.finish_seconds + delay.release_seconds
                held.append((each.open_seconds, end, queue[0].requests))
        for promised in made.assignments:
            late = [
                each for each in made.pending if each.node is None or each.open_seconds > promised.open_seconds + 1e-6
            ]
            if promised.node == node_state.name and late and promised.reason != WAIT_BOUND_REACHED:
                assert not fits(queue[0].requests, node_state, held, promised.open_seconds)


def fits(requests: Resources, state: NodeState, held: Sequence[tuple[float, float, Resources]], time: float) -> bool:
    used = [amounts(each) for begin, end, each in held if begin <= time + 1e-6 and time < end - 1e-6]
    total = map(sum, zip(amounts(state.in_use), amounts(requests), *used, strict=True))
    need = amounts(requests)
    return all(n == 0 or t <= a for n, t, a in zip(need, total, amounts(state.allocatable), strict=True))
