"""The demo's figures: what it says of predictions and schedulers is what the tasks say."""

from __future__ import annotations

from typing import Any

import pytest

from demo import figures, report
from demo.columns import COLUMNS, rotated
from demo.percentile import percentile
from demo.replay import Reckoned
from demo.slots import SlotWaits
from demo.task import Task
from tests.demo.ended_tasks import task

NO_WAITS = SlotWaits(())


def columns(default: list[Task], per_pod: list[Task], foretide: list[Task]) -> dict[str, list[Task]]:
    return {"default": default, "per_pod": per_pod, "foretide": foretide}


def figures_of(tasks: dict[str, list[Task]], waits: SlotWaits = NO_WAITS) -> dict[str, Any]:
    reckoned = [Reckoned(each.name, each.node, each.turnaround_seconds, 12.0) for each in tasks["foretide"]]
    return figures.summary(tasks, reckoned, waits)


def test_errors_are_weighed_by_what_the_tasks_took_in_all_runs() -> None:
    found = figures_of(columns([task("a", work=8_000)], [task("b", work=10_000)], [task("c", work=14_000)]))
    assert (found["tasks"], found["finished"], found["paired"]) == (3, 3, 3)
    assert found["wape"] == pytest.approx((2 + 0 + 4) / 32, abs=1e-4)
    assert found["bias"] == pytest.approx((2 + 0 - 4) / 32, abs=1e-4)
    assert found["coverage"] == pytest.approx(1 / 3, abs=1e-4)
    assert figures.is_complete(found)


def test_turnaround_counts_the_wait_and_decides_on_the_deadline() -> None:
    found = figures.turnarounds(
        [
            task("late", work=10_000, wait=5_000, deadline=12.0),
            task("in-time", work=10_000, wait=1_000, deadline=12.0),
            task("free", work=10_000),
        ]
    )
    assert found == {"mean_turnaround_seconds": 12.0, "p95_turnaround_seconds": 14.6, "deadline_hits": 1}


def test_the_plan_is_held_against_both_others_and_stands_beside_hindsight() -> None:
    tasks = columns(
        [task("a", work=20_000, deadline=12.0), task("b", work=40_000, deadline=12.0)],
        [task("c", work=10_000, deadline=12.0), task("d", work=30_000, deadline=12.0)],
        [task("e", work=10_000, deadline=12.0), task("f", work=14_000, deadline=12.0)],
    )
    found = figures_of(tasks, SlotWaits((0.1, 0.2), (4.0,)))
    assert found["mean_to_default"] == pytest.approx(12 / 30)
    assert found["mean_to_per_pod"] == pytest.approx(12 / 20)
    assert found["p95_to_default"] == pytest.approx(13.8 / 39, abs=1e-3)
    assert [found[label]["deadline_hits"] for label in figures.labels()] == [0, 1, 1, 1]
    text = report.comparison(found, tasks)
    assert [line.split()[0] for line in text.splitlines()[2:6]] == ["default", "per_pod", "foretide", "hindsight"]
    assert "mean 0.40 × default and 0.60 × per_pod, p95 0.35 × default" in text
    assert "a slot that came free was taken after 200 ms (p95 3620 ms, 3 tasks)" in text
    assert "told to wait for it, after 150 ms (p95 195 ms, 2 tasks)" in text
    assert "told to wait elsewhere, after 4000 ms (p95 4000 ms, 1 tasks)" in text


def test_the_simulator_is_held_against_what_happened() -> None:
    tasks = [task("a", work=10_000, node_class="fast"), task("b", work=20_000, node_class="slow")]
    reckoned = [Reckoned("a", "fast-1", 9.0, None), Reckoned("b", "fast-2", 12.0, None)]
    found = figures.agreement(tasks, reckoned, {"fast-1": "fast", "fast-2": "fast", "slow-1": "slow"})
    assert (found["mean_error"], found["share_error"]) == (pytest.approx(10.5 / 15 - 1), 0.5)
    text = report.agreement({"default": figures.turnarounds(tasks), "simulated": {"default": found}})
    assert "-30 %" in text
    assert "50 points" in text


def test_tasks_without_a_prediction_are_counted_and_said() -> None:
    found = figures_of(columns(*([task("a", predicted=None, work=1_000)] for _ in range(3))))
    assert found["wape"] is found["bias"] is found["coverage"] is None
    assert "0 of 3 tasks paired; no task carried a prediction" in report.accuracy(found)
    assert not figures.is_complete(found)


def test_several_rounds_are_quoted_each_and_by_their_medians() -> None:
    every = [
        figures_of(columns([task("a", work=each)], [task("b", work=20_000)], [task("c", work=10_000)]))
        for each in (20_000, 40_000, 25_000)
    ]
    together = figures.medians(every, SlotWaits.together([SlotWaits((0.1,)), NO_WAITS, SlotWaits((0.3,), (2.0,))]))
    assert together["runs"] == every
    assert (together["tasks"], together["paired"]) == (9, 9)
    assert together["mean_to_default"] == 0.4
    assert together["default"]["mean_turnaround_seconds"] == 25.0
    assert together["slot_free_to_bound"]["p50_seconds"] == 0.3
    assert together["slot_free_to_bound"]["as_told"]["p50_seconds"] == 0.2
    assert together["slot_free_to_bound"]["replanned"]["tasks"] == 1
    rows = report.rounds(together).splitlines()[2:6]
    assert [row.split()[0] for row in rows] == ["1", "2", "3", "median"]
    assert "0.25" in rows[1]


def test_every_scheduler_goes_first_once_in_three_rounds() -> None:
    orders = [rotated(COLUMNS, number) for number in range(4)]
    assert {order[0] for order in orders[:3]} == set(COLUMNS)
    assert all(set(order) == set(COLUMNS) for order in orders)
    assert orders[3] == orders[0]


@pytest.mark.parametrize(("share", "value"), [(0.0, 1.0), (0.5, 2.5), (0.95, 3.85), (1.0, 4.0)])
def test_a_percentile_is_interpolated(share: float, value: float) -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], share) == pytest.approx(value)
