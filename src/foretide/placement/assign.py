"""Which task should go to which slot, and after whom: a local search over all of them at once.

List scheduling gives each task what is best for itself, and so the fastest nodes to whoever comes first. Here the sum
over all tasks counts: of their turnarounds to the power of 1.5, which is short on the whole and leaves nobody far
behind, plus a price for a deadline that will probably be missed. The search begins with what was meant before, puts
in what is new, longest first and from the back (what runs last delays nobody), and then moves and swaps tasks while
that helps and its budget lasts. With single slots and without deadlines the least sum of turnarounds is an assignment
problem, which can be solved exactly: tests/placement says how near this comes.

It is deterministic: the budget counts what is looked at, not time.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from foretide.placement.slots import ClassSlots, Slot

DEADLINE_PRICE: Final = 1.0
"""What missing a deadline costs, in terms of a turnaround as long as the task takes on its best class."""
OVERDUE_PRICE: Final = 100.0
"""The same for waiting beyond the task's bound."""
MOST_CANDIDATES: Final = 4
"""On how many slots of each class a task is tried: those that are done first."""
_NEVER: Final = math.inf
_ROUNDING: Final = 1e-9
"""Costs that differ by less are equal."""
_SMALL_LOSS: Final = 0.05
"""Tasks of other age or deadline are swapped on trial though together they take so much longer."""


@dataclass(frozen=True, slots=True)
class Job:
    """A task as the search sees it; seconds are from now.

    ``seconds`` are from the binding to the end on each class, infinite where it may not go, and ``extra_seconds`` what
    the upper bound is longer. It arrived ``age_seconds`` ago; one that is only expected arrives in ``-age_seconds``
    (see ``is_expected``). ``places`` are the nodes that it may go to, None for all.
    """

    seconds: Sequence[float]
    extra_seconds: Sequence[float]
    widths: Sequence[float]
    age_seconds: float
    due_seconds: float = _NEVER
    latest_open_seconds: float = _NEVER
    places: frozenset[int] | None = None
    previous_place: int | None = None
    previous_start_seconds: float = 0.0

    @property
    def is_expected(self) -> bool:
        """Whether it has not arrived yet."""
        return self.age_seconds < 0.0


@dataclass(frozen=True, slots=True)
class Aim:
    """The node that a task is meant for and when it would be opened, in seconds from now."""

    job: int
    place: int
    open_seconds: float


def assign(jobs: Sequence[Job], classes: Sequence[ClassSlots], *, budget: int) -> list[Aim]:
    """Where each job should go, those opened first in front; jobs that fit nowhere and expected ones are left out.

    ``budget`` is how many sequences of jobs may be reckoned for improvements.
    """
    search = _Search(jobs, classes, budget)
    search.begin()
    search.improve()
    return search.aims()


