"""Hindsight: the same tasks, planned and run with the times that really occurred."""

from __future__ import annotations

import pytest

from demo.hindsight import hindsight, mean_seconds
from foretide.placement.plan import NodeState
from foretide.placement.resources import Resources
from tests.demo.ended_tasks import ONE_CPU, task

FAST = NodeState("fast-1", "fast", Resources(1000, 2 * 2**30, 110))
SLOW = NodeState("slow-1", "slow", Resources(1000, 2 * 2**30, 110))
BIND = 0.05


def test_a_task_takes_on_its_own_class_what_it_really_took() -> None:
    ran = [task("a", work=10_000, node_class="fast"), task("b", work=14_000, node_class="fast", wave=2)]
    found = hindsight(ran, [ran], [FAST], predicted={}, next_when_ended=1.0)
    # The second wave came 10 s before the first had ended: then it comes at once.
    assert [each.turnaround_seconds for each in found] == pytest.approx([10 + BIND, 14 + BIND + 1.0])


def test_on_another_class_it_takes_what_its_workload_took_there_in_any_run() -> None:
    planned = [task("a", work=10_000, node_class="fast"), task("b", work=10_000, node_class="fast", wait=11_000)]
    other = [task("c", work=14_000, node_class="slow"), task("d", work=16_000, node_class="slow")]
    found = hindsight(planned, [planned, other], [FAST, SLOW], predicted={"net": {"slow": 1.0}}, next_when_ended=1.0)
    assert mean_seconds(other) == {"net": {"slow": 15.0}}
    assert sorted((each.node, round(each.turnaround_seconds, 2)) for each in found) == [
        ("fast-1", 10 + BIND),
        ("slow-1", 15 + BIND),
    ]


def test_where_none_ran_the_prediction_stands_in() -> None:
    ran = [task("a", work=10_000, node_class="fast")]
    found = hindsight(ran, [ran], [FAST, SLOW], predicted={"net": {"slow": 6.0, "fast": 1.0}}, next_when_ended=1.0)
    assert [each.node for each in found] == ["slow-1"]
    assert found[0].turnaround_seconds == pytest.approx(6 + BIND)


def test_the_next_wave_comes_when_enough_of_the_last_have_ended_there_too() -> None:
    first = [task(f"a{n}", work=10_000, wait=11_000 * n, node_class="fast") for n in range(4)]
    # Really the third of four ended after 32 s, and the next wave came 0.5 s later.
    second = [task("b", work=10_000, wait=10_500, wave=2, created=32_500, node_class="fast", deadline=30.0)]
    found = hindsight([*first, *second], [[*first, *second]], [FAST], predicted={}, next_when_ended=0.75)
    last = found[-1]
    # By the rule: third end at 32.15 s, wave at 32.65 s, the fourth ends at 43.2 s and is released at 44.2 s.
    assert last.name == "b"
    assert last.turnaround_seconds == pytest.approx(54.25 - 32.65)
    assert last.met_deadline


def test_turnaround_counts_from_the_task_s_own_creation() -> None:
    ran = [task("a", work=10_000, node_class="fast"), task("b", work=10_000, created=300, node_class="slow")]
    found = hindsight(ran, [ran], [FAST, SLOW], predicted={}, next_when_ended=1.0)
    assert sorted(each.turnaround_seconds for each in found) == pytest.approx([10.05, 10.35])
    assert ran[0].requests == ONE_CPU
