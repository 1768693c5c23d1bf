"""What is written on Pods of the plan, and what is not worth a write."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretide.placement.plan import Assignment
from foretide.prediction import PodPrediction
from foretide_operator.planner.opening import (
    REST_SECONDS,
    SHIFT_SECONDS,
    Told,
    is_news,
    opening_patch,
    waiting_patch,
)
from foretide_operator.planner.recording import predict
from tests.extender.cluster_values import NOW_SECONDS
from tests.planner.planner_values import FOREIGN_GATE, gated, opened, resnet

PLAN = "foretide.dev/plan"
UID = "uid-task-1"
PLANNED = Assignment(UID, NOW_SECONDS, "fast-1", NOW_SECONDS + 0.05, NOW_SECONDS + 1.5504)


def annotated(patch: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = patch["metadata"]["annotations"]
    return found


def test_one_patch_opens_the_gate_and_writes_plan_node_and_prediction() -> None:
    prediction = predict(gated(), "fast-1", "fast", resnet(), bound_milliseconds=1)
    assert isinstance(prediction, PodPrediction)
    patch = opening_patch(gated(), PLANNED, prediction, NOW_SECONDS + 0.25)
    assert patch["spec"] == {"schedulingGates": None}
    assert annotated(patch)["foretide.dev/planned-node"] == "fast-1"
    assert msgspec.json.decode(annotated(patch)["foretide.dev/prediction"], type=PodPrediction) == prediction
    assert msgspec.json.decode(annotated(patch)[PLAN]) == {
        "node": "fast-1",
        "expectedStartTime": "2026-09-21T14:13:20.050Z",
        "expectedFinishTime": "2026-09-21T14:13:21.550Z",
        "openedTime": "2026-09-21T14:13:20.250Z",
    }


def test_only_our_own_gate_is_opened() -> None:
    patch = opening_patch(gated(gates=("a.example/x", PLAN, FOREIGN_GATE)), PLANNED, None, NOW_SECONDS)
    assert patch["spec"] == {"schedulingGates": [{"name": "a.example/x"}, {"name": FOREIGN_GATE}]}


def test_a_task_that_is_open_already_is_aimed_without_touching_its_spec() -> None:
    assert "spec" not in opening_patch(opened(), PLANNED, None, NOW_SECONDS)


def test_without_a_node_what_was_written_before_is_taken_away() -> None:
    patch = opening_patch(gated(), Assignment(UID, NOW_SECONDS, reason="NoRoomForeseen"), None, NOW_SECONDS)
    found = annotated(patch)
    assert (found["foretide.dev/planned-node"], found["foretide.dev/prediction"]) == (None, None)
    assert set(msgspec.json.decode(found[PLAN])) == {"reason", "openedTime"}


@pytest.mark.parametrize(
    "patch",
    [waiting_patch(gated(), PLANNED, ""), opening_patch(gated(), PLANNED, None, NOW_SECONDS)],
    ids=["waiting", "opening"],
)
def test_every_patch_is_for_that_very_pod_as_it_was_planned(patch: dict[str, Any]) -> None:
    assert (patch["metadata"]["uid"], patch["metadata"]["resourceVersion"]) == (UID, "7")


def test_what_waits_is_told_where_when_and_what_for_and_keeps_its_gate() -> None:
    patch = waiting_patch(gated(), PLANNED, "task-0")
    assert set(annotated(patch)) == {PLAN}
    assert "spec" not in patch
    assert msgspec.json.decode(annotated(patch)[PLAN]) == {
        "node": "fast-1",
        "expectedStartTime": "2026-09-21T14:13:20.050Z",
        "expectedFinishTime": "2026-09-21T14:13:21.550Z",
        "waitsFor": "task-0",
    }


def told(start: float | None = 100.0, *, node: str = "fast-1", reason: str = "", ago: float = REST_SECONDS) -> Told:
    return Told(node, None if start is None else NOW_SECONDS + start, reason, NOW_SECONDS - ago)


def assigned(start: float | None = 100.0, *, node: str | None = "fast-1", reason: str = "") -> Assignment:
    return Assignment(UID, NOW_SECONDS, node, None if start is None else NOW_SECONDS + start, None, None, reason)


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (None, assigned(), True),
        (told(), assigned(), False),
        (told(), assigned(node="slow-1"), True),
        (told(), assigned(reason="WaitBoundReached"), True),
        (told(), assigned(119.0), False),
        (told(), assigned(126.0), True),
        (told(10.0), assigned(10.0 + SHIFT_SECONDS), False),
        (told(10.0), assigned(10.1 + SHIFT_SECONDS), True),
        (told(None, node=""), assigned(None, node=None), False),
        (told(None, node=""), assigned(node=None), True),
        (told(node=""), assigned(None, node=None), True),
        (told(ago=REST_SECONDS - 1), assigned(node="slow-1"), False),
        (told(ago=-3600.0), assigned(node="slow-1"), True),
    ],
)
def test_what_moved_little_or_was_told_just_now_is_no_news(
    before: Told | None,
    now: Assignment,
    expected: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    assert is_news(before, now, NOW_SECONDS) is expected


@settings(deadline=None)
@given(st.lists(st.floats(min_value=0.0, max_value=1e4), min_size=1, max_size=100))
def test_however_a_plan_changes_a_pod_is_written_on_no_more_than_once_in_a_while(starts: list[float]) -> None:
    now, before, writes = NOW_SECONDS, None, []
    for start in starts:
        each = Assignment(UID, now, f"node-{start:.0f}", now + start)
        if is_news(before, each, now):
            before = Told(each.node or "", each.start_seconds, each.reason, now)
            writes.append(now)
        now += 1.0
    assert all(later - earlier >= REST_SECONDS for earlier, later in pairwise(writes))


def test_after_a_restart_the_pod_itself_says_what_was_told() -> None:
    patch = waiting_patch(gated(), PLANNED, "task-0")
    again = gated(annotations=annotated(patch))
    assert not is_news(Told.of(again), PLANNED, NOW_SECONDS)
    assert is_news(Told.of(gated()), PLANNED, NOW_SECONDS)
    assert Told.of(gated(annotations={PLAN: "[1]"})) is None
