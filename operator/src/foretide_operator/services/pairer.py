"""Pairs what services said with what was predicted for their Pods: stored first, then counted in metrics.

A report is somebody else's word: it is bounded by its form, counts for its own workload alone, and for metrics as one
minute however many requests it tells of.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

import msgspec

from foretide.latency import ServicePairing
from foretide.prediction import Prediction
from foretide.service_report import ReportError, ServiceReport
from foretide_kube.client import KubeClient, Object
from foretide_kube.kinds import aiworkload
from foretide_kube.kinds.aiworkload import AIWorkload
from foretide_kube.names import CONFIG_MAPS
from foretide_kube.readable import readable
from foretide_kube.times import epoch_milliseconds
from foretide_operator.actions import Apply
from foretide_operator.apply import apply_actions
from foretide_operator.fleet import Fleet
from foretide_operator.metrics import Metrics
from foretide_operator.services.ledger import Minute, Seen, ServiceLedger, advance, is_told_again
from foretide_operator.services.reader import Readings
from foretide_operator.services.targets import Reading
from foretide_operator.settings import Settings
from foretide_operator.world import World

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Progress:
    """What a look comes to while it reads: how far Pods are read, and the minutes that were paired.

    ``there`` are the UIDs of the Pods that there are.
    """

    there: frozenset[str]
    seen: dict[str, Seen]
    minutes: list[Minute]
    workloads: set[tuple[str, str]]


class ServicePairer:
    """Keeps the ledger; ``load`` it first. One thread at a time but for `readings`."""

    def __init__(self, client: KubeClient, world: World, settings: Settings, metrics: Metrics) -> None:
        self.readings = Readings()
        self._client = client
        self._world = world
        self._settings = settings
        self._metrics = metrics
        self._ledger = ServiceLedger()

    @property
    def ledger(self) -> ServiceLedger:
        """The sums as they are stored."""
        return self._ledger

    def load(self, ledger: ServiceLedger) -> None:
        """Begin with what was stored."""
        self._ledger = ledger

    def look(self, fleet: Fleet, owner: Object | None, now: datetime) -> frozenset[tuple[str, str]]:
        """Pair what was heard; the workloads (namespace, name) of which there is news.

        Raises ApiError where it could not be stored: all is read again then, and nothing lost.
        """
        heard = self.readings.waiting()
        there = frozenset(item["metadata"]["uid"] for item in self._world.task_pods.snapshot().values())
        progress = _Progress(there, {}, [], set())
        for reading in heard:
            self._read(reading, fleet, progress)
        if progress.seen:
            self._store(progress, owner, now)
        self.readings.drop(heard)
        for minute in progress.minutes:
            if minute.pairing is not None:
                self._metrics.count_service(minute.pairing)
        return frozenset(progress.workloads)

    def _read(self, reading: Reading, fleet: Fleet, progress: _Progress) -> None:
        known = progress.seen.get(reading.uid) or self._ledger.seen.get(reading.uid)
        if known is None and not self._may_begin(reading, progress):
            self._metrics.service_reports.labels("LeftOut").inc()
            return
        try:
            step = advance(known, reading.report)
        except ReportError as error:
            self._metrics.service_reports.labels("Refused").inc()
            log.warning("service Pod %s/%s is not believed: %s", reading.namespace, reading.name, error)
            return
        if step is None:
            if known is None or not is_told_again(known, reading.report):
                self._metrics.service_reports.labels("Idle").inc()
            return
        seen, period = step
        progress.seen[reading.uid] = msgspec.structs.replace(seen, namespace=reading.namespace)
        if not period.requests and not period.refused:
            self._metrics.service_reports.labels("Idle").inc()
            return
        minute = self._paired(reading, period, fleet)
        self._metrics.service_reports.labels("Unpredicted" if minute is None else "Paired").inc()
        if minute is not None:
            progress.minutes.append(minute)
            progress.workloads.add((reading.namespace, reading.workload))

    def _may_begin(self, reading: Reading, progress: _Progress) -> bool:
        """Whether a Pod of which nothing is known may be counted from its start: if surely it was not before."""
        created = epoch_milliseconds(reading.created)
        return reading.uid in progress.there and self._ledger.may_begin(reading.namespace, created)

    def _paired(self, reading: Reading, period: ServiceReport, fleet: Fleet) -> Minute | None:
        item = self._world.workloads.get(reading.workload, reading.namespace)
        workload = readable(lambda: aiworkload.parse(item)) if item is not None else None
        if workload is None or not _is_of(reading, workload):
            return None
        prediction = _prediction(workload, fleet.class_of.get(reading.node))
        if prediction is None:
            return None
        if not period.requests:
            return Minute(workload_uid=workload.metadata.uid, period=period, pairing=None)
        objective = workload.spec.objective
        latency = objective.latency_milliseconds
        pairing = ServicePairing.of(
            period,
            prediction,
            percent=objective.percentile,
            objective_seconds=None if latency is None else latency / 1e3,
        )
        return Minute(workload_uid=workload.metadata.uid, period=period, pairing=pairing)

    def _store(self, progress: _Progress, owner: Object | None, now: datetime) -> None:
        ledger = self._ledger.plus(
            progress.minutes,
            progress.seen,
            alive={item["metadata"]["uid"] for item in self._world.workloads.snapshot().values()},
            there=progress.there,
            now=now,
        )
        stored = Apply(CONFIG_MAPS, ledger.to_config_map(self._settings.namespace, owner))
        apply_actions([stored], self._client, self._world, own_namespace=self._settings.namespace, now=now)
        self._ledger = ledger


def _is_of(reading: Reading, workload: AIWorkload) -> bool:
    """Whether the Pod was made for this very AIWorkload: one that is older was made for a namesake."""
    made, since = epoch_milliseconds(reading.created), epoch_milliseconds(workload.metadata.creation_timestamp)
    return made is None or since is None or made >= since


def _prediction(workload: AIWorkload, node_class: str | None) -> Prediction | None:
    return next((each for each in workload.status.predictions if each.node_class == node_class), None)
