from typing import Any

import pytest

from foretide.pairing import ErrorStatistics, Pairing, statistics, statistics_by_class
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
    assert statistics([one], "work").count == 0
    assert statistics([one], "completion").absolute_error_milliseconds == 2_000


def test_clocks_that_disagree_give_no_negative_times() -> None:
    one = pairing(10_000, work_begin_milliseconds=99_000)
    assert one.actual_startup_milliseconds == 0


@pytest.mark.parametrize(
    ("work", "outcome"),
    [(7_999, "below"), (8_000, "inside"), (13_000, "inside"), (13_001, "above")],
)
def test_the_interval_includes_its_ends(work: int, outcome: str) -> None:
    assert pairing(work).interval_outcome == outcome


def test_statistics_are_ratios_of_sums() -> None:
    total = statistics([pairing(8_000), pairing(20_000)])
    assert total.wape == pytest.approx((2_000 + 10_000) / 28_000)
    assert total.bias == pytest.approx((20_000 - 28_000) / 28_000)
    assert total.coverage == 0.5


def test_no_pairings_have_no_ratios() -> None:
    empty = statistics([])
    assert (empty.wape, empty.bias, empty.coverage) == (None, None, None)


def test_statistics_of_classes_add_up_to_those_of_all() -> None:
    pairings = [pairing(8_000), pairing(11_000, node_class="slow"), pairing(14_000, node_class="slow")]
    by_class = statistics_by_class(pairings)
    assert list(by_class) == ["fast", "slow"]
    assert sum(by_class.values(), ErrorStatistics()) == statistics(pairings)


def test_deadlines_count_turnaround_and_only_where_there_is_one() -> None:
    kept = pairing(8_000, deadline_milliseconds=15_000)
    missed = pairing(8_001, deadline_milliseconds=15_000)
    total = statistics([kept, missed, pairing(8_000)])
    assert (total.deadlines, total.deadline_hits) == (2, 1)
