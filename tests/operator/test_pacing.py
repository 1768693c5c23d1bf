"""How often statuses are written and everything is looked at: what is small waits, what has to be known does not."""

from __future__ import annotations

from typing import Any

import pytest

from foretide_kube.kinds.aiworkload import AIWorkloadStatus
from foretide_operator.pacing import GAP_SECONDS, REST_SECONDS, Pace
from foretide_operator.queue import Key
from foretide_operator.throttle import MOST_REST_SECONDS, SHARE, Throttle
from foretide_operator.workload.urgency import urgent_part
from tests.operator.cluster_objects import ago, workload

A, B, C = (Key("workload", "team", name) for name in "abc")


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_after_a_write_small_changes_of_that_workload_rest() -> None:
    clock = Clock()
    pace = Pace(clock)
    assert pace.rest_seconds(A) <= 0.0
    pace.wrote(A)
    assert pace.rest_seconds(A) == REST_SECONDS
    clock.seconds += REST_SECONDS
    assert pace.rest_seconds(A) <= 0.0


def test_small_changes_of_many_workloads_have_their_moments_one_after_the_other() -> None:
    clock = Clock()
    pace = Pace(clock)
    moments = [pace.reserve(key) for key in (A, B, C)]
    assert moments == pytest.approx([0.0, GAP_SECONDS, 2 * GAP_SECONDS])
    assert pace.reserve(B) == pytest.approx(GAP_SECONDS), "a moment is given once"
    clock.seconds += GAP_SECONDS
    assert pace.rest_seconds(B) <= 1e-9
    assert pace.rest_seconds(C) > 0.0


def test_a_write_that_could_not_wait_takes_the_small_changes_along() -> None:
    clock = Clock()
    pace = Pace(clock)
    pace.reserve(A)
    pace.reserve(B)
    pace.wrote(B)
    assert pace.rest_seconds(B) == REST_SECONDS


def test_rounds_of_work_take_a_tenth_of_the_time() -> None:
    clock = Clock()
    throttle = Throttle(clock, clock)
    assert throttle.rest_seconds(1000) <= 0.0, "the first round does not wait"
    for _ in range(100):
        with throttle.timed():
            clock.seconds += 0.004
    throttle.begin()
    assert throttle.rest_seconds(1000) == pytest.approx(1000 * 0.004 / SHARE, rel=0.01)
    assert throttle.rest_seconds(4) < 0.2


def test_however_much_there_is_to_do_no_round_waits_longer_than_the_bound() -> None:
    clock = Clock()
    throttle = Throttle(clock, clock)
    for _ in range(100):
        with throttle.timed():
            clock.seconds += 0.5
    throttle.begin()
    assert throttle.rest_seconds(10_000) == MOST_REST_SECONDS
    clock.seconds += MOST_REST_SECONDS
    assert throttle.rest_seconds(10_000) == 0.0


def test_waiting_for_a_slow_api_server_makes_no_round_rarer() -> None:
    clock, worked = Clock(), Clock()
    throttle = Throttle(clock, worked)
    for _ in range(100):
        with throttle.timed():
            clock.seconds += 30.0
            worked.seconds += 0.004
    throttle.begin()
    assert throttle.rest_seconds(1000) == pytest.approx(1000 * 0.004 / SHARE, rel=0.01)


def status(**changes: Any) -> AIWorkloadStatus:
    row = {"nodeClass": "fast", "reason": "Waiting", "message": "", "worthPermille": 10}
    prediction = {
        "nodeClass": "fast",
        "workMicrosecondsPerInference": {"lower": 8, "median": 10, "upper": 12},
        "startupMilliseconds": 1,
        "memoryBytes": 1,
        "source": "Learned",
        "modelVersion": "v1",
    }
    profiles = {"desired": 1, "measured": 0, "failed": 0, "summary": "s", "classes": [row | changes.pop("row", {})]}
    condition = {
        "type": "Ready",
        "status": "True",
        "reason": "Predicted",
        "message": "m",
        "lastTransitionTime": ago(0),
    }
    return workload(
        status={
            "profiles": profiles,
            "predictions": [prediction | changes.pop("prediction", {})],
            "conditions": [condition | changes.pop("condition", {})],
            **changes,
        }
    ).status


@pytest.mark.parametrize(
    ("changes", "is_urgent"),
    [
        ({"row": {"reason": "InProgress", "message": "at work"}}, False),  # its Job says so
        ({"row": {"reason": "Measured"}}, True),
        ({"row": {"reason": "SureEnough"}}, True),
        ({"row": {"worthPermille": 99}}, False),
        ({"prediction": {"startupMilliseconds": 99, "modelVersion": "v2"}}, False),
        ({"prediction": {"source": "Measured", "measuredTime": ago(1)}}, True),
        ({"condition": {"message": "else"}}, False),
        ({"condition": {"status": "False"}}, True),
        ({"condition": {"reason": "DeadlineAtRisk"}}, True),
        ({"observedGeneration": 7}, True),
        ({"runs": {"active": 0, "succeeded": 1, "failed": 0}}, True),
    ],
)
def test_what_others_act_on_is_urgent_and_figures_and_words_are_not(changes: Any, is_urgent: bool) -> None:  # noqa: FBT001
    assert (urgent_part(status()) != urgent_part(status(**changes))) is is_urgent
