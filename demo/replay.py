"""What `foretide.simulate` makes of the tasks of a run: by the same policy, to see how true it is, or by the oracle's.

Tasks come as they came in the run, a wave at a time: the next when so many of the last have ended, as late after that
as it really was. A task takes what it took in the run on the class where it ran, and on any other class what tasks of
its workload took there in all runs, or else what was predicted.
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
from foretide.placement.plan import Expected, NodeState
from foretide.placement.timeline import Lags
from foretide.placement.waiting import wait_bound_seconds
from foretide.simulate.cluster import SimTask
from foretide.simulate.engine import simulate
from foretide.simulate.outcome import Outcome
from foretide.simulate.policies import Policy
from foretide.simulate.trace import Trace, record

Completions = Mapping[str, Mapping[str, Expected]]
"""workload → node class → from bound to the end, as predicted."""

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


def replay(
    tasks: Sequence[Task],
    every_run: Iterable[Sequence[Task]],
    nodes: Sequence[NodeState],
    policy: Policy,
    *,
    predicted: Completions,
    next_when_ended: float,
) -> list[Reckoned]:
    """What would have become of ``tasks``, all of them ended; ``every_run`` are the runs to take times from.

    Where the policy plans, a wave is there at once when its last task is: the planner waits for the rest of a burst.
    Nodes of a class for which nothing is known of some workload are left out.
    """
    known = [task for run in every_run for task in run]
    lags = _lags(known)
    means = mean_seconds(known)
    waves: dict[int, list[Task]] = defaultdict(list)
    for task in tasks:
        waves[task.wave].append(task)
    numbers = sorted(waves)
    nodes = [node for node in nodes if _is_known(node.node_class or "", tasks, means, predicted)]
    coming: list[SimTask] = []
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
        for task in wave:
            arrival = together if policy.plan is not None else created[task.name]
            coming.append(_sim_task(task, arrival, created[task.name], means, predicted))
        outcomes = simulate(coming, nodes, policy, lags=lags)  # what comes later changes nothing of what was before
    by_name = {task.name: task for task in tasks}
    return [
        Reckoned(each.key, each.node, each.finish_seconds - created[each.key], by_name[each.key].deadline_seconds)
        for each in outcomes
    ]


def trace(
    name: str,
    tasks: Sequence[Task],
    every_run: Iterable[Sequence[Task]],
    nodes: Sequence[NodeState],
    predicted: Completions,
) -> Trace:
    """The tasks of a run as they came and went, to be simulated again; see `replay` for what they take elsewhere."""
    known = [task for run in every_run for task in run]
    means = mean_seconds(known)
    nodes = [node for node in nodes if _is_known(node.node_class or "", tasks, means, predicted)]
    ran = {
        task.name: (task.node, task.pod.bound_seconds, task.ended_seconds)
        for task in tasks
        if task.pod is not None and task.pod.bound_seconds is not None
    }
    coming = [_sim_task(task, task.created_seconds, task.created_seconds, means, predicted) for task in tasks]
    return record(name, coming, nodes, _lags(known), ran)


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


def _is_known(
    node_class: str, tasks: Iterable[Task], means: Mapping[str, Mapping[str, float]], predicted: Completions
) -> bool:
    return all(
        node_class in means.get(workload, {}) or node_class in predicted.get(workload, {})
        for workload in {task.workload for task in tasks}
    )


def _sim_task(
    task: Task,
    arrival_seconds: float,
    created_seconds: float,
    means: Mapping[str, Mapping[str, float]],
    predicted: Completions,
) -> SimTask:
    expected = predicted.get(task.workload, {})
    own = {} if task.completion_seconds is None else {task.node_class: task.completion_seconds}
    said = {name: each.median_seconds for name, each in expected.items()}
    deadline = math.inf if task.deadline_seconds is None else task.deadline_seconds
    completions = [each.median_seconds for each in expected.values()]
    return SimTask(
        key=task.name,
        workload=task.workload,
        arrival_seconds=arrival_seconds,
        requests=task.requests,
        cpu_millis=task.requests.cpu_millis,
        true_seconds={**said, **means.get(task.workload, {}), **own},
        expected=expected,
        deadline_seconds=deadline + created_seconds - arrival_seconds,
        latest_open_seconds=created_seconds + wait_bound_seconds(None, completions),
    )


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
