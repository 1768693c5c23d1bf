"""The plan over all waiting tasks at once: which go where is searched for all together, then committed node by node.

`foretide.placement.assign` says which node each task is meant for and in which order they should begin; the plan is
made in that order by `foretide.placement.plan.Placing`, which knows all that the search leaves out. Tasks of higher
priority are planned first, as if the others were not there.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Final

from foretide.placement.assign import Aim, Job, assign
from foretide.placement.plan import NodeState, Placed, Placing, Plan, Running, Waiting
from foretide.placement.slots import ClassSlots
from foretide.placement.timeline import Lags, Shape

MOST_LOOKS: Final = 8_000
"""How many sequences the search may reckon, about 3 µs each …"""
LOOKS_PER_TASK: Final = 4
"""… less so many for each waiting task, and one for each running task and node: they take time as well."""
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
) -> Plan:
    """As `foretide.placement.plan.plan`, with the order and the nodes that are best for all.

    ``waiting`` is in order of arrival. ``coming`` are tasks that may be expected to arrive, at their
    ``arrival_seconds``: room is left for them where it is worth more than what it costs. ``previous`` is the last
    plan, which the search goes on from.
    """
    running = tuple(running)
    placing = Placing(
        (*pending, *waiting, *coming), running, nodes, now_seconds=now_seconds, groups=groups or {}, lags=lags or {}
    )
    first = [placing.place_pending(task) for task in pending]
    aiming = _Aiming(placing, coming, previous, now_seconds)
    placed: dict[str, Placed] = {}
    levels = _levels(waiting)
    looks = max(MOST_LOOKS - LOOKS_PER_TASK * len(waiting) - len(running) - len(placing.timelines), 0)
    for level in levels:
        aims = aiming.aims(level, looks // len(levels))
        for index, place in _in_order(level, aims):
            placed[level[index].key] = placing.place(level[index], place)
    return Plan(
        tuple(placed[task.key].assignment() for task in waiting),
        now_seconds,
        tuple(each.assignment() for each in first),
    )


def _levels(waiting: Sequence[Waiting]) -> list[list[Waiting]]:
    """Tasks of equal priority, the highest first; beyond `MOST_LEVELS` the rest is taken as equal."""
    priorities = sorted({task.priority for task in waiting}, reverse=True)
    level_of = {priority: min(level, MOST_LEVELS - 1) for level, priority in enumerate(priorities)}
    levels: list[list[Waiting]] = [[] for _ in priorities[:MOST_LEVELS]]
    for task in waiting:
        levels[level_of[task.priority]].append(task)
    return levels


def _in_order(tasks: Sequence[Waiting], aims: Sequence[Aim]) -> list[tuple[int, int | None]]:
    """All tasks and the places that they are meant for: those that nothing is known of come as if free at once."""
    aimed = {aim.job for aim in aims}
    keyed: list[tuple[float, int, int | None]] = [(aim.open_seconds, aim.job, aim.place) for aim in aims]
    keyed += [(0.0, index, None) for index in range(len(tasks)) if index not in aimed]
    return [(index, place) for _, index, place in sorted(keyed, key=lambda each: each[:2])]


class _Aiming:
    """Asks the search which nodes tasks are meant for, given what is committed so far."""

    def __init__(self, placing: Placing, coming: Sequence[Waiting], previous: Plan | None, now_seconds: float) -> None:
        self._placing = placing
        self._coming = coming
        self._expected = frozenset(task.key for task in coming)
        self._now = now_seconds
        self._before = {} if previous is None else {each.key: each for each in previous.assignments}
        self._place_of = {each.name: place for place, each in enumerate(placing.timelines)} if previous else {}

    def aims(self, tasks: Sequence[Waiting], looks: int) -> list[Aim]:
        """Where tasks of one level should go, by their index, those to be opened first in front."""
        everyone = [*tasks, *self._coming]
        shapes = [self._placing.shape(task) for task in everyone]
        counts = Counter(shapes)
        names: list[str] = []
        classes: list[ClassSlots] = []
        for name in sorted({name for task in everyone for name in task.expected}):
            places = self._placing.members(name)
            of_class = ClassSlots(self._placing.timelines, places, counts, len(everyone)) if places else None
            if of_class is not None and of_class.slots:
                names.append(name)
                classes.append(of_class)
        if not classes:
            return []
        self._names, self._classes = names, classes
        self._widths: dict[Shape, list[float]] = {}
        self._closed: dict[tuple[Hashable, Shape], frozenset[int]] = {}
        jobs = [self._job(task, shape) for task, shape in zip(everyone, shapes, strict=True)]
        return [aim for aim in assign(jobs, classes, budget=looks) if aim.job < len(tasks)]

    def _job(self, task: Waiting, shape: Shape) -> Job:
        widths = self._widths.get(shape)
        if widths is None:
            widths = self._widths[shape] = [each.widths.get(shape, 1.0) for each in self._classes]
        found = [task.expected.get(name) for name in self._names]
        seconds = [math.inf if each is None else each.median_seconds for each in found]
        for index in self._closed_to(task.group, shape):
            seconds[index] = math.inf
        now, before = self._now, self._before.get(task.key)
        return Job(
            seconds=seconds,
            extra_seconds=[0.0 if each is None else each.upper_seconds - each.median_seconds for each in found],
            widths=widths,
            age_seconds=self._age(task),
            due_seconds=task.due_seconds - now,
            latest_open_seconds=max(task.latest_open_seconds - now, 0.0),
            places=self._placing.allowed(task.group),
            previous_place=None if before is None or before.node is None else self._place_of.get(before.node),
            previous_start_seconds=0.0 if before is None else before.open_seconds,
        )

    def _age(self, task: Waiting) -> float:
        """Seconds since it arrived, by clocks that may disagree a little; negative for one that is only expected."""
        age = 0.0 if task.arrival_seconds is None else self._now - task.arrival_seconds
        return min(age, -1e-3) if task.key in self._expected else max(age, 0.0)

    def _closed_to(self, group: Hashable, shape: Shape) -> frozenset[int]:
        """The classes where tasks of a group and shape cannot go."""
        closed = self._closed.get((group, shape))
        if closed is None:
            closed = self._closed[group, shape] = frozenset(
                index
                for index, (name, of_class) in enumerate(zip(self._names, self._classes, strict=True))
                if shape not in of_class.widths or not self._placing.eligible(group, name)
            )
        return closed
