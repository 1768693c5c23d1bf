"""What policies made of the same tasks, side by side."""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import msgspec
import numpy as np

from foretide.placement.plan import NodeState
from foretide.placement.timeline import Lags
from foretide.simulate.cluster import SimTask
from foretide.simulate.engine import simulate
from foretide.simulate.outcome import Outcome
from foretide.simulate.policies import Policy
from foretide.simulate.world import World


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """One policy's figures. Turnaround is from arrival to the container's end, in seconds.

    ``turnaround_percentiles`` are those from 0 to 100 in steps of 5. ``regret`` is by how much the mean is longer than
    the oracle's, as a share of that; None without an oracle. ``deadline_miss_share`` is among tasks that have a
    deadline, None where none has. ``share_by_class`` is of tasks. ``slowdown_by_team`` is the mean of turnaround over
    what the task takes on its best class. ``restarts`` is how many Pods were made anew, their nodes being lost.
    """

    mean_turnaround_seconds: float
    median_turnaround_seconds: float
    p95_turnaround_seconds: float
    turnaround_percentiles: list[float]
    deadline_miss_share: float | None
    share_by_class: dict[str, float]
    slowdown_by_team: dict[str, float]
    restarts: int
    regret: float | None = None


class Simulated(Protocol):
    """A `Scenario`, or a `foretide.simulate.trace.Trace`."""

    @property
    def seed(self) -> int:
        """Of whatever is left to chance."""
        ...

    def sim_tasks(self) -> list[SimTask]:
        """Every task in order of arrival."""
        ...

    def node_states(self) -> list[NodeState]:
        """Every node."""
        ...

    def lags(self) -> dict[str, Lags]:
        """Of each class."""
        ...

    def world(self) -> World:
        """What befalls them."""
        ...


def compare(
    scenario: Simulated, policies: Iterable[Policy], *, oracle: str = "oracle", turn_seconds: float = 0.0
) -> dict[str, Summary]:
    """Each policy's figures on the scenario's tasks, by its name; ``oracle`` names the one that regret is told from."""
    tasks, nodes, lags, world = scenario.sim_tasks(), scenario.node_states(), scenario.lags(), scenario.world()
    found = {
        policy.name: summarise(
            tasks,
            simulate(tasks, nodes, policy, lags=lags, world=world, seed=scenario.seed, turn_seconds=turn_seconds),
            {node.name: node.node_class or "" for node in nodes},
        )
        for policy in policies
    }
    best = found.get(oracle)
    if best is None:
        return found
    return {
        name: msgspec.structs.replace(each, regret=each.mean_turnaround_seconds / best.mean_turnaround_seconds - 1.0)
        for name, each in found.items()
    }


def summarise(tasks: Sequence[SimTask], outcomes: Sequence[Outcome], class_of: Mapping[str, str]) -> Summary:
    """The figures of outcomes that are in the order of their tasks; ``class_of`` is by node."""
    turnarounds = [each.turnaround_seconds for each in outcomes]
    missed = [
        seconds > task.deadline_seconds
        for task, seconds in zip(tasks, turnarounds, strict=True)
        if task.deadline_seconds < math.inf
    ]
    slowed: dict[str, list[float]] = defaultdict(list)
    for task, seconds in zip(tasks, turnarounds, strict=True):
        slowed[task.team].append(seconds / min(task.true_seconds.values()))
    classes = Counter(class_of[each.node] for each in outcomes)
    return Summary(
        mean_turnaround_seconds=statistics.fmean(turnarounds),
        median_turnaround_seconds=statistics.median(turnarounds),
        p95_turnaround_seconds=float(np.quantile(turnarounds, 0.95)),
        turnaround_percentiles=np.percentile(turnarounds, np.arange(0, 101, 5)).round(3).tolist(),
        deadline_miss_share=statistics.fmean(missed) if missed else None,
        slowdown_by_team={team: statistics.fmean(each) for team, each in sorted(slowed.items())},
        share_by_class={name: classes[name] / len(outcomes) for name in sorted(set(class_of.values()))},
        restarts=sum(each.restarts for each in outcomes),
    )
