"""How far each Pod of a service was read, and sums per AIWorkload: stored together, so that nothing counts twice.

A service's counters only grow, and the difference to what was read last is what is counted. One write stores both the
sums and how far they go: whoever is killed before it reads the same difference again, afterwards a later one. Minutes
in which the operator was away come as one long one. A Pod that is left out for want of room is never counted again:
it would be from its start.
"""

from __future__ import annotations

import base64
import gzip
import logging
import math
import zlib
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

from foretide.latency import ServicePairing, quantile_microseconds
from foretide.service_report import ServiceReport
from foretide_kube.client import Object
from foretide_kube.kinds.aiworkload import ServiceActuals
from foretide_kube.kinds.common import to_time
from foretide_operator.config_maps import config_map

log = logging.getLogger(__name__)

NAME: Final = "foretide-services"
COMPONENT: Final = "services"
MOST_PODS: Final = 2_000
MOST_WORKLOADS: Final = 5_000
MOST_BYTES: Final = 900_000
"""The most that is stored, compressed: a ConfigMap holds 1 MiB."""
MOST_CUT_NAMESPACES: Final = 1_000
PAST_LIVES: Final = 4
"""Of so many earlier lives of a Pod's container it is known that they are over and read."""
KEPT_MILLISECONDS: Final = 600_000
"""So long it is known how far a Pod was read that is gone: what it said last may be looked at after its end."""
_DATA: Final = "services.json.gz"
_MAX_BYTES: Final = 64 * 1024 * 1024
_MOST: Final = 10**18
_MOST_RATIO: Final = 10**9


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """How far a Pod was read: the last reports of its latest life and of the one before, the boots of earlier ones.

    Of a Pod that is gone, ``gone_milliseconds`` is since when, from the epoch.
    """

    report: ServiceReport
    before: ServiceReport | None = None
    past: tuple[str, ...] = ()
    namespace: str = ""
    gone_milliseconds: int | None = None


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

    def plus(self, minute: Minute) -> ServiceSums:
        """With one more minute of a Pod; one in which none was answered counts for what it refused alone."""
        pairing = minute.pairing
        refused = min(self.refused + minute.period.refused, _MOST)
        if pairing is None:
            return msgspec.structs.replace(self, refused=refused)
        return msgspec.structs.replace(
            self,
            minutes=self.minutes + 1,
            judged=self.judged + (pairing.is_met is not None),
            met=self.met + bool(pairing.is_met),
            requests=min(self.requests + pairing.requests, _MOST),
            refused=refused,
            observed_microseconds=self.observed_microseconds + round(1e6 * pairing.observed_latency_seconds),
            predicted_microseconds=self.predicted_microseconds + round(1e6 * pairing.predicted_latency_seconds),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Minute:
    """A Pod of a workload (its UID) over a minute, paired; ``pairing`` is None where no request was answered."""

    workload_uid: str
    period: ServiceReport
    pairing: ServicePairing | None


class ServiceLedger(msgspec.Struct, frozen=True, kw_only=True):
    """Sums by the UIDs of AIWorkloads, least recently added to first; how far Pods were read, by their UIDs.

    ``cut_milliseconds`` is when a namespace's Pods were left out last, from the epoch.
    """

    sums: dict[str, ServiceSums] = msgspec.field(default_factory=dict)
    seen: dict[str, Seen] = msgspec.field(default_factory=dict)
    cut_milliseconds: dict[str, int] = msgspec.field(default_factory=dict)

    def plus(
        self,
        minutes: Iterable[Minute],
        seen: dict[str, Seen],
        *,
        alive: Collection[str],
        there: Collection[str],
        now: datetime,
    ) -> ServiceLedger:
        """With these minutes, and Pods read so far; besides, AIWorkloads ``alive`` and Pods ``there`` are kept.

        Pods that are gone are kept for `KEPT_MILLISECONDS`. Where there is no room for all, those go first, then Pods
        of the namespace that takes most.
        """
        sums = {uid: kept for uid, kept in self.sums.items() if uid in alive}
        by_workload: dict[str, list[Minute]] = {}
        for minute in minutes:
            if minute.workload_uid in alive:
                by_workload.setdefault(minute.workload_uid, []).append(minute)
        for uid, own in by_workload.items():
            total = sums.pop(uid, ServiceSums())
            for minute in own:
                total = total.plus(minute)
            sums[uid] = msgspec.structs.replace(total, latest=_latest(own, to_time(now)) or total.latest)
        for uid in list(sums)[: max(0, len(sums) - MOST_WORKLOADS)]:
            del sums[uid]
        kept = {uid: old for uid, old in self.seen.items() if uid not in seen} | seen
        now_milliseconds = round(now.timestamp() * 1000)
        kept = {uid: _gone(old, None if uid in there else now_milliseconds) for uid, old in kept.items()}
        ledger = ServiceLedger(
            sums=sums,
            seen={
                uid: old
                for uid, old in kept.items()
                if old.gone_milliseconds is None or now_milliseconds - old.gone_milliseconds <= KEPT_MILLISECONDS
            },
            cut_milliseconds=self.cut_milliseconds,
        )
        while ledger.seen and (len(ledger.seen) > MOST_PODS or not ledger._fits()):
            ledger = ledger._cut(now_milliseconds)
        return ledger

    def may_begin(self, namespace: str, created_milliseconds: int | None) -> bool:
        """Whether a Pod of which nothing is known may be counted from its start: not if it may have been before."""
        cut = self.cut_milliseconds.get(namespace)
        return cut is None or (created_milliseconds is not None and created_milliseconds > cut)

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

    def _fits(self) -> bool:
        plain = msgspec.json.encode(self)
        return len(plain) <= MOST_BYTES or len(gzip.compress(plain, mtime=0)) <= MOST_BYTES

    def _cut(self, now_milliseconds: int) -> ServiceLedger:
        """Without Pods that are gone; where there are none, without the longest half of the largest namespace's."""
        there = {uid: old for uid, old in self.seen.items() if old.gone_milliseconds is None}
        if len(there) < len(self.seen):
            return msgspec.structs.replace(self, seen=there)
        by_namespace: dict[str, dict[str, int]] = {}
        for uid, old in there.items():
            size_bytes = len(zlib.compress(msgspec.json.encode(old)))
            by_namespace.setdefault(old.namespace, {})[uid] = size_bytes
        namespace, own = max(by_namespace.items(), key=lambda item: sum(item[1].values()))
        count = len(there) - MOST_PODS if len(there) > MOST_PODS else math.ceil(len(own) / 2)
        dropped = set(sorted(own, key=own.__getitem__, reverse=True)[:count])
        log.warning(
            "no room for how far all Pods of services were read: %d of namespace %s are not counted any more",
            len(dropped),
            namespace,
        )
        cut = {name: then for name, then in self.cut_milliseconds.items() if name != namespace}
        cut[namespace] = now_milliseconds
        return msgspec.structs.replace(
            self,
            seen={uid: old for uid, old in there.items() if uid not in dropped},
            cut_milliseconds=dict(list(cut.items())[-MOST_CUT_NAMESPACES:]),
        )


def advance(seen: Seen | None, report: ServiceReport) -> tuple[Seen, ServiceReport] | None:
    """How far a Pod is read with this report, and what it tells that was not counted; None where that is nothing.

    Raises ReportError where its counters went back.
    """
    if seen is None:
        return Seen(report=report), report
    latest, before = seen.report, seen.before
    if before is not None and report.boot == before.boot:  # who starts anew may be heard before the last words of old
        known = before
    elif report.boot == latest.boot:
        known = latest
    elif report.boot in seen.past:
        return None
    else:
        past = seen.past if before is None else (*seen.past, before.boot)[-PAST_LIVES:]
        return msgspec.structs.replace(seen, report=report, before=latest, past=past), report
    if report.up_milliseconds < known.up_milliseconds:
        return None
    period = report.since(known)
    if not period.requests and not period.refused:
        return None
    change = {"report": report} if known is latest else {"before": report}
    return msgspec.structs.replace(seen, **change), period


def is_told_again(seen: Seen, report: ServiceReport) -> bool:
    """Whether a report tells what an earlier one did: last words stand in a Pod's status for long."""
    known = {each.boot: each.up_milliseconds for each in (seen.report, seen.before) if each is not None}
    return report.boot in seen.past or report.up_milliseconds <= known.get(report.boot, -1)


def load(item: Object | None) -> ServiceLedger:
    """The ledger as it was stored; an empty one, with a word in the log, where it cannot be read."""
    if item is None:
        return ServiceLedger()
    try:
        data = base64.b64decode(item.get("binaryData", {}).get(_DATA, ""))
        plain = zlib.decompressobj(wbits=31).decompress(data, _MAX_BYTES)
        return msgspec.json.decode(plain, type=ServiceLedger)
    except (ValueError, zlib.error, msgspec.DecodeError) as error:
        log.warning("ConfigMap %s cannot be read (%s): sums of services start from zero", NAME, error)
        return ServiceLedger()


def _gone(seen: Seen, now_milliseconds: int | None) -> Seen:
    """With since when its Pod is gone, at the latest now; None where it is there."""
    gone = now_milliseconds if now_milliseconds is None else seen.gone_milliseconds or now_milliseconds
    return seen if gone == seen.gone_milliseconds else msgspec.structs.replace(seen, gone_milliseconds=gone)


def _latest(minutes: list[Minute], time: str) -> Latest | None:
    """All minutes in which requests were answered, as one; None where there is none."""
    paired = [(minute.period, minute.pairing) for minute in minutes if minute.pairing is not None]
    if not paired:
        return None
    requests = sum(pairing.requests for _, pairing in paired)
    whole = paired[0][0]
    for period, _ in paired[1:]:
        whole = whole.plus(period)

    def mean(value: Callable[[ServicePairing], float]) -> float:
        return sum(value(pairing) * pairing.requests for _, pairing in paired) / requests

    return Latest(
        observed_microseconds=round(
            quantile_microseconds(whole.latency, paired[0][1].percent, whole.latency_microseconds)
        ),
        predicted_microseconds=round(1e6 * mean(lambda pairing: pairing.predicted_latency_seconds)),
        in_flight_permille=round(1e3 * mean(lambda pairing: pairing.in_flight)),
        time=time,
    )
