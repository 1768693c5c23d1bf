"""What a service says of itself: read back as written, taken apart by difference, refused where it cannot be."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from foretide.service_report import (
    BOUNDS_AHEAD,
    BOUNDS_MICROSECONDS,
    MAX_REPORT_BYTES,
    ReportError,
    ServiceReport,
    encode,
    parse,
)


def report(requests: int = 3, *, boot: str = "a" * 32, **changes: Any) -> ServiceReport:
    """Inferences of 1 ms that took 2 ms as requests."""
    inference, latency = [[0] * (len(BOUNDS_MICROSECONDS) + 1) for _ in range(2)]
    ahead = [0] * len(BOUNDS_AHEAD)
    inference[24], latency[32], ahead[1] = requests, requests, requests
    values: dict[str, Any] = {
        "boot": boot,
        "up_milliseconds": 60_000,
        "latency": tuple(latency),
        "inference": tuple(inference),
        "ahead": tuple(ahead),
        "latency_microseconds": 2_000 * requests,
        "queue_microseconds": 900 * requests,
        "inference_microseconds": 1_000 * requests,
    }
    return ServiceReport(**(values | changes))


def test_a_report_is_read_back_as_it_was_written_and_fits_into_a_termination_message() -> None:
    assert parse(encode(report())) == report()
    most = 10**10 - 1
    buckets = ("latency", "inference", "ahead")
    counters: dict[str, Any] = {name: (most,) * len(getattr(report(), name)) for name in buckets}
    sums = {f"{name}_microseconds": 10**15 for name in ("latency", "queue", "inference")}
    longest = encode(structs.replace(report(), up_milliseconds=10**12, refused=most, failed=most, **counters, **sums))
    assert len(longest) <= MAX_REPORT_BYTES == 4096  # kubelet keeps no more of a termination message


def test_between_two_readings_happened_their_difference_and_no_reading_is_lost_or_counted_twice() -> None:
    readings = [report(n, refused=n // 2, up_milliseconds=1000 * (n + 1)) for n in (2, 5, 5, 11)]
    periods = [now.since(before) for before, now in zip([None, *readings], readings, strict=False)]
    assert [period.requests for period in periods] == [2, 3, 0, 6]
    assert sum(period.refused for period in periods) == readings[-1].refused
    total = periods[0]
    for period in periods[1:]:
        total = total.plus(period)
    assert total == readings[-1]


def test_a_service_that_started_anew_begins_at_nothing() -> None:
    assert report(4, boot="b" * 32).since(report(9)).requests == 4


def test_a_counter_that_went_back_is_refused() -> None:
    with pytest.raises(ReportError, match="ReportImpossible: latency went back from 9 to 4"):
        report(4).since(report(9))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"boot": "x"}, "ReportInvalid"),
        ({"latency": [1]}, "ReportInvalid"),
        ({"refused": -1}, "ReportInvalid"),
        ({"refused": 1.5}, "ReportInvalid"),
        ({"more": 1}, "ReportInvalid"),
        ({"schema": "foretide.dev/service/v2"}, "ReportInvalid"),
        ({"ahead": [0] * len(BOUNDS_AHEAD)}, "ReportImpossible"),
        ({"inferenceMicroseconds": 61_000_000}, "ReportImpossible"),
        ({"inferenceMicroseconds": 10}, "ReportImpossible"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(change: dict[str, Any], reason: str) -> None:
    document = json.loads(encode(report())) | change
    with pytest.raises(ReportError) as refused:
        parse(json.dumps(document).encode())
    assert refused.value.reason == reason


def test_a_report_that_is_too_long_is_refused_unread() -> None:
    with pytest.raises(ReportError, match="at most 4096"):
        parse(encode(report()) + b" " * MAX_REPORT_BYTES)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_report_or_refused(data: bytes) -> None:
    with pytest.raises(ReportError, match="ReportInvalid"):
        parse(data)
