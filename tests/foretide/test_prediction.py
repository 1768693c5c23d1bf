import math
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide.evidence import Estimate
from foretide.memory import Memories
from foretide.model import CompletionTimeModel
from foretide.observation import Question, to_columns
from foretide.prediction import (
    BLIND_FACTOR,
    PROBED_FACTOR,
    RUN_TO_RUN,
    Interval,
    Measured,
    Prediction,
    fallback_interval,
    measured_interval,
    predict_workload,
)
from foretide.runs import CIRCUMSTANCE, MOST_SCATTER, Runs
from foretide.startup import Startups
from tests.foretide.workloads import DEVICES, SIGNATURE, observation, question


def measured(**changes: Any) -> Measured:
    values: dict[str, Any] = {
        "samples": 500,
        "mean_microseconds": 20_000,
        "median_microseconds": 19_000,
        "interquartile_range_microseconds": 1_000,
        "p90_microseconds": 22_000,
        "measured_time": "2026-01-01T00:00:00Z",
    }
    return Measured(**{**values, **changes})


def predictions(questions: list[Question], **changes: Any) -> list[Prediction]:
    values: dict[str, Any] = {
        "measured": {},
        "predictor": None,
        "model_version": "v7",
        "devices": DEVICES,
        "startups": Startups([], DEVICES),
        "memories": Memories([]),
        "runs": Runs([], {}),
        "coefficients": {},
        "inferences": 500,
    }
    return predict_workload(questions, **{**values, **changes})


def test_measured_beats_learned_beats_fallback() -> None:
    rows = [
        observation(workload=f"team/net/{index}", node_class=name, inference_microseconds=20_000 * scale + index)
        for index in range(3)
        for name, scale in (("fast", 1), ("slow", 4))
    ]
    predictor = CompletionTimeModel().fit(*to_columns(rows, DEVICES)).predictor_
    asked = [question(workload="team/net/2", node_class=name) for name in ("fast", "slow")]
    first, second = predictions(asked, measured={"fast": measured()}, predictor=predictor)
    assert (first.source, second.source) == ("Measured", "Learned")
    assert (first.model_version, second.model_version) == ("", "v7")
    assert (first.measured_time, second.measured_time) == ("2026-01-01T00:00:00Z", None)
    assert 60_000 < second.work_microseconds_per_inference.median < 100_000
    assert [row.source for row in predictions(asked)] == ["Fallback", "Fallback"]


def test_a_measured_median_is_the_mean_of_an_inference() -> None:
    assert measured_interval(measured(), inferences=500).median == 20_000


def test_a_steady_profile_is_as_sure_as_runs_repeat() -> None:
    interval = measured_interval(measured(interquartile_range_microseconds=0, p90_microseconds=None), inferences=500)
    assert interval.upper == pytest.approx(20_000 * RUN_TO_RUN, abs=1)
    assert interval.lower == pytest.approx(20_000 / RUN_TO_RUN, abs=1)


@pytest.mark.parametrize(
    "less_sure",
    [{"samples": 4}, {"interquartile_range_microseconds": 8_000}, {"p90_microseconds": 90_000}, {"stable": False}],
)
def test_fewer_samples_more_scatter_or_instability_widen(less_sure: dict[str, Any]) -> None:
    usual = measured_interval(measured(), inferences=500)
    wider = measured_interval(measured(**less_sure), inferences=500)
    assert wider.upper > usual.upper
    assert wider.lower < usual.lower


def ran(milliseconds: float, *, samples: int = 10, scatter: float = 0.05) -> Estimate:
    return Estimate(seconds=milliseconds / 1e3, samples=samples, scatter=scatter, circumstance=0.02)


@pytest.mark.parametrize("milliseconds", [10.0, 26.0, 60.0])
def test_tasks_that_contradict_their_profile_are_predicted_by_what_they_take(milliseconds: float) -> None:
    interval = measured_interval(measured(), ran(milliseconds), inferences=500)
    assert interval.median == pytest.approx(1e3 * milliseconds, rel=0.01)
    assert interval.upper / interval.median < 1.15


def test_tasks_that_bear_their_profile_out_move_the_prediction_a_little() -> None:
    interval = measured_interval(measured(), ran(21.0), inferences=500)
    assert 20_000 < interval.median < 21_000


@pytest.mark.parametrize("scatter", [0.05, 0.3])
def test_an_interval_is_as_wide_as_tasks_scatter(scatter: float) -> None:
    interval = measured_interval(measured(), ran(20.5, scatter=scatter), inferences=500)
    assert interval.upper / interval.median == pytest.approx(math.exp(1.645 * scatter), rel=0.06)


