"""Which gates are opened without a plan: all of a silent planner's, and those of tasks that waited too long."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from foretide_kube.gate import opening_patch
from foretide_kube.reduced import facts_of, reduce_pod
from foretide_operator.gates.openings import MARGIN_SECONDS, Gated, Reason, openings
from foretide_operator.gates.vigil import SILENT_SECONDS, Vigil

NOW = 1000.0
LIVING = Vigil(grace_until_seconds=0.0, read_at_seconds=NOW)
SILENT = dataclasses.replace(LIVING, silent_seconds=SILENT_SECONDS)


def gated(name: str = "task", *, waited: float = 5.0, bound: float = 60.0, **metadata: Any) -> Gated:
    gates = [{"name": gate} for gate in metadata.pop("gates", ["foretide.dev/plan"])]
    body = {
        "metadata": {"name": name, "namespace": "team", "uid": name, **metadata},
        "spec": {"schedulingGates": gates},
        "status": {"phase": "Pending"},
    }
    return Gated(facts_of(reduce_pod(body)), waited, bound)


def test_a_living_planner_is_left_to_its_plan() -> None:
    assert openings([gated(waited=60.0 + MARGIN_SECONDS)], LIVING, NOW) == []


def test_a_silent_planners_gates_are_opened_longest_waiting_first() -> None:
    found = openings([gated("young", waited=1.0), gated("old", waited=9.0)], SILENT, NOW)
    assert [(each.pod.name, each.reason) for each in found] == [
        ("old", Reason.PLANNER_SILENT),
        ("young", Reason.PLANNER_SILENT),
    ]
    assert "silent for 10 s" in found[0].message


def test_a_task_that_waited_past_its_bound_is_opened_whatever_the_planner_says() -> None:
    (found,) = openings([gated("late", waited=80.0), gated("early", waited=70.0)], LIVING, NOW)
    assert (found.pod.name, found.reason) == ("late", Reason.WAITED_TOO_LONG)
    assert "waited 80 s and may wait 60 s" in found.message


def test_what_is_being_deleted_or_waits_for_somebody_else_is_left_alone() -> None:
    going = gated("going", deletionTimestamp="2026-06-01T12:00:00Z", waited=999.0)
    other = gated("other", gates=["example.com/theirs"], waited=999.0)
    assert openings([going, other], SILENT, NOW) == []


@pytest.mark.parametrize("changes", [{"grace_until_seconds": NOW + 1}, {"is_away": True}], ids=str)
def test_nothing_is_opened_in_a_grace_or_while_the_api_server_is_away(changes: dict[str, Any]) -> None:
    vigil = dataclasses.replace(SILENT, **changes)
    assert openings([gated(waited=999.0)], vigil, NOW) == []


def test_the_patch_takes_our_gate_and_leaves_the_others() -> None:
    assert opening_patch("1", ["foretide.dev/plan"]) == {"metadata": {"uid": "1"}, "spec": {"schedulingGates": None}}
    assert opening_patch("1", ["a.b/c", "foretide.dev/plan"])["spec"] == {"schedulingGates": [{"name": "a.b/c"}]}
