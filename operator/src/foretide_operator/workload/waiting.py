"""What a status tells of tasks behind the planner's gate: how many wait, who starts when and where, until when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec
from msgspec.structs import replace

from foretide_kube.client import Object
from foretide_kube.kinds.aiworkload import RunCounts
from foretide_kube.names import ANNOTATION_PLAN, GATE_PLAN
from foretide_kube.pod_plan import PodPlan
from foretide_kube.times import parse_time

SHIFT_SECONDS: Final = 10.0
SHIFT_SHARE: Final = 0.1
"""A start or an end is told anew when it moved by more than both, the share being that of what remains."""
MAX_NODE_NAME: Final = 253


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many tasks wait; the first of them to start and where, the last of them to end, as far as there is a plan."""

    count: int = 0
    next_start: datetime | None = None
    next_node: str = ""
    last_finish: datetime | None = None

    def told_in(self, counts: RunCounts, shown: RunCounts | None, now: datetime) -> RunCounts:
        """``counts`` with what is told of the tasks that wait; what is ``shown`` stays while it is about right."""
        before = counts if shown is None else shown
        node = self.next_node or None
        start_before = before.next_start_time if before.next_node == node else None
        return replace(
            counts,
            waiting=self.count,
            next_start_time=_to_show(self.next_start, start_before, now),
            next_node=node,
            expected_finish_time=_to_show(self.last_finish, before.expected_finish_time, now),
        )


def without_waiting(counts: RunCounts) -> RunCounts:
    """``counts`` as they are where no task waits."""
    return replace(counts, waiting=0, next_start_time=None, next_node=None, expected_finish_time=None)


def in_words(counts: RunCounts) -> str:
    """What a person is told of the tasks that wait."""
    if counts.next_start_time is None:
        return f"{counts.waiting} wait for a plan"
    where = f" on {counts.next_node}" if counts.next_node else ""
    return f"{counts.waiting} wait, the next to start at {counts.next_start_time}{where}"


def read_waiting(pods: Iterable[Object]) -> Waiting:
    """What the planner wrote on the Pods that wait; Pods that are being deleted count no more."""
    gated = [pod for pod in pods if _is_gated(pod) and pod["metadata"].get("deletionTimestamp") is None]
    plans = [plan for plan in map(_plan, gated) if plan is not None]
    starts = [(start, plan.node) for plan in plans if (start := parse_time(plan.expected_start_time)) is not None]
    finishes = [finish for plan in plans if (finish := parse_time(plan.expected_finish_time)) is not None]
    next_start, next_node = min(starts, default=(None, ""))
    return Waiting(len(gated), next_start, next_node[:MAX_NODE_NAME], max(finishes, default=None))


def _is_gated(pod: Object) -> bool:
    return any(gate.get("name") == GATE_PLAN for gate in pod["spec"].get("schedulingGates", ()))


def _plan(pod: Object) -> PodPlan | None:
    text = pod["metadata"].get("annotations", {}).get(ANNOTATION_PLAN)
    try:
        return None if text is None else msgspec.json.decode(text, type=PodPlan)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None  # written by somebody else


def _to_show(moment: datetime | None, shown: str | None, now: datetime) -> str | None:
    """The moment to tell; what is ``shown`` while it is about right, and has not passed before the moment came."""
    before = parse_time(shown)
    if moment is None or before is None:
        return None if moment is None else _as_text(moment)
    shift_seconds = abs((moment - before).total_seconds())
    allowed_seconds = max(SHIFT_SECONDS, SHIFT_SHARE * (moment - now).total_seconds())
    has_passed = before < now <= moment
    return _as_text(moment) if has_passed or shift_seconds > allowed_seconds else shown


def _as_text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")  # strftime writes the year 1 with one digit
