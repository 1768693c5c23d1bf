"""Ended Pods as the API tells them: what they reported, and the prediction on them, believed as far as it fits.

Annotations and results can be forged by those who make Pods: both are held against the API's own times.
"""

from __future__ import annotations

from typing import Final

import msgspec

from foretide.pairing import Pairing
from foretide.prediction import PodPrediction
from foretide.results import Document, Failure, ProfileResult, Result, ResultError, RunResult
from foretide.signature import Signature
from foretide.termination_message import parse
from foretide_kube.client import Object
from foretide_kube.names import CONTAINER
from foretide_kube.quantity import QuantityError, whole
from foretide_kube.times import epoch_milliseconds

CLOCK_TOLERANCE_MILLISECONDS: Final = 5_000

_SHARED_BYTES: Final = 1024**3


def terminated_state(pod: Object) -> Object | None:
    """How the container that counts ended, or None if it has not or nobody knows."""
    name = _container_that_counts(pod).get("name")
    for status in pod.get("status", {}).get("containerStatuses", []):
        if status.get("name") == name:
            ended: Object | None = status.get("state", {}).get("terminated")
            return ended
    return None


def _container_that_counts(pod: Object) -> Object:
    """The one that does the work, whatever admission put beside it: of our name, else the first of the spec.

    Kubelets tell of containers in the order of their names, so what they tell first may be anybody.
    """
    containers: list[Object] = pod["spec"].get("containers") or [{}]
    return next((each for each in containers if each.get("name") == CONTAINER), containers[0])


def bound_milliseconds(pod: Object) -> int | None:
    """When the Pod was bound, by the API's clock: to the second, so the middle of that second is meant."""
    for condition in pod.get("status", {}).get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "True":
            moment = epoch_milliseconds(condition.get("lastTransitionTime"))
            return None if moment is None else moment + 500
    return None


def reported(pod: Object, *, expected: type[Document], signature: Signature | None = None) -> Result:
    """What an ended Pod reported: a result of the type ``expected``, or why there is none (`Failure`).

    It is checked against the API's own times, the Pod's limits and ``signature``. ResultError where it says nothing, or
    nothing that can be believed.
    """
    terminated = terminated_state(pod)
    if terminated is None:
        raise ResultError("ResultMissing", "", "the container's end was never reported")
    started = epoch_milliseconds(terminated.get("startedAt"))
    ended = epoch_milliseconds(terminated.get("finishedAt"))
    within = (started, ended) if started is not None and ended is not None else None
    message = terminated.get("message") or ""
    result = parse(message.encode(), signature=signature, within=within)
    if isinstance(result, Failure):
        return result
    if not isinstance(result, expected):
        problem = f"a {type(result).__name__} came where {expected.__name__} was asked for"
        raise ResultError("ResultInvalid", "", problem)
    if isinstance(result, ProfileResult | RunResult):
        impossible = _beyond_limit(result.memory_peak_bytes, pod)
        if impossible:
            raise ResultError("ResultImpossible", "", impossible)
    return result


def _beyond_limit(memory_peak_bytes: int, pod: Object) -> str:
    """Why the container that ended cannot have used that much memory; empty if it can, or has no limit (none, or 0).

    Resident pages of the image's files may be charged to another Pod that read them first: a gibibyte is let pass.
    """
    limits = _container_that_counts(pod).get("resources", {}).get("limits", {})
    try:
        limit_bytes = whole(limits.get("memory", 0))
    except QuantityError:
        return ""
    if not limit_bytes or memory_peak_bytes <= limit_bytes + _SHARED_BYTES:
        return ""
    return f"memoryPeakBytes: {memory_peak_bytes} is beyond the container's limit of {limit_bytes}"


def failure_reason(pod: Object, said: str) -> str:
    """Why a Pod failed, in one word; ``said`` is the reason that it reported itself, empty if it did not."""
    terminated = terminated_state(pod) or {}
    if terminated.get("reason") == "OOMKilled":
        return "OOMKilled"
    return str(pod.get("status", {}).get("reason") or said or "Failed")


def fitting_prediction(
    pod: Object, text: str, node_class: str | None, *, is_class_known: bool = True
) -> tuple[PodPrediction | None, str]:
    """The prediction that an annotation holds, if it fits the Pod; else None, and why it is refused.

    ``node_class`` is that of the Pod's node; where that is not known (``is_class_known``) the annotation's own counts.
    """
    try:
        prediction = msgspec.json.decode(text, type=PodPrediction)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        return None, f"it cannot be read: {error}"
    node = pod["spec"].get("nodeName")
    if prediction.node != node:
        return None, f"it is for node {prediction.node[:64]}, the Pod was on {node}"
    if is_class_known and prediction.node_class != node_class:
        return None, f"it is for node class {prediction.node_class[:64]}, the node is of {node_class or 'none'}"
    work = prediction.work_milliseconds
    if not 0 <= work.lower <= work.median <= work.upper <= 10**12 or not 1 <= prediction.inferences <= 10**12:
        return None, "its figures are out of order"
    if not 0 <= prediction.pull_milliseconds <= prediction.startup_milliseconds <= 10**9:
        return None, "its start-up is out of bounds"
    bound = bound_milliseconds(pod)
    if bound is None or abs(bound - prediction.bound_milliseconds) > CLOCK_TOLERANCE_MILLISECONDS:
        return None, "its time of binding is not the API's"
    return prediction, ""


def pairing_of(
    pod: Object, prediction: PodPrediction, run: RunResult | None, *, deadline_milliseconds: int | None
) -> Pairing | None:
    """An ended Pod held against ``prediction``, with what its runner reported; None where its end is not known."""
    created = epoch_milliseconds(pod["metadata"].get("creationTimestamp"))
    ended = epoch_milliseconds((terminated_state(pod) or {}).get("finishedAt"))
    if created is None or ended is None:
        return None
    return Pairing.of(
        prediction,
        created_milliseconds=created,
        ended_milliseconds=ended,
        work_begin_milliseconds=run.work_begin if run else None,
        work_end_milliseconds=run.work_end if run else None,
        deadline_milliseconds=deadline_milliseconds,
    )
