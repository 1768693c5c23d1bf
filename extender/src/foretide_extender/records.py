"""What was decided on the Pods that were asked about last, kept to be explained: within bounds, and at little cost.

A record holds what a decision rests on, not its words: bytes and maps that are there anyway and are not changed any
more. Who asks pays for the rest (`foretide_extender.explaining`).
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Mapping
from typing import Final

import msgspec

from foretide_extender.decide import FilterAnswer, PrioritizeAnswer
from foretide_extender.reckoning import Basis
from foretide_extender.wire import Request

MOST_RECORDS: Final = 1000
MOST_BYTES: Final = 8 * 2**20
"""All records together take no more; of 10,000 names each they are twenty to forty."""
_RECORD_BYTES: Final = 2000
_NAME_BYTES: Final = 80
"""What a refused node's name takes, beside its place in the map."""
_Key = tuple[str, str]


class Record:
    """The last decision on a Pod.

    ``sent`` is the list of the nodes that were asked about last, in JSON; those ``refused`` in filter may be among
    them. What is told rests on ``basis`` at ``time_seconds`` since the epoch. Each verb's source is empty where it was
    not asked, or failed open, for the reason given. ``planned`` is the node that got the best score since the plan says
    so. ``size_bytes`` is the memory that it takes, about, without what records share.
    """

    __slots__ = (
        "basis",
        "filter_failed_open",
        "filter_source",
        "key",
        "overruled",
        "planned",
        "prioritize_failed_open",
        "prioritize_source",
        "refused",
        "sent",
        "size_bytes",
        "task",
        "time_seconds",
        "uid",
        "workload",
    )

    def __init__(self, request: Request, key: _Key, time_seconds: float) -> None:
        pod = request.pod
        self.key = key
        self.uid = pod.uid
        self.workload = pod.workload
        self.task = pod.task
        self.time_seconds = time_seconds
        self.sent = b""
        self.filter_source = self.filter_failed_open = self.prioritize_source = self.prioritize_failed_open = ""
        self.refused: Mapping[str, str] = {}
        self.overruled: tuple[str, ...] = ()
        self.planned: str | None = None
        self.basis: Basis | None = None
        self.size_bytes = 0


class Records:
    """The last records, one for each Pod by name. For one thread."""

    def __init__(self, *, most: int = MOST_RECORDS, most_bytes: int = MOST_BYTES) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._kept: dict[_Key, Record] = {}
        self._uses: dict[int, int] = {}
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, namespace: str, name: str) -> Record | None:
        """What was decided on a Pod last; None if nothing was, or it is too long ago."""
        found = self._kept.get((namespace, name))
        return None if found is None else copy.copy(found)

    def filtered(self, request: Request, answer: FilterAnswer | None, failed_open: str, now_seconds: float) -> None:
        """Take note of an answer to filter, None where it ``failed_open``, for that reason."""
        key = request.pod.namespace, request.pod.name
        if key in self._kept:
            self._drop(self._kept.pop(key))
        record = self._kept[key] = Record(request, key, now_seconds)
        if answer is None:
            record.filter_failed_open = failed_open
        else:
            record.filter_source = answer.source
            record.overruled = answer.overruled
            if answer.refused:
                record.refused = answer.refused
                self._grow(record, _refused_bytes(answer.refused))
            self._rest(record, answer.basis)
        self._send(record, request)
        self._shrink()

    def prioritized(
        self, request: Request, answer: PrioritizeAnswer | None, failed_open: str, now_seconds: float
    ) -> None:
        """Take note of an answer to prioritize, beside that to filter in the same attempt."""
        key = request.pod.namespace, request.pod.name
        record = self._kept.get(key)
        if record is None or record.uid != request.pod.uid or record.prioritize_source or record.prioritize_failed_open:
            if record is not None:
                self._drop(self._kept.pop(key))
            record = self._kept[key] = Record(request, key, now_seconds)
        record.time_seconds = now_seconds
        if answer is None:
            record.prioritize_failed_open = failed_open
        else:
            record.prioritize_source = answer.source
            record.planned = answer.top
            self._rest(record, answer.basis)
        self._send(record, request)
        self._shrink()

    def _send(self, record: Record, request: Request) -> None:
        """The names that were asked about; of whole Nodes no more is kept."""
        sent = msgspec.json.encode(request.names) if request.whole else request.sent
        if sent is not record.sent:
            self._grow(record, len(sent) - len(record.sent))
            record.sent = sent

    def _rest(self, record: Record, basis: Basis | None) -> None:
        """Have the record rest on ``basis``; what many rest on counts once."""
        if basis is None:
            return
        places, before = basis.places, record.basis
        record.basis = basis
        if before is not None:
            if before.places is places:
                return
            self._leave(before)
        uses = self._uses.get(id(places), 0)
        self._uses[id(places)] = uses + 1
        if not uses:
            self.size_bytes += places.size_bytes

    def _leave(self, basis: Basis) -> None:
        places = basis.places
        uses = self._uses[id(places)] - 1
        if uses:
            self._uses[id(places)] = uses
        else:
            del self._uses[id(places)]
            self.size_bytes -= places.size_bytes

    def _grow(self, record: Record, size_bytes: int) -> None:
        record.size_bytes += size_bytes
        self.size_bytes += size_bytes

    def _drop(self, record: Record) -> None:
        self.size_bytes -= record.size_bytes
        if record.basis is not None:
            self._leave(record.basis)

    def _shrink(self) -> None:
        while len(self._kept) > self._most or self.size_bytes + _RECORD_BYTES * len(self._kept) > self._most_bytes:
            self._drop(self._kept.pop(next(iter(self._kept))))


def _refused_bytes(refused: Mapping[str, str]) -> int:
    return sys.getsizeof(refused) + _NAME_BYTES * len(refused) + sum(map(sys.getsizeof, set(refused.values())))
