"""What a workload's status tells of tasks that wait, and how seldom it is written because of them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from foretide_kube.kinds.aiworkload import RunCounts
from foretide_kube.kinds.common import find_condition
from foretide_kube.pod_plan import PodPlan
from foretide_operator.actions import WriteStatus
from foretide_operator.reduce import reduce_pod
from foretide_operator.workload.reconcile import Decision, decide
from foretide_operator.workload.waiting import Waiting, read_waiting
from tests.operator.cluster_objects import ago, pod_of
from tests.operator.test_workload_reconcile import JOB_RUN, facts, known, predict, run_stored, with_status


def waiting_pod(
    job: Any, plan: PodPlan | str | None = None, *, gate: str = "foretide.dev/plan", **metadata: Any
) -> Any:
    pod = pod_of(job, phase="Pending", node_name=None)
    pod["spec"]["schedulingGates"] = [{"name": gate}]
    pod["metadata"] |= metadata
    if plan is not None:
        text = plan if isinstance(plan, str) else msgspec.json.encode(plan).decode()
        pod["metadata"]["annotations"]["foretide.dev/plan"] = text
    return reduce_pod(pod)


def plan(node: str, start: float, finish: float) -> PodPlan:
    """Expected in so many seconds from now."""
    return PodPlan(node=node, expected_start_time=ago(-start), expected_finish_time=ago(-finish))


GIVEN = known(run=JOB_RUN)
JOB = run_stored(GIVEN, active=3)


def look(workload: Any, *pods: Any, rest: float = 0.0, **status: Any) -> Decision:
    job = {**JOB, "status": {"active": 3, **status}}
    return decide(facts(workload=workload, run_jobs=(job,), run_pods=pods, rest_seconds=rest), predict)


def writes(decision: Decision) -> int:
    return sum(isinstance(action, WriteStatus) for action in decision.actions)


def runs(decision: Decision) -> RunCounts:
    assert decision.status.runs is not None
    return decision.status.runs


def waits(decision: Decision) -> tuple[int, str | None, str | None, str | None]:
    """What is told of the tasks that wait: how many, when and where the next starts, when the last ends."""
    counts = runs(decision)
    return counts.waiting, counts.next_start_time, counts.next_node, counts.expected_finish_time


def told(decision: Decision) -> str:
    condition = find_condition(decision.status.conditions, "RunComplete")
    assert condition is not None
    return condition.message


def test_waiting_tasks_are_counted_with_the_next_start_and_the_last_end() -> None:
    pods = [waiting_pod(JOB, plan("f1", 5, 20)), waiting_pod(JOB, plan("s1", 2, 50)), waiting_pod(JOB)]
    decision = look(GIVEN, *pods, pod_of(JOB, phase="Running"))
    assert waits(decision) == (3, ago(-2), "s1", ago(-50))
    assert told(decision) == (
        f"0 of 4 tasks succeeded, 3 active, 0 failed; 3 wait, the next to start at {ago(-2)} on s1"
    )


def test_tasks_without_a_plan_wait_for_one() -> None:
    decision = look(GIVEN, waiting_pod(JOB))
    assert waits(decision) == (1, None, None, None)
    assert told(decision).endswith("; 1 wait for a plan")


@pytest.mark.parametrize("words", ["", "soon", "[]", '{"node": 7}', '{"expectedStartTime": "soon"}', "\ud800"])
def test_a_plan_that_somebody_else_wrote_counts_as_none(words: str) -> None:
    assert read_waiting([waiting_pod(JOB, words)]) == Waiting(count=1)


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_a_time_that_lies_beyond_the_calendar_in_utc_counts_as_none(time: str) -> None:
    forged = PodPlan(node="f1", expected_start_time=time, expected_finish_time=time)
    decision = look(GIVEN, waiting_pod(JOB, forged), waiting_pod(JOB, plan("s1", 2, 50)))
    assert waits(decision) == (2, ago(-2), "s1", ago(-50))


@pytest.mark.parametrize(
    ("time", "shown"),
    [
        ("0001-01-01T00:00:00", "0001-01-01T00:00:00Z"),
        ("0001-01-01T12:00:00+12:00", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
    ],
)
def test_the_ends_of_the_calendar_are_told_as_the_api_writes_times(time: str, shown: str) -> None:
    forged = PodPlan(node="f1", expected_start_time=time, expected_finish_time=time)
    assert waits(look(GIVEN, waiting_pod(JOB, forged))) == (1, shown, "f1", shown)


def test_who_is_not_behind_our_gate_or_is_going_does_not_wait() -> None:
    going = waiting_pod(JOB, deletionTimestamp=ago(1))
    assert read_waiting([going, waiting_pod(JOB, gate="example.com/theirs"), pod_of(JOB)]) == Waiting()


def test_a_plan_that_changes_is_not_written_while_the_status_rests_and_not_forgotten() -> None:
    first = look(GIVEN, waiting_pod(JOB, plan("f1", 5, 20)))
    assert writes(first) == 1
    stored = with_status(GIVEN, first.status)
    changed = waiting_pod(JOB, plan("s1", 90, 120))
    held = look(stored, changed, rest=4.0)
    assert (writes(held), held.is_held_back) == (0, True)
    then = look(stored, changed)
    assert (writes(then), then.is_held_back) == (1, False)
    assert runs(then).expected_finish_time == ago(-120)


def test_what_else_changes_is_written_at_once() -> None:
    stored = with_status(GIVEN, look(GIVEN, waiting_pod(JOB)).status)
    assert writes(look(stored, rest=4.0, active=2, succeeded=1)) == 1


@pytest.mark.parametrize(
    ("remains", "shift", "is_told"),
    [(30, 9, False), (30, 11, True), (600, 50, False), (600, 70, True), (600, -70, True)],
)
def test_a_start_and_an_end_are_told_anew_when_they_moved_by_ten_seconds_and_a_tenth(
    remains: float,
    shift: float,
    is_told: bool,  # noqa: FBT001 - a column of the table
) -> None:
    stored = with_status(GIVEN, look(GIVEN, waiting_pod(JOB, plan("f1", remains, remains))).status)
    decision = look(stored, waiting_pod(JOB, plan("f1", remains + shift, remains + shift)))
    expected = ago(-remains - shift if is_told else -remains)
    assert waits(decision) == (1, expected, "f1", expected)
    assert writes(decision) == is_told


def test_another_node_or_a_start_that_has_passed_is_told_anew() -> None:
    stored = with_status(GIVEN, look(GIVEN, waiting_pod(JOB, plan("f1", -2, 40))).status)
    assert waits(look(stored, waiting_pod(JOB, plan("s1", 1, 40)))) == (1, ago(-1), "s1", ago(-40))
    assert waits(look(stored, waiting_pod(JOB, plan("f1", 1, 40)))) == (1, ago(-1), "f1", ago(-40))
    overdue = look(stored, waiting_pod(JOB, plan("f1", -1, 40)))
    assert waits(overdue) == (1, ago(2), "f1", ago(-40))
    assert writes(overdue) == 0


def test_of_a_users_own_pods_it_is_told_as_well_and_as_seldom() -> None:
    own = known()
    first = waiting_pod(JOB, plan("f1", 5, 20))
    decision = look(own, first)
    assert waits(decision) == (1, ago(-5), "f1", ago(-20))
    assert writes(decision) == 1
    stored = with_status(own, decision.status)
    assert writes(look(stored, waiting_pod(JOB, plan("f1", 9, 24)))) == 0
    held = look(stored, waiting_pod(JOB, plan("s1", 90, 120)), rest=4.0)
    assert (writes(held), held.is_held_back) == (0, True)
    assert waits(look(stored, pod_of(JOB, phase="Running"))) == (0, None, None, None)


def test_nothing_is_expected_once_the_run_has_ended() -> None:
    stored = with_status(GIVEN, look(GIVEN, waiting_pod(JOB, plan("f1", 5, 20))).status)
    condition = {"type": "Complete", "status": "True"}
    decision = look(stored, active=0, succeeded=4, conditions=[condition])
    assert waits(decision) == (0, None, None, None)
