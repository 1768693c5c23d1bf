"""Latency of requests to a service: what is predicted, alone and under load, and what was observed, minute by minute.

A service performs one inference at a time, and an inference takes what is predicted for one: a log-logistic time
through the median and the upper bound (`foretide.placement.completion.quantile_seconds`). A request that finds ``n``
others ahead waits for their inferences, of which the one at work is as likely at any point of its way: in all it takes
from ``n`` to ``n + 1`` times an inference, alone one. How long inferences take on a class is uncertain as a whole, not
each by itself, so that a request's time is that of one inference multiplied, not a sum of independent ones, which would
scatter less.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from itertools import pairwise

import msgspec

from foretide.placement.completion import log_logistic_share, quantile_seconds
from foretide.prediction import Prediction, Source
from foretide.service_report import BOUNDS_AHEAD, BOUNDS_MICROSECONDS, ServiceReport

_BISECTIONS = 40
_BEYOND_MICROSECONDS = 1.1 * BOUNDS_MICROSECONDS[-1]
"""At least, of what took longer than all buckets."""
_MOST_MICROSECONDS = 86_400e6
"""The longest objective; a sum is as true as the container that tells it."""
_LEFT_TO_DO = (0.1, 0.3, 0.5, 0.7, 0.9)
"""What may be left of the inference at work, as shares of it."""


def request_quantile_seconds(prediction: Prediction, percent: int) -> float:
    """Seconds that ``percent`` of requests keep to, from 50 to 99, with nobody ahead of them."""
    return quantile_seconds(prediction.work_seconds(1), prediction.work_seconds(1, bound="upper"), percent)


def loaded_quantile_seconds(prediction: Prediction, percent: int, ahead: Sequence[int]) -> float:
    """As `request_quantile_seconds`, for requests that found others ahead as counted by `BOUNDS_AHEAD`."""
    total = sum(ahead)
    if not total:
        return request_quantile_seconds(prediction, percent)
    weights = [
        (times, count / total / len(_times(*found)))
        for found, count in zip(_ahead_ranges(), ahead, strict=True)
        for times in _times(*found)
        if count
    ]
    median, upper = prediction.work_seconds(1), prediction.work_seconds(1, bound="upper")
    alone = quantile_seconds(median, upper, percent)
    low, high = alone * weights[0][0], alone * weights[-1][0]
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        share = sum(weight * log_logistic_share(median, upper, middle / times) for times, weight in weights)
        low, high = (middle, high) if share < percent / 100 else (low, middle)
    return high


def _ahead_ranges() -> list[tuple[int, int]]:
    """The least and the most that are ahead in each bucket."""
    return [(0, 0), *((below + 1, bound) for below, bound in pairwise(BOUNDS_AHEAD))]


def _times(low: int, high: int) -> tuple[float, ...]:
    """How many times an inference requests take, equally many each, that find from ``low`` to ``high`` ahead."""
    return (1.0,) if high == 0 else tuple((low + high) / 2 + left for left in _LEFT_TO_DO)


def quantile_microseconds(counts: Sequence[int], percent: int, sum_microseconds: int) -> float:
    """The time that ``percent`` of those counted kept to, interpolated within its bucket on a logarithmic scale.

    0 where nothing was counted; where it lies beyond the last bound, the mean of those that do, which follows from the
    sum of all, up to a day.
    """
    wanted, seen = sum(counts) * percent / 100, 0
    for index, count in enumerate(counts):
        if count and seen + count >= wanted:
            if index == len(BOUNDS_MICROSECONDS):
                within = sum(n * bound for n, bound in zip(counts, BOUNDS_MICROSECONDS, strict=False))
                return min(max((sum_microseconds - within) / count, _BEYOND_MICROSECONDS), _MOST_MICROSECONDS)
            below, bound = _bounds(index)
            return below * math.pow(bound / below, (wanted - seen) / count)
        seen += count
    return 0.0


def _bounds(index: int) -> tuple[float, float]:
    """The lower and the upper end of a bucket; the first reaches down as far as the others do."""
    bound = BOUNDS_MICROSECONDS[index]
    below = BOUNDS_MICROSECONDS[index - 1] if index else bound * bound / BOUNDS_MICROSECONDS[1]
    return below, bound


def bucket_of(microseconds: float) -> int:
    """Where a time counts in a histogram by `BOUNDS_MICROSECONDS`."""
    return bisect.bisect_left(BOUNDS_MICROSECONDS, microseconds)


def ahead_bucket_of(ahead: int) -> int:
    """Where a request counts that finds so many ahead; more than `BOUNDS_AHEAD` knows count as its last."""
    return min(bisect.bisect_left(BOUNDS_AHEAD, ahead), len(BOUNDS_AHEAD) - 1)


def mean_in_flight(period: ServiceReport) -> float:
    """How many requests a request met in the mean, itself included; 0 where there were none."""
    if not period.requests:
        return 0.0
    middles = [(low + high) / 2 for low, high in _ahead_ranges()]
    return 1.0 + sum(m * count for m, count in zip(middles, period.ahead, strict=True)) / period.requests


class ServicePairing(msgspec.Struct, frozen=True, kw_only=True):
    """One Pod of a service over a minute or so: what its requests took, held against what was predicted for its class.

    Inferences are compared by their medians, latencies by the ``percent`` that the workload asks for and at the load
    that there was; ``objective_seconds`` is what they should keep to, None where nothing is asked.
    """

    node_class: str
    source: Source
    percent: int
    requests: int
    refused: int
    in_flight: float
    predicted_inference_seconds: float
    observed_inference_seconds: float
    predicted_latency_seconds: float
    observed_latency_seconds: float
    objective_seconds: float | None = None

    @classmethod
    def of(
        cls, period: ServiceReport, prediction: Prediction, *, percent: int, objective_seconds: float | None
    ) -> ServicePairing:
        """Hold what happened in a period, in which there were requests, against the prediction for the Pod's class."""
        return cls(
            node_class=prediction.node_class,
            source=prediction.source,
            percent=percent,
            requests=period.requests,
            refused=period.refused,
            in_flight=mean_in_flight(period),
            predicted_inference_seconds=prediction.work_seconds(1),
            observed_inference_seconds=quantile_microseconds(period.inference, 50, period.inference_microseconds) / 1e6,
            predicted_latency_seconds=loaded_quantile_seconds(prediction, percent, period.ahead),
            observed_latency_seconds=quantile_microseconds(period.latency, percent, period.latency_microseconds) / 1e6,
            objective_seconds=objective_seconds,
        )

    @property
    def is_met(self) -> bool | None:
        """Whether as many requests as asked for kept to the objective; None where nothing is asked."""
        return None if self.objective_seconds is None else self.observed_latency_seconds <= self.objective_seconds
