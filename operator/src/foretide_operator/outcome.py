"""What became of a Job: still on its way (and why not further), done with a result, or failed with a reason.

Everything here comes from outside: the API's view of Job, Pod and Events, and a document written by a container that
runs someone else's model. Nothing of it can make this module raise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec

from foretide.results import Failure, Result, ResultError
from foretide.signature import Signature
from foretide_kube.client import Object
from foretide_kube.ended_pods import reported, terminated_state
from foretide_kube.names import IMAGE_REASONS
from foretide_kube.times import parse_time, seconds_left

UNSCHEDULABLE_AFTER_SECONDS: Final = 30.0
BLOCKED_AFTER_SECONDS: Final = 2.0
"""How long a Job may have no Pod, or a Pod no volume, before Events are asked why."""

SURROUNDINGS: Final = frozenset(
    {
        "ImageMissing",
        "NodeGone",
        "PodEvicted",
        "PodRefused",
        "QuotaExceeded",
        "StartedLate",
        "Unschedulable",
        "VolumeUnavailable",
    }
)
"""Reasons that lie in the cluster and not in what was to be done: when they pass nobody can tell, so none is final."""

ON_A_NODE: Final = frozenset({"ImageMissing", "VolumeUnavailable"})
"""Of these, what keeps a Pod from beginning that has its node already: it holds that node's room meanwhile."""

TRANSIENT: Final = SURROUNDINGS | {"InternalError", "Killed", "TimedOut"}
"""Reasons that may pass by themselves, so that another attempt is worth its time."""

SETTLE_SECONDS: Final = 5.0
"""Job and Pod are watched apart: for so long after a Job's end, its Pod's may not be known yet."""

ANNOTATION_FAILURE: Final = "foretide.dev/failure"
"""On a Job that ended without a result: why, as it was first read. Events expire and Pods go; the reason stays."""

_FAIR_SHARE: Final = 0.5
"""Of a Job's time: who had less to work in, because the node was away or late, is not judged by what came of it."""
_BY_SIGNAL_STATUS: Final = 128
"""Exit statuses above this one tell the signal that ended a container."""
_QUOTA_WORDS: Final = ("exceeded quota", "failed quota", "status unknown for quota")
_KUBELET_REFUSALS: Final = ("OutOf", "UnexpectedAdmissionError", "NodeAffinity", "NodeShutdown", "Terminated")


@dataclass(frozen=True, slots=True)
class Running:
    """Not ended. ``blocked_reason`` says why it does not get further, empty while it does."""

    blocked_reason: str = ""
    message: str = ""
    is_started: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """Ended with a result of the kind that was asked for, from this Pod."""

    result: Result
    pod: Object


@dataclass(frozen=True, slots=True)
class Failed:
    """Ended without one; ``ended_time`` is the API's."""

    reason: str
    message: str
    ended_time: str = ""

    @property
    def is_transient(self) -> bool:
        """Whether another attempt may go better with nothing changed."""
        return self.reason in TRANSIENT

    @property
    def is_of_surroundings(self) -> bool:
        """Whether the cluster is the cause, and not what was to be done."""
        return self.reason in SURROUNDINGS


Outcome = Running | Done | Failed


