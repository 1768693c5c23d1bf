"""What a service counts, as a report for the operator and as text for Prometheus; both say the same."""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Final

from foretide.latency import ahead_bucket_of, bucket_of
from foretide.service_report import (
    BOUNDS_AHEAD,
    BOUNDS_MICROSECONDS,
    NO_DURATIONS,
    NOBODY_AHEAD,
    STEPS_PER_DECADE,
    ServiceReport,
)

TOO_MANY_WAIT: Final = frozenset({"QueueFull", "Overloaded"})
"""Reasons of refusals that the report counts: a service that starts or ends has none too many."""
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_SHOWN_EVERY: Final = STEPS_PER_DECADE // 6
"""Of the report's buckets Prometheus is shown six a decade: a series each costs it more than us."""


class Figures:
    """Counters since the start; from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._boot = secrets.token_hex(16)
        self._began_nanoseconds = time.monotonic_ns()
        self._latency, self._inference = list(NO_DURATIONS), list(NO_DURATIONS)
        self._ahead, self._ahead_total = list(NOBODY_AHEAD), 0
        self._latency_microseconds = self._queue_microseconds = self._inference_microseconds = 0
        self._refused: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()

    def answered(
        self, *, latency_nanoseconds: int, queue_nanoseconds: int, inference_nanoseconds: int, ahead: int
    ) -> None:
        """Count a request that was answered with outputs."""
        latency, inference = latency_nanoseconds // 1000, inference_nanoseconds // 1000
        with self._lock:
            self._latency[bucket_of(latency)] += 1
            self._inference[bucket_of(inference)] += 1
            self._ahead[ahead_bucket_of(ahead)] += 1
            self._ahead_total += ahead
            self._latency_microseconds += latency
            self._queue_microseconds += queue_nanoseconds // 1000
            self._inference_microseconds += inference

    def refused(self, reason: str) -> None:
        """Count a request that found no room."""
        with self._lock:
            self._refused[reason] += 1

    def failed(self, reason: str) -> None:
        """Count a request that could not be answered for what it asked, or whose inference failed."""
        with self._lock:
            self._failed[reason] += 1

    def report(self) -> ServiceReport:
        """All of it as of now."""
        with self._lock:
            return ServiceReport(
                boot=self._boot,
                up_milliseconds=(time.monotonic_ns() - self._began_nanoseconds) // 1_000_000,
                latency=tuple(self._latency),
                inference=tuple(self._inference),
                ahead=tuple(self._ahead),
                latency_microseconds=self._latency_microseconds,
                queue_microseconds=self._queue_microseconds,
                inference_microseconds=self._inference_microseconds,
                refused=sum(self._refused[reason] for reason in TOO_MANY_WAIT),
                failed=self._failed.total(),
            )

    def exposition(self, in_flight: int) -> str:
        """The report for Prometheus, with the requests in flight now and all refusals and failures by their reasons."""
        report = self.report()
        with self._lock:
            refused, failed, ahead_total = dict(self._refused), dict(self._failed), self._ahead_total
        seconds = [bound / 1e6 for bound in BOUNDS_MICROSECONDS]
        lines = [
            *_histogram(
                "foretide_service_request_duration_seconds",
                "From a request received whole to its answer ready.",
                _thinned(seconds, report.latency),
                report.latency_microseconds / 1e6,
            ),
            *_histogram(
                "foretide_service_inference_duration_seconds",
                "Time the model took for answered requests.",
                _thinned(seconds, report.inference),
                report.inference_microseconds / 1e6,
            ),
            *_histogram(
                "foretide_service_requests_ahead",
                "Requests already in the Pod when one arrived.",
                list(zip(map(float, BOUNDS_AHEAD), accumulate(report.ahead), strict=True)),
                ahead_total,
            ),
            *_counter(
                "foretide_service_queue_seconds_total",
                "Time answered requests waited for others.",
                {"": report.queue_microseconds / 1e6},
            ),
            *_counter("foretide_service_refused_total", "Requests refused for lack of room.", _by_reason(refused)),
            *_counter("foretide_service_failed_total", "Requests that could not be answered.", _by_reason(failed)),
            *_told("foretide_service_requests_in_flight", "Requests that wait or are being answered.", "gauge"),
            f"foretide_service_requests_in_flight {in_flight}",
        ]
        return "\n".join(lines) + "\n"


def _thinned(bounds: Sequence[float], counts: Sequence[int]) -> list[tuple[float, int]]:
    """Upper ends and cumulative counts of every so manyth bucket; what lies beyond all is in the total alone."""
    cumulative = list(accumulate(counts))
    return [*list(zip(bounds, cumulative[:-1], strict=True))[::_SHOWN_EVERY], (float("inf"), cumulative[-1])]


def _by_reason(counts: Mapping[str, int]) -> dict[str, float]:
    return {f'{{reason="{reason}"}}': count for reason, count in sorted(counts.items())}


def _told(name: str, words: str, kind: str) -> Iterable[str]:
    return f"# HELP {name} {words}", f"# TYPE {name} {kind}"


def _counter(name: str, words: str, values: Mapping[str, float]) -> Iterable[str]:
    return *_told(name, words, "counter"), *(f"{name}{labels} {value}" for labels, value in values.items())


def _histogram(name: str, words: str, cumulative: Sequence[tuple[float, int]], total: float) -> Iterable[str]:
    bounded = [(bound, count) for bound, count in cumulative if bound != float("inf")]
    count = cumulative[-1][1]
    return (
        *_told(name, words, "histogram"),
        *(f'{name}_bucket{{le="{bound}"}} {below}' for bound, below in bounded),
        f'{name}_bucket{{le="+Inf"}} {count}',
        f"{name}_sum {total}",
        f"{name}_count {count}",
    )
