"""The demo's figures: what it says of predictions and schedulers is what the tasks say."""

from __future__ import annotations

import pytest

from demo import report
from demo.waves import Task
from foretide.prediction import Interval, PodPrediction
from foretide.results import Environment, RunResult

BEGIN = 1_700_000_000_000


def task(name: str, *, predicted: Interval | None, work: int, wait: int = 0, deadline: float | None = None) -> Task:
    """A task created at BEGIN that waited and worked so many milliseconds."""
    found = Task(name, "net", 1, BEGIN / 1e3, deadline, node="edge-1", node_class="edge", paired=predicted is not None)
    found.result = RunResult(
        process_start=BEGIN,
        work_begin=BEGIN + wait,
        work_end=BEGIN + wait + work,
        inferences=10,
        inference_median_microseconds=1,
        memory_peak_bytes=1,
        environment=Environment(threads=1, runtime="none"),
    )
    if predicted:
        found.prediction = PodPrediction(
            node="edge-1",
            node_class="edge",
            inferences=10,
            work_milliseconds=predicted,
            startup_milliseconds=1,
            memory_bytes=1,
            source="Measured",
            model_version="",
            bound_milliseconds=BEGIN,
        )
    return found


TEN_SECONDS = Interval(lower=9_000, median=10_000, upper=11_000)


def test_errors_are_weighed_by_what_the_tasks_took() -> None:
    tasks = {
        "default": [task("a", predicted=TEN_SECONDS, work=8_000), task("b", predicted=TEN_SECONDS, work=10_000)],
        "foretide": [task("c", predicted=TEN_SECONDS, work=14_000)],
    }
    figures = report.summary(tasks)
    assert (figures["tasks"], figures["finished"], figures["paired"]) == (3, 3, 3)
    assert figures["wape"] == pytest.approx((2 + 0 + 4) / 32, abs=1e-4)
    assert figures["bias"] == pytest.approx((2 + 0 - 4) / 32, abs=1e-4)
    assert figures["coverage"] == pytest.approx(1 / 3, abs=1e-4)


def test_turnaround_counts_the_wait_and_decides_on_the_deadline() -> None:
    tasks = {
        "default": [
            task("late", predicted=TEN_SECONDS, work=10_000, wait=5_000, deadline=12.0),
            task("in-time", predicted=TEN_SECONDS, work=10_000, wait=1_000, deadline=12.0),
            task("free", predicted=TEN_SECONDS, work=10_000),
        ]
    }
    figures = report.summary(tasks)["default"]
    assert figures == {"mean_turnaround_seconds": 12.0, "p95_turnaround_seconds": 14.6, "deadline_hits": 1}
    assert "1 of 2" in report.comparison({"default": figures}, tasks)


def test_tasks_without_a_prediction_are_counted_and_said() -> None:
    figures = report.summary({"default": [task("a", predicted=None, work=1_000)]})
    assert figures["wape"] is figures["bias"] is figures["coverage"] is None
    assert "0 of 1 tasks paired; no task carried a prediction" in report.accuracy(figures)


@pytest.mark.parametrize(("share", "value"), [(0.0, 1.0), (0.5, 2.5), (0.95, 3.85), (1.0, 4.0)])
def test_a_percentile_is_interpolated(share: float, value: float) -> None:
    assert report.percentile([4.0, 1.0, 3.0, 2.0], share) == pytest.approx(value)
