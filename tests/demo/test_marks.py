"""The marks: which figures are held against which bounds, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo import memory
from demo.columns import COLUMNS
from demo.figures import summary
from demo.marks import held, marks_table
from demo.scenario import ROOT, Scenario
from demo.slots import SlotWaits
from tests.demo.ended_tasks import task

SCENARIOS = [ROOT / "demo" / "scenario.yaml", ROOT / "bench" / "burst.yaml", ROOT / "bench" / "waves.yaml"]


def test_a_figure_at_its_bound_meets_the_mark_and_one_above_does_not() -> None:
    found = held({"a": 0.3, "b": {"p95": 0.31}}, {"a": 0.3, "b.p95": 0.3})
    assert found == {
        "a": {"value": 0.3, "bound": 0.3, "met": True},
        "b.p95": {"value": 0.31, "bound": 0.3, "met": False},
    }
    lines = [line.split() for line in marks_table(found).splitlines()[2:]]
    assert lines == [["a", "0.3", "0.3", "yes"], ["b.p95", "0.31", "0.3", "NO"]]


@pytest.mark.parametrize("figures", [{}, {"b": None}, {"b": {"p95": None}}])
def test_what_was_not_measured_meets_no_mark(figures: dict[str, object]) -> None:
    found = held(figures, {"b.p95": 0.3})
    assert found == {"b.p95": {"value": None, "bound": 0.3, "met": False}}
    assert marks_table(found).splitlines()[-1].split() == ["b.p95", "-", "0.3", "NO"]


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.name)
def test_every_mark_of_a_scenario_names_a_figure(path: Path) -> None:
    tasks = {column.label: [task(column.label, work=8_000, deadline=12.0)] for column in COLUMNS}
    figures = summary(tasks, tasks["default"], SlotWaits((0.1,)))
    found = held(figures, Scenario.load(path).marks)
    assert [name for name, mark in found.items() if mark["value"] is None] == []


def test_every_mark_of_memory_names_a_figure() -> None:
    figures = {"rss_mib": {name: {"now": 1.0, "peak": 2.0} for name in memory.MODULES.values()}}
    assert all(mark["value"] == 2.0 for mark in held(figures, memory.MARKS).values())


def test_fewer_deadlines_met_than_by_default_meets_no_mark() -> None:
    late, in_time = task("late", work=20_000, deadline=12.0), task("ok", work=8_000, deadline=12.0)
    bound = {"deadline_hits_below_default": 0.0}
    worse = summary({"default": [in_time], "per_pod": [in_time], "foretide": [late]}, [late], SlotWaits(()))
    better = summary({"default": [late], "per_pod": [in_time], "foretide": [in_time]}, [late], SlotWaits(()))
    assert [held(each, bound)["deadline_hits_below_default"]["met"] for each in (worse, better)] == [False, True]
