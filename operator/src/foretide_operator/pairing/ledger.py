"""What all tasks together said, per workload and node class, each Pod counted once whatever is interrupted.

Sums over those that were paired, and a watch on the measurement that they are predicted by.

A workload is its UID here: one that is made again under its name begins at nothing.

Sums cannot be added to twice without harm, so the Pods of the latest additions are kept beside the sums in the same
ConfigMap: one write stores both. Only then the Pods are annotated as paired; who finds a Pod that is not annotated
but in the list only annotates it.
"""

from __future__ import annotations

import base64
import gzip
import logging
import zlib
from collections.abc import Collection, Iterable
from typing import Final

import msgspec

from foretide.pairing import Pairing
from foretide_kube.client import Object
from foretide_kube.kinds.aiworkload import Actuals
from foretide_kube.kinds.workloadprofile import RunSummary
from foretide_operator.config_maps import config_map
from foretide_operator.pairing.ended import Ended
from foretide_operator.pairing.watch import Told, Watch, after

log = logging.getLogger(__name__)

NAME: Final = "foretide-pairings"
COMPONENT: Final = "pairings"
MAX_PAIRS: Final = 20_000
"""Pairs of workload and class that are kept; beyond, those that were not added to for longest are dropped …"""
MAX_PACKED_BYTES: Final = 720_000
"""… and so they are in what is stored, beyond so many bytes: as base64 they stay below the API's bound of 1 MiB.

About 15,000 pairs fill them, if all their figures are as large as they come."""
_DATA: Final = "ledger.json.gz"
_MAX_BYTES: Final = 64 * 1024 * 1024


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over paired tasks of one workload; work and start-up where the runner told them.

    ``watch`` is on the measurement of which all of them said something, None where they did of none or of several.
    """

    count: int = 0
    timed: int = 0
    work_milliseconds: int = 0
    startup_milliseconds: int = 0
    completion_milliseconds: int = 0
    predicted_work_milliseconds: int = 0
    watch: Watch | None = None

    def plus(self, pairing: Pairing | None, told: Told | None) -> Sums:
        """With one more task, which was paired, or said something of the measurement, or both."""
        watch = self.watch if told is None else after(self.watch, told)
        if pairing is None:
            return msgspec.structs.replace(self, watch=watch)
        work, startup = pairing.actual_work_milliseconds, pairing.actual_startup_milliseconds
        timed = work is not None and startup is not None
        return Sums(
            count=self.count + 1,
            timed=self.timed + int(timed),
            work_milliseconds=self.work_milliseconds + (work or 0),
            startup_milliseconds=self.startup_milliseconds + (startup or 0),
            completion_milliseconds=self.completion_milliseconds + pairing.actual_completion_milliseconds,
            predicted_work_milliseconds=self.predicted_work_milliseconds
            + (pairing.predicted_milliseconds("work") if timed else 0),
            watch=watch,
        )

    def __add__(self, other: Sums) -> Sums:
        names = [name for name in self.__struct_fields__ if name != "watch"]
        return Sums(**{name: getattr(self, name) + getattr(other, name) for name in names})


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """Sums by AIWorkload, least recently added to first, and the UIDs of Pods that are counted and not annotated.

    Under ``uid/class`` are the tasks since the class's last measurement, under ``uid/`` all others.
    """

    sums: dict[str, Sums] = msgspec.field(default_factory=dict)
    counted: tuple[str, ...] = ()

    def plus(self, ended: Iterable[Ended], *, annotated: Collection[str], alive: Collection[str]) -> Ledger:
        """With these tasks counted, but for those that were; ``annotated`` need not be remembered any more.

        Only the AIWorkloads with the UIDs ``alive`` keep their sums.
        """
        sums = {key: kept for key, kept in self.sums.items() if key.partition("/")[0] in alive}
        counted = [uid for uid in self.counted if uid not in annotated]
        known = set(counted)
        for task in ended:
            if task.uid in known:
                continue
            counted.append(task.uid)
            known.add(task.uid)
            if task.workload_uid in alive and (task.pairing is not None or task.told is not None):
                _add(sums, task)
        for key in list(sums)[: max(0, len(sums) - MAX_PAIRS)]:
            del sums[key]
        return Ledger(sums=sums, counted=tuple(counted))

    def watch_of(self, workload_uid: str, node_class: str) -> Watch | None:
        """The watch on the measurement of a workload on a class; None where no task said anything of it."""
        sums = self.sums.get(f"{workload_uid}/{node_class}")
        return None if sums is None else sums.watch

    def of_class(self, workload_uid: str, node_class: str, measured_time: str) -> RunSummary | None:
        """The summary for the WorkloadProfile that was measured then; None if no task ended there since."""
        sums = self.sums.get(f"{workload_uid}/{node_class}")
        if sums is None or not sums.timed or sums.watch is None or sums.watch.measured_time != measured_time:
            return None
        return RunSummary(
            count=sums.count,
            mean_work_milliseconds=round(sums.work_milliseconds / sums.timed),
            mean_startup_milliseconds=round(sums.startup_milliseconds / sums.timed),
            actual_to_predicted_permille=_permille(sums),
        )

    def of_workload(self, workload_uid: str) -> Actuals | None:
        """The summary for an AIWorkload; None if no task was paired."""
        prefix = f"{workload_uid}/"
        total = sum((sums for key, sums in self.sums.items() if key.startswith(prefix)), start=Sums())
        if not total.count:
            return None
        return Actuals(
            count=total.count,
            mean_work_milliseconds=round(total.work_milliseconds / total.timed) if total.timed else 0,
            mean_completion_milliseconds=round(total.completion_milliseconds / total.count),
            actual_to_predicted_permille=_permille(total),
        )

    def to_config_map(self, namespace: str, owner: Object | None) -> Object:
        """The ConfigMap that keeps it."""
        kept = self
        while len(data := gzip.compress(msgspec.json.encode(kept), mtime=0)) > MAX_PACKED_BYTES and kept.sums:
            eldest = len(kept.sums) // 10 + 1
            kept = msgspec.structs.replace(kept, sums=dict(list(kept.sums.items())[eldest:]))
        return config_map(NAME, namespace, COMPONENT, {_DATA: data}, owner)


def load(item: Object | None) -> Ledger:
    """The ledger as it was stored; an empty one, with a word in the log, where it cannot be read."""
    if item is None:
        return Ledger()
    try:
        data = base64.b64decode(item.get("binaryData", {}).get(_DATA, ""))
        plain = zlib.decompressobj(wbits=31).decompress(data, _MAX_BYTES)
        return msgspec.json.decode(plain, type=Ledger)
    except (ValueError, zlib.error, msgspec.DecodeError) as error:
        log.warning("ConfigMap %s cannot be read (%s): sums start from zero", NAME, error)
        return Ledger()


def _add(sums: dict[str, Sums], task: Ended) -> None:
    """Count a task; with the first of a new measurement, those of the one before it become others."""
    own, others = f"{task.workload_uid}/{task.node_class}", f"{task.workload_uid}/"
    if task.told is None:
        sums[others] = sums.pop(others, Sums()).plus(task.pairing, None)
        return
    known = sums.pop(own, Sums())
    if known.count and (known.watch is None or known.watch.measured_time != task.told.measured_time):
        sums[others] = sums.pop(others, Sums()) + known
        known = Sums()
    sums[own] = known.plus(task.pairing, task.told)


def _permille(sums: Sums) -> int | None:
    if not sums.predicted_work_milliseconds:
        return None
    return min(10**9, round(1000 * sums.work_milliseconds / sums.predicted_work_milliseconds))
