"""Turns of the dispatcher where a measurement is next or under way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from foretide_kube.measurements import Wanted
from tests.extender.cluster_values import MIB
from tests.planner.planner_values import gated_object, resnet
from tests.planner.test_dispatcher import Planning

WANTED = {("team", "resnet", "fast"): Wanted(40.0, 1000, 512 * MIB)}


def put_profile(planning: Planning) -> None:
    """The Pod that measures: bound to nothing yet."""
    planning.cluster.put(gated_object("profile", role="profile", gates=(), age_seconds=0.0))


def measured(**options: Any) -> Planning:
    """A measurement is under way on the only node."""
    planning = Planning()
    planning.cluster.workload_known = resnet(**options)
    planning.cluster.wanted_known = WANTED
    put_profile(planning)
    planning.bind("profile")
    return planning


def test_a_gate_stays_closed_until_the_measurement_has_ended_and_opens_then_at_once() -> None:
    planning = measured()
    planning.add("a")
    planning.go_until_quiet()
    assert planning.opened() == []
    assert planning.note("a")["waitsFor"] == "profile"
    planning.end("profile")
    planning.cluster.wanted_known = {}
    planning.go_until_quiet()
    assert planning.opened() == ["a"]


def test_a_gate_opens_beside_a_measurement_for_a_deadline() -> None:
    planning = measured(deadline_milliseconds=40_000)
    planning.add("a", age_seconds=0.0)
    planning.go_until_quiet()
    assert planning.opened() == ["a"]
    assert planning.aimed("a") == "fast-1"


def test_a_busy_node_is_emptied_for_a_measurement_that_is_next_and_kept_until_it_is_there() -> None:
    planning = Planning()
    planning.add("a")
    planning.go_until_quiet()
    planning.bind("a")
    planning.cluster.wanted_known = WANTED
    planning.add("b")
    planning.go_until_quiet()
    planning.end("a")
    planning.go_until_quiet()
    assert planning.opened() == ["a"], "b would begin beside the task, or before the measurement"
    put_profile(planning)
    planning.bind("profile")
    planning.go_until_quiet()
    assert planning.opened() == ["a"]
    planning.end("profile")
    planning.cluster.wanted_known = {}
    planning.go_until_quiet()
    assert planning.opened() == ["a", "b"]


def test_no_node_is_kept_for_a_measurement_that_nobody_begins_but_for_the_one_that_was_begun() -> None:
    planning = Planning()
    overdue = {pair: replace(each, is_awaited=False) for pair, each in WANTED.items()}
    planning.cluster.wanted_known = overdue
    planning.add("a")
    planning.go_until_quiet()
    assert planning.opened() == ["a"]
    planning = measured()
    planning.cluster.wanted_known = overdue
    planning.add("a")
    planning.go_until_quiet()
    assert planning.opened() == []


def test_a_gate_is_kept_for_a_measurement_no_longer_than_its_bound() -> None:
    planning = measured()
    planning.cluster.workload_known = resnet()
    planning.add("a", age_seconds=0.0)
    planning.go_until_quiet()
    assert planning.opened() == []
    planning.go(61.0)
    assert planning.opened() == ["a"], "60 s after it came its gate opens, whatever is planned"
