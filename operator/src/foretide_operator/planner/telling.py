"""What the Event on a Pod says when its gate is opened: where it is planned, how long that takes, and what else would.

The next best node is looked for only now, for each task as it is opened: no plan waits for it.
"""

from __future__ import annotations

from typing import Final

from foretide.placement.placing import Placing
from foretide.placement.plan import Assignment, Waiting
from foretide.placement.prospects import Prospect, next_best, planned
from foretide_kube.floor import Floor
from foretide_kube.task_pods import TaskPod

SHORTEST_TOLD_PULL_SECONDS: Final = 0.1
"""Of a start-up nothing shorter is said to be a pull."""


class Telling:
    """Words about the tasks of one plan; ``placing`` is what `plan_together` made of ``floor``. For one thread."""

    def __init__(self, floor: Floor, placing: Placing) -> None:
        self._floor = floor
        self._placing = placing
        self._tasks: dict[str, Waiting] = {}

    def message(
        self, pod: TaskPod, assignment: Assignment, node_class: str | None, percent: int, now_seconds: float
    ) -> str:
        """What the Event says of ``pod``, as it was before, assigned to a node of ``node_class``.

        ``percent`` of such tasks end by the bound that is told.
        """
        if not self._tasks:
            self._tasks = {each.key: each for each in self._floor.waiting}
        task = self._tasks.get(assignment.key)
        here = None if task is None else planned(assignment, task, node_class, percent)
        elsewhere = None if task is None or here is None else next_best(self._placing, task, here.node_class, percent)
        return opening_message(pod, assignment, here, elsewhere, now_seconds)


def opening_message(
    pod: TaskPod, assignment: Assignment, here: Prospect | None, elsewhere: Prospect | None, now_seconds: float
) -> str:
    """The words; ``here`` is what is expected on the planned node and ``elsewhere`` on the next best, if anything is.

    The plan is a preference: what scheduler and extender make of it, the Pod's own Events say.
    """
    again = "" if pod.is_gated else "not bound so far: "
    if assignment.node is None:
        done = again + ("gate opened" if pod.is_gated else "planned again")
        return f"{done} without a planned node ({assignment.reason}): placed by what is predicted for each node"
    note = f" ({assignment.reason})" if assignment.reason else ""
    words = f"{again}planned on {assignment.node}{note}: "
    if here is None:
        return f"{words}how long it takes there is not predicted"
    bound = f"{here.percent} %: {here.quantile_seconds - now_seconds:.1f}"
    words += f"expected {here.finish_seconds - now_seconds:.1f} s ({bound})"
    if here.pull_seconds >= SHORTEST_TOLD_PULL_SECONDS:
        words += f", {here.pull_seconds:.1f} s of it to pull its image"
    if elsewhere is not None:
        words += f", next best {elsewhere.node} {elsewhere.finish_seconds - now_seconds:.1f} s"
    return words
