"""Commits task after task to nodes, each given all that was committed before it.

What is promised to a task is never taken back for a later one, which may only fill what is left (conservative
backfilling). Tasks that no gate keeps any more come before them all: whatever the plan says, the scheduler gives them
the first room. Equal ends go to the node with less committed, then by name.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from operator import ge
from typing import Final

from foretide.placement.completion import LEAST_SECONDS, exposure, interference, remaining_of
from foretide.placement.kinds import Kinds
from foretide.placement.plan import (
    NO_ELIGIBLE_NODE,
    NO_ROOM_FORESEEN,
    NOT_PREDICTED,
    TOO_LARGE,
    WAIT_BOUND_REACHED,
    NodeState,
    Placed,
    Running,
    Waiting,
)
from foretide.placement.pulls import NO_IMAGES, Pulling, PullTimes
from foretide.placement.resources import Amounts, Axes, Resources
from foretide.placement.search import Choice, Pace, Search, Spared
from foretide.placement.timeline import Commitment, Lags, Shape, Timeline

_ANY: Final[Pace] = (None, math.inf, 0.0)
"""Of a task that nothing is predicted for: it may go to any node, and is not expected to end."""


class Placing:
    """All nodes with what is committed on them; tasks are committed one after the other.

    ``tasks`` are all that will be. All times are seconds of one clock. ``groups`` gives the names of the nodes that
    tasks of a group may go to; a group that is missing or None may go to all. ``lags`` are those of node classes, with
    defaults where one is missing, ``pull_times`` what images take that nodes lack. Running tasks on nodes that are not
    among ``nodes`` are left out. ``timelines`` and ``classes`` are those of the nodes, by place.
    """

    def __init__(
        self,
        tasks: Sequence[Waiting],
        running: Iterable[Running],
        nodes: Iterable[NodeState],
        *,
        now_seconds: float,
        groups: Mapping[Hashable, frozenset[str] | None],
        lags: Mapping[str, Lags],
        pull_times: PullTimes,
    ) -> None:
        self._now = now_seconds
        self._axes = Axes(task.requests for task in tasks)
        self._shapes: dict[tuple[Amounts, int], Shape] = {}
        self.timelines: list[Timeline] = []
        self._most_free: Amounts | None = None
        there: dict[str, list[Running]] = defaultdict(list)
        for each in running:
            there[each.node].append(each)
        in_order = sorted(nodes, key=lambda node: node.name)
        self.classes = [node.node_class for node in in_order]
        self.pulling = Pulling(pull_times, [node.lacks for node in in_order], self.classes)
        self.kinds = Kinds([node.name for node in in_order], self.classes, groups, self.pulling)
        for place, node in enumerate(in_order):
            self.timelines.append(
                self._timeline(place, node, there[node.name], lags.get(node.node_class or "", Lags()))
            )
        self._search = Search(self.timelines, self.kinds.eligible, now_seconds)

    def shape(self, task: Waiting) -> Shape:
        """What the task asks of any node; one object for all that ask the same."""
        return self._shape(task.requests, task.cpu_millis)

    def place(self, task: Waiting, aimed: int | None = None) -> Placed:
        """Commit ``task`` to the node at the place ``aimed``, or where it ends first.

        It is not kept waiting for its node where another has room now and it would end sooner there.
        """
        shape = self.shape(task)
        latest = max(task.latest_open_seconds, self._now)
        spared = self._spared(task) if self.pulling.is_needed else None
        if aimed is not None and self._may_go(task.group, aimed):
            found = self._offered(aimed, shape, task, latest)
            if found is not None and found.offer is not None:
                if found.offer.open_seconds > self._now and self._is_room_now(shape):
                    found = self._sooner_now(task, shape, found, spared)
                return self._commit(task, shape, found)
        paces = self.paces(task)
        if paces:
            found = self._search.best(task.group, shape, paces, latest, spared)
            if found.offer is not None:
                return self._commit(task, shape, found)
            found = self.best(task, paces)
            if found.offer is not None:
                return self._commit(task, shape, found, open_seconds=latest, reason=WAIT_BOUND_REACHED)
            return Placed(task.key, latest, self._why_not(task.group, shape))
        found = self._search.best(task.group, shape, [_ANY], self._now)
        if found.offer is not None:
            return self._commit(task, shape, found, reason=NOT_PREDICTED)
        why_not = self._why_not(task.group, shape)
        if why_not == NO_ROOM_FORESEEN:
            return Placed(task.key, self._now, NOT_PREDICTED)
        return Placed(task.key, latest, why_not)

    def _sooner_now(self, task: Waiting, shape: Shape, found: Choice, spared: Spared | None) -> Choice:
        """Where a task would end sooner than as ``found`` if it went at once; ``found`` where there is no such node."""
        left_seconds = found.cost[0] - self._now
        paces = self.paces(task)
        if spared is None:
            paces = [pace for pace in paces if pace[1] < left_seconds]
        if not paces:
            return found
        now = self._search.best(task.group, shape, paces, self._now, spared)
        return now if now.offer is not None and now.cost < found.cost else found

    def place_pending(self, task: Waiting) -> Placed:
        """Commit ``task`` where the scheduler and the extender will put it.

        That is as soon as any node has room for its requests, and of those that then have it where it ends first.
        """
        shape = self.shape(task)
        paces = self.paces(task) or [_ANY]
        spared = self._spared(task) if self.pulling.is_needed else None
        first = self._search.first_room_seconds(task.group, shape, [kind for kind, _, _ in paces])
        for latest in (first, math.inf):  # what is free at first may be promised to one before it a little later
            found = self._search.best(task.group, shape, paces, latest, spared)
            if found.offer is not None:
                return self._commit(task, shape, found)
        return Placed(task.key, self._now, self._why_not(task.group, shape))

    def best(self, task: Waiting, paces: Sequence[Pace]) -> Choice:
        """Where ``task`` would end first at these of its `paces`, whenever that is; nothing is committed."""
        spared = self._spared(task) if self.pulling.is_needed else None
        return self._search.best(task.group, self.shape(task), paces, math.inf, spared)

    def offered(self, task: Waiting, place: int) -> Choice | None:
        """What the node at ``place``, to which it may go, would do for ``task``; nothing is committed."""
        return self._offered(place, self.shape(task), task, math.inf)

    def _is_room_now(self, shape: Shape) -> bool:
        """Whether any node may have room now: False is sure."""
        if self._most_free is None:
            free = [timeline.free_now for timeline in self.timelines]
            self._most_free = tuple(map(max, zip(*free, strict=True)))
        return all(map(ge, self._most_free, shape.hard))

    def _may_go(self, group: Hashable, place: int) -> bool:
        allowed = self.kinds.allowed(group)
        return allowed is None or place in allowed

    def _offered(self, place: int, shape: Shape, task: Waiting, latest: float) -> Choice | None:
        timeline = self.timelines[place]
        expected = task.expected.get(self.classes[place] or "")
        if expected is None:
            return None
        alone = max(expected.median_seconds, LEAST_SECONDS)
        lacked = self.pulling.lacked(place, task.images) if self.pulling.is_needed else NO_IMAGES
        bind, wait = timeline.lags.open_to_bind_seconds, 0.0
        if lacked:
            wait = self.pulling.wait_seconds(place, lacked, timeline.first_room_seconds(shape) + bind)
        choice = Choice()
        offer = timeline.offer(shape, alone + wait, expected.contention)
        if offer is not None and offer.open_seconds <= latest:
            choice.consider(place, timeline.load, offer)
        below = math.inf if offer is None else offer.cost_seconds
        undisturbed = math.inf if offer is None else offer.open_seconds
        if undisturbed > self._now and (earlier := timeline.first_shared_seconds(shape)) < undisturbed:
            if lacked:
                wait = self.pulling.wait_seconds(place, lacked, earlier + bind)
            shared = timeline.shared_offer(
                shape, alone + wait, expected.contention, latest_seconds=latest, below_seconds=below
            )
            if shared is not None:
                choice.consider(place, timeline.load, shared)
        return None if choice.offer is None else choice

    def _spared(self, task: Waiting) -> Spared | None:
        """What a task is spared where somebody else pulls its images; None if nobody does."""
        if not self.pulling.concerns(task.images):
            return None

        def spared_seconds(place: int, open_seconds: float) -> float:
            start = open_seconds + self.timelines[place].lags.open_to_bind_seconds
            return self.pulling.spared_seconds(place, task.images, start)

        return spared_seconds

    def _shape(self, requests: Resources, cpu_millis: int) -> Shape:
        amounts = self._axes.amounts(requests)
        shape = self._shapes.get((amounts, cpu_millis))
        if shape is None:
            shape = self._shapes[amounts, cpu_millis] = Shape(amounts, cpu_millis)
        return shape

    def _timeline(self, place: int, node: NodeState, running: Sequence[Running], lags: Lags) -> Timeline:
        timeline = Timeline(
            node.name,
            allocatable=self._axes.amounts(node.allocatable),
            in_use=self._axes.amounts(node.in_use),
            steady_millis=node.steady_cpu_millis,
            lags=lags,
            now_seconds=self._now,
        )
        if running:
            now, commitments = self._now, []
            for each in self._with_pulls(place, running) if node.lacks else running:
                expected, remaining = each.expected, math.inf
                if expected is not None:
                    median, upper = expected.median_seconds, expected.upper_seconds
                    if expected.contention:
                        longer = interference(expected.contention, _exposed(each, running, node))
                        median, upper = median * longer, upper * longer
                    remaining = max(remaining_of(median, upper, now - each.bound_seconds), LEAST_SECONDS)
                shape = self._shape(each.requests, each.cpu_millis)
                commitments.append(Commitment(each.key, shape, None, now, remaining, now + remaining))
            timeline.add_running(commitments)
        return timeline

    def paces(self, task: Waiting) -> list[Pace]:
        """What it takes on the kinds of nodes that it may go to and is predicted for, pulls included."""
        known = [
            (name, max(each.median_seconds, LEAST_SECONDS), each.contention)
            for name, each in sorted(task.expected.items())
        ]
        if not (self.pulling.is_needed and self.pulling.concerns(task.images)):
            return [each for each in known if self.kinds.eligible(task.group, each[0])]
        return [
            (kind, with_pulls, contention)
            for name, alone, contention in known
            for kind, with_pulls in self.kinds.of_class(task.group, task.images, name, alone)
        ]

    def _with_pulls(self, place: int, running: Sequence[Running]) -> list[Running]:
        """Running tasks, those that have not started with what they wait for their images; the first pulls for all."""
        found = []
        for each in sorted(running, key=lambda each: (each.bound_seconds, each.key)):
            expected, pull = each.expected, self.pulling.start(place, each.images, each.bound_seconds)
            if pull and expected is not None:
                median, upper = expected.median_seconds + pull, expected.upper_seconds + pull
                expected = replace(expected, median_seconds=median, upper_seconds=upper)
            found.append(replace(each, expected=expected))
        for each in running:
            self.pulling.still_missing(place, each.images, self._now)
        return found

    def _commit(
        self,
        task: Waiting,
        shape: Shape,
        found: Choice,
        *,
        open_seconds: float | None = None,
        reason: str = "",
    ) -> Placed:
        if found.offer is None:
            raise ValueError(f"nothing was found for task {task.key}")
        place = found.cost[2]
        made = self.timelines[place].commit(task.key, shape, found.offer)
        opened = found.offer.open_seconds if open_seconds is None else open_seconds
        placed = Placed(task.key, opened, reason, self.timelines[place], made)
        known = task.expected.get(self.classes[place] or "")
        if self.pulling.is_needed:
            placed.pull_seconds = self.pulling.start(place, task.images, made.start_seconds)
            if known is not None and not known.contention:  # what was counted, as of when it first could start
                placed.pull_seconds = found.offer.alone_seconds - max(known.median_seconds, LEAST_SECONDS)
        return placed

    def _why_not(self, group: Hashable, shape: Shape) -> str:
        eligible = self.kinds.eligible(group, None)
        if not eligible:
            return NO_ELIGIBLE_NODE
        return (
            NO_ROOM_FORESEEN
            if any(self.timelines[place].is_large_enough(shape.hard) for place in eligible)
            else TOO_LARGE
        )


def _exposed(task: Running, running: Sequence[Running], node: NodeState) -> float:
    """How much a running task is exposed to those that run there now."""
    together = sum(each.cpu_millis for each in running)
    return exposure(together - task.cpu_millis, node.steady_cpu_millis + together, node.allocatable.cpu_millis)
