"""What is committed on one node from now on: which requests are held until when, and where one more task fits.

A commitment holds its requests from the opening of its gate to its Pod's terminal phase. Free amounts are kept as a
step function of time. Its last axis is soft: the CPU that limits leave. Where it does not suffice tasks slow
each other, which is allowed and has its price (`Timeline.shared_offer`). A task with contention takes longer by those
that are there when it is opened; that they take longer because of it is left out.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from operator import add, ge, sub
from typing import Final

from foretide.placement.completion import exposure, interference, slowdown
from foretide.placement.resources import Amounts, needed
from foretide.placement.sharing import Share, shared_ends

MOST_COUNTED: Final = 1000
"""More tasks of a kind than these are not counted on one node."""


@dataclass(frozen=True, slots=True)
class Lags:
    """What passes on a node class between the plan's lines.

    ``release_seconds``: from the container's end to the Pod's terminal phase, while the scheduler still counts its
    requests; it depends on the node and is to be learned. ``open_to_bind_seconds``: from the gate's opening to the
    binding, which is up to the scheduler and much the same everywhere.
    """

    release_seconds: float = 1.8
    open_to_bind_seconds: float = 0.05


class Shape:
    """What a task asks of any node: its requests, and the CPU that it may use."""

    __slots__ = ("cpu_millis", "hard", "needs", "requests", "taken", "whole")

    def __init__(self, requests: Amounts, cpu_millis: int) -> None:
        self.requests = requests
        self.cpu_millis = cpu_millis
        self.hard = needed(requests)
        self.whole: Amounts = (*self.hard, cpu_millis)
        self.taken: Amounts = (*requests, cpu_millis)
        self.needs = [(axis, amount) for axis, amount in enumerate(requests) if amount > 0]


@dataclass(slots=True)
class Commitment:
    """A task on the node.

    ``open_seconds`` is None if it runs already; then ``start_seconds`` is now, and ``alone_seconds`` what remains.
    These are what it takes with cores of its own, those beside it when it was opened counted in.
    """

    key: str
    shape: Shape
    open_seconds: float | None
    start_seconds: float
    alone_seconds: float
    end_seconds: float


@dataclass(frozen=True, slots=True)
class Offer:
    """The best that a node can do for a task.

    ``cost_seconds`` is the end of the task plus the delay of the ends of all others there; ``alone_seconds`` as in
    `Commitment`; ``ends`` are those of the node's commitments and of the task itself, last, if it shares cores with
    them, else None.
    """

    cost_seconds: float
    open_seconds: float
    end_seconds: float
    alone_seconds: float
    ends: tuple[float, ...] | None = None


class Timeline:
    """One node from ``now_seconds`` on."""

    def __init__(
        self,
        name: str,
        *,
        allocatable: Amounts,
        in_use: Amounts,
        steady_millis: int,
        lags: Lags,
        now_seconds: float,
    ) -> None:
        self.name = name
        self.lags = lags
        self.now_seconds = now_seconds
        self.version = 0
        self.commitments: list[Commitment] = []
        self._allocatable = allocatable
        self._allocatable_millis = allocatable[0]
        self._steady_millis = steady_millis
        self._load_millis = in_use[0]
        self._idle: Amounts = (*map(sub, allocatable, in_use), allocatable[0] - steady_millis)
        self._times = [now_seconds]
        self._free = [self._idle]

    @property
    def load(self) -> float:
        """The share of its CPU that is requested by all that is committed here, now or later."""
        return self._load_millis / max(self._allocatable_millis, 1)

    def is_large_enough(self, need: Amounts) -> bool:
        """Whether what needs so much would fit on the node with nothing else there."""
        return all(map(ge, self._allocatable, need))

    @property
    def demand_share(self) -> float:
        """The CPU that all that is committed here may use, over what there is."""
        return self._demand_millis(self.commitments) / max(self._allocatable_millis, 1)

    def first_room_seconds(self, shape: Shape) -> float:
        """The first time with room to run undisturbed, for however short; infinite if there is none."""
        return self._first_fit(self._whole(shape), 0.0)

    def first_shared_seconds(self, shape: Shape) -> float:
        """The first time with room for the requests, cores shared or not; infinite if there is none."""
        return self._first_fit(shape.hard, 0.0)

    @property
    def room(self) -> Amounts:
        """What is there beside what is always here, the CPU that limits leave last."""
        return self._idle

    @property
    def free_now(self) -> Amounts:
        """What of it is free now."""
        return self._free[0]

    def capacity(self, shape: Shape) -> int:
        """How many such tasks fit beside what is always here."""
        return self._count(self._idle, shape)

    def slowness(self, shape: Shape) -> float:
        """How many times as long such a task takes here for what always runs here."""
        return slowdown(self._steady_millis + shape.cpu_millis, self._allocatable_millis)

    def free_from_seconds(self, shape: Shape, most: int) -> list[float]:
        """From when on there is room for one such task, for two, and so on: at most ``most`` times."""
        times, frees = self._times, self._free
        least = min(self._count(frees[-1], shape), most)
        found = [times[-1]] * least
        for index in range(len(times) - 2, -1, -1):
            if least == 0:
                break
            least = min(self._count(frees[index], shape), least)
            seconds = times[index]
            for place in range(least):
                found[place] = seconds
        return found

    def _count(self, free: Amounts, shape: Shape) -> int:
        """How many such tasks fit into what is free, at most `MOST_COUNTED`."""
        room = MOST_COUNTED
        for axis, need in shape.needs:
            fitting = free[axis] // need
            if fitting < room:  # noqa: PLR1730 - here time goes, and a call costs more than all the rest
                room = fitting
        if room <= 0:
            return 0
        spare = self._idle[-1]
        if shape.cpu_millis > spare:
            return int(free[-1] >= spare)
        if shape.cpu_millis > 0:
            room = min(room, free[-1] // shape.cpu_millis)
        return max(room, 0)

    def add_running(self, running: list[Commitment]) -> None:
        """Commit what runs already; to be called once, before anything else."""
        self.commitments = running
        free = self._idle
        for each in running:
            free = tuple(map(sub, free, each.shape.taken))
        self._load_millis += self._idle[0] - free[0]
        if free[-1] < 0:  # more may be used than there is
            for each, end in zip(running, self._shared_ends(running), strict=True):
                each.end_seconds = end
        release_seconds = self.lags.release_seconds
        self._times, self._free = [self.now_seconds], [free]
        for each in sorted(running, key=_end):
            if each.end_seconds == math.inf:
                break
            free = tuple(map(add, free, each.shape.taken))
            seconds = each.end_seconds + release_seconds
            if seconds > self._times[-1]:
                self._times.append(seconds)
                self._free.append(free)
            else:
                self._free[-1] = free

    def offer(self, shape: Shape, alone_seconds: float, contention: float = 0.0) -> Offer | None:
        """The first way to run a task with cores of its own; None if there is none.

        ``alone_seconds`` is what it takes with nothing beside it, ``contention`` its coefficient.
        """
        need = self._whole(shape)
        seconds = self._own_seconds(shape, alone_seconds)
        opened = self._first_fit(need, self._hold_seconds(seconds))
        while contention and opened < math.inf:
            first = bisect_left(self._times, opened)
            longer = self._beside(shape, alone_seconds, contention, first)
            seconds = self._own_seconds(shape, longer)
            fits = self._first_fit(need, self._hold_seconds(seconds), first)
            if fits == opened:
                alone_seconds = longer
                break
            opened = fits
        if opened == math.inf:
            return None
        end = opened + self.lags.open_to_bind_seconds + seconds
        return Offer(end, opened, end, alone_seconds)

    def shared_offer(
        self,
        shape: Shape,
        alone_seconds: float,
        contention: float = 0.0,
        *,
        latest_seconds: float,
        below_seconds: float,
    ) -> Offer | None:
        """The best way to run a task beside others that then share cores with it; None if there is none.

        It is opened by ``latest_seconds``, never so that a promised start would have to wait, and costs less than
        ``below_seconds``.
        """
        seconds = self._own_seconds(shape, alone_seconds)
        hold = self._hold_seconds(seconds)
        undisturbed = self._first_fit(self._whole(shape), hold)
        best = None
        first = 0
        while True:
            opened = self._first_fit(shape.hard, hold, first)
            if opened >= undisturbed or opened > latest_seconds:
                return best
            if opened + self.lags.open_to_bind_seconds + seconds > below_seconds:
                return best
            first = bisect_left(self._times, opened)
            found = self._shared_from(shape, self._beside(shape, alone_seconds, contention, first), opened)
            if found is not None and found.cost_seconds < below_seconds:
                best, below_seconds = found, found.cost_seconds
            first += 1

    def commit(self, key: str, shape: Shape, offer: Offer) -> Commitment:
        """Take an offer that was made for the present state."""
        start = offer.open_seconds + self.lags.open_to_bind_seconds
        made = Commitment(key, shape, offer.open_seconds, start, offer.alone_seconds, offer.end_seconds)
        self.commitments.append(made)
        self._load_millis += shape.requests[0]
        self.version += 1
        if offer.ends is None:
            self._hold(made)
        else:
            self._set_ends(list(offer.ends))
        return made

    def makes_room(self, open_seconds: float) -> str | None:
        """The key of the task whose release at that time makes room, None if nothing is released just then."""
        keys = [each.key for each in self.commitments if self._release(each) == open_seconds]
        return min(keys, default=None)

    def _whole(self, shape: Shape) -> Amounts:
        """What must be free to run undisturbed: all that is ever there suffices for a task that may use more."""
        spare = self._idle[-1]
        return shape.whole if shape.cpu_millis <= spare else (*shape.hard, spare)

    def _own_seconds(self, shape: Shape, alone_seconds: float) -> float:
        return alone_seconds * slowdown(self._steady_millis + shape.cpu_millis, self._allocatable_millis)

    def _hold_seconds(self, own_seconds: float) -> float:
        return self.lags.open_to_bind_seconds + own_seconds + self.lags.release_seconds

    def _beside(self, shape: Shape, alone_seconds: float, contention: float, step: int) -> float:
        """What a task takes beside all that is committed at a step."""
        if not contention:
            return alone_seconds
        others = self._idle[-1] - self._free[step][-1]
        demand = self._steady_millis + others + shape.cpu_millis
        return alone_seconds * interference(contention, exposure(others, demand, self._allocatable_millis))

    def _first_fit(self, need: Amounts, hold_seconds: float, first: int = 0) -> float:
        """The first step from the place ``first`` on at which ``need`` is free for so long; infinite if none is."""
        times, frees = self._times, self._free
        index, count = first, len(times)
        while index < count:
            if not all(map(ge, frees[index], need)):
                index += 1
                continue
            until = times[index] + hold_seconds
            later = index + 1
            while later < count and times[later] < until and all(map(ge, frees[later], need)):
                later += 1
            if later == count or times[later] >= until:
                return times[index]
            index = later + 1
        return math.inf

    def _shared_from(self, shape: Shape, alone_seconds: float, open_seconds: float) -> Offer | None:
        start = open_seconds + self.lags.open_to_bind_seconds
        added = Commitment("", shape, open_seconds, start, alone_seconds, math.inf)
        everything = [*self.commitments, added]
        ends = self._shared_ends(everything)
        if not self._keeps_promises(everything, ends):
            return None
        delays = sum(
            end - each.end_seconds
            for end, each in zip(ends, self.commitments, strict=False)
            if each.end_seconds < math.inf
        )
        return Offer(ends[-1] + delays, open_seconds, ends[-1], alone_seconds, tuple(ends))

    def _keeps_promises(self, commitments: list[Commitment], ends: list[float]) -> bool:
        """Whether the requests of all planned tasks still fit from their opening on."""
        releases = [end + self.lags.release_seconds for end in ends]
        for each in commitments:
            if each.open_seconds is None:
                continue
            free = self._idle
            for other, release in zip(commitments, releases, strict=True):
                begin = self.now_seconds if other.open_seconds is None else other.open_seconds
                if other is not each and begin <= each.open_seconds < release:
                    free = tuple(map(sub, free, (*other.shape.requests, 0)))
            if not all(map(ge, free, each.shape.hard)):
                return False
        return True

    def _shared_ends(self, commitments: list[Commitment]) -> list[float]:
        shares = [Share(each.start_seconds, each.alone_seconds, each.shape.cpu_millis) for each in commitments]
        return shared_ends(shares, allocatable_millis=self._allocatable_millis, steady_millis=self._steady_millis)

    def _demand_millis(self, commitments: list[Commitment]) -> int:
        return self._steady_millis + sum(each.shape.cpu_millis for each in commitments)

    def _set_ends(self, ends: list[float]) -> None:
        for each, end in zip(self.commitments, ends, strict=True):
            each.end_seconds = end
        self._rebuild()

    def _rebuild(self) -> None:
        self._times, self._free = [self.now_seconds], [self._idle]
        for each in self.commitments:
            self._hold(each)

    def _release(self, commitment: Commitment) -> float:
        return commitment.end_seconds + self.lags.release_seconds

    def _hold(self, commitment: Commitment) -> None:
        opened = commitment.open_seconds
        first = self._split(self.now_seconds if opened is None else opened)
        last = self._split(self._release(commitment))
        for index in range(first, last):
            self._free[index] = tuple(map(sub, self._free[index], commitment.shape.taken))

    def _split(self, time: float) -> int:
        """Let a step begin at ``time`` and return its place; never is after the last."""
        index = bisect_left(self._times, time)
        if time < math.inf and (index == len(self._times) or self._times[index] != time):
            self._times.insert(index, time)
            self._free.insert(index, self._free[index - 1])
        return index


def _end(commitment: Commitment) -> float:
    return commitment.end_seconds
