"""When a Pod was first seen planned, bound and ended: times of the watch, exact to some milliseconds.

The API's own times have whole seconds. What is told between two events of the watch is seen with the later.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from foretide.placement.resources import Resources
from foretide_kube.task_pods import TaskPod


@dataclass(slots=True)
class PodTimes:
    """One Pod; all times are seconds since the epoch. ``plans`` are the nodes planned for it while it was gated."""

    name: str
    requests: Resources
    seen_seconds: float
    was_gated: bool = False
    node: str = ""
    bound_seconds: float | None = None
    released_seconds: float | None = None
    plans: list[tuple[float, str]] = field(default_factory=list)

    @classmethod
    def first_seen(cls, pod: TaskPod, now_seconds: float) -> PodTimes:
        """A Pod of which nothing was known."""
        times = cls(pod.name, pod.requests, now_seconds)
        times.note(pod, now_seconds)
        return times

    def note(self, pod: TaskPod, now_seconds: float) -> None:
        """Take in what the watch says of the Pod."""
        if pod.is_gated:
            self.was_gated = True
            planned = pod.plan.node if pod.plan is not None else ""
            if planned and planned != self.planned_at(now_seconds):
                self.plans.append((now_seconds, planned))
        if pod.node and self.bound_seconds is None:
            self.node, self.bound_seconds = pod.node, now_seconds
        if pod.is_finished and self.released_seconds is None:
            self.released_seconds = now_seconds

    def planned_at(self, time_seconds: float) -> str:
        """The node that was planned for it at a time; empty if none was known yet."""
        return next((node for seen, node in reversed(self.plans) if seen <= time_seconds), "")
