"""Hindsight: the same tasks, planned and run with the times that really occurred."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from demo.replay import Reckoned, mean_seconds, replay
from demo.task import Task
from foretide.placement.plan import Expected, NodeState
from foretide.placement.resources import Resources
from foretide.simulate.policies import DEFAULT, ORACLE
from tests.demo.ended_tasks import ONE_CPU, task

FAST = NodeState("fast-1", "fast", Resources(1000, 2 * 2**30, 110))
SLOW = NodeState("slow-1", "slow", Resources(1000, 2 * 2**30, 110))
OPEN = 0.02 + 0.05
"""From what happens to the planner's turn, and from the gate's opening to the binding."""


def hindsight(
    tasks: Sequence[Task],
    every_run: Sequence[Sequence[Task]],
    nodes: Sequence[NodeState],
    *,
    predicted: Mapping[str, Mapping[str, float]],
    next_when_ended: float,
) -> list[Reckoned]:
    expected = {
        workload: {name: Expected(seconds, 1.2 * seconds) for name, seconds in by_class.items()}
        for workload, by_class in predicted.items()
    }
    return replay(tasks, every_run, nodes, ORACLE, predicted=expected, next_when_ended=next_when_ended)


def test_a_task_takes_on_its_own_class_what_it_really_took() -> None:
    ran = [task("a", work=10_000, node_class="fast"), task("b", work=14_000, node_class="fast", wave=2)]
    found = hindsight(ran, [ran], [FAST], predicted={}, next_when_ended=1.0)
    # The second wave came 10 s before the first had ended: then it comes at once.
    assert [each.turnaround_seconds for each in found] == pytest.approx([10 + OPEN, 14 + OPEN + 1.0])


def test_on_another_class_it_takes_what_its_workload_took_there_in_any_run() -> None:
    planned = [task("a", work=10_000, node_class="fast"), task("b", work=10_000, node_class="fast", wait=11_000)]
    other = [task("c", work=14_000, node_class="slow"), task("d", work=16_000, node_class="slow")]
    found = hindsight(planned, [planned, other], [FAST, SLOW], predicted={"net": {"slow": 1.0}}, next_when_ended=1.0)
    assert mean_seconds(other) == {"net": {"slow": 15.0}}
    assert sorted((each.node, round(each.turnaround_seconds, 2)) for each in found) == [
        ("fast-1", 10 + OPEN),
        ("slow-1", 15 + OPEN),
    ]


def test_where_none_ran_the_prediction_stands_in() -> None:
    ran = [task("a", work=10_000, node_class="fast")]
    found = hindsight(ran, [ran], [FAST, SLOW], predicted={"net": {"slow": 6.0, "fast": 1.0}}, next_when_ended=1.0)
    assert [each.node for each in found] == ["slow-1"]
    assert found[0].turnaround_seconds == pytest.approx(6 + OPEN)


def test_the_next_wave_comes_when_enough_of_the_last_have_ended_there_too() -> None:
    first = [task(f"a{n}", work=10_000, wait=11_000 * n, node_class="fast") for n in range(4)]
    # Really the third of four ended after 32 s, and the next wave came 0.5 s later.
    second = [task("b", work=10_000, wait=10_500, wave=2, created=32_500, node_class="fast", deadline=30.0)]
    found = hindsight([*first, *second], [[*first, *second]], [FAST], predicted={}, next_when_ended=0.75)
    last = found[-1]
    # By the rule: third end at 32.19 s, wave at 32.69 s, the fourth ends at 43.26 s and is released at 44.26 s.
    assert last.name == "b"
    assert last.turnaround_seconds == pytest.approx(54.33 - 32.69)
    assert last.met_deadline


def test_turnaround_counts_from_the_task_s_own_creation() -> None:
    ran = [task("a", work=10_000, node_class="fast"), task("b", work=10_000, created=300, node_class="slow")]
    found = hindsight(ran, [ran], [FAST, SLOW], predicted={}, next_when_ended=1.0)
    assert sorted(each.turnaround_seconds for each in found) == pytest.approx([10.07, 10.37])
    assert ran[0].requests == ONE_CPU


def test_without_a_plan_tasks_go_as_they_come_to_whom_the_policy_prefers() -> None:
    ran = [task("a", work=10_000, node_class="fast"), task("b", work=10_000, created=300, node_class="slow")]
    found = replay(ran, [ran], [FAST, SLOW], DEFAULT, predicted={}, next_when_ended=1.0)
    assert {each.node for each in found} == {"fast-1", "slow-1"}
    assert [each.turnaround_seconds for each in found] == pytest.approx([10.05, 10.05])
