"""What the Event on a Pod says when its gate is opened: where it is planned, how long that takes, and what else would.

The next best node is looked for only now, for each task as it is opened: no plan waits for it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from foretide.placement.placing import Placing
from foretide.placement.plan import Assignment, Waiting
from foretide.placement.prospects import Prospect, next_best, planned
from foretide_kube.floor import Floor
from foretide_kube.task_pods import TaskPod

SHORTEST_TOLD_PULL_SECONDS: Final = 0.1
"""Of a start-up nothing shorter is said to be a pull."""


class Outlook(NamedTuple):
    """What is expected on the planned node, and on the next best of another class; None where nothing is."""

    here: Prospect | None = None
    elsewhere: Prospect | None = None

    @property
    def regret_seconds(self) -> float:
        """By how much the task would end sooner elsewhere; 0 where it would not."""
        if self.here is None or self.elsewhere is None:
            return 0.0
        return max(self.here.finish_seconds - self.elsewhere.finish_seconds, 0.0)


class Telling:
    """Words about the tasks of one plan; ``placing`` is what `plan_together` made of ``floor``. For one thread."""

    def __init__(self, floor: Floor, placing: Placing) -> None:
        self._floor = floor
        self._placing = placing
        self._tasks: dict[str, Waiting] = {}

    def outlook(self, assignment: Assignment, node_class: str | None, percent: int) -> Outlook:
        """What is expected of a task assigned to a node of ``node_class``.

        ``percent`` of such tasks end by the bound that is told.
        """
        if not self._tasks:
            self._tasks = {each.key: each for each in self._floor.waiting}
        task = self._tasks.get(assignment.key)
        here = None if task is None else planned(assignment, task, node_class, percent)
        if task is None or here is None:
            return Outlook()
        return Outlook(here, next_best(self._placing, task, here.node_class, percent))


def opening_message(pod: TaskPod, assignment: Assignment, outlook: Outlook, now_seconds: float) -> str:
    """The words of ``pod``, as it was before.

    The plan is a preference: what scheduler and extender make of it, the Pod's own Events say.
    """
    words = bare_message(pod, assignment)
    here, elsewhere = outlook
    if assignment.node is None:
        return words
    if here is None:
        return f"{words}: how long it takes there is not predicted"
    bound = f"{here.percent} %: {here.quantile_seconds - now_seconds:.1f}"
    words += f": expected {here.finish_seconds - now_seconds:.1f} s ({bound})"
    if here.pull_seconds >= SHORTEST_TOLD_PULL_SECONDS:
        words += f", {here.pull_seconds:.1f} s of it to pull its image"
    if elsewhere is not None:
        words += f", next best {elsewhere.node} {elsewhere.finish_seconds - now_seconds:.1f} s"
    return words


def bare_message(pod: TaskPod, assignment: Assignment) -> str:
    """The words without any times."""
    again = "" if pod.is_gated else "not bound so far: "
    if assignment.node is None:
        done = again + ("gate opened" if pod.is_gated else "planned again")
        return f"{done} without a planned node ({assignment.reason}): placed by the prediction for each node"
    note = f" ({assignment.reason})" if assignment.reason else ""
    return f"{again}planned on {assignment.node}{note}"
