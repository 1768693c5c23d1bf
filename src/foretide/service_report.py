"""What a service says of itself: counters since its start in one small JSON document, bounded and never trusted.

Counters only grow while a service lives, so that who reads them now and then misses nothing and counts nothing twice:
what happened between two readings is their difference. A service that started anew says so by another ``boot``.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

import msgspec

SCHEMA: Literal["foretide.dev/service/v1"] = "foretide.dev/service/v1"
MAX_REPORT_BYTES: Final = 4096
"""What a termination message holds; with counters of ten digits a report is shorter."""
MAX_QUEUE: Final = 256
"""The most requests that wait in any service."""

STEPS_PER_DECADE: Final = 24
BOUNDS_MICROSECONDS: Final = tuple(round(100 * 10 ** (step / STEPS_PER_DECADE)) for step in range(145))
"""Upper ends of the buckets of durations: from 0.1 ms to 100 s, each 10 % above the one before."""
BOUNDS_AHEAD: Final = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, MAX_QUEUE)
"""Upper ends of the buckets of how many requests were ahead of one when it came, the one at work included."""

_Counter = Annotated[int, msgspec.Meta(ge=0, le=10**15)]
_BUCKETS: Final = len(BOUNDS_MICROSECONDS) + 1
Durations = Annotated[tuple[_Counter, ...], msgspec.Meta(min_length=_BUCKETS, max_length=_BUCKETS)]
"""How many took at most each of ``BOUNDS_MICROSECONDS`` and more than the one before; the last took longer than all."""
Ahead = Annotated[tuple[_Counter, ...], msgspec.Meta(min_length=len(BOUNDS_AHEAD), max_length=len(BOUNDS_AHEAD))]
"""How many found at most as many ahead as each of ``BOUNDS_AHEAD`` and more than the one before."""

NO_DURATIONS: Final[tuple[int, ...]] = (0,) * _BUCKETS
NOBODY_AHEAD: Final[tuple[int, ...]] = (0,) * len(BOUNDS_AHEAD)


class ReportError(ValueError):
    """A report that cannot be used; ``reason`` is ReportInvalid (no such document) or ReportImpossible."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message


class ServiceReport(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Counters of one life of a service, or the difference of two readings.

    ``latency`` counts the requests that were answered with outputs, by the time from the request received whole to its
    answer ready; ``inference`` the same ones by the time that the model took, ``ahead`` by how many were ahead of them.
    ``…_microseconds`` are the sums of these times and of the waiting between. ``refused`` were turned away unread since
    too many waited; ``failed`` asked for what cannot be, or their inference failed.
    """

    schema: Literal["foretide.dev/service/v1"] = SCHEMA
    boot: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}$")]
    up_milliseconds: _Counter
    latency: Durations = NO_DURATIONS
    inference: Durations = NO_DURATIONS
    ahead: Ahead = NOBODY_AHEAD
    latency_microseconds: _Counter = 0
    queue_microseconds: _Counter = 0
    inference_microseconds: _Counter = 0
    refused: _Counter = 0
    failed: _Counter = 0

    @property
    def requests(self) -> int:
        """How many were answered."""
        return sum(self.latency)

    def since(self, before: ServiceReport | None) -> Self:
        """What happened since a reading of the same life; all of it where there is none, or that was of another.

        Raises ReportError ReportImpossible where a counter went back.
        """
        if before is None or before.boot != self.boot:
            return self
        changes: dict[str, object] = {}
        for name in _COUNTERS:
            now, then = getattr(self, name), getattr(before, name)
            changes[name] = (
                tuple(_grown(name, a, b) for a, b in zip(now, then, strict=True))
                if isinstance(now, tuple)
                else _grown(name, now, then)
            )
        return msgspec.structs.replace(self, **changes)

    def plus(self, other: ServiceReport) -> Self:
        """Both together, as if one service had done it all."""
        changes: dict[str, object] = {}
        for name in _COUNTERS:
            mine, its = getattr(self, name), getattr(other, name)
            changes[name] = (
                tuple(a + b for a, b in zip(mine, its, strict=True)) if isinstance(mine, tuple) else mine + its
            )
        return msgspec.structs.replace(self, **changes)


_COUNTERS: Final = tuple(name for name in ServiceReport.__struct_fields__ if name not in {"schema", "boot"})
_decoder = msgspec.json.Decoder(ServiceReport)


def encode(report: ServiceReport) -> bytes:
    """Write a report as a document that `parse` reads."""
    return msgspec.json.encode(report)


def parse(data: bytes) -> ServiceReport:
    """Read a document, and believe nothing that cannot be. Raises ReportError."""
    if len(data) > MAX_REPORT_BYTES:
        raise ReportError("ReportInvalid", f"{len(data)} bytes; at most {MAX_REPORT_BYTES} are allowed")
    try:
        report = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ReportError("ReportInvalid", f"not a JSON document of {SCHEMA}: {error}") from error
    counts = {sum(report.latency), sum(report.inference), sum(report.ahead)}
    if len(counts) > 1:
        raise ReportError("ReportImpossible", f"requests are counted as {', '.join(map(str, sorted(counts)))}")
    up_microseconds = 1000 * (report.up_milliseconds + 1)
    if report.inference_microseconds > up_microseconds:
        message = f"{report.inference_microseconds} us of inferences, one after the other, in {up_microseconds} us"
        raise ReportError("ReportImpossible", message)
    least = sum(count * bound for count, bound in zip(report.inference[1:], BOUNDS_MICROSECONDS, strict=True))
    if report.inference_microseconds < least - report.requests:
        message = f"the sum of inferences is {report.inference_microseconds} us, by their buckets at least {least} us"
        raise ReportError("ReportImpossible", message)
    return report


def _grown(name: str, now: int, before: int) -> int:
    if now < before:
        raise ReportError("ReportImpossible", f"{name} went back from {before} to {now}")
    return now - before