class KeptFailure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the annotation `ANNOTATION_FAILURE` holds."""

    reason: Annotated[str, msgspec.Meta(pattern=r"^[A-Z][A-Za-z0-9]{2,63}$")]
    message: Annotated[str, msgspec.Meta(max_length=2048)]

    @classmethod
    def of(cls, job: Object) -> KeptFailure | None:
        """What is kept on a Job; None if nothing is, or nothing that can be read."""
        text = job["metadata"].get("annotations", {}).get(ANNOTATION_FAILURE)
        try:
            return None if text is None else msgspec.json.decode(text, type=cls)
        except (msgspec.DecodeError, UnicodeEncodeError):
            return None


def read_outcome(
    job: Object,
    pods: Sequence[Object],
    events: Sequence[Object],
    *,
    expected: type[Any],
    now: datetime,
    signature: Signature | None = None,
) -> Outcome:
    """What became of ``job``, given its Pods and the warning Events about it and them.

    ``expected`` is the type of `foretide.results` that was asked for; ``signature`` bounds what is believed.
    """
    finished = finished_condition(job)
    pod = latest_pod(pods)
    if finished is None:
        result = _result_before_the_end(pod, expected=expected, signature=signature)
        return _progress(job, pod, events, now) if result is None else result
    kept = KeptFailure.of(job)
    if kept is not None:
        return Failed(kept.reason, kept.message, _time(finished))
    if finished.get("reason") == "DeadlineExceeded":
        may_settle = _event(events, "Started") is not None and _event(events, "Killing") is None
    else:
        may_settle = pod is None or terminated_state(pod) is None
    if may_settle and seconds_left(SETTLE_SECONDS, _time(finished), now):
        return Running(message="its outcome is being read")
    if finished["type"] == "Complete":
        if pod is None:
            return Failed("NodeGone", "the Pod is gone and its result with it", _time(finished))
        return read_result(pod, expected=expected, signature=signature, ended_time=_time(finished))
    return _failure(job, finished, pod, events, expected=expected, now=now)


def latest_pod(pods: Sequence[Object]) -> Object | None:
    """The Pod of a Job that counts: the newest; None if there is none."""
    return max(pods, key=lambda item: item["metadata"].get("creationTimestamp", ""), default=None)


def _result_before_the_end(pod: Object | None, *, expected: type[Any], signature: Signature | None) -> Done | None:
    """The result of a Pod that ended well, whose Job will be told so in a second or two; None if there is none."""
    if pod is None or pod.get("status", {}).get("phase") != "Succeeded":
        return None
    found = read_result(pod, expected=expected, signature=signature)
    return found if isinstance(found, Done) else None


def read_result(
    pod: Object, *, expected: type[Any], signature: Signature | None = None, ended_time: str = ""
) -> Done | Failed:
    """The result that an ended Pod wrote, checked against ``expected`` and the API's own times."""
    try:
        result = reported(pod, expected=expected, signature=signature)
    except ResultError as error:
        return Failed(error.reason, f"{error.field}: {error.message}" if error.field else error.message, ended_time)
    if isinstance(result, Failure):
        where = f"{result.field}: " if result.field else ""
        return Failed(result.reason, where + result.message, ended_time)
    return Done(result, pod)


def finished_condition(job: Object) -> Object | None:
    """The condition by which a Job has ended, well or not; None while it has not."""
    for condition in job.get("status", {}).get("conditions", []):
        if condition["type"] in {"Complete", "Failed"} and condition["status"] == "True":
            found: Object = condition
            return found
    return None


def _progress(job: Object, pod: Object | None, events: Sequence[Object], now: datetime) -> Running:
    if pod is None:
        is_new = seconds_left(BLOCKED_AFTER_SECONDS, job["metadata"].get("creationTimestamp"), now)
        refusal = None if is_new else _refusal(events)
        return Running(*refusal) if refusal else Running(message="its Pod is being created")
    told = told_by_pod(pod, now)
    if told is not None:
        return told
    status = pod.get("status", {})
    # Images are pulled once the volumes are there: a mount that failed before that holds nothing up any more.
    last = _event(events, "FailedMount", "FailedAttachVolume", "Pulling", "Pulled")
    if last is not None and last["reason"] not in {"Pulling", "Pulled"} and status.get("phase") == "Pending":
        return Running("VolumeUnavailable", _one_line(last.get("message", "")))
    return Running(message="running", is_started=status.get("phase") == "Running")


def told_by_pod(pod: Object, now: datetime) -> Running | None:
    """What a Pod itself says that it waits for; None where Events alone could tell, or nothing."""
    status = pod.get("status", {})
    for condition in status.get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            if seconds_left(UNSCHEDULABLE_AFTER_SECONDS, pod["metadata"].get("creationTimestamp"), now):
                return Running(message="waiting for a node")
            return Running("Unschedulable", _one_line(condition.get("message", "no node can take the Pod")))
    for container in status.get("containerStatuses", []):
        waiting = container.get("state", {}).get("waiting") or {}
        if waiting.get("reason") in IMAGE_REASONS:
            return Running("ImageMissing", _one_line(f"{container.get('image', '')}: {waiting.get('message', '')}"))
    return None


def _failure(
    job: Object, finished: Object, pod: Object | None, events: Sequence[Object], *, expected: type[Any], now: datetime
) -> Failed:
    ended = _time(finished)
    if finished.get("reason") == "DeadlineExceeded":
        reason, message = (
            _hindrance(pod, events, now)
            or _lateness(job, events)
            or ("DeadlineExceeded", "it did not end in its time and was stopped")
        )
        return Failed(reason, message, ended)
    if pod is None:
        return Failed("NodeGone", "the Pod is gone: its node is gone, or it was deleted", ended)
    refused = _refused_by_node(pod)
    if refused is not None:
        return Failed(*refused, ended)
    terminated = terminated_state(pod)
    if terminated is not None and terminated.get("reason") == "OOMKilled":
        return Failed("OOMKilled", "the kernel killed it at its memory limit; raise resources.limits.memory", ended)
    result = read_result(pod, expected=expected, ended_time=ended)
    if isinstance(result, Done):
        return Failed("ResultInvalid", "it wrote a result, but its Pod failed", ended)
    if result.reason == "ResultMissing" and terminated is not None:
        return Failed(*_wordless(terminated), ended)
    return result


