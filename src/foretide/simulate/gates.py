"""Tasks behind their gates: when the planner takes a turn, what it knows then, and whose gates it opens.

A turn comes some milliseconds after something changed, and after the last has ended; and at least once a second while
anything waits.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from foretide.placement.coming import WINDOW_SECONDS, expected_arrivals
from foretide.placement.plan import Assignment, NodeState, Plan, Running, Waiting
from foretide.placement.timeline import Lags
from foretide.simulate.cluster import SimTask
from foretide.simulate.policies import Foresee, MakePlan

SETTLE_SECONDS: Final = 0.02
"""From a change to the planner's turn."""
HEARTBEAT_SECONDS: Final = 1.0
"""Between turns while tasks wait and nothing changes."""


class Gates:
    """``lags`` are of node classes; a turn takes ``turn_seconds``, after which its gates open.

    Arrivals are known from ``since_seconds`` on.
    """

    def __init__(
        self, plan: MakePlan, foresee: Foresee, lags: Mapping[str, Lags], turn_seconds: float, since_seconds: float
    ) -> None:
        self._plan = plan
        self._foresee = foresee
        self._lags = lags
        self._turn_seconds = turn_seconds
        self._since_seconds = since_seconds
        self._gated: dict[str, Waiting] = {}
        self._opened: dict[str, Waiting] = {}
        self._recent: deque[tuple[float, Waiting]] = deque()
        self._made: Plan | None = None
        self._next_seconds = math.inf
        self._number = 0
        self._not_before_seconds = -math.inf

    @property
    def is_empty(self) -> bool:
        """Whether nobody waits behind a gate."""
        return not self._gated

    @property
    def never_opened(self) -> list[str]:
        """Those who wait without a bound."""
        return [key for key, each in self._gated.items() if each.latest_open_seconds == math.inf]

    def add(self, task: SimTask, now_seconds: float) -> None:
        """A task's Pod is made, for the first time or anew: bound and deadline count from now."""
        waiting = Waiting(
            key=task.key,
            requests=task.requests,
            cpu_millis=task.cpu_millis,
            expected=self._foresee(task),
            latest_open_seconds=task.latest_open_seconds + (now_seconds - task.arrival_seconds),
            arrival_seconds=now_seconds,
            due_seconds=now_seconds + task.deadline_seconds,
            team=task.team,
        )
        self._gated[task.key] = waiting
        self._recent.append((now_seconds, waiting))

    def bound(self, key: str) -> None:
        """A task whose gate was opened is bound."""
        del self._opened[key]

    def wanted(self, seconds: float) -> tuple[float, int] | None:
        """When the next turn is, if one is wanted at that time, and its number; None if it is to be by then anyway."""
        seconds = max(seconds, self._not_before_seconds)
        if seconds >= self._next_seconds:
            return None
        self._next_seconds = seconds
        self._number += 1
        return seconds, self._number

    def is_due(self, number: int) -> bool:
        """Whether the turn of that number still holds: not if one was wanted earlier since."""
        return number == self._number

    def turn(
        self,
        now_seconds: float,
        running: Iterable[Running],
        nodes: Sequence[NodeState],
        pending: Sequence[SimTask],
    ) -> tuple[Assignment, ...]:
        """Plan; those whose gates are to be opened, which `open` is told of when they are.

        ``pending`` are tasks whose gates are open and that are not bound, in the scheduler's order.
        """
        self._next_seconds = math.inf
        self._not_before_seconds = now_seconds + self._turn_seconds + SETTLE_SECONDS
        while self._recent and self._recent[0][0] < now_seconds - WINDOW_SECONDS:
            self._recent.popleft()
        self._made = self._plan(
            list(self._gated.values()),
            running,
            nodes,
            now_seconds=now_seconds,
            pending=[self._opened[task.key] for task in pending],
            lags=self._lags,
            coming=expected_arrivals(self._recent, _itself, now_seconds, since_seconds=self._since_seconds),
            previous=self._made,
        )
        return self._made.due()

    def open(self, key: str) -> None:
        """Open a gate."""
        self._opened[key] = self._gated.pop(key)

    def foresee_again(self, task_of: Mapping[str, SimTask]) -> None:
        """Predictions have changed; ``task_of`` gives tasks by key."""
        for waiting in (self._gated, self._opened):
            for key, each in waiting.items():
                waiting[key] = replace(each, expected=self._foresee(task_of[key]))
        self._recent = deque(
            (at, replace(each, expected=self._foresee(task_of[each.key]))) for at, each in self._recent
        )


def _itself(task: Waiting) -> Waiting:
    return task
