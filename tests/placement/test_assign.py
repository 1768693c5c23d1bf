"""The search over assignments, beside the exact optimum where there is one, and what it must respect everywhere."""

from __future__ import annotations

import itertools
import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from foretide.placement.assign import Aim, assign
from foretide.placement.costs import Job
from foretide.placement.order import OBJECTIVES, Objective, Order
from foretide.placement.resources import Axes, Resources
from foretide.placement.slots import Site, sites_of
from foretide.placement.timeline import Lags, Shape, Timeline

ENOUGH = 200_000
REQUESTS = Resources(1000, 1, 1)
SHAPE = Shape(Axes([REQUESTS]).amounts(REQUESTS), 1000)
GAP = 1.8


def classes_of(ready: list[list[float]]) -> list[Site]:
    """One-slot nodes of each class, free from then on; places count through all of them."""
    timelines: list[Timeline] = []
    found: list[Site] = []
    for of_class in ready:
        places = []
        for seconds in of_class:
            places.append(len(timelines))
            timelines.append(
                Timeline(
                    f"node-{len(timelines)}",
                    allocatable=(1000, 2**31, 110),
                    in_use=(0, 0, 0),
                    steady_millis=0,
                    lags=Lags(GAP, 0.0),
                    now_seconds=0.0,
                )
            )
            if seconds:
                timeline = timelines[-1]
                offer = timeline.offer(SHAPE, seconds - GAP)
                assert offer is not None
                timeline.commit("before", SHAPE, offer)
        found += sites_of(f"class-{len(found)}", timelines, places, {SHAPE: 1}, {}, most=1000, wanted=frozenset())
    return found


def job(*seconds: float, age: float = 0.0, due: float = math.inf, **options: object) -> Job:
    return Job(
        seconds=list(seconds),
        extra_seconds=[0.0] * len(seconds),
        widths=[1.0] * len(seconds),
        age_seconds=age,
        due_seconds=due,
        **options,  # type: ignore[arg-type]
    )


def objective(order: Order) -> Objective:
    """What a plan by that order makes least."""
    found = OBJECTIVES[order]
    assert found is not None
    return found


