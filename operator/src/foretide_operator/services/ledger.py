"""How far each Pod of a service was read, and sums per AIWorkload: stored together, so that nothing counts twice.

A service's counters only grow, and the difference to what was read last is what is counted. One write stores both the
sums and how far they go: whoever is killed before it reads the same difference again, afterwards a later one. Minutes
in which the operator was away come as one long one.
"""

from __future__ import annotations

import base64
import gzip
import logging
import zlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

import msgspec

from foretide.latency import ServicePairing, quantile_microseconds
from foretide.service_report import ServiceReport
from foretide_kube.client import Object
from foretide_kube.kinds.aiworkload import ServiceActuals
from foretide_operator.config_maps import config_map

log = logging.getLogger(__name__)

NAME: Final = "foretide-services"
COMPONENT: Final = "services"
MOST_PODS: Final = 2_000
MOST_WORKLOADS: Final = 5_000
PAST_LIVES: Final = 4
"""Of so many earlier lives of a Pod's container it is known that they were read to their end."""
_DATA: Final = "services.json.gz"
_MAX_BYTES: Final = 64 * 1024 * 1024
_MOST: Final = 10**18
_MOST_RATIO: Final = 10**9


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """The report of a Pod that was counted last, and the boots of the lives before."""

    report: ServiceReport
    past: tuple[str, ...] = ()


class Latest(msgspec.Struct, frozen=True, kw_only=True):
    """The latest minute of a workload, all its Pods together."""

    observed_microseconds: int
    predicted_microseconds: int
    in_flight_permille: int
    time: str


class ServiceSums(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over the minutes of a workload's Pods; latencies at the percentile that was asked for, one for each."""

    minutes: int = 0
    judged: int = 0
    met: int = 0
    requests: int = 0
    refused: int = 0
    observed_microseconds: int = 0
    predicted_microseconds: int = 0
    latest: Latest | None = None

    def plus(self, pairing: ServicePairing) -> ServiceSums:
        """With one more minute of a Pod."""
        return msgspec.structs.replace(
            self,
            minutes=self.minutes + 1,
            judged=self.judged + (pairing.is_met is not None),
            met=self.met + bool(pairing.is_met),
            requests=min(self.requests + pairing.requests, _MOST),
            refused=min(self.refused + pairing.refused, _MOST),
            observed_microseconds=self.observed_microseconds + round(1e6 * pairing.observed_latency_seconds),
            predicted_microseconds=self.predicted_microseconds + round(1e6 * pairing.predicted_latency_seconds),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Minute:
    """A Pod of a workload (its UID) over a minute, paired."""

    workload_uid: str
    period: ServiceReport
    pairing: ServicePairing


class ServiceLedger(msgspec.Struct, frozen=True, kw_only=True):
    """Sums by the UIDs of AIWorkloads, least recently added to first; how far Pods were read, by their UIDs."""

    sums: dict[str, ServiceSums] = msgspec.field(default_factory=dict)
    seen: dict[str, Seen] = msgspec.field(default_factory=dict)

    def plus(
        self,
        minutes: Iterable[Minute],
        seen: dict[str, Seen],
        *,
        alive: Collection[str],
        there: Collection[str],
        time: str,
    ) -> ServiceLedger:
        """With these minutes, and Pods read so far; AIWorkloads ``alive`` and Pods ``there`` alone are kept besides."""
        sums = {uid: kept for uid, kept in self.sums.items() if uid in alive}
        by_workload: dict[str, list[Minute]] = {}
        for minute in minutes:
            if minute.workload_uid in alive:
                by_workload.setdefault(minute.workload_uid, []).append(minute)
        for uid, own in by_workload.items():
            total = sums.pop(uid, ServiceSums())
            for minute in own:
                total = total.plus(minute.pairing)
            sums[uid] = msgspec.structs.replace(total, latest=_latest(own, time))
        for uid in list(sums)[: max(0, len(sums) - MOST_WORKLOADS)]:
            del sums[uid]
        kept_pods = {uid: kept for uid, kept in self.seen.items() if uid in there and uid not in seen} | seen
        for uid in list(kept_pods)[: max(0, len(kept_pods) - MOST_PODS)]:
            del kept_pods[uid]
        return ServiceLedger(sums=sums, seen=kept_pods)

    def of_workload(self, uid: str) -> ServiceActuals | None:
        """The summary for an AIWorkload; None if nothing was paired."""
        sums = self.sums.get(uid)
        if sums is None or sums.latest is None:
            return None
        ratio = None
        if sums.predicted_microseconds:
            ratio = min(round(1000 * sums.observed_microseconds / sums.predicted_microseconds), _MOST_RATIO)
        return ServiceActuals(
            minutes=sums.minutes,
            requests=sums.requests,
            refused=sums.refused,
            judged_minutes=sums.judged,
            met_minutes=sums.met,
            observed_to_predicted_permille=ratio,
            observed_latency_microseconds=sums.latest.observed_microseconds,
            predicted_latency_microseconds=sums.latest.predicted_microseconds,
            in_flight_permille=sums.latest.in_flight_permille,
            observed_time=sums.latest.time,
        )

    def to_config_map(self, namespace: str, owner: Object | None) -> Object:
        """The ConfigMap that keeps it."""
        data = gzip.compress(msgspec.json.encode(self), mtime=0)
        return config_map(NAME, namespace, COMPONENT, {_DATA: data}, owner)


def advance(seen: Seen | None, report: ServiceReport) -> tuple[Seen, ServiceReport] | None:
    """How far a Pod is read with this report, and what it tells that was not counted; None where that is nothing.

    Raises ReportError where its counters went back.
    """
    if seen is None:
        return Seen(report=report), report
    before = seen.report
    if report.boot in seen.past or (report.boot == before.boot and report.up_milliseconds < before.up_milliseconds):
        return None
    period = report.since(before)
    if report.boot == before.boot:
        return (Seen(report=report, past=seen.past), period) if period.requests or period.refused else None
    return Seen(report=report, past=(*seen.past, before.boot)[-PAST_LIVES:]), period


def load(item: Object | None) -> ServiceLedger:
    """The ledger as it was stored; an empty one, with a word in the log, where it cannot be read."""
    if item is None:
        return ServiceLedger()
    try:
        data = base64.b64decode(item.get("binaryData", {}).get(_DATA, ""))
        plain = zlib.decompressobj(wbits=31).decompress(data, _MAX_BYTES)
        return msgspec.json.decode(plain, type=ServiceLedger)
    except (ValueError, zlib.error, msgspec.DecodeError) as error:
        log.warning("ConfigMap %s cannot be read (%s): sums of services begin anew", NAME, error)
        return ServiceLedger()


def _latest(minutes: list[Minute], time: str) -> Latest:
    requests = sum(minute.pairing.requests for minute in minutes)
    whole = minutes[0].period
    for minute in minutes[1:]:
        whole = whole.plus(minute.period)

    def mean(values: Iterable[float]) -> float:
        weights = [minute.pairing.requests for minute in minutes]
        return sum(value * weight for value, weight in zip(values, weights, strict=True)) / requests

    return Latest(
        observed_microseconds=round(quantile_microseconds(whole.latency, minutes[0].pairing.percent)),
        predicted_microseconds=round(1e6 * mean(minute.pairing.predicted_latency_seconds for minute in minutes)),
        in_flight_permille=round(1e3 * mean(minute.pairing.in_flight for minute in minutes)),
        time=time,
    )