def _wordless(terminated: Object) -> tuple[str, str]:
    """Why a container has ended without a word; a node that lost its power knows no more than that it is gone."""
    if terminated.get("reason") == "ContainerStatusUnknown":
        return "NodeGone", "its node lost track of it, as after a power failure"
    status = terminated.get("exitCode")
    if isinstance(status, int) and status > _BY_SIGNAL_STATUS:
        return "Killed", f"ended by signal {status - _BY_SIGNAL_STATUS}, not for its memory"
    return "ResultMissing", f"exit status {status} and no message"


def _hindrance(pod: Object | None, events: Sequence[Object], now: datetime) -> tuple[str, str] | None:
    """Why a Job whose time was up never began its work; None if it did.

    Its Pods are deleted with the deadline, so mostly Events alone can tell.
    """
    progress = _progress({"metadata": {}}, pod, events, now) if pod is not None else Running()
    if progress.blocked_reason:
        return progress.blocked_reason, progress.message
    if _event(events, "Started") is not None:
        return None
    refusal = _refusal(events)
    if refusal is not None and _event(events, "Scheduled", "FailedScheduling") is None:
        return refusal
    for reason, event in (
        ("ImageMissing", _event(events, "Failed", containing="image")),
        ("VolumeUnavailable", _event(events, "FailedMount", "FailedAttachVolume")),
        ("Unschedulable", _event(events, "FailedScheduling")),
    ):
        if event is not None:
            return reason, _one_line(event.get("message", ""))
    return None


def _lateness(job: Object, events: Sequence[Object]) -> tuple[str, str] | None:
    """Why a Job whose time was up did not have a fair share of it to work in; None if it did.

    A kubelet that stops a container at the end of its time says so. Where none does, it ran no more by then: its node
    lost it, with its power for example.
    """
    started = _event(events, "Started")
    had_seconds, allowed_seconds = _time_to_work(job, started)
    told: tuple[str, str] | None = None
    if _event(events, "NodeNotReady") is not None:
        told = "NodeGone", "its node was not ready for part of its time"
    elif started is None:
        told = "StartedLate", "its container had not started when its time was up, and no Event says why"
    elif had_seconds < _FAIR_SHARE * allowed_seconds:
        told = "StartedLate", f"its container had {had_seconds:.0f} s of {allowed_seconds:.0f} s: it started late"
    elif _event(events, "Killing") is None:
        told = "Killed", "it was no longer running when its time was up, and its node did not report why"
    return told


def _time_to_work(job: Object, started: Object | None) -> tuple[float, float]:
    """Seconds from the start of a Job's container to its deadline, and those of the deadline; equal if not known."""
    allowed_seconds = float(job.get("spec", {}).get("activeDeadlineSeconds") or 0)
    begun = parse_time(job.get("status", {}).get("startTime"))
    began = parse_time((started or {}).get("lastTimestamp"))
    if begun is None or began is None:
        return allowed_seconds, allowed_seconds
    return max(0.0, allowed_seconds - (began - begun).total_seconds()), allowed_seconds


def _refused_by_node(pod: Object) -> tuple[str, str] | None:
    status = pod.get("status", {})
    reason, message = status.get("reason", ""), status.get("message", "")
    if reason == "Evicted":
        return "PodEvicted", _one_line(message or "evicted")
    if reason == "NodeLost":
        return "NodeGone", _one_line(message or "node lost")
    if reason.startswith(_KUBELET_REFUSALS):
        return "PodRefused", _one_line(f"{reason}: {message}")
    return None


def _refusal(events: Sequence[Object]) -> tuple[str, str] | None:
    event = _event(events, "FailedCreate")
    if event is None:
        return None
    message = _one_line(event.get("message", ""))
    return reason_of_refusal(message), message


def reason_of_refusal(message: str) -> str:
    """`QuotaExceeded` where the API server says that a quota kept an object from being made, else `PodRefused`."""
    return "QuotaExceeded" if any(words in message for words in _QUOTA_WORDS) else "PodRefused"


def _event(events: Sequence[Object], *reasons: str, containing: str = "") -> Object | None:
    matching = [
        event for event in events if event.get("reason") in reasons and containing in event.get("message", "").lower()
    ]
    return max(matching, key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or "", default=None)


def _time(condition: Object) -> str:
    return str(condition.get("lastTransitionTime") or "")


def _one_line(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 600 else text[:597] + "..."
