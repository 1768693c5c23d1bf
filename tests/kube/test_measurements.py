"""Measurements on the floor: which nodes are kept for them, whose word is believed, and when tasks come first."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from foretide.placement.plan import Plan
from foretide.placement.task import WorkloadPredictions
from foretide_kube.constraints import Constraints, Toleration
from foretide_kube.floor import Floor, Node, read_floor
from foretide_kube.measurements import LONGEST_EMPTYING_SECONDS, Pair, Wanted
from foretide_kube.task_pods import TaskPod
from tests.extender.cluster_values import NOW_SECONDS
from tests.planner.planner_values import bound, gated, node, opened, resnet

SECONDS = 40.0
MIB = 2**20
PAIR = ("team", "resnet", "fast")
WANTED = {PAIR: Wanted(SECONDS, 1000, 512 * MIB)}
ONE = {"fast-1": node("fast-1", "fast")}
"""Room for two tasks of 1.5 s."""
TWO = {**ONE, "slow-1": node("slow-1", "slow")}
"""A task takes 6.9 s on the second."""


def profile(name: str = "profile", **options: Any) -> TaskPod:
    return bound(name, role="profile", **options)


def floor(
    *pods: TaskPod,
    at: Mapping[str, Node] = ONE,
    wanted: Mapping[Pair, Wanted] = WANTED,
    workload: WorkloadPredictions | None = None,
) -> Floor:
    known = workload or resnet()
    return read_floor(pods, at, lambda _pod: known, now_seconds=NOW_SECONDS, wanted=wanted)


def kept(made: Floor) -> list[str]:
    return [each.node for each in made.kept]


def plan(made: Floor) -> Plan:
    found, _ = made.plan(NOW_SECONDS, order="Balanced")
    return found


def starts(made: Floor) -> dict[str, tuple[str | None, float]]:
    """The node of each waiting task and in how many seconds its gate opens."""
    return {made.pods[each.key].name: (each.node, each.open_seconds - NOW_SECONDS) for each in plan(made).assignments}


def test_a_task_waits_for_the_end_of_a_measurement_though_there_is_room_beside_it() -> None:
    made = floor(profile(ago_seconds=10.0), gated("a"))
    assert kept(made) == ["fast-1"]
    where, wait = starts(made)["a"]
    assert where == "fast-1"
    assert 20.0 < wait < SECONDS


def test_a_task_goes_to_another_node_meanwhile_if_it_ends_sooner_there() -> None:
    assert starts(floor(profile(), gated("a"), at=TWO))["a"] == ("slow-1", 0.0)


def test_what_a_measurement_requests_is_free_again_when_it_is_expected_to_end() -> None:
    full = {"fast-1": node("fast-1", "fast", cpu="1")}
    where, wait = starts(floor(profile(ago_seconds=10.0), gated("a"), at=full))["a"]
    assert where == "fast-1"
    assert 20.0 < wait < SECONDS


@pytest.mark.parametrize("age_seconds", [0.0, 79.0, 81.0])
def test_a_measurement_that_overruns_keeps_its_node_for_twice_its_time(age_seconds: float) -> None:
    assert bool(kept(floor(profile(ago_seconds=age_seconds)))) == (age_seconds < 2 * SECONDS)


def test_its_time_counts_from_the_start_of_its_container_unless_that_clock_is_off() -> None:
    pulled = msgspec.structs.replace(profile(ago_seconds=100.0), started_seconds=NOW_SECONDS - 5.0)
    assert kept(floor(pulled)) == ["fast-1"]
    for off in (-3600.0, 3600.0):
        assert kept(floor(msgspec.structs.replace(pulled, started_seconds=NOW_SECONDS + off))) == []


def test_a_measurement_with_a_task_beside_it_is_lost_and_keeps_nobody_away() -> None:
    for beside in (bound("b"), opened("b"), bound("b", workload="unknown")):
        made = floor(profile(), beside, gated("a"))
        assert kept(made) == []
    large = {"fast-1": node("fast-1", "fast", cpu="4")}
    assert starts(floor(profile(), bound("b"), gated("a"), at=large))["a"] == ("fast-1", 0.0)


def test_a_service_beside_a_measurement_is_no_task() -> None:
    service = dataclasses.replace(resnet(), is_service=True)
    assert kept(floor(profile(), bound("b"), workload=service)) == ["fast-1"]


def test_a_label_alone_keeps_no_node() -> None:
    """Anybody may make a Pod that says it measures: the status has to say that something is measured."""
    made = floor(profile(), gated("a"), wanted={})
    assert kept(made) == []
    assert starts(made)["a"] == ("fast-1", 0.0)
    assert made.nodes[0].in_use.cpu_millis == 1000, "it takes its room like any Pod"
    assert kept(floor(profile(workload="other"), wanted={PAIR: WANTED[PAIR]}, at=TWO)) == []


def test_a_measurement_keeps_one_node_however_many_pods_say_that_they_are_it() -> None:
    at = {name: node(name, "fast") for name in ("fast-1", "fast-2", "fast-3")}
    pods = [
        profile("first", node="fast-2", ago_seconds=9.0),
        profile("forged-1", node="fast-1", ago_seconds=5.0),
        profile("forged-2", node="fast-3", ago_seconds=5.0),
    ]
    for order in (pods, pods[::-1]):
        assert kept(floor(*order, at=at)) == ["fast-2"]


def test_a_measurement_on_another_class_than_the_one_that_is_measured_keeps_nothing_there() -> None:
    assert kept(floor(profile(node="slow-1"), at=TWO)) == ["fast-1"], "it is the fast class that is to be measured"


def test_the_node_that_is_empty_first_is_emptied_for_a_measurement_that_is_next() -> None:
    at = {name: node(name, "fast") for name in ("fast-1", "fast-2")}
    made = floor(bound("a", node="fast-1", ago_seconds=0.0), bound("b", node="fast-2", ago_seconds=1.0), at=at)
    assert kept(made) == ["fast-2"]
    made = floor(bound("a"), gated("b"), at=ONE)
    where, wait = starts(made)["b"]
    assert where == "fast-1"
    assert wait > SECONDS, "there is room beside the task, but the measurement has its turn first"


def test_a_node_is_emptied_for_nobody_where_that_takes_long_or_cannot_be_foretold() -> None:
    slowness = 2 * LONGEST_EMPTYING_SECONDS
    assert kept(floor(bound("a"), workload=resnet(slowness=slowness))) == []
    assert kept(floor(bound("a", workload="unknown"), workload=resnet(classes=("slow",)))) == []


@pytest.mark.parametrize(
    "options",
    [
        {"cpu": "500m"},
        {"memory": "256Mi"},
        {"taints": [{"key": "k", "effect": "NoSchedule"}]},
        {"cordoned": True},
        {"conditions": [{"type": "Ready", "status": "False"}]},
    ],
)
def test_a_node_that_may_not_take_the_measurement_is_not_emptied(options: dict[str, Any]) -> None:
    assert kept(floor(at={"fast-1": node("fast-1", "fast", **options)})) == []


def test_a_node_whose_taints_the_measurement_tolerates_is_emptied() -> None:
    at = {"fast-1": node("fast-1", "fast", taints=[{"key": "k", "value": "v", "effect": "NoSchedule"}])}
    for value, expected in (("v", ["fast-1"]), ("another", [])):
        tolerant = Constraints(tolerations=(Toleration("k", "Equal", value, "NoSchedule"),))
        assert kept(floor(at=at, wanted={PAIR: dataclasses.replace(WANTED[PAIR], constraints=tolerant)})) == expected


def test_each_measurement_has_a_node_of_its_own() -> None:
    at = {name: node(name, "fast") for name in ("fast-1", "fast-2")}
    wanted = {("team", name, "fast"): WANTED[PAIR] for name in ("resnet", "other", "third")}
    assert sorted(kept(floor(profile(node="fast-2"), at=at, wanted=wanted))) == ["fast-1", "fast-2"]


def test_a_task_that_would_miss_its_deadline_goes_beside_a_measurement() -> None:
    soon = resnet(deadline_milliseconds=30_000)
    assert starts(floor(profile(), gated("a"), workload=soon))["a"] == ("fast-1", 0.0)
    later = resnet(deadline_milliseconds=120_000)
    assert starts(floor(profile(), gated("a"), workload=later))["a"][1] > 20.0


def test_a_task_that_is_late_anyhow_does_not_disturb_a_measurement() -> None:
    gone = resnet(deadline_milliseconds=1_000)
    assert starts(floor(profile(), gated("a"), workload=gone))["a"][1] > 20.0


def test_a_task_that_can_keep_its_deadline_elsewhere_does_not_disturb_a_measurement() -> None:
    soon = resnet(deadline_milliseconds=30_000)
    assert starts(floor(profile(), gated("a"), workload=soon, at=TWO))["a"] == ("slow-1", 0.0)


def test_a_class_that_is_measured_is_not_emptied_where_a_task_would_be_late_by_that() -> None:
    soon = resnet(deadline_milliseconds=30_000)
    assert starts(floor(bound("a"), gated("b"), workload=soon))["b"] == ("fast-1", 0.0)


def test_a_plan_without_measurements_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made, times = floor(gated("a"), wanted={}, workload=resnet(deadline_milliseconds=1)), []
    monkeypatch.setattr(Floor, "_late", lambda *_: times.append(1))
    plan(made)
    assert not times
