"""What was decided on the Pods that were asked about last, kept to be explained: within bounds, and at little cost.

A record holds what a decision rests on, not its words: bytes and maps that are there anyway and are not changed any
more. Who asks pays for the rest (`foretide_extender.explaining`).
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import msgspec

from foretide.placement.task import Task
from foretide_extender.decide import FilterAnswer, PrioritizeAnswer
from foretide_extender.reckoning import Basis
from foretide_extender.spots import Spot
from foretide_extender.wire import Request

MOST_RECORDS: Final = 1000
MOST_BYTES: Final = 8 * 2**20
"""All records together take no more; of 10,000 names each they are twenty to forty."""
_RECORD_BYTES: Final = 2000
_NAME_BYTES: Final = 80
"""What a refused node's name takes, beside its place in the map."""
_BASIS_BYTES: Final = 1000
_SPOT_BYTES: Final = 800
"""What a spot takes with three tasks in its crowd."""
_PREDICTION_BYTES: Final = 400
_NOBODY: Final[Mapping[str, str]] = {}


class Asked(NamedTuple):
    """The Pod that was asked about."""

    namespace: str
    name: str
    uid: str
    workload: str
    task: Task


class Record:
    """The last decision on a Pod.

    ``sent`` is the list of the nodes that were asked about last, in JSON; those ``refused`` in filter may be among
    them. What is told rests on ``basis`` at ``time_seconds`` since the epoch. Each verb's source is empty where it was
    not asked, or failed open, for the reason given. ``planned`` is the node that got the best score since the plan says
    so. ``size_bytes`` is the memory that it takes, about, without what it rests on.
    """

    __slots__ = (
        "basis",
        "filter_failed_open",
        "filter_source",
        "overruled",
        "planned",
        "pod",
        "prioritize_failed_open",
        "prioritize_source",
        "refused",
        "sent",
        "size_bytes",
        "time_seconds",
    )

    def __init__(self, request: Request, time_seconds: float) -> None:
        pod = request.pod
        self.pod = Asked(pod.namespace, pod.name, pod.uid, pod.workload, pod.task)
        self.time_seconds = time_seconds
        self.sent = sent = msgspec.json.encode(request.names) if request.whole else request.sent
        self.size_bytes = _RECORD_BYTES + len(sent)
        self.filter_source = self.filter_failed_open = self.prioritize_source = self.prioritize_failed_open = ""
        self.refused = _NOBODY
        self.overruled: tuple[str, ...] = ()
        self.planned: str | None = None
        self.basis: Basis | None = None


class Records:
    """The last records, one for each Pod by name. For one thread."""

    def __init__(self, *, most: int = MOST_RECORDS, most_bytes: int = MOST_BYTES) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._kept: dict[tuple[str, str], Record] = {}
        self._uses: dict[int, int] = {}
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()
        self._uses.clear()
        self.size_bytes = 0

    def find(self, namespace: str, name: str) -> Record | None:
        """What was decided on a Pod last; None if nothing was, or it is too long ago."""
        found = self._kept.get((namespace, name))
        return None if found is None else copy.copy(found)

    def filtered(self, request: Request, answer: FilterAnswer, failed_open: str, now_seconds: float) -> None:
        """Take note of an answer to filter, and for what reason it ``failed_open`` if it did."""
        record = Record(request, now_seconds)
        record.filter_failed_open = failed_open
        record.filter_source = "" if failed_open else answer.source
        record.overruled = answer.overruled
        record.basis = answer.basis
        if answer.refused:
            record.refused = answer.refused
            record.size_bytes += _refused_bytes(answer.refused)
        self._keep(record)

    def prioritized(
        self, request: Request, answer: PrioritizeAnswer | None, failed_open: str, now_seconds: float
    ) -> None:
        """Take note of an answer to prioritize, beside that to filter in the same attempt."""
        pod = request.pod
        record = self._joined(request, self._kept.get((pod.namespace, pod.name)), now_seconds)
        if answer is None:
            record.prioritize_failed_open = failed_open
        else:
            record.prioritize_source = answer.source
            record.planned = answer.top
            record.basis = answer.basis or record.basis
        self._keep(record)

    def _joined(self, request: Request, before: Record | None, now_seconds: float) -> Record:
        """A new record, with what was answered to filter if that was for the same attempt."""
        record = Record(request, now_seconds)
        if before is None or before.pod.uid != record.pod.uid:
            return record
        if before.prioritize_source or before.prioritize_failed_open:
            return record
        record.filter_source, record.filter_failed_open = before.filter_source, before.filter_failed_open
        record.refused, record.overruled, record.basis = before.refused, before.overruled, before.basis
        record.size_bytes += _refused_bytes(before.refused)
        return record

    def _keep(self, record: Record) -> None:
        """Take it in the place of the last one on the same Pod, and let go of the oldest where they are too many."""
        pod, kept = record.pod, self._kept
        key = pod.namespace, pod.name
        before = kept.pop(key, None)
        kept[key] = record
        self.size_bytes += record.size_bytes
        if record.basis is not None:
            self._hold(record.basis)
        if before is not None:
            self._drop(before)
        while self.size_bytes > self._most_bytes or len(kept) > self._most:
            self._drop(kept.pop(next(iter(kept))))

    def _drop(self, record: Record) -> None:
        self.size_bytes -= record.size_bytes
        if record.basis is not None:
            self._leave(record.basis)

    def _hold(self, basis: Basis) -> None:
        """Count what it rests on where no other record rests on the same."""
        if not self._is_first(basis):
            return
        self.size_bytes += _BASIS_BYTES
        for page in basis.places.pages():
            if self._is_first(page):
                self.size_bytes += sys.getsizeof(page)
                self.size_bytes += _SPOT_BYTES * sum(self._is_first(spot) for spot in _single(page))
        if basis.workload is not None and self._is_first(basis.workload):
            self.size_bytes += _PREDICTION_BYTES * len(basis.workload.by_class)

    def _leave(self, basis: Basis) -> None:
        """The opposite."""
        if not self._is_last(basis):
            return
        self.size_bytes -= _BASIS_BYTES
        for page in basis.places.pages():
            if self._is_last(page):
                self.size_bytes -= sys.getsizeof(page)
                self.size_bytes -= _SPOT_BYTES * sum(self._is_last(spot) for spot in _single(page))
        if basis.workload is not None and self._is_last(basis.workload):
            self.size_bytes -= _PREDICTION_BYTES * len(basis.workload.by_class)

    def _is_first(self, thing: object) -> bool:
        uses = self._uses[id(thing)] = self._uses.get(id(thing), 0) + 1
        return uses == 1

    def _is_last(self, thing: object) -> bool:
        uses = self._uses[id(thing)] = self._uses[id(thing)] - 1
        if not uses:
            del self._uses[id(thing)]
        return not uses


def _single(page: Mapping[str, Spot]) -> Iterator[Spot]:
    """The spots that are of one node or a few; there are few others."""
    return (spot for spot in page.values() if spot.crowd is not None)


def _refused_bytes(refused: Mapping[str, str]) -> int:
    return sys.getsizeof(refused) + _NAME_BYTES * len(refused) + sum(map(sys.getsizeof, set(refused.values())))
