"""Latency of requests: predictions under load against a queue simulated, quantiles out of buckets, and pairs."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretide.latency import (
    ServicePairing,
    ahead_bucket_of,
    bucket_of,
    loaded_quantile_seconds,
    mean_in_flight,
    quantile_microseconds,
    request_quantile_seconds,
)
from foretide.prediction import Interval, Prediction
from foretide.service_report import BOUNDS_AHEAD, BOUNDS_MICROSECONDS, NO_DURATIONS, NOBODY_AHEAD, ServiceReport


def prediction(median: int = 20_000, upper: int | None = None) -> Prediction:
    upper = 2 * median if upper is None else upper
    return Prediction(
        node_class="board",
        work_microseconds_per_inference=Interval(lower=median * median // upper, median=median, upper=upper),
        startup_milliseconds=9_000,
        memory_bytes=1,
        source="Measured",
    )


def counted(values: Sequence[float]) -> tuple[int, ...]:
    counts = list(NO_DURATIONS)
    for value in values:
        counts[bucket_of(value)] += 1
    return tuple(counts)


def ahead_of(*found: int) -> tuple[int, ...]:
    counts = list(NOBODY_AHEAD)
    for number in found:
        counts[ahead_bucket_of(number)] += 1
    return tuple(counts)


def test_a_request_takes_one_inference_and_no_start_up() -> None:
    assert request_quantile_seconds(prediction(), 50) == pytest.approx(0.020)
    assert request_quantile_seconds(prediction(), 95) == pytest.approx(0.040)


def test_with_nobody_ahead_a_loaded_request_takes_what_one_alone_does() -> None:
    for ahead in (NOBODY_AHEAD, ahead_of(0, 0, 0)):
        assert loaded_quantile_seconds(prediction(), 90, ahead) == pytest.approx(
            request_quantile_seconds(prediction(), 90)
        )


def test_who_finds_three_ahead_waits_for_two_and_what_is_left_of_the_one_at_work() -> None:
    sure = prediction(10_000, 10_000)
    assert loaded_quantile_seconds(sure, 50, ahead_of(3)) == pytest.approx(0.035)
    assert loaded_quantile_seconds(sure, 90, ahead_of(3)) == pytest.approx(0.039)


def test_of_a_sure_time_the_percentile_is_that_of_who_was_ahead() -> None:
    sure = prediction(10_000, 10_000)
    mixed = ahead_of(*[0] * 80, *[2] * 20)
    assert loaded_quantile_seconds(sure, 75, mixed) == pytest.approx(0.010)
    assert loaded_quantile_seconds(sure, 90, mixed) == pytest.approx(0.025)


@settings(deadline=None)
@given(st.lists(st.integers(0, 256), min_size=1, max_size=40), st.integers(50, 98))
def test_more_ahead_or_a_higher_percentile_never_takes_less(found: list[int], percent: int) -> None:
    here = loaded_quantile_seconds(prediction(), percent, ahead_of(*found))
    busier = loaded_quantile_seconds(prediction(), percent, ahead_of(*(n + 1 for n in found)))
    assert request_quantile_seconds(prediction(), percent) <= here * (1 + 1e-9)
    assert here <= busier * (1 + 1e-9)
    assert here <= loaded_quantile_seconds(prediction(), percent + 1, ahead_of(*found)) * (1 + 1e-9)


@pytest.mark.parametrize("load", [0.1, 0.3, 0.6, 0.8])
def test_a_queue_of_random_arrivals_takes_about_what_its_load_predicts(load: float) -> None:
    """One server, Poisson arrivals, inferences that scatter by some per cent: the quantile is right within a tenth."""
    chance = random.Random(7)
    now = free = 0.0
    ends: list[float] = []
    latencies, found = [], []
    for _ in range(20_000):
        now += chance.expovariate(load / 0.020)
        ends = [end for end in ends if end > now]
        found.append(min(len(ends), 256))
        free = max(free, now) + 0.020 * chance.lognormvariate(0, 0.05)
        ends.append(free)
        latencies.append(1e6 * (free - now))
    predicted = loaded_quantile_seconds(prediction(20_000, 21_700), 90, ahead_of(*found))
    assert predicted == pytest.approx(quantile_microseconds(counted(latencies), 90, 0) / 1e6, rel=0.1)


@settings(deadline=None)
@given(
    st.lists(st.floats(100, 90_000_000), min_size=1, max_size=300),
    st.integers(1, 99),
)
def test_a_quantile_out_of_buckets_is_within_a_bucket_of_the_true_one(values: list[float], percent: int) -> None:
    true = sorted(values)[max(0, -(-len(values) * percent // 100) - 1)]
    assert true / 1.11 <= quantile_microseconds(counted(values), percent, 0) <= true * 1.11


def test_of_nothing_the_quantile_is_none() -> None:
    assert quantile_microseconds(NO_DURATIONS, 90, 0) == 0.0


@settings(deadline=None)
@given(st.lists(st.integers(100, 99_000_000), max_size=20), st.integers(110_000_000, 86_400_000_000), st.integers(1, 9))
def test_beyond_all_buckets_the_quantile_is_told_by_the_sum(within: list[int], beyond: int, count: int) -> None:
    values = [*within, *[beyond] * count]
    found = quantile_microseconds(counted(values), 99, sum(values))
    assert beyond - sum(within) * 0.11 / count - 1 <= found <= beyond + 1


@pytest.mark.parametrize("told", [0, 10**15])
def test_a_sum_that_cannot_be_moves_a_quantile_beyond_all_buckets_only_so_far(told: int) -> None:
    assert BOUNDS_MICROSECONDS[-1] < quantile_microseconds(counted([10**9]), 90, told) <= 86_400e6


def test_an_objective_beyond_all_buckets_is_missed_by_those_that_take_longer() -> None:
    period = ServiceReport(
        boot="0" * 32,
        up_milliseconds=60_000,
        latency=counted([300e6]),
        inference=counted([290e6]),
        ahead=ahead_of(0),
        latency_microseconds=300_000_000,
        inference_microseconds=290_000_000,
    )
    judged = {
        seconds: ServicePairing.of(period, prediction(), percent=90, objective_seconds=seconds)
        for seconds in (100.0, 200.0, 400.0)
    }
    assert [pairing.is_met for pairing in judged.values()] == [False, False, True]
    assert judged[200.0].observed_inference_seconds == pytest.approx(290)


def test_every_number_of_requests_ahead_has_a_bucket() -> None:
    assert [BOUNDS_AHEAD[ahead_bucket_of(n)] for n in (0, 1, 5, 16, 17, 256, 999)] == [0, 1, 6, 16, 24, 256, 256]


def test_a_minute_is_held_against_the_prediction_at_its_load() -> None:
    period = ServiceReport(
        boot="0" * 32,
        up_milliseconds=60_000,
        latency=counted([21_000.0] * 8 + [70_000.0] * 2),
        inference=counted([20_500.0] * 10),
        ahead=ahead_of(*[0] * 8, 3, 3),
        inference_microseconds=205_000,
        refused=2,
    )
    pairing = ServicePairing.of(period, prediction(), percent=90, objective_seconds=0.060)
    assert (pairing.requests, pairing.refused) == (10, 2)
    assert pairing.in_flight == pytest.approx(1.6)
    assert pairing.observed_inference_seconds == pytest.approx(0.0205, rel=0.06)
    assert pairing.predicted_inference_seconds == pytest.approx(0.020)
    assert pairing.observed_latency_seconds == pytest.approx(0.070, rel=0.06)
    assert 0.035 < pairing.predicted_latency_seconds < 0.12
    assert pairing.is_met is False
    assert ServicePairing.of(period, prediction(), percent=90, objective_seconds=0.1).is_met is True
    assert ServicePairing.of(period, prediction(), percent=90, objective_seconds=None).is_met is None


def test_without_a_request_nobody_is_in_flight() -> None:
    assert mean_in_flight(ServiceReport(boot="0" * 32, up_milliseconds=1)) == 0.0
