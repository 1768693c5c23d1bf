"""Which task should go to which slot, and after whom: a local search over all of them at once.

List scheduling gives each task what is best for itself, and so the fastest nodes to whoever comes first. Here the sum
over all tasks counts (`foretide.placement.costs`), by default of their turnarounds to the power of 1.5, which is short
on the whole and leaves nobody far behind, plus a price for a deadline that will probably be missed. The search begins
with what was meant before, puts in what is new (`foretide.placement.ends`), and then moves and swaps tasks while that
helps and its budget lasts. With single slots and without deadlines the least sum of turnarounds is an assignment
problem, which can be solved exactly: tests/placement says how near this comes.

It is deterministic: the budget counts what is looked at, not time.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from foretide.placement.costs import NEVER, Costs, Job
from foretide.placement.ends import Ends
from foretide.placement.order import BALANCED, Objective
from foretide.placement.slots import Site, Slot

MOST_CANDIDATES: Final = 4
"""On how many slots of each site a task is tried: those that are done first, and one that is empty."""
TRIED_EVERYWHERE: Final = 4
"""In a sequence that is shorter every position is tried, in longer ones those that may be best."""
_ROUNDING: Final = 1e-9
"""Costs that differ by less are equal."""
_SMALL_LOSS: Final = 0.05
"""Tasks of other age or deadline are swapped on trial though together they take so much longer: the older may gain."""


@dataclass(frozen=True, slots=True)
class Aim:
    """The node that a job is meant for and when it would be opened, in seconds from now."""

    job: int
    place: int
    open_seconds: float


def assign(jobs: Sequence[Job], sites: Sequence[Site], *, budget: int, objective: Objective = BALANCED) -> list[Aim]:
    """Where each job should go, those opened first in front; jobs that fit nowhere and expected ones are left out.

    ``budget`` is how many sequences of jobs may be reckoned for improvements; long ones count for more.
    """
    search = _Search(jobs, sites, objective)
    search.begin()
    rounds = objective.team_rounds if len({job.team for job in jobs if not job.is_expected}) > 1 else 0
    search.improve(budget // 2 if rounds else budget)
    for _ in range(rounds):
        search.weigh_teams()
        search.improve(budget // 2 // rounds)
    return search.aims()


class _Search:
    def __init__(self, jobs: Sequence[Job], sites: Sequence[Site], objective: Objective) -> None:
        self._jobs = jobs
        self._sites = sites
        self._costs = Costs(jobs, sites, objective)
        self._cost = self._costs.of
        self._seconds = self._costs.seconds
        self._ages = [job.age_seconds for job in jobs]
        self._due = [job.due_seconds for job in jobs]
        self._at: list[Slot | None] = [None] * len(jobs)
        for number, site in enumerate(sites):
            for slot in site.slots:
                slot.site = number

    def begin(self) -> None:
        """Put every job somewhere: where it was meant to go before, else where it costs least at the end.

        Those that take longest come first, from the back: what runs last delays nobody.
        """
        ends = Ends(self._sites, [self._typical(site) for site in range(len(self._sites))])
        new = self._keep_previous()
        ends.look_again()
        for index in sorted(new, key=lambda index: (-self._costs.best_seconds[index], index)):
            job = self._jobs[index]
            slot = ends.least(job.seconds, job.places)
            if slot is None:
                continue
            own = self._seconds[slot.site]
            slot.sequence.insert(bisect_right(slot.sequence, own[index], key=own.__getitem__), index)
            self._at[index] = slot
            ends.grew(slot)
        self._reckon_all()

    def improve(self, budget: int) -> None:
        """Move and swap while that helps."""
        self._costs.looks_left = budget
        while self._costs.looks_left > 0:
            order = self._by_start()
            is_better = self._move_all(order)
            is_better |= self._swap_all(order)
            if not is_better:
                return

    def weigh_teams(self) -> None:
        """Let tasks count for more whose team's are slowed down more."""
        self._costs.weigh_teams()
        self._reckon_all()

    def aims(self) -> list[Aim]:
        """What was found."""
        found = [
            Aim(index, slot.place, begin)
            for site in self._sites
            for slot in site.slots
            for index, begin in self._costs.starts(slot)
            if not self._jobs[index].is_expected
        ]
        return sorted(found, key=lambda aim: (aim.open_seconds, aim.job))

    def _reckon_all(self) -> None:
        for site in self._sites:
            for slot in site.slots:
                if slot.sequence:
                    slot.cost = self._cost(slot, slot.sequence)

    def _by_start(self) -> list[int]:
        starts = [
            (begin, index) for site in self._sites for slot in site.slots for index, begin in self._costs.starts(slot)
        ]
        return [index for _, index in sorted(starts)]

    def _keep_previous(self) -> list[int]:
        """Put jobs back to the nodes where they were meant to go, in the order of then; those that cannot be."""
        wanted = {job.previous_place for job in self._jobs if job.previous_place is not None}
        if not wanted:
            return list(range(len(self._jobs)))
        new = []
        free: dict[int, list[tuple[float, int, Slot]]] = {}
        for site in self._sites:
            for number, slot in enumerate(site.slots):
                if slot.place in wanted:
                    free.setdefault(slot.place, []).append((slot.ready_seconds, number, slot))  # in order, so a heap
        for index in sorted(range(len(self._jobs)), key=lambda index: (self._jobs[index].previous_seconds, index)):
            job = self._jobs[index]
            heap = None if job.previous_place is None else free.get(job.previous_place)
            if heap is None or self._seconds[heap[0][2].site][index] == NEVER or not job.may_go(heap[0][2].place):
                new.append(index)
                continue
            ready, number, slot = heap[0]
            slot.sequence.append(index)
            self._at[index] = slot
            heapq.heapreplace(heap, (max(ready, -job.age_seconds) + self._costs.occupies(index, slot), number, slot))
        return new

    def _typical(self, site: int) -> float:
        known = sorted(seconds for seconds in self._seconds[site] if seconds < NEVER)
        return known[len(known) // 2] if known else NEVER

    def _inserted(self, index: int, slot: Slot, sequence: list[int]) -> tuple[float, list[int]]:
        """The least cost of a slot with one more job, and the sequence that has it."""
        if not sequence:
            return self._cost(slot, (index,)), [index]
        count = len(sequence)
        if count < TRIED_EVERYWHERE:
            tried: Sequence[int] = range(count, -1, -1)
        else:
            seconds = self._seconds[slot.site]
            own = seconds[index]
            shortest = next((at for at, each in enumerate(sequence) if seconds[each] > own), count)
            tried = (min(shortest + 1, count), shortest, max(shortest - 1, 0), 0)
        least, best = NEVER, [*sequence, index]
        for at in tried:  # from the back, so that equals stay in order
            made = [*sequence[:at], index, *sequence[at:]]
            cost = self._cost(slot, made)
            if cost < least - _ROUNDING:
                least, best = cost, made
        return least, best

    def _move_all(self, order: Sequence[int]) -> bool:
        candidates = [_Candidates(self._by_end(site), site.slots) for site in self._sites]
        is_better = False
        for index in order:
            if self._costs.looks_left <= 0:
                break
            is_better |= self._move(index, candidates)
        return is_better

    def _by_end(self, site: Site) -> list[Slot]:
        """The slots of a site that somebody is meant for and that are done first."""
        ends = [
            (slot.ready_seconds + self._costs.occupied_seconds(slot), number, slot)
            for number, slot in enumerate(site.slots)
            if slot.sequence
        ]
        return [slot for _, _, slot in heapq.nsmallest(MOST_CANDIDATES, ends)]

    def _move(self, index: int, candidates: Sequence[_Candidates]) -> bool:
        source = self._at[index]
        if source is None:
            return False
        rest = [each for each in source.sequence if each != index]
        without = self._cost(source, rest) if rest else 0.0
        best = self._best_move(index, source, (rest, without), candidates)
        if best is None:
            return False
        source.sequence, source.cost = rest, without
        slot, cost, sequence = best
        if not slot.sequence and slot is not source:
            candidates[slot.site].took(slot)
        slot.sequence, slot.cost = sequence, cost
        self._at[index] = slot
        return True

    def _best_move(
        self, index: int, source: Slot, left: tuple[list[int], float], candidates: Sequence[_Candidates]
    ) -> tuple[Slot, float, list[int]] | None:
        """Where a job costs less than in ``source``, which without it is as ``left`` says: slot, cost and sequence."""
        job, age = self._jobs[index], self._ages[index]
        rest, without = left
        growth, weight = self._costs.growth, self._costs.weights[index]
        least = source.cost - without - _ROUNDING
        best: tuple[Slot, float, list[int]] | None = None
        if rest:
            cost, sequence = self._inserted(index, source, rest)
            if cost - without < least:
                least, best = cost - without, (source, cost, sequence)
        for site, own in enumerate(job.seconds):
            if own == NEVER:
                continue
            for slot in candidates[site].of(job):
                turnaround = max(age + slot.ready_seconds, 0.0) + own
                if slot is source or turnaround * growth(turnaround) * weight >= least:
                    continue
                cost, sequence = self._inserted(index, slot, slot.sequence)
                if cost - slot.cost < least:
                    least, best = cost - slot.cost, (slot, cost, sequence)
        return best

    def _swap_all(self, order: Sequence[int]) -> bool:
        """Try to swap jobs of different sites; to look at eight pairs costs as much as to reckon one."""
        is_better = False
        for first, one in enumerate(order if len(self._sites) > 1 else ()):
            for other in order[first + 1 :]:
                is_better |= self._swap(one, other)
            self._costs.looks_left -= (len(order) - first) // 8
            if self._costs.looks_left <= 0:
                break
        return is_better

    def _swap(self, one: int, other: int) -> bool:
        slot, other_slot = self._at[one], self._at[other]
        if slot is None or other_slot is None or slot.site == other_slot.site:
            return False
        seconds, other_seconds = self._seconds[slot.site], self._seconds[other_slot.site]
        loss = seconds[other] - seconds[one]
        other_loss = other_seconds[one] - other_seconds[other]
        if loss + other_loss >= 0.0 and loss * len(slot.sequence) + other_loss * len(other_slot.sequence) >= 0.0:
            is_costly = loss + other_loss > _SMALL_LOSS * (seconds[one] + other_seconds[other])
            if is_costly or (self._ages[one] == self._ages[other] and self._due[one] == self._due[other]):
                return False
        if not (self._jobs[one].may_go(other_slot.place) and self._jobs[other].may_go(slot.place)):
            return False
        together = slot.cost + other_slot.cost
        cost, sequence = self._inserted(other, slot, [each for each in slot.sequence if each != one])
        if cost >= together:
            return False
        rest = [each for each in other_slot.sequence if each != other]
        other_cost, other_sequence = self._inserted(one, other_slot, rest)
        if cost + other_cost >= together - _ROUNDING:
            return False
        slot.sequence, slot.cost = sequence, cost
        other_slot.sequence, other_slot.cost = other_sequence, other_cost
        self._at[one], self._at[other] = other_slot, slot
        return True


class _Candidates:
    """The slots of a site that are worth a try: those that are done first, and the first that is empty."""

    def __init__(self, busy: list[Slot], slots: Sequence[Slot]) -> None:
        self._busy = busy
        self._empty = [slot for slot in slots if not slot.sequence]

    def of(self, job: Job) -> Iterator[Slot]:
        """Those where ``job`` may go."""
        if job.places is None:
            yield from self._busy
            yield from self._empty[:1]
            return
        yield from (slot for slot in self._busy if job.may_go(slot.place))
        first = next((slot for slot in self._empty if job.may_go(slot.place)), None)
        if first is not None:
            yield first

    def took(self, slot: Slot) -> None:
        """A slot that was empty is so no more."""
        if slot in self._empty:
            self._empty.remove(slot)
            self._busy.append(slot)
