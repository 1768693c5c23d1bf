"""How fast a freed slot is taken: from a Pod's terminal phase to the binding of the task that waited for its room.

A gated task waited for a slot if its requests did not fit on its node before some Pod there had ended, and fitted from
then until it was bound. Was it planned for another node when that room appeared, then it did not wait for this room
but a later plan gave it: such tasks are counted apart.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import ge, sub
from typing import Any

from demo.percentile import percentile
from demo.pod_times import PodTimes
from foretide.placement.resources import Amounts, Axes, Resources, needed


@dataclass(frozen=True, slots=True)
class SlotWaits:
    """Seconds from slot free to bound, of each task that waited for its slot; ``replanned`` counts the others."""

    seconds: tuple[float, ...]
    replanned: int

    def figures(self) -> dict[str, Any]:
        """Median and 95th percentile in seconds, None where no task waited."""
        return {
            "tasks": len(self.seconds),
            "p50_seconds": round(statistics.median(self.seconds), 3) if self.seconds else None,
            "p95_seconds": round(percentile(self.seconds, 0.95), 3) if self.seconds else None,
            "replanned": self.replanned,
        }


def slot_waits(pods: Sequence[PodTimes], room: Mapping[str, Resources]) -> SlotWaits:
    """The waits of all gated ``pods``; ``room`` is what each node has for them, the requests of others taken off."""
    axes = Axes(pod.requests for pod in pods)
    seconds, replanned = [], 0
    for pod in pods:
        if not pod.was_gated or pod.bound_seconds is None or pod.node not in room:
            continue
        others = [other for other in pods if other is not pod and other.node == pod.node]
        freed = _freed_seconds(pod, pod.bound_seconds, others, axes.amounts(room[pod.node]), axes)
        if freed is None:
            continue
        if pod.planned_at(freed) in {"", pod.node}:
            seconds.append(pod.bound_seconds - freed)
        else:
            replanned += 1
    return SlotWaits(tuple(seconds), replanned)


def _freed_seconds(
    pod: PodTimes, bound_seconds: float, others: Iterable[PodTimes], room: Amounts, axes: Axes
) -> float | None:
    """The time since which there was room for ``pod`` until it was bound; None if there was from the first."""
    need = needed(axes.amounts(pod.requests))
    held = [
        (other.bound_seconds, other.released_seconds, axes.amounts(other.requests))
        for other in others
        if other.bound_seconds is not None and other.bound_seconds <= bound_seconds
    ]
    releases = [end for _, end, _ in held if end is not None and pod.seen_seconds < end <= bound_seconds]
    for release in sorted(releases, reverse=True):
        before = room
        for start, end, amounts in held:
            if start < release and (end is None or end >= release):
                before = tuple(map(sub, before, amounts))
        if not all(map(ge, before, need)):
            return release
    return None