class _Search:
    def __init__(self, jobs: Sequence[Job], classes: Sequence[ClassSlots], budget: int) -> None:
        self._jobs = jobs
        self._classes = classes
        self._budget = budget
        self._seconds = [[job.seconds[c] for job in jobs] for c in range(len(classes))]
        self._extra = [[job.extra_seconds[c] for job in jobs] for c in range(len(classes))]
        self._widths = [[job.widths[c] for job in jobs] for c in range(len(classes))]
        self._ages = [job.age_seconds for job in jobs]
        self._due = [job.due_seconds for job in jobs]
        self._latest = [job.latest_open_seconds for job in jobs]
        self._best = [min(job.seconds, default=_NEVER) for job in jobs]
        prices = [best * math.sqrt(best) for best in self._best]
        self._late_price = [DEADLINE_PRICE * each for each in prices]
        self._overdue_price = [OVERDUE_PRICE * each for each in prices]
        self._at: list[tuple[int, Slot] | None] = [None] * len(jobs)

    def begin(self) -> None:
        """Put every job somewhere: where it was meant to go before, else by greedy choice from the back."""
        ends = _Ends(self._classes, [self._typical(c) for c in range(len(self._classes))])
        for index in sorted(self._keep_previous(ends), key=lambda index: (-self._best[index], index)):
            job = self._jobs[index]
            found = ends.least(job.seconds, job.places)
            if found is None:
                continue
            c, slot = found
            slot.cost, slot.sequence = self._inserted(index, c, slot, slot.sequence)
            self._at[index] = found
            ends.changed(c, slot)

    def improve(self) -> None:
        """Move and swap while that helps."""
        while self._budget > 0:
            order = self._by_start()
            is_better = self._move_all(order)
            is_better |= self._swap_all(order)
            if not is_better:
                return

    def aims(self) -> list[Aim]:
        """What was found."""
        found = []
        for c, each in enumerate(self._classes):
            for slot in each.slots:
                for index, begin in self._starts(c, slot):
                    if not self._jobs[index].is_expected:
                        found.append(Aim(index, slot.place, begin))
        return sorted(found, key=lambda aim: (aim.open_seconds, aim.job))

    def _starts(self, c: int, slot: Slot) -> Iterable[tuple[int, float]]:
        now = slot.ready_seconds
        for index in slot.sequence:
            now = max(now, -self._ages[index])
            yield index, now
            now += self._occupies(index, c, slot)

    def _occupies(self, index: int, c: int, slot: Slot) -> float:
        of_class = self._classes[c]
        own = of_class.lead_seconds + self._seconds[c][index] * slot.slowness + of_class.gap_seconds
        return own * self._widths[c][index]

    def _by_start(self) -> list[int]:
        starts = [
            (begin, index)
            for c, each in enumerate(self._classes)
            for slot in each.slots
            for index, begin in self._starts(c, slot)
        ]
        return [index for _, index in sorted(starts)]

    def _keep_previous(self, ends: _Ends) -> list[int]:
        """Put jobs back where they were meant to go, in the order of then; those for whom that is not possible."""
        if all(job.previous_place is None for job in self._jobs):
            return list(range(len(self._jobs)))
        new = []
        of_place: dict[int, tuple[int, list[Slot]]] = {}
        for c, each in enumerate(self._classes):
            for slot in each.slots:
                of_place.setdefault(slot.place, (c, []))[1].append(slot)
        done = {id(slot): slot.ready_seconds for _, slots in of_place.values() for slot in slots}
        before = sorted(range(len(self._jobs)), key=lambda index: (self._jobs[index].previous_start_seconds, index))
        for index in before:
            job = self._jobs[index]
            there = None if job.previous_place is None else of_place.get(job.previous_place)
            if there is None or self._seconds[there[0]][index] == _NEVER:
                new.append(index)
                continue
            c, slots = there
            slot = min(slots, key=lambda slot: done[id(slot)])
            slot.sequence.append(index)
            done[id(slot)] += self._occupies(index, c, slot)
            self._at[index] = (c, slot)
        for c, slots in of_place.values():
            for slot in slots:
                if slot.sequence:
                    slot.cost = self._cost(slot.sequence, c, slot)
                    ends.changed(c, slot)
        return new

    def _typical(self, c: int) -> float:
        known = sorted(seconds for seconds in self._seconds[c] if seconds < _NEVER)
        return known[len(known) // 2] if known else _NEVER

    def _cost(self, sequence: Sequence[int], c: int, slot: Slot) -> float:
        """What a sequence costs on a slot."""
        self._budget -= 1
        of_class = self._classes[c]
        seconds, extra, widths = self._seconds[c], self._extra[c], self._widths[c]
        lead, gap, slowness = of_class.lead_seconds, of_class.gap_seconds, slot.slowness
        now, total, sqrt = slot.ready_seconds, 0.0, math.sqrt
        for index in sequence:
            age = self._ages[index]
            if now < -age:  # noqa: PLR1730 - here most of the time goes
                now = -age
            took = lead + seconds[index] * slowness
            end = now + took
            turnaround = age + end
            total += turnaround * sqrt(turnaround)
            late = end + extra[index] - self._due[index]
            if late > 0.0:  # between its bounds the end is taken as equally likely
                total += self._late_price[index] * (late / (2 * extra[index]) if late < 2 * extra[index] else 1.0)
            if now > self._latest[index]:
                total += self._overdue_price[index]
            now += (took + gap) * widths[index]
        return total

    def _inserted(self, index: int, c: int, slot: Slot, sequence: list[int]) -> tuple[float, list[int]]:
        """The least cost of a slot with one more job, and the sequence that has it."""
        if not sequence:
            return self._cost((index,), c, slot), [index]
        seconds = self._seconds[c]
        own = seconds[index]
        count = len(sequence)
        place = 0
        while place < count and seconds[sequence[place]] <= own:
            place += 1
        tried = range(count, -1, -1) if count < 4 else (min(place + 1, count), place, max(place - 1, 0), 0)
        least, best = _NEVER, sequence
        for at in tried:  # from the back, so that equals stay in order
            made = [*sequence[:at], index, *sequence[at:]]
            cost = self._cost(made, c, slot)
            if cost < least - _ROUNDING:
                least, best = cost, made
        return least, best

    def _move_all(self, order: Sequence[int]) -> bool:
        candidates = [self._candidates(c) for c in range(len(self._classes))]
        is_better = False
        for index in order:
            if self._budget <= 0:
                break
            is_better |= self._move(index, candidates)
        return is_better

    def _candidates(self, c: int) -> list[Slot]:
        """Slots of a class that are done first; of those that are empty one is enough."""
        ends: list[tuple[float, int, Slot]] = []
        for slot in self._classes[c].slots:
            if not slot.sequence:
                ends.append((slot.ready_seconds, len(ends), slot))
                break
            end = slot.ready_seconds
            for index in slot.sequence:
                end += self._occupies(index, c, slot)
            ends.append((end, len(ends), slot))
        return [slot for _, _, slot in heapq.nsmallest(MOST_CANDIDATES, ends)]

    def _move(self, index: int, candidates: Sequence[Sequence[Slot]]) -> bool:
        at = self._at[index]
        if at is None:
            return False
        here, source = at
        rest = [each for each in source.sequence if each != index]
        without = self._cost(rest, here, source) if rest else 0.0
        least = source.cost - without - _ROUNDING
        best = None
        age, places = self._ages[index], self._jobs[index].places
        for c, slots in enumerate(candidates):
            own = self._seconds[c][index]
            if own == _NEVER:
                continue
            for slot in slots:
                if slot is source or (places is not None and slot.place not in places):
                    continue
                turnaround = max(age + slot.ready_seconds, 0.0) + own
                if turnaround * math.sqrt(turnaround) >= least:
                    continue
                cost, sequence = self._inserted(index, c, slot, slot.sequence)
                if cost - slot.cost < least:
                    least, best = cost - slot.cost, (c, slot, cost, sequence)
        if best is None:
            return False
        source.sequence, source.cost = rest, without
        c, slot, cost, sequence = best
        slot.sequence, slot.cost = sequence, cost
        self._at[index] = (c, slot)
        return True

    def _swap_all(self, order: Sequence[int]) -> bool:
        is_better = False
        looked = 0
        for first, one in enumerate(order):
            for other in order[first + 1 :]:
                looked += 1
                is_better |= self._swap(one, other)
            self._budget -= looked // 8
            looked %= 8
            if self._budget <= 0:
                break
        return is_better

    def _swap(self, one: int, other: int) -> bool:
        at_one, at_other = self._at[one], self._at[other]
        if at_one is None or at_other is None:
            return False
        here, slot = at_one
        there, other_slot = at_other
        if here == there:
            return False
        seconds, other_seconds = self._seconds[here], self._seconds[there]
        loss = seconds[other] - seconds[one]
        other_loss = other_seconds[one] - other_seconds[other]
        if loss + other_loss >= 0.0 and loss * len(slot.sequence) + other_loss * len(other_slot.sequence) >= 0.0:
            is_costly = loss + other_loss > _SMALL_LOSS * (seconds[one] + other_seconds[other])
            if is_costly or (self._ages[one] == self._ages[other] and self._due[one] == self._due[other]):
                return False
        if not (self._may_go(one, other_slot.place) and self._may_go(other, slot.place)):
            return False
        rest = [each for each in slot.sequence if each != one]
        other_rest = [each for each in other_slot.sequence if each != other]
        cost, sequence = self._inserted(other, here, slot, rest)
        if cost >= slot.cost + other_slot.cost:
            return False
        other_cost, other_sequence = self._inserted(one, there, other_slot, other_rest)
        if cost + other_cost >= slot.cost + other_slot.cost - _ROUNDING:
            return False
        slot.sequence, slot.cost = sequence, cost
        other_slot.sequence, other_slot.cost = other_sequence, other_cost
        self._at[one], self._at[other] = at_other, at_one
        return True

    def _may_go(self, index: int, place: int) -> bool:
        places = self._jobs[index].places
        return places is None or place in places


class _Ends:
    """The slots of each class by when one more typical job would be done there."""

    def __init__(self, classes: Sequence[ClassSlots], typical_seconds: Sequence[float]) -> None:
        self._gaps = [each.gap_seconds for each in classes]
        self._steps = [typical + gap for typical, gap in zip(typical_seconds, self._gaps, strict=True)]
        self._heaps = [
            [(self._end(c, slot), number, slot) for number, slot in enumerate(each.slots)]
            for c, each in enumerate(classes)
        ]
        self._tops: list[Slot] = []
        for heap in self._heaps:
            heapq.heapify(heap)
            self._tops.append(heap[0][2])
        self._terms = [self._term(c, slot) for c, slot in enumerate(self._tops)]

    def least(self, seconds: Sequence[float], places: frozenset[int] | None) -> tuple[int, Slot] | None:
        """The class and slot where a job is done first, if each that is there already has as long a one before it."""
        tops, terms = self._tops, self._terms
        if places is not None:
            found = [min((each for each in heap if each[2].place in places), default=None) for heap in self._heaps]
            seconds = [_NEVER if each is None else own for each, own in zip(found, seconds, strict=True)]
            tops = [top if each is None else each[2] for each, top in zip(found, tops, strict=True)]
            terms = [self._term(c, slot) for c, slot in enumerate(tops)]
        costs = [factor * own + rest for own, (factor, rest) in zip(seconds, terms, strict=True)]
        cost = min(costs)
        if cost == _NEVER:
            return None
        c = costs.index(cost)
        return c, tops[c]

    def changed(self, c: int, slot: Slot) -> None:
        """What is meant for ``slot``, of class ``c``, has changed."""
        heap = self._heaps[c]
        if heap[0][2] is slot:
            heapq.heapreplace(heap, (self._end(c, slot), heap[0][1], slot))
        else:
            at = next(at for at, each in enumerate(heap) if each[2] is slot)
            heap[at] = (self._end(c, slot), heap[at][1], slot)
            heapq.heapify(heap)
        self._tops[c] = heap[0][2]
        self._terms[c] = self._term(c, heap[0][2])

    def _term(self, c: int, slot: Slot) -> tuple[float, float]:
        """What a job costs at the end of a slot: so many times its seconds, and so many seconds."""
        count = 1 + len(slot.sequence)
        return count * slot.slowness, count * self._gaps[c] + slot.ready_seconds

    def _end(self, c: int, slot: Slot) -> float:
        return slot.ready_seconds + (len(slot.sequence) + 1) * self._steps[c]
