"""Tasks that have ended, of any times."""

from __future__ import annotations

from demo.pod_times import PodTimes
from demo.task import Task
from foretide.placement.resources import Resources
from foretide.prediction import Interval, PodPrediction
from foretide.results import Environment, RunResult

BEGIN = 1_700_000_000_000
START_SECONDS = BEGIN / 1e3
ONE_CPU = Resources(1000, 512 * 2**20)
TEN_SECONDS = Interval(lower=9_000, median=10_000, upper=11_000)


def task(
    name: str,
    *,
    predicted: Interval | None = TEN_SECONDS,
    work: int,
    wait: int = 0,
    deadline: float | None = None,
    workload: str = "net",
    wave: int = 1,
    created: int = 0,
    node_class: str = "edge",
    release: int = 1_000,
) -> Task:
    """A task created so many milliseconds after BEGIN, bound after ``wait``, at work ``work`` (no start-up)."""
    node = f"{node_class}-1"
    begin = BEGIN + created + wait
    found = Task(name, workload, wave, (BEGIN + created) / 1e3, deadline, ONE_CPU, node, node_class)
    found.paired = predicted is not None
    found.result = RunResult(
        process_start=begin,
        work_begin=begin,
        work_end=begin + work,
        inferences=10,
        inference_median_microseconds=1,
        memory_peak_bytes=1,
        environment=Environment(threads=1, runtime="none"),
    )
    found.pod = PodTimes(name, ONE_CPU, found.created_seconds, node=node, bound_seconds=begin / 1e3)
    found.pod.released_seconds = (begin + work + release) / 1e3
    if predicted:
        found.prediction = PodPrediction(
            node=node,
            node_class=node_class,
            inferences=10,
            work_milliseconds=predicted,
            startup_milliseconds=1,
            memory_bytes=1,
            source="Measured",
            model_version="",
            bound_milliseconds=begin,
        )
    return found
