"""What is written on Pods of the plan: the opening of a gate, and where the others are expected. Pure values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec

from foretide.placement.plan import Assignment
from foretide.prediction import PodPrediction
from foretide_kube.client import Object
from foretide_kube.gate import gates_without_ours
from foretide_kube.names import ANNOTATION_PLAN, ANNOTATION_PLANNED_NODE, ANNOTATION_PREDICTION
from foretide_kube.pod_plan import PodPlan
from foretide_kube.task_pods import TaskPod
from foretide_kube.times import epoch_seconds

SHIFT_SECONDS: Final = 3.0
SHIFT_SHARE: Final = 0.2
"""An expected start is told anew when it moved by more than both, the share being that of the wait ahead."""
REST_SECONDS: Final = 10.0
"""What is told of a waiting Pod is not told anew sooner, however the plan changes."""


@dataclass(frozen=True, slots=True)
class Told:
    """What was last written on a waiting Pod, and when."""

    node: str
    start_seconds: float | None
    reason: str
    at_seconds: float

    @classmethod
    def of(cls, pod: TaskPod) -> Told | None:
        """What the Pod itself says: from before a restart."""
        if pod.plan is None:
            return None
        return cls(pod.plan.node, epoch_seconds(pod.plan.expected_start_time or None), pod.plan.reason, 0.0)


def is_news(told: Told | None, assignment: Assignment, now_seconds: float) -> bool:
    """Whether what the plan says of a waiting task differs enough from what was told to be written."""
    if told is None:
        return True
    if 0.0 <= now_seconds - told.at_seconds < REST_SECONDS:
        return False
    if told.node != (assignment.node or "") or told.reason != assignment.reason:
        return True
    if told.start_seconds is None or assignment.start_seconds is None:
        return told.start_seconds is not assignment.start_seconds
    shift = abs(assignment.start_seconds - told.start_seconds)
    return shift > max(SHIFT_SECONDS, SHIFT_SHARE * (assignment.start_seconds - now_seconds))


def waiting_patch(pod: TaskPod, assignment: Assignment, waits_for: str) -> Object:
    """The merge patch that tells where and when a waiting task is expected."""
    plan = PodPlan(
        node=assignment.node or "",
        expected_start_time=_time(assignment.start_seconds),
        expected_finish_time=_time(assignment.finish_seconds),
        waits_for=waits_for,
        reason=assignment.reason,
    )
    return _patch(pod, {ANNOTATION_PLAN: _text(plan)})


def opening_patch(pod: TaskPod, assignment: Assignment, prediction: PodPrediction | None, now_seconds: float) -> Object:
    """The merge patch that opens the gate and says for which node, with the prediction for it; all in one write.

    Without a planned node the gate is opened all the same, and the extender places the Pod greedily.
    """
    plan = PodPlan(
        node=assignment.node or "",
        expected_start_time=_time(assignment.start_seconds),
        expected_finish_time=_time(assignment.finish_seconds),
        reason=assignment.reason,
        opened_time=_time(now_seconds),
    )
    patch = _patch(
        pod,
        {
            ANNOTATION_PLAN: _text(plan),
            ANNOTATION_PLANNED_NODE: assignment.node,
            ANNOTATION_PREDICTION: None if prediction is None else msgspec.json.encode(prediction).decode(),
        },
    )
    return patch | {"spec": gates_without_ours(pod.gates)} if pod.is_gated else patch


def _patch(pod: TaskPod, annotations: dict[str, str | None]) -> Object:
    """Annotations for that very Pod as it was when it was planned.

    Whoever was stopped in between, or sees the cluster as it was, is refused: others may have opened it since.
    """
    metadata: Object = {"uid": pod.uid, "annotations": annotations}
    if pod.version:
        metadata["resourceVersion"] = pod.version
    return {"metadata": metadata}


_LAST_SECONDS: Final = datetime(9999, 12, 31, tzinfo=UTC).timestamp()


def _time(seconds: float | None) -> str:
    """RFC 3339, which ends with the year 9999: a task that takes longer by prediction has no time that can be told."""
    if seconds is None or not seconds < _LAST_SECONDS:
        return ""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _text(plan: PodPlan) -> str:
    return msgspec.json.encode(plan).decode()
