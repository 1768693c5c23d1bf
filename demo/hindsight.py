"""The plan with the times that really occurred: what a planner that knows the future would have made of the same tasks.

Tasks come as they came in the run with the plan, a wave at a time: the next when so many of the last have ended, as
late after that as it really was. A task takes what it took there on the class where it ran, and on any other class
what tasks of its workload took there in all runs, or else what was predicted.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from demo.task import Task
from demo.waves import needed_ends
from foretide.placement.plan import Expected, NodeState, Waiting
from foretide.placement.policies import planned, soonest
from foretide.placement.rollout import Arrival, Outcome, rollout
from foretide.placement.timeline import Lags

Seconds = Mapping[str, Mapping[str, float]]
"""workload → node class → seconds from bound to the end."""

DEFAULT_LAGS: Final = Lags()


@dataclass(frozen=True, slots=True)
class Reckoned:
    """A task as it would have gone."""

    name: str
    node: str
    turnaround_seconds: float
    deadline_seconds: float | None

    @property
    def met_deadline(self) -> bool:
        """Whether it would have ended within its deadline; a task without one always does."""
        return self.deadline_seconds is None or self.turnaround_seconds <= self.deadline_seconds


def hindsight(
    tasks: Sequence[Task],
    every_run: Iterable[Sequence[Task]],
    nodes: Sequence[NodeState],
    *,
    predicted: Seconds,
    next_when_ended: float,
) -> list[Reckoned]:
    """What would have become of ``tasks``, all of them ended; ``every_run`` are the runs to take times from."""
    known = [task for run in every_run for task in run]
    lags = _lags(known)
    means = mean_seconds(known)
    waves: dict[int, list[Task]] = defaultdict(list)
    for task in tasks:
        waves[task.wave].append(task)
    numbers = sorted(waves)
    arrivals: list[Arrival] = []
    outcomes: list[Outcome] = []
    created: dict[str, float] = {}
    for place, number in enumerate(numbers):
        wave = waves[number]
        if place == 0:
            begin = wave[0].created_seconds
        else:
            last = waves[numbers[place - 1]]
            names = {task.name for task in last}
            needed = needed_ends(len(last), next_when_ended)
            really = wave[0].created_seconds - _nth((task.ended_seconds for task in last), needed)
            begin = _nth((each.finish_seconds for each in outcomes if each.key in names), needed) + max(really, 0.0)
        offsets = {task.name: task.created_seconds - wave[0].created_seconds for task in wave}
        created |= {name: begin + offset for name, offset in offsets.items()}
        together = begin + max(offsets.values())
        arrivals += [_arrival(task, together, _true_seconds(task, means, predicted)) for task in wave]
        outcomes = rollout(
            arrivals, nodes, open_gates=planned(nodes, lags=lags), choose=soonest, lags=lags
        )  # what comes later changes nothing of what was before
    by_name = {task.name: task for task in tasks}
    return [
        Reckoned(each.key, each.node, each.finish_seconds - created[each.key], by_name[each.key].deadline_seconds)
        for each in outcomes
    ]


def mean_seconds(tasks: Iterable[Task]) -> dict[str, dict[str, float]]:
    """The mean completion of a workload's tasks on each class where any ran."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for task in tasks:
        if task.completion_seconds is not None:
            found[task.workload][task.node_class].append(task.completion_seconds)
    return {
        workload: {name: statistics.fmean(values) for name, values in by_class.items()}
        for workload, by_class in found.items()
    }


def _true_seconds(task: Task, means: Seconds, predicted: Seconds) -> dict[str, float]:
    own = {} if task.completion_seconds is None else {task.node_class: task.completion_seconds}
    return {**predicted.get(task.workload, {}), **means.get(task.workload, {}), **own}


def _arrival(task: Task, arrival_seconds: float, true_seconds: Mapping[str, float]) -> Arrival:
    expected = {name: Expected(seconds, seconds) for name, seconds in true_seconds.items()}
    waiting = Waiting(
        task.name,
        task.requests,
        task.requests.cpu_millis,
        expected,
        math.inf,
        arrival_seconds=arrival_seconds,
    )
    return Arrival(waiting, arrival_seconds, true_seconds)


def _lags(tasks: Iterable[Task]) -> dict[str, Lags]:
    """From the end of the work to the terminal phase as seen, the median of each class."""
    found: dict[str, list[float]] = defaultdict(list)
    for task in tasks:
        if task.pod is not None and task.pod.released_seconds is not None:
            found[task.node_class].append(max(task.pod.released_seconds - task.ended_seconds, 0.0))
    bind = DEFAULT_LAGS.open_to_bind_seconds
    return {name: Lags(statistics.median(values), bind) for name, values in found.items()}


def _nth(values: Iterable[float], number: int) -> float:
    return sorted(values)[number - 1]
