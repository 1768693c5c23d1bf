"""The tasks that wait behind the planner's gate, as a workload's status tells of them: how many, and until when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec

from foretide_kube.client import Object
from foretide_kube.names import ANNOTATION_PLAN, GATE_PLAN
from foretide_kube.pod_plan import PodPlan
from foretide_operator.times import parse_time

SHIFT_SECONDS: Final = 10.0
SHIFT_SHARE: Final = 0.1
"""The expected end is told anew when it moved by more than both, the share being that of what remains."""
MAX_NODE_NAME: Final = 253


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many tasks wait; the first of them to start and where, the last of them to end, as far as there is a plan."""

    count: int = 0
    next_start: datetime | None = None
    next_node: str = ""
    last_finish: datetime | None = None

    def in_words(self) -> str:
        """What a person is told."""
        if self.next_start is None:
            return f"{self.count} wait for a plan"
        where = f" on {self.next_node}" if self.next_node else ""
        return f"{self.count} wait, the next to start at {_as_text(self.next_start)}{where}"

    def finish_to_show(self, shown: str | None, now: datetime) -> str | None:
        """The expected end to tell; what is ``shown`` as long as it is about right."""
        if self.last_finish is None:
            return None
        before = parse_time(shown)
        remains_seconds = (self.last_finish - now).total_seconds()
        if before is not None:
            shift_seconds = abs((self.last_finish - before).total_seconds())
            if shift_seconds <= max(SHIFT_SECONDS, SHIFT_SHARE * remains_seconds):
                return shown
        return _as_text(self.last_finish)


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


def _as_text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
