"""How fast a freed slot is taken: from a Pod's terminal phase to the binding of the task that waited for its room.

A gated task waited for a slot if its requests did not fit on its node before some Pod there had ended, and fitted from
then until it was bound. The figure is that of all such tasks; its parts tell where time goes, and leave out nothing. If
the task had only just come when room appeared, then the planner may have waited for the rest of its burst. If it had
been told to wait for another node, then a later plan gave it this one, at once or after a while.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import ge, sub
from typing import Any

from demo.percentile import percentile
from demo.pod_times import PodTimes
from foretide.placement.resources import Amounts, Axes, Resources, needed
from foretide_operator.planner.arrivals import LONGEST_SECONDS


@dataclass(frozen=True, slots=True)
class SlotWaits:
    """Seconds from slot free to bound, of each part of the tasks that waited for their slot."""

    as_told: tuple[float, ...]
    replanned: tuple[float, ...] = ()
    arriving: tuple[float, ...] = ()

    @classmethod
    def together(cls, every: Sequence[SlotWaits]) -> SlotWaits:
        """Those of several rounds."""
        return cls(
            tuple(chain.from_iterable(each.as_told for each in every)),
            tuple(chain.from_iterable(each.replanned for each in every)),
            tuple(chain.from_iterable(each.arriving for each in every)),
        )

    def figures(self) -> dict[str, Any]:
        """Median and 95th percentile in seconds of all, and of each part; None where no task waited."""
        return {
            **_quantiles(self.as_told + self.replanned + self.arriving),
            "as_told": _quantiles(self.as_told),
            "replanned": _quantiles(self.replanned),
            "arriving": _quantiles(self.arriving),
        }


def _quantiles(seconds: Sequence[float]) -> dict[str, Any]:
    return {
        "tasks": len(seconds),
        "p50_seconds": round(statistics.median(seconds), 3) if seconds else None,
        "p95_seconds": round(percentile(seconds, 0.95), 3) if seconds else None,
    }


def slot_waits(pods: Sequence[PodTimes], room: Mapping[str, Resources]) -> SlotWaits:
    """The waits of all gated ``pods``; ``room`` is what each node has for them, the requests of others taken off."""
    axes = Axes(pod.requests for pod in pods)
    as_told, replanned, arriving = list[float](), list[float](), list[float]()
    for pod in pods:
        if not pod.was_gated or pod.bound_seconds is None or pod.node not in room:
            continue
        others = [other for other in pods if other is not pod and other.node == pod.node]
        freed = _freed_seconds(pod, pod.bound_seconds, others, axes.amounts(room[pod.node]), axes)
        if freed is None:
            continue
        if freed - pod.seen_seconds < LONGEST_SECONDS:
            part = arriving
        else:
            part = as_told if pod.planned_at(freed) in {"", pod.node} else replanned
        part.append(pod.bound_seconds - freed)
    return SlotWaits(tuple(as_told), tuple(replanned), tuple(arriving))


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
