"""What it costs that jobs run on slots in some order, which `foretide.placement.assign` makes least.

An `Objective` says how turnarounds and missed deadlines add up. What waits beyond its bound costs far more than either,
however little it counts else. How often is reckoned is counted: a search has a budget.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final

from foretide.placement.order import Objective
from foretide.placement.pulls import NO_IMAGES
from foretide.placement.slots import Site, Slot

OVERDUE_PRICE: Final = 100.0
"""What waiting beyond the task's bound costs, in terms of a turnaround as long as it takes on its best class, or of its
deadline missed if that costs more."""
MOST_WEIGHT: Final = 10.0
"""Teams that are weighed against each other count at most so many times as much as usual, or as little."""
NEVER: Final = math.inf
_LONG_SEQUENCE: Final = 4
"""So many jobs more in a sequence take one more look."""


@dataclass(frozen=True, slots=True)
class Job:
    """A task as the search sees it; seconds are from now.

    ``seconds`` are from the binding to the end on each site, infinite where it may not go, ``extra_seconds`` what the
    upper bound is longer, ``widths`` how many slots it takes there. It arrived ``age_seconds`` ago; one that
    ``is_expected`` arrives in ``-age_seconds``. ``places`` are the nodes that it may go to, None for all.
    ``team`` is whose it is: no team should be slowed down more than others. Where its ``images`` are not, pulls come on
    top. ``previous_place`` is the node that it was meant for, to be opened at ``previous_seconds``.
    """

    seconds: Sequence[float]
    extra_seconds: Sequence[float]
    widths: Sequence[float]
    age_seconds: float
    due_seconds: float = NEVER
    latest_open_seconds: float = NEVER
    places: frozenset[int] | None = None
    team: Hashable = None
    is_expected: bool = False
    images: frozenset[str] = NO_IMAGES
    previous_place: int | None = None
    previous_seconds: float = 0.0

    def may_go(self, place: int) -> bool:
        """Whether it may go to a node of a site where its ``seconds`` are finite."""
        return self.places is None or place in self.places


class Costs:
    """Of every sequence of ``jobs`` on the slots of ``sites``.

    ``seconds`` are those of each job on each site if it comes first there, ``best_seconds`` on its best with its images
    there. A turnaround costs its seconds times their ``growth`` times the job's weight, one of ``weights``. Each
    reckoning takes some of ``looks_left``.
    """

    def __init__(self, jobs: Sequence[Job], sites: Sequence[Site], objective: Objective) -> None:
        self.looks_left = 0
        self._jobs = jobs
        self._sites = sites
        self._objective = objective
        self.growth = _growth(objective.power)
        self.seconds = [
            [job.seconds[number] + _pull(site, job.images) for job in jobs]
            if site.pulls
            else [job.seconds[number] for job in jobs]
            for number, site in enumerate(sites)
        ]
        self._extra = [[job.extra_seconds[site] for job in jobs] for site in range(len(sites))]
        self._widths = [[job.widths[site] for job in jobs] for site in range(len(sites))]
        self._ages = [job.age_seconds for job in jobs]
        self._due = [job.due_seconds for job in jobs]
        self._latest = [job.latest_open_seconds for job in jobs]
        self.best_seconds = [min(job.seconds, default=NEVER) for job in jobs]
        self.weights = _shared_weights(jobs, self.best_seconds) if objective.is_shared else [1.0] * len(jobs)
        prices = [best * self.growth(best) for best in self.best_seconds]
        self._late_price = [
            objective.deadline_price * price * weight for price, weight in zip(prices, self.weights, strict=True)
        ]
        overdue_price = OVERDUE_PRICE * max(objective.deadline_price, 1.0)
        self._overdue_price = [
            overdue_price * price * max(weight, 1.0) for price, weight in zip(prices, self.weights, strict=True)
        ]

    def of(self, slot: Slot, sequence: Sequence[int]) -> float:
        """What a sequence costs on a slot."""
        self.looks_left -= 1 + len(sequence) // _LONG_SEQUENCE
        site = self._sites[slot.site]
        seconds = self._seconds_on(slot, sequence) if site.pulls else self.seconds[slot.site]
        extra, widths = self._extra[slot.site], self._widths[slot.site]
        lead, gap, slowness = site.lead_seconds, site.gap_seconds, slot.slowness
        now, total, growth = slot.ready_seconds, 0.0, self.growth
        for index in sequence:
            age = self._ages[index]
            if now < -age:  # noqa: PLR1730 - here most of the time goes
                now = -age
            took = lead + seconds[index] * slowness
            end = now + took
            turnaround = age + end
            total += turnaround * growth(turnaround) * self.weights[index]
            late = end + extra[index] - self._due[index]
            if late > 0.0:  # between its bounds the end is taken as equally likely
                total += self._late_price[index] * (late / (2 * extra[index]) if late < 2 * extra[index] else 1.0)
            if now > self._latest[index]:
                total += self._overdue_price[index]
            now += (took + gap) * widths[index]
        return total

    def starts(self, slot: Slot) -> Iterator[tuple[int, float]]:
        """The jobs meant for a slot and when each begins."""
        if not slot.sequence:
            return
        now, seconds = slot.ready_seconds, self._seconds_on(slot, slot.sequence)
        for index in slot.sequence:
            now = max(now, -self._ages[index])
            yield index, now
            now += self._occupies(index, slot, seconds[index])

    def occupies(self, index: int, slot: Slot) -> float:
        """For how many seconds a job keeps a slot from the next, if it comes first."""
        return self._occupies(index, slot, self.seconds[slot.site][index])

    def occupied_seconds(self, slot: Slot) -> float:
        """For how many seconds the jobs meant for a slot keep it."""
        seconds = self._seconds_on(slot, slot.sequence)
        return sum(self._occupies(index, slot, seconds[index]) for index in slot.sequence)

    def weigh_teams(self) -> None:
        """Let tasks count for more whose team's are slowed down more, as things are meant now.

        How much a task is slowed down is its turnaround over what it takes on its best class.
        """
        slowed: dict[Hashable, list[float]] = defaultdict(list)
        for site in self._sites:
            for slot in site.slots:
                seconds = self._seconds_on(slot, slot.sequence)
                for index, begin in self.starts(slot):
                    if not self._jobs[index].is_expected:
                        end = begin + self._took(slot, seconds[index])
                        slowed[self._jobs[index].team].append((self._ages[index] + end) / self.best_seconds[index])
        if not slowed:
            return
        usual = fmean(each for of_team in slowed.values() for each in of_team)
        power = self._objective.team_power
        more = {team: (fmean(of_team) / usual) ** power for team, of_team in slowed.items()}
        self.weights = [
            min(max(weight * more.get(job.team, 1.0), 1.0 / MOST_WEIGHT), MOST_WEIGHT)
            for weight, job in zip(self.weights, self._jobs, strict=True)
        ]

    def _seconds_on(self, slot: Slot, sequence: Sequence[int]) -> Sequence[float] | Mapping[int, float]:
        """What each job of a sequence takes on a slot, by its index: an image is pulled for the first that needs it."""
        first, site = self.seconds[slot.site], self._sites[slot.site]
        if not site.pulls or len(sequence) < 2:
            return first
        found: dict[int, float] = {}
        there: frozenset[str] = NO_IMAGES
        for index in sequence:
            images = self._jobs[index].images
            found[index] = first[index] - _pull(site, images & there)
            there |= images
        return found

    def _took(self, slot: Slot, seconds: float) -> float:
        return self._sites[slot.site].lead_seconds + seconds * slot.slowness

    def _occupies(self, index: int, slot: Slot, seconds: float) -> float:
        gap = self._sites[slot.site].gap_seconds
        return (self._took(slot, seconds) + gap) * self._widths[slot.site][index]


def _shared_weights(jobs: Sequence[Job], best_seconds: Sequence[float]) -> list[float]:
    """One over what a job takes on its best class and over the work of its team, times what makes their mean one.

    A job that can go nowhere counts as one.
    """
    work: dict[Hashable, float] = defaultdict(float)
    for job, best in zip(jobs, best_seconds, strict=True):
        work[job.team] += best if best < NEVER else 0.0
    shares = [
        1.0 / (best * work[job.team]) if best < NEVER else 0.0 for job, best in zip(jobs, best_seconds, strict=True)
    ]
    mean = sum(shares) / max(len(shares) - shares.count(0.0), 1)
    return [share / mean if share else 1.0 for share in shares]


def _pull(site: Site, images: frozenset[str]) -> float:
    """What it takes to pull those of ``images`` that a site lacks, in seconds."""
    return sum(site.pulls[image] for image in sorted(images) if image in site.pulls)


def _growth(power: float) -> Callable[[float], float]:
    """How much a second counts of a turnaround so long, where turnarounds to ``power`` are added up."""
    known: Mapping[float, Callable[[float], float]] = {1.5: math.sqrt, 2.0: float}  # which are fast
    return known.get(power) or (lambda seconds: seconds ** (power - 1.0))
