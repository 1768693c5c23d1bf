"""What is written on a Pod once it is bound: the prediction that its actual times will be held against.

Pure: from the Pod, the class of its node and the published predictions to the annotation, or to why there is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec

from foretide.placement.task import WorkloadPredictions
from foretide.prediction import Interval, PodPrediction
from foretide_kube.client import Object
from foretide_kube.names import ANNOTATION_PREDICTION
from foretide_kube.task_pods import TaskPod

WORKLOAD_UNKNOWN: Final = "WorkloadUnknown"
NODE_CLASS_UNKNOWN: Final = "NodeClassUnknown"
CLASS_NOT_PREDICTED: Final = "ClassNotPredicted"
NEVER_ENDS: Final = "NeverEnds"

_RECENT_MILLISECONDS = 3000


@dataclass(frozen=True, slots=True)
class NotPredicted:
    """Why nothing can be written; the reason is constant.

    ``is_final`` says that waiting changes nothing, and that nobody misses the prediction.
    """

    reason: str
    message: str
    is_final: bool = False


def needs_prediction(pod: TaskPod) -> bool:
    """Whether the Pod is a bound task that is still running and has no prediction for this node and binding.

    What was written with the opening of the gate holds if the scheduler did as planned. One that has ended gets none:
    what is said afterwards is no prediction.
    """
    return pod.is_task and pod.node is not None and not pod.is_finished and not _is_predicted(pod)


def _is_predicted(pod: TaskPod) -> bool:
    written = pod.prediction
    if written is None or written.node != pod.node:
        return False
    if pod.bound_seconds is None:
        return True
    # Whole numbers, since anybody may have written one that is too large for a float.
    return abs(written.bound_milliseconds - round(pod.bound_seconds * 1e3)) <= _RECENT_MILLISECONDS


def predict(
    pod: TaskPod,
    node: str,
    node_class: str | None,
    workload: WorkloadPredictions | None,
    *,
    bound_milliseconds: int,
    pull_milliseconds: int = 0,
) -> PodPrediction | NotPredicted:
    """The prediction for a task on ``node``, bound there at ``bound_milliseconds`` since the epoch, or about to be.

    ``pull_milliseconds`` is what it will wait for images that the node lacks.
    A service never ends, so that no actual time could ever be held against its prediction: it gets none.
    """
    if workload is None:
        return NotPredicted(WORKLOAD_UNKNOWN, f"there is no AIWorkload {pod.namespace}/{pod.workload}")
    if workload.is_service:
        return NotPredicted(NEVER_ENDS, f"AIWorkload {pod.namespace}/{pod.workload} is a service", is_final=True)
    if node_class is None:
        return NotPredicted(NODE_CLASS_UNKNOWN, f"node {node} belongs to no NodeClass")
    prediction = workload.prediction_for(pod.task, node_class)
    if prediction is None:
        return NotPredicted(
            CLASS_NOT_PREDICTED, f"AIWorkload {pod.namespace}/{pod.workload} has no prediction for {node_class}"
        )
    inferences = workload.inferences_of(pod.task)
    return PodPrediction(
        node=node,
        node_class=node_class,
        inferences=inferences,
        work_milliseconds=Interval(
            lower=round(prediction.work_seconds(inferences, bound="lower") * 1e3),
            median=round(prediction.work_seconds(inferences) * 1e3),
            upper=round(prediction.work_seconds(inferences, bound="upper") * 1e3),
        ),
        startup_milliseconds=prediction.startup_milliseconds + pull_milliseconds,
        pull_milliseconds=pull_milliseconds,
        memory_bytes=prediction.memory_bytes,
        source=prediction.source,
        model_version=prediction.model_version,
        bound_milliseconds=bound_milliseconds,
    )


def bound_milliseconds(pod: TaskPod, now_milliseconds: int) -> int:
    """When the Pod was bound, as finely as is known; ``now_milliseconds`` is when that was seen.

    The API keeps whole seconds, cut off. Just after the binding our own clock is finer; after a restart, or with a
    clock that is off, only the API's time is right.
    """
    if pod.bound_seconds is None:
        return now_milliseconds
    by_api = round(pod.bound_seconds * 1e3)
    return now_milliseconds if 0 <= now_milliseconds - by_api < _RECENT_MILLISECONDS else by_api


def annotation_patch(pod: TaskPod, prediction: PodPrediction) -> Object:
    """The merge patch that writes ``prediction`` on that very Pod: the UID makes the API server refuse a namesake."""
    text = msgspec.json.encode(prediction).decode()
    return {"metadata": {"uid": pod.uid, "annotations": {ANNOTATION_PREDICTION: text}}}
