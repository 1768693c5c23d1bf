"""What a task may expect on a node: where it was planned, and where else it could go beside all that is committed.

Elsewhere nothing is kept for it: the times are those of a task that comes after everybody in the plan and fills what
they leave. So they tell why it was planned where it was, and how long one more would wait.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from foretide.placement.completion import LEAST_SECONDS, quantile_seconds
from foretide.placement.kinds import class_of
from foretide.placement.placing import Placing
from foretide.placement.plan import Assignment, Expected, Waiting
from foretide.placement.search import Choice


@dataclass(frozen=True, slots=True)
class Prospect:
    """When a task would start on a node and end there, in seconds of the plan's clock.

    If it starts then, ``percent`` of such tasks end by ``quantile_seconds``. Of its time it waits ``pull_seconds`` for
    images; beside others it takes ``slowdown`` times as long as alone.
    """

    node: str
    node_class: str
    start_seconds: float
    finish_seconds: float
    quantile_seconds: float
    percent: int
    pull_seconds: float
    slowdown: float


def planned(assignment: Assignment, task: Waiting, node_class: str | None, percent: int) -> Prospect | None:
    """What the plan says of ``task`` on its node, which is of ``node_class``; None where it expects no end there.

    ``percent``, from 50 to 99, is how many of such tasks end by the bound that is told.
    """
    expected = task.expected.get(node_class or "")
    if assignment.node is None or node_class is None or expected is None:
        return None
    if assignment.start_seconds is None or assignment.finish_seconds is None:
        return None
    span = assignment.start_seconds, assignment.finish_seconds, assignment.pull_seconds
    return _prospect(assignment.node, node_class, expected, percent, span)


def next_best(placing: Placing, task: Waiting, node_class: str, percent: int) -> Prospect | None:
    """The node of another class than ``node_class`` where ``task`` would end first; None if no other could run it.

    Other nodes of its class would take it as long: when they have room is all that they differ by.
    """
    paces = [pace for pace in placing.paces(task) if class_of(pace[0]) != node_class]
    return _chosen(placing, task, placing.best(task, paces), percent) if paces else None


def on_each_node(placing: Placing, task: Waiting, percent: int) -> list[Prospect]:
    """What ``task`` may expect on each node that may run it and that it is predicted for, the soonest end first."""
    found = []
    for place in placing.kinds.eligible(task.group, None):
        choice = placing.offered(task, place)
        prospect = None if choice is None else _chosen(placing, task, choice, percent)
        if prospect is not None:
            found.append(prospect)
    return sorted(found, key=lambda each: (each.finish_seconds, each.node))


def _chosen(placing: Placing, task: Waiting, choice: Choice, percent: int) -> Prospect | None:
    if choice.offer is None or choice.offer.end_seconds == math.inf:
        return None
    place = choice.cost[2]
    timeline, node_class = placing.timelines[place], placing.classes[place] or ""
    start = choice.offer.open_seconds + timeline.lags.open_to_bind_seconds
    pull = placing.pulling.wait_seconds(place, task.images, start) if placing.pulling.is_needed else 0.0
    span = start, choice.offer.end_seconds, pull
    return _prospect(timeline.name, node_class, task.expected[node_class], percent, span)


def _prospect(
    node: str, node_class: str, expected: Expected, percent: int, span: tuple[float, float, float]
) -> Prospect:
    """``span`` is from the start to the end, and how much of it is for pulls."""
    start_seconds, finish_seconds, pull_seconds = span
    alone_seconds = max(expected.median_seconds, LEAST_SECONDS)
    slowdown = max((finish_seconds - start_seconds) / (alone_seconds + pull_seconds), 1.0)
    beyond_seconds = quantile_seconds(alone_seconds, expected.upper_seconds, percent) - alone_seconds
    return Prospect(
        node=node,
        node_class=node_class,
        start_seconds=start_seconds,
        finish_seconds=finish_seconds,
        quantile_seconds=finish_seconds + beyond_seconds * slowdown,
        percent=percent,
        pull_seconds=pull_seconds,
        slowdown=slowdown,
    )