def test_a_workloads_own_runs_correct_its_measured_prediction_and_no_other() -> None:
    rows = [
        observation(
            workload="team/net/1",
            inference_microseconds=26_000 + index,
            origin="Run",
            exposure_permille=0,
            observed_milliseconds=index,
        )
        for index in range(4)
    ]
    asked = [question(workload=f"team/net/{number}") for number in (1, 2)]
    own, other = predictions(asked, measured={"fast": measured()}, runs=Runs(rows, {}))
    assert own.work_microseconds_per_inference.median == pytest.approx(26_000, rel=0.01)
    assert (own.source, own.measured_time) == ("Measured", "2026-01-01T00:00:00Z")
    assert other.work_microseconds_per_inference.median == 20_000


def test_a_short_task_is_less_sure_per_inference_than_a_long_one() -> None:
    assert measured_interval(measured(), inferences=1).upper > measured_interval(measured(), inferences=64).upper


def test_a_fallback_is_wide_and_wider_where_the_class_was_not_probed() -> None:
    probed = fallback_interval(question(), DEVICES["fast"])
    blind = fallback_interval(question(), None)
    assert probed.upper / probed.median == pytest.approx(PROBED_FACTOR, rel=1e-3)
    assert blind.upper / blind.median == pytest.approx(BLIND_FACTOR, rel=1e-3)
    assert fallback_interval(question(), DEVICES["slow"]).median > probed.median


@given(
    mean=st.integers(0, 86_400_000_000),
    spread=st.integers(0, 86_400_000_000),
    samples=st.integers(1, 10**8),
    inferences=st.integers(1, 10**12),
    ran=st.none()
    | st.builds(
        Estimate,
        seconds=st.floats(1e-6, 86_400.0),
        samples=st.integers(3, 15),
        scatter=st.floats(0.01, MOST_SCATTER),
        circumstance=st.just(CIRCUMSTANCE),
    ),
)
def test_whatever_was_measured_the_interval_is_ordered_and_positive(
    mean: int, spread: int, samples: int, inferences: int, ran: Estimate | None
) -> None:
    profile = measured(
        mean_microseconds=mean, median_microseconds=mean, interquartile_range_microseconds=spread, samples=samples
    )
    interval = measured_interval(profile, ran, inferences=inferences)
    assert 1 <= interval.lower <= interval.median <= interval.upper <= 86_400_000_000


def test_completion_is_startup_and_work() -> None:
    prediction = Prediction(
        node_class="fast",
        work_microseconds_per_inference=Interval(lower=10_000, median=20_000, upper=40_000),
        startup_milliseconds=1_500,
        memory_bytes=1,
        source="Measured",
    )
    assert prediction.work_seconds(100) == 2.0
    assert prediction.completion_seconds(100) == 3.5
    assert prediction.completion_seconds(100, bound="upper") == 5.5


def test_the_time_that_most_tasks_keep_to_goes_from_the_median_through_the_upper_bound() -> None:
    prediction = Prediction(
        node_class="fast",
        work_microseconds_per_inference=Interval(lower=10_000, median=20_000, upper=80_000),
        startup_milliseconds=1_500,
        memory_bytes=1,
        source="Measured",
    )
    bounds: dict[int, Literal["median", "upper"]] = {50: "median", 95: "upper"}
    for percent, bound in bounds.items():
        expected = prediction.completion_seconds(100, bound=bound)
        assert prediction.completion_quantile_seconds(100, percent) == pytest.approx(expected)
    found = [prediction.completion_quantile_seconds(100, percent) for percent in range(50, 100)]
    assert found == sorted(found)
    never = msgspec.structs.replace(prediction, work_microseconds_per_inference=Interval(lower=0, median=0, upper=0))
    assert never.completion_quantile_seconds(100, 90) == 1.5


def test_a_prediction_carries_the_contention_of_its_class_and_kind() -> None:
    asked = [question(node_class=name) for name in ("fast", "slow")]
    here, there = predictions(asked, coefficients={("fast", "ComputeBound"): 300, ("slow", "MemoryBound"): 500})
    assert (here.contention_permille, here.contention) == (300, 0.3)
    assert (there.contention_permille, there.contention) == (None, 0.0)
    assert here.scaled_to_cpu(predicted_millis=1000, actual_millis=500).contention == 0.3


def test_another_cpu_limit_scales_and_is_marked() -> None:
    prediction = predictions([question()], measured={"fast": measured()})[0]
    halved = prediction.scaled_to_cpu(predicted_millis=1000, actual_millis=500)
    assert halved.source == "Fallback"
    assert halved.work_microseconds_per_inference.median == 40_000
    assert prediction.scaled_to_cpu(predicted_millis=500, actual_millis=500) is prediction
    with pytest.raises(ValueError, match="positive milli-CPU"):
        prediction.scaled_to_cpu(predicted_millis=0, actual_millis=500)


def test_a_signature_that_counts_nothing_still_takes_time() -> None:
    empty = question(
        signature=type(SIGNATURE)(
            macs=0, parameter_bytes=0, activation_bytes=0, peak_activation_bytes=0, operator_count=0, input_pixels=0
        )
    )
    assert fallback_interval(empty, None).lower >= 1
