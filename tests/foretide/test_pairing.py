from typing import Any

import pytest

from foretide.pairing import Pairing
from foretide.prediction import Interval, PodPrediction


def prediction(node_class: str = "fast") -> PodPrediction:
    return PodPrediction(
        node="n1",
        node_class=node_class,
        inferences=100,
        work_milliseconds=Interval(lower=8_000, median=10_000, upper=13_000),
        startup_milliseconds=2_000,
        memory_bytes=1,
        source="Measured",
        model_version="",
        bound_milliseconds=100_000,
    )


def pairing(work: int, *, startup: int = 2_000, node_class: str = "fast", **changes: Any) -> Pairing:
    values: dict[str, Any] = {
        "created_milliseconds": 95_000,
        "ended_milliseconds": 100_000 + startup + work + 900,
        "work_begin_milliseconds": 100_000 + startup,
        "work_end_milliseconds": 100_000 + startup + work,
    }
    return Pairing.of(prediction(node_class), **{**values, **changes})


def test_work_startup_completion_and_turnaround_are_paired_apart() -> None:
    one = pairing(12_000, startup=3_000)
    assert one.actual_work_milliseconds == 12_000
    assert one.actual_startup_milliseconds == 3_000
    assert one.actual_completion_milliseconds == 15_000
    assert one.turnaround_milliseconds == 20_000
    assert one.predicted_milliseconds("completion") == 12_000


def test_a_pod_that_is_not_our_runner_is_paired_by_the_apis_times() -> None:
    one = pairing(0, work_begin_milliseconds=None, work_end_milliseconds=None, ended_milliseconds=114_000)
    assert one.actual_work_milliseconds is None
    assert one.actual_completion_milliseconds == 14_000
    assert one.interval_outcome == "inside"


def test_clocks_that_disagree_give_no_negative_times() -> None:
    one = pairing(10_000, work_begin_milliseconds=99_000)
    assert one.actual_startup_milliseconds == 0


@pytest.mark.parametrize(
    ("work", "outcome"),
    [(7_999, "below"), (8_000, "inside"), (13_000, "inside"), (13_001, "above")],
)
def test_the_interval_includes_its_ends(work: int, outcome: str) -> None:
    assert pairing(work).interval_outcome == outcome


def test_a_node_whose_clock_is_off_shifts_no_times() -> None:
    for off in (-50_000, 50_000):
        wrong = pairing(10_000, work_begin_milliseconds=102_000 + off, work_end_milliseconds=112_000 + off)
        assert wrong.actual_work_milliseconds == 10_000
        assert wrong.actual_startup_milliseconds == 2_900
        assert wrong.turnaround_milliseconds == 17_900


def test_a_deadline_is_held_against_turnaround_and_only_where_there_is_one() -> None:
    assert pairing(8_000, deadline_milliseconds=15_000).is_deadline_met is True
    assert pairing(8_001, deadline_milliseconds=15_000).is_deadline_met is False
    assert pairing(8_000).is_deadline_met is None
