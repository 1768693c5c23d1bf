"""Where policies would send a task: what each prefers among nodes with room, and whether a plan opens gates.

All of them act through kube-scheduler, as an extender or by its configuration. A task that finds no room waits in the
scheduler's queue; under a plan it waits behind its gate.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol, Required, TypedDict, Unpack

import numpy as np
import numpy.typing as npt

from foretide.placement.completion import (
    LEAST_SECONDS,
    NodeLoad,
    RunningTask,
    completion_seconds,
)
from foretide.placement.order import OBJECTIVES
from foretide.placement.plan import Expected, NodeState, Plan, Running, Waiting
from foretide.placement.pulls import PullTimes
from foretide.placement.score import scores
from foretide.placement.timeline import Lags
from foretide.placement.together import plan_together
from foretide.prediction import USUAL_PERCENTILE
from foretide.simulate.cluster import Places, SimCluster, SimTask
from foretide.simulate.scheduler import Prefer

Foresee = Callable[[SimTask], Mapping[str, Expected]]
"""What a policy expects of a task, by node class."""
Opinion = npt.NDArray[np.float64]


class Given(TypedDict, total=False):
    """What a plan is made from beside tasks and nodes, as `foretide.placement.together.plan_together` takes it."""

    now_seconds: Required[float]
    pending: Sequence[Waiting]
    groups: Mapping[Hashable, frozenset[str] | None] | None
    lags: Mapping[str, Lags] | None
    coming: Sequence[Waiting]
    previous: Plan | None
    pull_times: PullTimes | None


class MakePlan(Protocol):
    """As `foretide.placement.together.plan_together`."""

    def __call__(
        self,
        waiting: Sequence[Waiting],
        running: Iterable[Running],
        nodes: Iterable[NodeState],
        **given: Unpack[Given],
    ) -> Plan:
        """Plan all waiting tasks."""
        ...


@dataclass(frozen=True, slots=True)
class Policy:
    """``make_prefer`` gives an extender's opinion (None: no extender), from a seed; ``pack``: most allocated first.

    With ``plan`` tasks wait behind gates until it opens them. ``foresee`` is what extender and plan know of a task:
    its predictions if that ``is_updated`` by what has ended.
    """

    name: str
    foresee: Foresee
    make_prefer: Callable[[Foresee, int], Prefer] | None = None
    pack: bool = False
    plan: MakePlan | None = None
    is_updated: bool = False


def as_predicted(task: SimTask) -> Mapping[str, Expected]:
    """What the task's predictions say."""
    return task.expected


def as_true(task: SimTask) -> Mapping[str, Expected]:
    """What it will truly take: an oracle."""
    return {name: Expected(seconds, seconds) for name, seconds in task.true_seconds.items()}


def by_completion(foresee: Foresee, _seed: int) -> Prefer:
    """The extender's own scores: expected completion on each node, given what runs there."""

    def prefer(task: SimTask, places: Places, cluster: SimCluster, now_seconds: float) -> Opinion:
        expected = foresee(task)
        alone = [
            max(each.quantile_seconds(USUAL_PERCENTILE), LEAST_SECONDS)
            for each in map(expected.__getitem__, cluster.class_names)
        ]
        seconds = np.array(alone)[cluster.class_index(places)]
        for index in np.flatnonzero(cluster.is_shared_with(task.cpu_millis, places)):
            place = int(places[index])
            seconds[index] = completion_seconds(
                float(seconds[index]), task.cpu_millis, _load(cluster, place, foresee, now_seconds)
            )
        return np.array(scores(seconds.tolist()), dtype=np.float64)

    return prefer


def fastest_class(foresee: Foresee, _seed: int) -> Prefer:
    """The class that is fastest for this task, however much runs there."""

    def prefer(task: SimTask, places: Places, cluster: SimCluster, _now_seconds: float) -> Opinion:
        expected = foresee(task)
        order = sorted(cluster.class_names, key=lambda name: -expected[name].median_seconds)
        rank = np.array([float(order.index(name)) for name in cluster.class_names])
        return np.asarray(rank[cluster.class_index(places)])

    return prefer


def least_used(_foresee: Foresee, _seed: int) -> Prefer:
    """The node whose CPU is used least now: one metric, ranked."""

    def prefer(_task: SimTask, places: Places, cluster: SimCluster, _now_seconds: float) -> Opinion:
        return -cluster.used_share(places) * _FINE

    return prefer


def at_random(_foresee: Foresee, seed: int) -> Prefer:
    """Any node with room."""
    chance = random.Random(seed)  # noqa: S311  no secret

    def prefer(_task: SimTask, places: Places, _cluster: SimCluster, _now_seconds: float) -> Opinion:
        return np.array([chance.random() * _FINE for _ in places])

    return prefer


_FINE: Final = 1e6
"""So fine an order leaves nothing to the plugins."""


DEFAULT: Final = Policy("default", as_predicted)
"""kube-scheduler as it comes."""


def kubernetes() -> list[Policy]:
    """What a cluster does without any prediction."""
    return [
        DEFAULT,
        Policy("most allocated", as_predicted, pack=True),
        Policy("random", as_predicted, at_random),
        Policy("least used", as_predicted, least_used),
    ]


def greedy(name: str, foresee: Foresee) -> Policy:
    """Each Pod by itself to where these predictions say that it ends first."""
    return Policy(name, foresee, by_completion)


PER_POD: Final = Policy("per-pod", as_predicted, by_completion, is_updated=True)
"""Foretide's extender without its plan."""
FORETIDE: Final = Policy("foretide", as_predicted, by_completion, plan=plan_together, is_updated=True)
ORACLE: Final = Policy("oracle", as_true, by_completion, plan=plan_together)
"""Foretide's plan with true times."""


def orders() -> list[Policy]:
    """Foretide's plan by each of its other order policies, named by it."""
    return [
        Policy(order, as_predicted, by_completion, plan=partial(plan_together, order=order))
        for order in OBJECTIVES
        if order != "Balanced"
    ]


def foretide() -> list[Policy]:
    """Foretide without and with its plan, and the plan with true times."""
    return [PER_POD, FORETIDE, ORACLE]


def _load(cluster: SimCluster, place: int, foresee: Foresee, now_seconds: float) -> NodeLoad:
    state = cluster.states[place]
    name = state.node_class or ""
    running = []
    for each in cluster.on(place).values():
        expected = foresee(each.task)[name]
        running.append(
            RunningTask(
                each.task.cpu_millis,
                expected.median_seconds,
                expected.upper_seconds,
                now_seconds - each.bound_seconds,
            )
        )
    return NodeLoad(state.allocatable.cpu_millis, state.steady_cpu_millis, running)
