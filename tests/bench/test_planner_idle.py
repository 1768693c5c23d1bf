"""What the bench of the planner counts: calls and attempts in a window, and how long freed slots wait."""

from __future__ import annotations

from typing import Any

from bench import full_cluster, planner_idle
from bench.parts import Counts, total
from bench.planner_idle import FreedSlots, rates
from demo.marks import held
from foretide_kube.names import SCHEDULER_NAME
from foretide_kube.reduced import facts_of, reduce_pod

SAMPLES = {
    'calls_count{verb="filter"}': 3.0,
    'calls_count{verb="prioritize"}': 2.0,
    'calls_counter{verb="filter"}': 100.0,
    'attempts_total{profile="ours",result="scheduled"}': 5.0,
    'attempts_total{profile="theirs",result="scheduled"}': 50.0,
    "alone": 1.0,
}


def counts(**fields: Any) -> Counts:
    zero = Counts(0.0, 0.0, 0.0, 0.0, 0.0, {"scheduled": 0.0, "unschedulable": 0.0})
    return Counts(**{name: fields.get(name, getattr(zero, name)) for name in Counts.__slots__})


def test_series_of_one_name_are_added_and_told_apart_by_labels() -> None:
    assert total(SAMPLES, "calls_count") == 5.0
    assert total(SAMPLES, "attempts_total", 'profile="ours"', '"scheduled"') == 5.0
    assert total(SAMPLES, "alone") == 1.0
    assert total(SAMPLES, "absent") == 0.0


def test_rates_are_those_of_the_window() -> None:
    before = counts(extender_calls=100.0, plans=10.0, planning_seconds=1.0)
    after = counts(
        extender_calls=400.0,
        plans=30.0,
        planning_seconds=3.0,
        planner_cpu_seconds=6.0,
        attempts={"scheduled": 90.0, "unschedulable": 30.0},
    )
    found = rates(before, after, 30.0)
    assert (found["extender_calls_per_second"], found["scheduler_attempts_per_second"]) == (10.0, 4.0)
    assert (found["plans"], found["plan_milliseconds"], found["cores"]) == (20.0, 100.0, 0.2)


def test_every_mark_names_a_figure_of_each_case() -> None:
    window = rates(counts(), counts(extender_calls=1.0), 1.0)
    memory = {name: {"now": 1.0, "peak": 2.0} for name in ("planner", "extender")}
    cases = {case: {**window, "trickle": window, "rss_mib": memory} for case in planner_idle.CASES}
    found = held({"cases": cases}, planner_idle.MARKS)
    assert [name for name, mark in found.items() if mark["value"] is None] == []


def test_what_waits_is_a_task_of_our_scheduler_behind_the_gate() -> None:
    pod = full_cluster.pod_object("task", is_task=True)
    task = facts_of(reduce_pod(pod))
    assert (task.is_task, task.is_gated, pod["spec"]["schedulerName"]) == (True, True, SCHEDULER_NAME)


def event(name: str, node: str, phase: str) -> tuple[str, dict[str, Any]]:
    return "MODIFIED", {"metadata": {"name": name}, "spec": {"nodeName": node}, "status": {"phase": phase}}


def test_a_slot_waits_from_the_end_of_one_pod_to_the_next_bound_there() -> None:
    times = iter([1.0, 2.0, 2.5, 3.0])
    slots = FreedSlots(lambda: next(times))
    slots.note(*event("a", "n1", "Succeeded"))
    slots.note(*event("other", "n2", "Pending"))
    slots.note(*event("b", "n1", "Pending"))
    slots.note(*event("b", "n1", "Pending"))
    assert slots.figures() == {"tasks": 1, "p50_seconds": 1.5, "p95_seconds": 1.5}
    assert FreedSlots(lambda: 0.0).figures() == {"tasks": 0, "p50_seconds": None, "p95_seconds": None}
