"""Where the search puts a task that it knows nothing better of: at the end of a slot, where that costs least."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence

from foretide.placement.slots import Site, Slot


class Ends:
    """The slots of each site by when one more typical task would be done there."""

    def __init__(self, sites: Sequence[Site], typical_seconds: Sequence[float]) -> None:
        self._sites = sites
        self._gaps = [each.gap_seconds for each in sites]
        self._steps = [typical + gap for typical, gap in zip(typical_seconds, self._gaps, strict=True)]
        self._heaps: list[list[tuple[float, int, Slot]]] = []
        self._first: list[Slot] = []
        self._terms: list[tuple[float, float]] = []

    def look_again(self) -> None:
        """Take note of all slots; to be called before anything else."""
        self._heaps = [
            [(self._end(slot), number, slot) for number, slot in enumerate(site.slots)] for site in self._sites
        ]
        for heap in self._heaps:
            heapq.heapify(heap)
        self._first = [heap[0][2] for heap in self._heaps]
        self._terms = [self._term(slot) for slot in self._first]

    def least(self, seconds: Sequence[float], places: frozenset[int] | None) -> Slot | None:
        """The slot where a task costs least at the end, if each before it takes as long as itself.

        ``seconds`` are what it takes on each site, ``places`` the nodes that it may go to, None for all.
        """
        first, terms = self._first, self._terms
        if places is not None:
            found = [min((each for each in heap if each[2].place in places), default=None) for heap in self._heaps]
            seconds = [math.inf if each is None else own for each, own in zip(found, seconds, strict=True)]
            first = [slot if each is None else each[2] for each, slot in zip(found, first, strict=True)]
            terms = [self._term(slot) for slot in first]
        costs = [factor * own + rest for own, (factor, rest) in zip(seconds, terms, strict=True)]
        cost = min(costs)
        return first[costs.index(cost)] if cost < math.inf else None

    def grew(self, slot: Slot) -> None:
        """One more task is meant for ``slot``."""
        heap = self._heaps[slot.site]
        if heap[0][2] is slot:
            heapq.heapreplace(heap, (self._end(slot), heap[0][1], slot))
        else:
            at = next(at for at, each in enumerate(heap) if each[2] is slot)
            heap[at] = (self._end(slot), heap[at][1], slot)
            heapq.heapify(heap)
        self._first[slot.site] = heap[0][2]
        self._terms[slot.site] = self._term(heap[0][2])

    def _term(self, slot: Slot) -> tuple[float, float]:
        """What a task costs at the end of a slot: so many times its seconds, and so many seconds."""
        count = 1 + len(slot.sequence)
        return count * slot.slowness, count * self._gaps[slot.site] + slot.ready_seconds

    def _end(self, slot: Slot) -> float:
        return slot.ready_seconds + (len(slot.sequence) + 1) * self._steps[slot.site]