def case(seed: int, *, jobs: int, nodes: int) -> tuple[list[Job], list[list[float]]]:
    """Classes an order of magnitude apart, jobs that like some more than others, some nodes busy for a while."""
    rng = random.Random(seed)
    slowness = [10 ** rng.uniform(0, 1) for _ in range(4)]
    ready = [[rng.choice((0.0, rng.uniform(2, 20))) for _ in range(nodes // 4)] for _ in slowness]
    made = []
    for _ in range(jobs):
        work = rng.uniform(1, 10)
        made.append(job(*(work * factor * rng.uniform(0.6, 1.6) for factor in slowness)))
    return made, ready


def turnarounds(aims: list[Aim], jobs: list[Job], classes: list[Site]) -> dict[int, float]:
    class_of = {slot.place: c for c, each in enumerate(classes) for slot in each.slots}
    return {
        aim.job: jobs[aim.job].age_seconds + aim.open_seconds + jobs[aim.job].seconds[class_of[aim.place]]
        for aim in aims
    }


def least_sum(jobs: list[Job], ready: list[list[float]]) -> float:
    """The least sum of turnarounds: k-th from the end on a node delays k jobs, an assignment problem."""
    columns = [(c, seconds) for c, of_class in enumerate(ready) for seconds in of_class]
    deepest = -(-len(jobs) // len(columns)) * 2 + 4
    costs = np.array(
        [
            [k * each.seconds[c] + (k - 1) * GAP + seconds for k in range(1, deepest + 1) for c, seconds in columns]
            for each in jobs
        ]
    )
    return float(costs[linear_sum_assignment(costs)].sum())


@pytest.mark.parametrize(("jobs", "nodes"), [(8, 4), (30, 8), (60, 40), (150, 40)])
def test_turnarounds_are_near_the_least_sum_though_the_last_count_for_more(jobs: int, nodes: int) -> None:
    ratios = []
    for seed in range(12):
        made, ready = case(seed, jobs=jobs, nodes=nodes)
        classes = classes_of(ready)
        found = turnarounds(assign(made, classes, budget=ENOUGH), made, classes)
        assert len(found) == jobs
        ratios.append(sum(found.values()) / least_sum(made, ready))
    assert min(ratios) >= 1 - 1e-9
    assert max(ratios) <= 1.15, ratios
    assert statistics.fmean(ratios) <= 1.06, ratios


def priced(order: Sequence[tuple[int, int]], jobs: list[Job], ready: Sequence[float]) -> float:
    """What the search has to make least, reckoned the plain way: ``order`` is of (job, slot)."""
    now, total = list(ready), 0.0
    for index, slot in order:
        end = now[slot] + jobs[index].seconds[slot]
        total += (jobs[index].age_seconds + end) ** 1.5
        total += min(jobs[index].seconds) ** 1.5 * (end > jobs[index].due_seconds)
        now[slot] = end + GAP
    return total


def test_small_cases_are_near_the_best_of_all_orders_and_nodes() -> None:
    ratios = []
    for seed in range(25):
        rng = random.Random(seed)
        ready = [0.0, rng.uniform(2, 9)]
        jobs = [
            job(work, work * rng.uniform(0.5, 4), age=rng.choice((0.0, rng.uniform(0, 40))), due=rng.uniform(3, 40))
            for work in (rng.uniform(1, 10) for _ in range(5))
        ]
        best = min(
            priced(tuple(zip(order, slots, strict=True)), jobs, ready)
            for order in itertools.permutations(range(5))
            for slots in itertools.product((0, 1), repeat=5)
        )
        aims = assign(jobs, classes_of([[seconds] for seconds in ready]), budget=ENOUGH)
        ratios.append(priced([(aim.job, aim.place) for aim in aims], jobs, ready) / best)
    assert min(ratios) >= 1 - 1e-9
    assert max(ratios) <= 1.15, ratios
    assert statistics.fmean(ratios) <= 1.02, ratios


jobs_strategy = st.lists(
    st.builds(
        lambda fast, factor, age, due: job(fast, fast * factor, age=age, due=due),
        st.floats(0.1, 100),
        st.floats(0.5, 20),
        st.floats(0, 500),
        st.one_of(st.just(math.inf), st.floats(-100, 500)),
    ),
    max_size=12,
)


@settings(deadline=None, max_examples=60)
@given(
    jobs_strategy, st.lists(st.lists(st.floats(2, 50) | st.just(0.0), min_size=1, max_size=3), min_size=2, max_size=2)
)
def test_every_job_is_aimed_once_and_no_two_overlap(jobs: list[Job], ready: list[list[float]]) -> None:
    classes = classes_of(ready)
    aims = assign(jobs, classes, budget=2000)
    assert sorted(aim.job for aim in aims) == list(range(len(jobs)))
    assert assign(jobs, classes_of(ready), budget=2000) == aims, "the same each time"
    class_of = {slot.place: c for c, each in enumerate(classes) for slot in each.slots}
    for place in class_of:
        there = sorted((aim.open_seconds, jobs[aim.job].seconds[class_of[place]]) for aim in aims if aim.place == place)
        for (begin, seconds), (later, _) in itertools.pairwise(there):
            assert later >= begin + seconds + GAP - 1e-6


def test_a_job_goes_only_where_it_may() -> None:
    inf = math.inf
    classes = classes_of([[0.0, 0.0], [0.0]])
    aims = assign(
        [job(1.0, 9.0, places=frozenset({1})), job(1.0, 9.0, places=frozenset({1})), job(inf, 9.0), job(inf, inf)],
        classes,
        budget=ENOUGH,
    )
    assert {aim.job: aim.place for aim in aims} == {0: 1, 1: 1, 2: 2}


def test_the_fast_node_is_left_to_whom_needs_it() -> None:
    """The first gains 1 s there, the second 20: list scheduling in order of arrival would give it to the first."""
    aims = assign([job(10.0, 11.0), job(10.0, 30.0)], classes_of([[0.0], [0.0]]), budget=ENOUGH)
    assert {aim.job: aim.place for aim in aims} == {0: 1, 1: 0}


def test_the_fast_node_is_left_to_whom_has_a_deadline_to_keep() -> None:
    """Both gain as much; the second would be late elsewhere."""
    jobs = [job(10.0, 14.0), job(10.0, 14.0, due=12.0)]
    aims = assign(jobs, classes_of([[0.0], [0.0]]), budget=ENOUGH)
    assert {aim.job: aim.place for aim in aims} == {0: 1, 1: 0}


def test_a_long_job_that_has_waited_long_goes_before_short_ones() -> None:
    short = [job(2.0) for _ in range(6)]
    fresh = assign([job(10.0), *short], classes_of([[0.0]]), budget=ENOUGH)
    assert fresh[-1].job == 0
    aged = assign([job(10.0, age=500.0), *short], classes_of([[0.0]]), budget=ENOUGH)
    assert aged[0].job == 0


def test_no_job_is_left_beyond_its_bound_for_the_good_of_others() -> None:
    short = [job(2.0) for _ in range(6)]
    aims = assign([job(10.0, latest_open_seconds=8.0), *short], classes_of([[0.0]]), budget=ENOUGH)
    assert next(aim.open_seconds for aim in aims if aim.job == 0) <= 8.0


def test_no_job_is_left_beyond_its_bound_for_the_deadlines_of_others() -> None:
    """Five of them miss theirs for it, and deadlines are what is planned for."""
    others = [job(10.0, due=10.5 + (10.0 + GAP) * number) for number in range(5)]
    aims = assign(
        [job(10.0, latest_open_seconds=1.0), *others],
        classes_of([[0.0]]),
        budget=ENOUGH,
        objective=objective("DeadlineSlack"),
    )
    assert aims[0].job == 0


def test_no_job_is_left_beyond_its_bound_because_its_team_has_much_work() -> None:
    """Where teams share alike, each of the other's jobs counts 2,500 times as much."""
    short = [job(1.0, team="short") for _ in range(4)]
    aims = assign(
        [job(100.0, team="long", latest_open_seconds=0.5), *short],
        classes_of([[0.0]]),
        budget=ENOUGH,
        objective=objective("FairShare"),
    )
    assert aims[0].job == 0


def test_who_is_expected_soon_keeps_others_from_waiting_for_the_fastest_node() -> None:
    """Alone it waits 4 s for the fast node; if two more such jobs are to come, it takes the slow one at once."""
    ready = [[5.0], [0.0, 0.0]]
    assert [aim.place for aim in assign([job(4.0, 10.0)], classes_of(ready), budget=ENOUGH)] == [0]
    coming = [job(4.0, 10.0, age=-age, is_expected=True) for age in (1.0, 2.0)]
    (aim,) = assign([job(4.0, 10.0), *coming], classes_of(ready), budget=ENOUGH)
    assert (aim.job, aim.place) == (0, 1)


def test_the_search_goes_on_from_what_was_meant_before() -> None:
    made, ready = case(3, jobs=40, nodes=8)
    first = {aim.job: aim for aim in assign(made, classes_of(ready), budget=ENOUGH)}
    again = [
        Job(
            each.seconds,
            each.extra_seconds,
            each.widths,
            each.age_seconds,
            previous_place=first[index].place,
            previous_seconds=first[index].open_seconds,
        )
        for index, each in enumerate(made)
    ]
    kept = assign(again, classes_of(ready), budget=0)
    assert {aim.job: aim.place for aim in kept} == {index: aim.place for index, aim in first.items()}


def test_a_job_twice_as_wide_keeps_the_next_waiting_twice_as_long() -> None:
    wide = Job(seconds=[4.0], extra_seconds=[0.0], widths=[2.0], age_seconds=100.0)
    first, second = assign([wide, job(4.0)], classes_of([[0.0]]), budget=ENOUGH)
    assert (first.job, second.open_seconds) == (0, 2 * (4.0 + GAP))


def test_no_team_is_slowed_down_much_more_than_others() -> None:
    """Among tasks of one team the short ones pay for the long: what is long counts for more seconds."""
    unfair: list[float] = []
    fair: list[float] = []
    for seed in range(8):
        rng = random.Random(seed)
        short = [job(work, 3 * work) for work in (rng.uniform(0.2, 0.5) for _ in range(40))]
        long = [job(work, 3 * work, age=rng.uniform(0, 20)) for work in (rng.uniform(5, 10) for _ in range(10))]
        for team, found in (("a", unfair), ("b", fair)):
            jobs = [replace(each, team="a") for each in short] + [replace(each, team=team) for each in long]
            sites = classes_of([[0.0, 0.0], [0.0, 0.0]])
            ended = turnarounds(assign(jobs, sites, budget=ENOUGH), jobs, sites)
            slowed = [ended[index] / min(each.seconds) for index, each in enumerate(jobs)]
            found.append(statistics.fmean(slowed[: len(short)]) / statistics.fmean(slowed[len(short) :]))
    assert statistics.fmean(fair) < 0.9 * statistics.fmean(unfair)
