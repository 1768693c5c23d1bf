"""Order policies: each puts first whom it is for, and none of them lets anybody starve."""

from __future__ import annotations

import random
import statistics
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretide.placement.assign import assign
from foretide.placement.order import OBJECTIVES, Order
from foretide.placement.plan import Expected, NodeState, Plan, Waiting
from foretide.placement.resources import Resources
from foretide.placement.timeline import Lags
from foretide.placement.together import plan_together
from foretide.simulate.cluster import SimTask
from foretide.simulate.engine import simulate
from foretide.simulate.policies import FORETIDE, orders
from tests.placement.test_assign import classes_of, job, turnarounds
from tests.placement.test_plan_properties import with_steady_requests
from tests.placement.test_together_properties import Case, cases

ONE = Resources(1000, 1)
NO_LAGS = {"c": Lags(0.0, 0.0)}
NEVER = 1e9
POLICIES = {"Balanced": FORETIDE} | {policy.name: policy for policy in orders()}


def task(key: str, seconds: float, **options: float | str) -> Waiting:
    made = Waiting(key, ONE, 1000, {"c": Expected(seconds, seconds)}, NEVER, arrival_seconds=0.0)
    return replace(made, **options)  # type: ignore[arg-type]


def slots(count: int) -> list[NodeState]:
    return [NodeState(f"node-{index}", "c", Resources(1000, 2**33, 110)) for index in range(count)]


def begun(made: Plan) -> list[str]:
    """Keys in the order in which they start."""
    return [each.key for each in sorted(made.assignments, key=lambda each: each.start_seconds or 0.0)]


def planned(tasks: list[Waiting], order: Order, *, nodes: int = 1, now: float = 0.0) -> list[str]:
    return begun(plan_together(tasks, [], slots(nodes), now_seconds=now, lags=NO_LAGS, order=order))


@given(cases(oversubscribe=False), st.integers(0, 10))
@settings(max_examples=150, deadline=None)
def test_in_order_of_arrival_nobody_knows_who_comes_later(case: Case, count: int) -> None:
    tasks, fleet = [replace(task, priority=0) for task in case.tasks], with_steady_requests(case.fleet)
    case = replace(case, tasks=tasks, fleet=fleet, order="Arrival")
    among_all, alone = case.made().assignments, case.made(case.tasks[:count]).assignments
    for one, other in zip(among_all, alone, strict=False):
        assert replace(one, waits_for=None) == replace(other, waits_for=None)


def test_the_first_to_come_is_the_first_to_start_only_in_order_of_arrival() -> None:
    tasks = [task("long", 10.0), *(task(f"short-{n}", 1.0) for n in range(5))]
    assert planned(tasks, "Arrival")[0] == "long"
    assert {planned(tasks, order)[-1] for order in get_args(Order) if order != "Arrival"} == {"long"}


def test_the_shortest_goes_first_though_the_long_one_has_waited() -> None:
    tasks = [task("long", 10.0, arrival_seconds=-500.0), *(task(f"short-{n}", 2.0) for n in range(5))]
    assert planned(tasks, "Balanced")[0] == "long"
    assert planned(tasks, "ShortestFirst")[-1] == "long"


def test_whose_deadline_is_near_goes_first_though_many_wait_for_it() -> None:
    tasks = [*(task(f"short-{n}", 2.0) for n in range(5)), task("due", 10.0, due_seconds=12.0)]
    assert planned(tasks, "Balanced")[-1] == "due"
    assert planned(tasks, "DeadlineSlack")[:2].count("due") == 1


def test_a_deadline_that_cannot_be_kept_any_more_keeps_nobody_waiting() -> None:
    tasks = [*(task(f"short-{n}", 2.0) for n in range(5)), task("late", 10.0, due_seconds=5.0)]
    assert planned(tasks, "DeadlineSlack")[-1] == "late"


def test_a_namespace_that_floods_slows_down_itself() -> None:
    """Forty tasks of one and two of the other, which are longer: by themselves they would come last."""
    rng = random.Random(0)
    flood = [task(f"flood-{n}", rng.uniform(1, 3), team="flood") for n in range(40)]
    trickle = [task(f"trickle-{n}", 4.0, team="trickle") for n in range(2)]
    places = {order: planned([*flood, *trickle], order, nodes=2) for order in ("Balanced", "FairShare")}
    at = {order: max(found.index(each.key) for each in trickle) for order, found in places.items()}
    assert at["FairShare"] < 10 < at["Balanced"]


def test_short_tasks_and_long_ones_of_two_namespaces_are_slowed_down_more_alike() -> None:
    ratios: dict[Order, list[float]] = {"Balanced": [], "FairShare": []}
    for seed in range(8):
        rng = random.Random(seed)
        short = [job(work, 3 * work, team="short") for work in (rng.uniform(0.2, 0.5) for _ in range(40))]
        long = [
            job(work, 3 * work, age=rng.uniform(0, 20), team="long") for work in (rng.uniform(5, 10) for _ in range(10))
        ]
        for order, found in ratios.items():
            sites, objective = classes_of([[0.0, 0.0], [0.0, 0.0]]), OBJECTIVES[order]
            assert objective is not None
            ended = turnarounds(
                assign([*short, *long], sites, budget=20_000, objective=objective), [*short, *long], sites
            )
            slowed = [ended[index] / each.seconds[0] for index, each in enumerate([*short, *long])]
            found.append(statistics.fmean(slowed[: len(short)]) / statistics.fmean(slowed[len(short) :]))
    assert statistics.fmean(ratios["FairShare"]) < 0.97 * statistics.fmean(ratios["Balanced"])


@pytest.mark.parametrize("order", get_args(Order))
def test_a_long_task_among_ever_more_short_ones_starts_by_its_bound(order: Order) -> None:
    """One slot, and a second of work every second: there is never a gap for ten seconds of it."""
    bound_seconds = 20.0

    def arriving(key: str, at: float, seconds: float) -> SimTask:
        expected = {"c": Expected(seconds, seconds)}
        return SimTask(key, key, at, ONE, 1000, {"c": seconds}, expected, latest_open_seconds=at + bound_seconds)

    tasks = [arriving("long", 0.5, 10.0), *(arriving(f"short-{n:02d}", float(n), 1.0) for n in range(60))]
    outcomes = simulate(tasks, slots(1), POLICIES[order], lags=NO_LAGS)
    long = outcomes[0]
    assert long.start_seconds - long.arrival_seconds <= bound_seconds + 2.0, "what runs then ends first"
