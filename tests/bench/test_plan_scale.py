"""The cases of the bench of the plan are what they say: so many tasks wait, run, and are predicted on every class."""

from __future__ import annotations

from bench.plan_scale import CASES, CLASSES, MARKS, NODES, TASKS, make
from demo.marks import held


def test_the_planner_reads_as_many_tasks_and_nodes_as_the_case_says() -> None:
    floor = make(CASES["full nodes"]).read()
    assert (len(floor.waiting), len(floor.nodes), len(floor.running)) == (TASKS, NODES, 4 * NODES)
    assert {node.node_class for node in floor.nodes} == {f"class-{index:02d}" for index in range(CLASSES)}
    assert all(len(task.expected) == CLASSES for task in floor.waiting)
    assert all(node.in_use.cpu_millis == 200 for node in floor.nodes)
    assert not floor.unread


def test_the_mark_names_a_figure_of_a_case() -> None:
    [name] = held({"cases": {case: {"plan_milliseconds_median": 1.0} for case in CASES}}, MARKS).values()
    assert name["value"] == 1.0
