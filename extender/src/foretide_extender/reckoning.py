"""What a task takes at a spot, term by term: the arithmetic of scores, and of the words in which they are explained.

Nodes are compared by the completion that a percentile of such tasks keep to; for services by the latency that a
percentile of requests keep to, to which starting and pulling add nothing. All of it follows from values that are
not changed any more, a `Basis`, so that a decision can be reckoned again as it was made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from foretide.placement.completion import (
    LEAST_SECONDS,
    NodeLoad,
    completion_seconds,
    exposure,
    interference,
    slowdown,
)
from foretide.placement.pulls import PullTimes
from foretide.placement.score import complete
from foretide.placement.task import Task, WorkloadPredictions
from foretide.prediction import Prediction
from foretide_extender.pages import Pages
from foretide_extender.spots import Spot

LEAST_REQUEST_SECONDS: Final = 1e-6
"""Requests are compared as finely as predictions are told."""


class Basis(NamedTuple):
    """What decisions on tasks of one sort rest on, as it was then; the workload is None where nothing is known of it.

    ``speeds`` are relative, by node class.
    """

    places: Pages[Spot]
    workload: WorkloadPredictions | None
    cpu_millis: int
    image_bytes: Mapping[str, int | None]
    speeds: Mapping[str, float]
    pull_bytes_per_second: Mapping[str, float]


class Terms(NamedTuple):
    """The ``seconds`` that a task takes, and those of them that it takes alone, pulls, and is held back by others.

    ``contention_seconds`` are for memory bandwidth and caches; what is left is for cores that are shared.
    """

    seconds: float
    alone_seconds: float
    pull_seconds: float = 0.0
    contention_seconds: float = 0.0

    @property
    def sharing_seconds(self) -> float:
        """What it takes longer since others hold cores that it may use, or a measurement the node."""
        return self.seconds - self.alone_seconds - self.pull_seconds - self.contention_seconds


class Reckoning:
    """What a task takes that may use ``cpu_millis``, so long that ``percent`` of such tasks take no longer."""

    def __init__(self, workload: WorkloadPredictions | None, task: Task, cpu_millis: int, percent: int) -> None:
        self.inferences = 0 if workload is None else workload.inferences_of(task)
        self.predictions: dict[str, Prediction] = {}
        for name in () if workload is None else workload.by_class:
            prediction = None if workload is None else workload.prediction_for(task, name)
            if prediction is not None:
                self.predictions[name] = prediction
        self._cpu_millis = cpu_millis
        self._percent = percent
        self._is_service = workload is not None and workload.is_service

    def alone_by_class(
        self, classes: Iterable[str | None], speeds: Mapping[str, float]
    ) -> Mapping[str | None, float] | None:
        """Seconds alone on each class, on one that is not predicted as guessed; None if nothing is known.

        Without any prediction they are relative.
        """
        predicted = {name: self._alone_seconds(prediction) for name, prediction in self.predictions.items()}
        distinct = list(dict.fromkeys([*predicted, *classes, None]))
        relative = [None if name is None else speeds.get(name) for name in distinct]
        seconds = complete([None if name is None else predicted.get(name) for name in distinct], relative)
        return None if seconds is None else dict(zip(distinct, seconds, strict=True))

    def terms(self, spot: Spot, alone_seconds: float, pulls: PullTimes, now_seconds: int) -> Terms:
        """What a task takes at a spot with its pull and its company, at a whole second since the epoch."""
        seconds, pull_seconds, cores = alone_seconds, 0.0, spot.allocatable_millis
        kept_seconds = 0 if self._is_service else max(spot.measured_until - now_seconds, 0)
        if spot.lacked and not self._is_service:
            pull_seconds = sum(pulls.seconds(image, spot.node_class) for image in sorted(spot.lacked))
            seconds += pull_seconds
        if spot.crowd is None and not spot.beside_millis:
            return Terms(seconds + kept_seconds, alone_seconds, pull_seconds)
        prediction = self.predictions.get(spot.node_class or "")
        load = NodeLoad(cores) if spot.crowd is None else spot.crowd.load(cores, now_seconds)
        exposed = exposure(spot.beside_millis, load.demand_millis + self._cpu_millis, cores)
        undisturbed, seconds = seconds, seconds * interference(prediction.contention if prediction else 0.0, exposed)
        contention_seconds = seconds - undisturbed
        if self._is_service:  # it stays: what counts is how cores are shared, not when those there now have ended
            seconds *= slowdown(load.demand_millis + self._cpu_millis, cores)
        elif spot.crowd is not None:
            seconds = completion_seconds(seconds, self._cpu_millis, load)
        return Terms(seconds + kept_seconds, alone_seconds, pull_seconds, contention_seconds)

    def _alone_seconds(self, prediction: Prediction) -> float:
        least_seconds = LEAST_REQUEST_SECONDS if self._is_service else LEAST_SECONDS
        return max(prediction.completion_quantile_seconds(self.inferences, self._percent), least_seconds)


def pull_times(image_bytes: Mapping[str, int | None], bytes_per_second: Mapping[str, float]) -> PullTimes:
    """How long pulls take by the sizes that nodes tell."""
    return PullTimes({image: size for image, size in image_bytes.items() if size is not None}, bytes_per_second)
