"""The plan over all waiting tasks at once: which go where is searched for all together, then committed node by node.

`foretide.placement.assign` says which node each task is meant for and in which order they should begin; the plan is
made in that order by `foretide.placement.placing.Placing`, which knows all that the search leaves out. Tasks of higher
priority are planned first, as if the others were not there.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Final, TypedDict

from foretide.placement.assign import Aim, assign
from foretide.placement.completion import LEAST_SECONDS
from foretide.placement.costs import Job
from foretide.placement.order import OBJECTIVES, Objective, Order
from foretide.placement.placing import Placing
from foretide.placement.plan import NodeState, Placed, Plan, Running, Waiting
from foretide.placement.pulls import PullTimes
from foretide.placement.slots import Site, pulls_of, sites_of
from foretide.placement.timeline import Lags, Shape

MOST_LOOKS: Final = 16_000
"""How many sequences the search may reckon, about 3 µs each …"""
LOOKS_PER_TASK: Final = 16
LOOKS_PER_NODE: Final = 2
"""… less so many for each waiting task, and for each node and each running task: they take time as well …"""
LEAST_LOOKS: Final = 500
"""… but so many always."""
MOST_LEVELS: Final = 8
"""Each level of priority is searched by itself, which takes time for each."""


def plan_together(
    waiting: Sequence[Waiting],
    running: Iterable[Running],
    nodes: Iterable[NodeState],
    *,
    now_seconds: float,
    pending: Sequence[Waiting] = (),
    groups: Mapping[Hashable, frozenset[str] | None] | None = None,
    lags: Mapping[str, Lags] | None = None,
    coming: Sequence[Waiting] = (),
    previous: Plan | None = None,
    pull_times: PullTimes | None = None,
    order: Order = "Balanced",
    look: Callable[[Placing], object] | None = None,
) -> Plan:
    """Plan ``waiting``, which is in order of arrival, so that it is best for all; pure and deterministic.

    What is best for all ``order`` says; under ``Arrival`` it is what is best for each beside those that came before it.

    ``pending`` are tasks that no gate keeps and that are not bound, in the order in which they are thought to get room.
    Times, ``groups``, ``lags`` and ``pull_times`` are as in `foretide.placement.placing.Placing`. ``coming`` are tasks
    that may be expected to arrive, at their ``arrival_seconds``: room is left for them where it is worth more than what
    it costs. ``previous`` is the last plan, which the search goes on from. ``look`` is shown all nodes with what is
    committed there in the end, for who asks where else a task could go (`foretide.placement.prospects`).
    """
    running = tuple(running)
    placing = Placing(
        (*pending, *waiting, *coming),
        running,
        nodes,
        now_seconds=now_seconds,
        groups=groups or {},
        lags=lags or {},
        pull_times=pull_times or PullTimes(),
    )
    first = [placing.place_pending(task) for task in pending]
    objective = OBJECTIVES[order]
    aiming = None if objective is None else _Aiming(placing, coming, previous, objective, now_seconds)
    looks = MOST_LOOKS - LOOKS_PER_TASK * len(waiting) - LOOKS_PER_NODE * (len(running) + len(placing.timelines))
    placed: dict[str, Placed] = {}
    for level in _levels(waiting):
        if aiming is None:
            placed |= {task.key: placing.place(task) for task in level}
            continue
        aims = aiming.aims(level, max(looks, LEAST_LOOKS) * len(level) // len(waiting))
        for index, place in _in_order(level, aims):
            placed[level[index].key] = placing.place(level[index], place)
    if look is not None:
        look(placing)
    return Plan(
        tuple(placed[task.key].assignment() for task in waiting),
        now_seconds,
        tuple(each.assignment() for each in first),
    )


def _levels(waiting: Sequence[Waiting]) -> list[list[Waiting]]:
    """Tasks of equal priority, the highest first; beyond `MOST_LEVELS` the rest is one level, the highest in front."""
    priorities = sorted({task.priority for task in waiting}, reverse=True)
    level_of = {priority: min(level, MOST_LEVELS - 1) for level, priority in enumerate(priorities)}
    levels: list[list[Waiting]] = [[] for _ in priorities[:MOST_LEVELS]]
    for task in sorted(waiting, key=lambda task: -task.priority):
        levels[level_of[task.priority]].append(task)
    return levels


def _in_order(tasks: Sequence[Waiting], aims: Sequence[Aim]) -> list[tuple[int, int | None]]:
    """All tasks in the order in which they get their room, and the places that they are meant for.

    Those that the search knows nothing of are predicted for no class where there is room for them: they come last, but
    for those that nothing is predicted for, which are to be opened at once.
    """
    aimed = {aim.job for aim in aims}
    keyed: list[tuple[int, float, int, int | None]] = [
        (-tasks[aim.job].priority, aim.open_seconds, aim.job, aim.place) for aim in aims
    ]
    keyed += [
        (-task.priority, math.inf if task.expected else 0.0, index, None)
        for index, task in enumerate(tasks)
        if index not in aimed
    ]
    return [(index, place) for _, _, index, place in sorted(keyed, key=lambda each: each[:3])]


class _Aiming:
    """Asks the search which nodes tasks are meant for, given what is committed so far."""

    def __init__(
        self,
        placing: Placing,
        coming: Sequence[Waiting],
        previous: Plan | None,
        objective: Objective,
        now_seconds: float,
    ) -> None:
        self._placing = placing
        self._objective = objective
        self._coming = coming
        self._now = now_seconds
        self._before = {} if previous is None else {each.key: each for each in previous.assignments}
        self._place_of = {each.name: place for place, each in enumerate(placing.timelines)} if self._before else {}

    def aims(self, tasks: Sequence[Waiting], looks: int) -> list[Aim]:
        """Where tasks of one level should go, by their index, those to be opened first in front."""
        least = min(task.priority for task in tasks)
        everyone = [*tasks, *(task for task in self._coming if task.priority >= least)]
        shapes = [self._placing.shape(task) for task in everyone]
        sites = self._sites(everyone, shapes)
        if not sites:
            return []
        maker = _JobMaker(self._placing, sites)
        jobs = []
        for index, (task, shape) in enumerate(zip(everyone, shapes, strict=True)):
            before = self._before.get(task.key)
            age = 0.0 if task.arrival_seconds is None else self._now - task.arrival_seconds
            is_expected = index >= len(tasks)
            jobs.append(
                Job(
                    **maker.figures(task, shape),
                    age_seconds=min(age, 0.0) if is_expected else max(age, 0.0),  # clocks disagree a little
                    due_seconds=task.due_seconds - self._now,
                    latest_open_seconds=max(task.latest_open_seconds - self._now, 0.0),
                    places=self._placing.kinds.allowed(task.group),
                    team=task.team,
                    is_expected=is_expected,
                    images=task.images,
                    previous_place=None if before is None or before.node is None else self._place_of.get(before.node),
                    previous_seconds=0.0 if before is None else before.open_seconds,
                )
            )
        return assign(jobs, sites, budget=looks, objective=self._objective)

    def _sites(self, tasks: Sequence[Waiting], shapes: Sequence[Shape]) -> list[Site]:
        counts = Counter(shapes)
        allowed = {task.group: self._placing.kinds.allowed(task.group) for task in tasks}
        wanted = frozenset[int]().union(*(places for places in allowed.values() if places is not None))
        pulls = pulls_of(self._placing.pulling, Counter(image for task in tasks for image in task.images))
        found: list[Site] = []
        for name in sorted({name for task in tasks for name in task.expected}):
            places = self._placing.kinds.members(name)
            found += sites_of(name, self._placing.timelines, places, counts, pulls, most=len(tasks), wanted=wanted)
        return found


class _Figures(TypedDict):
    seconds: list[float]
    extra_seconds: list[float]
    widths: list[float]


class _JobMaker:
    """What a task takes on each site; what many of them have in common is reckoned once."""

    def __init__(self, placing: Placing, sites: Sequence[Site]) -> None:
        self._placing = placing
        self._sites = sites
        self._names = [site.node_class for site in sites]
        self._widths: dict[Shape, list[float]] = {}
        self._closed: dict[tuple[Hashable, Shape], frozenset[int]] = {}

    def figures(self, task: Waiting, shape: Shape) -> _Figures:
        """Seconds, infinite where it cannot go, what the upper bound is longer, and widths."""
        widths = self._widths.get(shape)
        if widths is None:
            widths = self._widths[shape] = [site.widths.get(shape, 1.0) for site in self._sites]
        found = [task.expected.get(name) for name in self._names]
        seconds = [math.inf if each is None else each.median_seconds for each in found]
        if min(seconds) < LEAST_SECONDS:
            seconds = [max(each, LEAST_SECONDS) for each in seconds]
        for index in self._closed_to(task.group, shape):
            seconds[index] = math.inf
        extra = [0.0 if each is None else each.upper_seconds - each.median_seconds for each in found]
        if min(extra) < 0.0:
            extra = [max(each, 0.0) for each in extra]
        return {"seconds": seconds, "extra_seconds": extra, "widths": widths}

    def _closed_to(self, group: Hashable, shape: Shape) -> frozenset[int]:
        """The sites where tasks of a group and shape cannot go."""
        closed = self._closed.get((group, shape))
        if closed is None:
            allowed = self._placing.kinds.allowed(group)
            closed = self._closed[group, shape] = frozenset(
                index
                for index, site in enumerate(self._sites)
                if shape not in site.widths
                or (allowed is not None and not any(slot.place in allowed for slot in site.slots))
            )
        return closed
