"""What a task may expect on a node: where it was planned, and where else it could go beside all that is committed.

Elsewhere nothing is kept for it: the times are those of a task that comes after everybody in the plan and fills what
they leave. So they tell why it was planned where it was, and how long one more would wait.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from foretide.placement.completion import LEAST_SECONDS
from foretide.placement.kinds import class_of
from foretide.placement.placing import Placing
from foretide.placement.plan import Assignment, Expected, Waiting
from foretide.placement.search import Choice


@dataclass(frozen=True, slots=True)
class Prospect:
    """When a task would start on a node and end there, in seconds of the plan's clock.

    ``upper_seconds`` is the 95 % quantile of the end if it starts then. Of its time it waits ``pull_seconds`` for
    images; beside others it takes ``slowdown`` times as long as alone.
    """

    node: str
    node_class: str
    start_seconds: float
    finish_seconds: float
    upper_seconds: float
    pull_seconds: float
    slowdown: float


def planned(assignment: Assignment, task: Waiting, node_class: str | None) -> Prospect | None:
    """What the plan says of ``task`` on its node, which is of ``node_class``; None where it expects no end there."""
    expected = task.expected.get(node_class or "")
    if assignment.node is None or node_class is None or expected is None:
        return None
    if assignment.start_seconds is None or assignment.finish_seconds is None:
        return None
    return _prospect(
        assignment.node,
        node_class,
        expected,
        start_seconds=assignment.start_seconds,
        finish_seconds=assignment.finish_seconds,
        pull_seconds=assignment.pull_seconds,
    )


def next_best(placing: Placing, task: Waiting, node_class: str) -> Prospect | None:
    """The node of another class than ``node_class`` where ``task`` would end first; None if no other could run it.

    Other nodes of its class would take it as long: when they have room is all that they differ by.
    """
    paces = [pace for pace in placing.paces(task) if class_of(pace[0]) != node_class]
    return _chosen(placing, task, placing.best(task, paces)) if paces else None


def on_each_node(placing: Placing, task: Waiting) -> list[Prospect]:
    """What ``task`` may expect on each node that may run it and that it is predicted for, the soonest end first."""
    found = []
    for place in placing.kinds.eligible(task.group, None):
        choice = placing.offered(task, place)
        prospect = None if choice is None else _chosen(placing, task, choice)
        if prospect is not None:
            found.append(prospect)
    return sorted(found, key=lambda each: (each.finish_seconds, each.node))


def _chosen(placing: Placing, task: Waiting, choice: Choice) -> Prospect | None:
    if choice.offer is None or choice.offer.end_seconds == math.inf:
        return None
    place = choice.cost[2]
    timeline, node_class = placing.timelines[place], placing.classes[place] or ""
    start = choice.offer.open_seconds + timeline.lags.open_to_bind_seconds
    pull = placing.pulling.wait_seconds(place, task.images, start) if placing.pulling.is_needed else 0.0
    expected = task.expected[node_class]
    end = choice.offer.end_seconds
    return _prospect(timeline.name, node_class, expected, start_seconds=start, finish_seconds=end, pull_seconds=pull)


def _prospect(
    node: str, node_class: str, expected: Expected, *, start_seconds: float, finish_seconds: float, pull_seconds: float
) -> Prospect:
    alone_seconds = max(expected.median_seconds, LEAST_SECONDS)
    slowdown = max((finish_seconds - start_seconds) / (alone_seconds + pull_seconds), 1.0)
    beyond_seconds = max(expected.upper_seconds - alone_seconds, 0.0)
    upper_seconds = finish_seconds + beyond_seconds * slowdown
    return Prospect(node, node_class, start_seconds, finish_seconds, upper_seconds, pull_seconds, slowdown)
