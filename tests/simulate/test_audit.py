"""Whether an audit sees what a plan leaves idle, and tells good reasons from bad ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from foretide.placement.plan import Assignment, Expected, NodeState, Plan, Running, Waiting
from foretide.placement.resources import Resources
from foretide.placement.together import plan_together
from foretide.simulate.audit import Audit, AuditReport, IdleRoom
from foretide.simulate.cluster import SimTask
from foretide.simulate.engine import simulate
from foretide.simulate.policies import FORETIDE
from tests.simulate.test_engine import LAGS, node, task

FAST, SLOW = node("f", "fast", cpus=1), node("s", "slow", cpus=1)


def audit_of(tasks: Sequence[SimTask], nodes: Sequence[NodeState], plan: Any = plan_together) -> AuditReport:
    audit = Audit(plan)
    outcomes = simulate(tasks, nodes, replace(FORETIDE, plan=audit), lags=LAGS)
    return audit.report(tasks, outcomes, nodes)


def test_a_node_is_left_idle_for_a_task_that_ends_sooner_elsewhere() -> None:
    found = audit_of([task("a", 10.0, 100.0), task("b", 10.0, 100.0)], [FAST, SLOW])
    assert found == AuditReport(
        idle={"EndsSoonerElsewhere": 1}, came_true={"EndsSoonerElsewhere": 1}, kept_beyond_bound=[]
    )


def test_a_reason_that_does_not_come_true_is_counted_as_such() -> None:
    late = replace(task("a", 200.0, 1000.0), expected={"fast": Expected(10.0, 12.0), "slow": Expected(100.0, 120.0)})
    found = audit_of([late, task("b", 10.0, 100.0)], [FAST, SLOW])
    assert found.idle["EndsSoonerElsewhere"] >= 1
    assert found.came_true.get("EndsSoonerElsewhere", 0) < found.idle["EndsSoonerElsewhere"]


def test_where_all_run_at_once_nothing_is_left_idle() -> None:
    assert audit_of([task("a", 10.0, 100.0)], [FAST, SLOW]) == AuditReport(idle={}, came_true={}, kept_beyond_bound=[])


@pytest.mark.parametrize(
    ("slow", "company"),
    [
        (replace(SLOW, lacks=frozenset({"image"})), []),  # 10 s to pull it
        (node("s", "slow"), [Running("r2", "s", Resources(1000, 1, 1), 1000, 0.0, None)]),  # 1.5 times as long
    ],
)
def test_that_it_takes_longer_there_to_pull_an_image_or_beside_others_is_a_reason(
    slow: NodeState, company: list[Running]
) -> None:
    busy = Running("r", "f", Resources(1000, 1, 1), 1000, 0.0, Expected(10.0, 10.0))
    seconds = {"fast": Expected(5.0, 5.0), "slow": Expected(14.0, 14.0, 1.0)}
    one = Waiting("a", Resources(1000, 1, 1), 1000, seconds, 60.0, images=frozenset({"image"}))
    audit = Audit(partial(plan_together, order="Arrival"))
    made = audit([one], [busy, *company], [FAST, slow], now_seconds=0.0, lags=LAGS)
    assert made.assignments[0].node == "f"
    assert audit.idle == [IdleRoom("s", "a", 0.0, "EndsSoonerElsewhere")]


def one_after_the_other(waiting: Sequence[Waiting], running: Any, _nodes: Any, **given: Any) -> Plan:
    """A plan that says of nobody but the first where he will go, and opens him when nothing else runs."""
    now = given["now_seconds"]
    is_free = not running and not given["pending"]
    return Plan(
        tuple(
            Assignment(each.key, now, "f", now, now + 10.0) if is_free and number == 0 else Assignment(each.key, 1e9)
            for number, each in enumerate(waiting)
        ),
        now,
    )


def test_room_that_the_plan_has_no_reason_to_leave_is_unexplained() -> None:
    found = audit_of([task("a", 10.0, 20.0), task("b", 10.0, 20.0)], [FAST, SLOW], one_after_the_other)
    assert found.idle == {"Unexplained": 1}
    assert found.came_true == {}


def test_a_gate_that_is_kept_beyond_its_bound_is_named() -> None:
    bounded = replace(task("b", 10.0, 20.0), latest_open_seconds=5.0)
    found = audit_of([task("a", 10.0, 20.0), bounded], [FAST], one_after_the_other)
    assert found.kept_beyond_bound == ["b"]


@pytest.mark.parametrize("goes_there", [True, False])
def test_a_node_that_is_kept_for_another_comes_true_if_that_one_goes_there(*, goes_there: bool) -> None:
    nodes = [FAST, SLOW]
    tasks = [
        replace(each, latest_open_seconds=2000.0) for each in (task("first", 10.0, 40.0), task("waits", 10.0, 400.0))
    ]

    def plan(waiting: Sequence[Waiting], _running: Any, _nodes: Any, **given: Any) -> Plan:
        now = given["now_seconds"]
        node_name = "s" if goes_there or now < 1.0 else "f"
        said = {
            "first": Assignment("first", max(now, 5.0), node_name, max(now, 5.0), max(now, 5.0) + 40.0),
            "waits": Assignment("waits", now if now > 60.0 else 60.0 + now, "s", 900.0, 1300.0),
        }
        return Plan(tuple(said[each.key] for each in waiting), now)

    as_plan: Any = plan
    audit = Audit(as_plan)
    outcomes = simulate(tasks, nodes, replace(FORETIDE, plan=audit), lags=LAGS)
    kept = [each for each in audit.idle if each.reason == "KeptForAnother" and each.node == "s"]
    assert kept[0] == IdleRoom("s", "waits", kept[0].since_seconds, "KeptForAnother", "first")
    found = audit.report(tasks, outcomes, nodes)
    assert found.came_true.get("KeptForAnother", 0) == (found.idle["KeptForAnother"] if goes_there else 0)


def test_a_plan_is_passed_on_as_it_is() -> None:
    waiting = [Waiting("a", Resources(1000, 1, 1), 1000, {"fast": Expected(10.0, 12.0)}, 60.0)]
    given: dict[str, Any] = {"now_seconds": 0.0, "lags": LAGS}
    assert Audit(plan_together)(waiting, [], [FAST], **given) == plan_together(waiting, [], [FAST], **given)
