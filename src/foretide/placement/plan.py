"""The plan over waiting tasks: which node each goes to and when its gate opens, given all committed before it.

What is promised to a task is never taken back for a later one, which may only fill what is left (conservative
backfilling). Tasks that no gate keeps any more come before them all: whatever the plan says, the scheduler gives them
the first room. `Placing` commits task after task, each to the node that it is meant for or where it would end first;
`foretide.placement.together.plan_together` says in which order. Equal ends go to the node with less committed, then by
name.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import ge
from typing import Final

from foretide.placement.completion import LEAST_SECONDS, exposure, interference, remaining_of
from foretide.placement.kinds import Kinds
from foretide.placement.pulls import NO_IMAGES, Pulling, PullTimes
from foretide.placement.resources import NOTHING, Amounts, Axes, Resources
from foretide.placement.search import Choice, Pace, Search, Spared
from foretide.placement.timeline import Commitment, Lags, Shape, Timeline
from foretide.prediction import Prediction

NOT_PREDICTED: Final = "NotPredicted"
"""Nothing is predicted for any class that it may go to: opened at once, for the node with least committed."""
WAIT_BOUND_REACHED: Final = "WaitBoundReached"
"""It fits nowhere until its wait bound: opened then all the same, and the scheduler holds it until there is room."""
NO_ELIGIBLE_NODE: Final = "NoEligibleNode"
"""No node may run it: taints, selectors, affinity, or no node is there."""
TOO_LARGE: Final = "TooLargeForEveryNode"
"""It requests more than any node that may run it has to give."""
NO_ROOM_FORESEEN: Final = "NoRoomForeseen"
"""What holds the nodes that may run it is not expected to end."""
_ANY: Final[Pace] = (None, math.inf, 0.0)
"""Of a task that nothing is predicted for: it may go to any node, and is not expected to end."""


@dataclass(frozen=True, slots=True)
class NodeState:
    """A node that Pods may be bound to.

    ``in_use`` are the requests of all Pods there of whose end nothing is known, ``steady_cpu_millis`` the CPU that
    these may use (limits where they are known). Running tasks whose end is predicted are in neither. ``lacks`` are
    images that are not there, of those that tasks use.
    """

    name: str
    node_class: str | None
    allocatable: Resources
    in_use: Resources = NOTHING
    steady_cpu_millis: int = 0
    lacks: frozenset[str] = NO_IMAGES


@dataclass(frozen=True, slots=True)
class Expected:
    """A predicted completion alone, from bound to the container's end: its median and its 95 % quantile.

    ``contention`` is the coefficient by which it takes longer beside others.
    """

    median_seconds: float
    upper_seconds: float
    contention: float = 0.0

    @classmethod
    def of(cls, prediction: Prediction, inferences: int) -> Expected:
        """The completion of a task of so many inferences."""
        return cls(
            prediction.completion_seconds(inferences),
            prediction.completion_seconds(inferences, bound="upper"),
            prediction.contention,
        )


@dataclass(frozen=True, slots=True)
class Running:
    """A task that is bound, or whose gate is open: then ``node`` is the planned one and ``bound_seconds`` that time.

    ``expected`` is None where nothing is predicted: it is not expected to end. ``images`` are those that it may still
    be waiting for: none once it has started.
    """

    key: str
    node: str
    requests: Resources
    cpu_millis: int
    bound_seconds: float
    expected: Expected | None
    images: frozenset[str] = NO_IMAGES


@dataclass(frozen=True, slots=True)
class Waiting:
    """A task behind its gate, or pending: the scheduler may bind it at any time.

    ``cpu_millis`` is the CPU that it may use; ``expected`` its completion by node class where its ``images`` are there;
    ``group`` names the nodes that it may go to (see `Placing`); at ``latest_open_seconds`` its gate opens wherever it
    is.

    For `foretide.placement.together` it counts when the task arrived (``arrival_seconds``; None for now), until when it
    should have ended (``due_seconds``), its priority (no task delays one of higher priority), and whose it is
    (``team``: none should be slowed down more than others).
    """

    key: str
    requests: Resources
    cpu_millis: int
    expected: Mapping[str, Expected]
    latest_open_seconds: float
    group: Hashable = None
    arrival_seconds: float | None = None
    due_seconds: float = math.inf
    priority: int = 0
    team: Hashable = None
    images: frozenset[str] = NO_IMAGES


@dataclass(frozen=True, slots=True)
class Assignment:
    """What the plan says of one task.

    ``open_seconds`` is when its gate is to be opened. ``node`` is where it is expected to be bound at
    ``start_seconds`` and to end at ``finish_seconds``; None where nothing is expected. ``waits_for`` is the key of the
    task whose end makes room for it, None if it need not wait for one. ``pull_seconds`` of its time it waits for its
    images. ``reason`` says in one word what is not as it should be, and is empty otherwise.
    """

    key: str
    open_seconds: float
    node: str | None = None
    start_seconds: float | None = None
    finish_seconds: float | None = None
    waits_for: str | None = None
    reason: str = ""
    pull_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """One assignment per waiting task, in their order, and one per pending task: what it is expected to take."""

    assignments: tuple[Assignment, ...]
    made_seconds: float
    pending: tuple[Assignment, ...] = ()

    def due(self) -> tuple[Assignment, ...]:
        """Those whose gates are to be opened now."""
        return tuple(each for each in self.assignments if each.open_seconds <= self.made_seconds)


@dataclass(slots=True)
class Placed:
    """A task and what was found for it. Its end is known when all are placed: later ones may share its cores."""

    key: str
    open_seconds: float
    reason: str = ""
    timeline: Timeline | None = None
    commitment: Commitment | None = None
    pull_seconds: float = 0.0

    def assignment(self) -> Assignment:
        """What the plan says of it."""
        made, timeline = self.commitment, self.timeline
        if made is None or timeline is None or made.open_seconds is None:
            return Assignment(self.key, self.open_seconds, reason=self.reason)
        return Assignment(
            key=self.key,
            open_seconds=self.open_seconds,
            node=timeline.name,
            start_seconds=made.start_seconds,
            finish_seconds=made.end_seconds if made.end_seconds < math.inf else None,
            waits_for=timeline.makes_room(made.open_seconds) if made.open_seconds > timeline.now_seconds else None,
            reason=self.reason,
            pull_seconds=self.pull_seconds,
        )


class Placing:
    """All nodes with what is committed on them; tasks are committed one after the other.

    ``tasks`` are all that will be. All times are seconds of one clock. ``groups`` gives the names of the nodes that
    tasks of a group may go to; a group that is missing or None may go to all. ``lags`` are those of node classes, with
    defaults where one is missing, ``pull_times`` what images take that nodes lack. Running tasks on nodes that are not
    among ``nodes`` are left out.
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
        self._class_of = [node.node_class for node in in_order]
        self.pulling = Pulling(pull_times, [node.lacks for node in in_order], self._class_of)
        self.kinds = Kinds([node.name for node in in_order], self._class_of, groups, self.pulling)
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
                    now = self._search.best(task.group, shape, self.paces(task), self._now, spared)
                    found = now if now.offer is not None and now.cost < found.cost else found
                return self._commit(task, shape, found)
        paces = self.paces(task)
        if paces:
            found = self._search.best(task.group, shape, paces, latest, spared)
            if found.offer is not None:
                return self._commit(task, shape, found)
            found = self._search.best(task.group, shape, paces, math.inf, spared)
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
        expected = task.expected.get(self._class_of[place] or "")
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
        known = task.expected.get(self._class_of[place] or "")
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
