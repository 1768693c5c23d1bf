"""Which waiting Pods are told anew where they are expected: the next to start first, and few a second.

A long queue changes with every plan; what people and the operator read of it need not be newer than some seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Final

from foretide.placement.plan import Assignment, Plan
from foretide_kube.floor import Floor
from foretide_kube.task_pods import TaskPod
from foretide_operator.planner.opening import Told, is_news

NOTES_PER_SECOND: Final = 5.0
"""Waiting Pods that are told anew: a long queue costs few writes."""
SOON_SECONDS: Final = 1.0
"""Who is to start so soon is not told before: the opening of the gate says it all."""
MOST_AT_ONCE: Final = 50.0


class Notes:
    """What waiting Pods were told, and how many may be told now. ``clock`` gives monotonic seconds. For one thread."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._told: dict[str, Told] = {}
        self._left = NOTES_PER_SECOND
        self._refilled_seconds = clock()

    def news(self, floor: Floor, made: Plan, now_seconds: float) -> Iterator[tuple[TaskPod, Assignment]]:
        """Pods to tell, each with what the plan says of it; to be asked for only as far as it is written."""
        passed_seconds, self._refilled_seconds = self._clock() - self._refilled_seconds, self._clock()
        self._left = min(self._left + NOTES_PER_SECOND * passed_seconds, MOST_AT_ONCE)
        soon = made.made_seconds + SOON_SECONDS
        ahead = (each for each in made.assignments if each.open_seconds > soon and floor.pods[each.key].is_gated)
        for each in sorted(ahead, key=lambda each: (each.open_seconds, each.key)):
            pod = floor.pods[each.key]
            if self._left < 1.0:
                return
            if is_news(self._told.get(pod.uid) or Told.of(pod), each, now_seconds):
                self._left -= 1.0
                yield pod, each

    def wrote(self, pod: TaskPod, assignment: Assignment, now_seconds: float) -> None:
        """Take note that a Pod was told."""
        self._told[pod.uid] = Told(assignment.node or "", assignment.start_seconds, assignment.reason, now_seconds)

    def forget(self, uid: str) -> None:
        """Drop what one Pod was told."""
        self._told.pop(uid, None)

    def forget_all_but(self, uids: Collection[str]) -> None:
        """Drop what is known of Pods that are no more."""
        for uid in self._told.keys() - uids:
            del self._told[uid]
