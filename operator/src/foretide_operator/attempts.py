"""One measurement with its retries: which Job counts, what became of it, and what to do next.

The Jobs themselves are the record: each attempt is a Job of its own name, a later one replaces the one before, and
the last failed one stays, so that the reason survives restarts. Deleting it by hand means: try again. What failed by
its own doing is given up after a few attempts; what the cluster kept from its work is tried for as long as it takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import msgspec

from foretide_kube.client import Object
from foretide_kube.kinds.common import to_time
from foretide_kube.names import ANNOTATION_KEY, JOBS, LABEL_JOB_NODE_CLASS, LABEL_ROLE
from foretide_kube.times import seconds_left, seconds_since
from foretide_operator.actions import Action, Create, Delete, Patch
from foretide_operator.jobs import ANNOTATION_ATTEMPT, RUN_TTL_SECONDS
from foretide_operator.outcome import (
    ANNOTATION_FAILURE,
    ON_A_NODE,
    Done,
    Failed,
    KeptFailure,
    Outcome,
    Running,
    finished_condition,
)

MAX_ATTEMPTS: Final = 3
"""After so many a failure is final, unless the cluster is its cause (`foretide_operator.outcome.SURROUNDINGS`)."""
FIRST_DELAY_SECONDS: Final = 10.0
"""The pause after the first attempt; each later one is twice as long, up to the longest."""
LONGEST_DELAY_SECONDS: Final = 1800.0
_DOUBLINGS: Final = 8
_DIGITS: Final = 9
STARTING_SECONDS: Final = 3.0
"""How often a Job is looked at whose Pod has not begun: Events, which say why not, wake nobody."""
UNDER_WAY_SECONDS: Final = 10.0
BLOCKED_SECONDS: Final = 60.0
"""After so long a later attempt is ended that holds a node's room and cannot begin; the first has all its time."""
REFUSED_DELAY_SECONDS: Final = 30.0
"""After so long a Job that the API server refused is tried again."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A measuring Job and what became of it."""

    job: Object
    outcome: Outcome

    @property
    def number(self) -> int:
        """Which try this is, from 1."""
        return number_of(self.job)

    @property
    def role(self) -> str:
        """What the Job does."""
        return str(self.job["metadata"]["labels"].get(LABEL_ROLE, ""))

    @property
    def key(self) -> str:
        """What the Job was made for."""
        return str(self.job["metadata"].get("annotations", {}).get(ANNOTATION_KEY, ""))

    @property
    def node_class(self) -> str:
        """The node class that is measured; empty for inspect Jobs."""
        return str(self.job["metadata"]["labels"].get(LABEL_JOB_NODE_CLASS, ""))


@dataclass(frozen=True, slots=True)
class Step:
    """Where a measurement stands.

    ``done`` is its result; ``failed`` is set when it has ended for good; else it is under way or waits, for
    ``reason`` and ``message``. ``recheck_seconds`` asks to be looked at again after so long.
    """

    actions: tuple[Action, ...] = ()
    done: Done | None = None
    failed: Failed | None = None
    reason: str = ""
    message: str = ""
    is_active: bool = False
    recheck_seconds: float | None = None


def number_of(job: Object) -> int:
    """Which try an inspect, profile or probe Job is, from 1; 1 also for an annotation that says no such number."""
    text = job["metadata"].get("annotations", {}).get(ANNOTATION_ATTEMPT, "")
    is_number = text.isascii() and text.isdigit() and len(text) <= _DIGITS
    return max(1, int(text)) if is_number else 1


def latest(attempts: Iterable[Attempt], *, role: str, key: str, node_class: str = "") -> Attempt | None:
    """The attempt that counts: the last of those made for ``key``."""
    return max(
        (a for a in attempts if a.role == role and a.key == key and a.node_class == node_class),
        key=lambda attempt: attempt.number,
        default=None,
    )


def on_class(attempt: Attempt | None, nodes: Iterable[Object]) -> Attempt | None:
    """The attempt to measure a class of these ``nodes``: what was measured elsewhere says nothing of it, and failed."""
    if attempt is None or not isinstance(attempt.outcome, Done):
        return attempt
    name = attempt.outcome.pod["spec"].get("nodeName") or ""
    if any(node["metadata"]["name"] == name for node in nodes):
        return attempt
    finished = finished_condition(attempt.job)
    if finished is None:
        return replace(attempt, outcome=Running(message="its outcome is being read"))
    ended_time = finished.get("lastTransitionTime", "")
    return replace(
        attempt, outcome=Failed("NodeGone", f"node {name}, where it ran, is no longer in the class", ended_time)
    )


def advance(
    attempt: Attempt | None,
    make: Callable[[int], Object],
    *,
    may_start: bool,
    refusals: Mapping[str, Failed],
    now: datetime,
) -> Step:
    """What to do next; ``make`` gives the Job of an attempt, ``may_start`` says whether there is room for one.

    ``refusals`` are Jobs, by name, that the API server would not take just now.
    """
    if attempt is None:
        if not may_start:
            return Step(reason="Waiting", message="waiting for its turn")
        return _start(make(1), (), Step(reason="Started", message="its Job was created"), refusals)
    match attempt.outcome:
        case Done() as done:
            return Step(done=done)
        case Running(blocked_reason=reason, message=message):
            is_soon = not reason and not attempt.outcome.is_started
            recheck_seconds = STARTING_SECONDS if is_soon else UNDER_WAY_SECONDS
            return Step(
                reason=reason or "InProgress",
                message=message,
                actions=_end_if_blocked(attempt, attempt.outcome, now),
                is_active=True,
                recheck_seconds=recheck_seconds,
            )
        case Failed() as failed:
            return _after_failure(attempt, failed, make, may_start=may_start, refusals=refusals, now=now)


def _after_failure(
    attempt: Attempt,
    failed: Failed,
    make: Callable[[int], Object],
    *,
    may_start: bool,
    refusals: Mapping[str, Failed],
    now: datetime,
) -> Step:
    metadata = attempt.job["metadata"]
    is_bounded = not failed.is_of_surroundings
    if not failed.is_transient or (is_bounded and attempt.number >= MAX_ATTEMPTS):
        tried = f" after {attempt.number} attempts" if attempt.number > 1 else ""
        message = f"{failed.message} (Job {metadata['name']}{tried}; delete it to try again)"
        return Step(failed=Failed(failed.reason, message), actions=keep(attempt.job, failed))
    which = f"attempt {attempt.number + 1} of {MAX_ATTEMPTS}" if is_bounded else f"attempt {attempt.number + 1}"
    remaining_seconds = seconds_left(_delay_seconds(attempt.number), failed.ended_time, now)
    if remaining_seconds > 0 or not may_start:
        when = f"at {to_time(now + timedelta(seconds=remaining_seconds))}, or once you delete Job {metadata['name']}"
        return Step(
            reason=failed.reason,
            message=f"{failed.message}; {which} follows {when if remaining_seconds > 0 else 'when its turn comes'}",
            actions=keep(attempt.job, failed),
            recheck_seconds=remaining_seconds if remaining_seconds > 0 else UNDER_WAY_SECONDS,
        )
    return _start(
        make(attempt.number + 1),
        (Delete(JOBS, metadata.get("namespace", ""), metadata["name"]),),
        Step(reason=failed.reason, message=f"{failed.message}; {which} has begun"),
        refusals,
    )


def _delay_seconds(number: int) -> float:
    """How long to wait after an attempt before the next."""
    return min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2.0 ** min(number - 1, _DOUBLINGS))


def _start(job: Object, then: tuple[Action, ...], step: Step, refusals: Mapping[str, Failed]) -> Step:
    refused = refusals.get(job["metadata"]["name"])
    if refused is not None:
        return Step(reason=refused.reason, message=refused.message, recheck_seconds=REFUSED_DELAY_SECONDS)
    return replace(step, actions=(Create(JOBS, job), *then), is_active=True)


def _end_if_blocked(attempt: Attempt, running: Running, now: datetime) -> tuple[Action, ...]:
    """Give a node's room back that a later attempt holds without beginning: its time is up, and the next follows.

    The reason is kept by the same request, for when the Job has ended Events alone could tell it.
    """
    metadata = attempt.job["metadata"]
    age_seconds = seconds_since(metadata.get("creationTimestamp"), now)
    is_blocked = running.blocked_reason in ON_A_NODE and attempt.number > 1 and age_seconds >= BLOCKED_SECONDS
    deadline_seconds = attempt.job["spec"].get("activeDeadlineSeconds")
    if not is_blocked or (deadline_seconds is not None and deadline_seconds <= age_seconds):
        return ()
    body: Object = {
        "metadata": {"annotations": _kept(running.blocked_reason, running.message)},
        "spec": {"activeDeadlineSeconds": int(age_seconds), "ttlSecondsAfterFinished": None},
    }
    return (Patch(JOBS, metadata.get("namespace", ""), metadata["name"], body),)


def keep(job: Object, failed: Failed) -> tuple[Action, ...]:
    """Write on a Job why it failed, once, and let it stay: later its Pod may be gone and its Events expired."""
    if not failed.ended_time or KeptFailure.of(job) is not None:
        return ()
    metadata = job["metadata"]
    body: Object = {
        "metadata": {"annotations": _kept(failed.reason, failed.message)},
        "spec": {"ttlSecondsAfterFinished": None},
    }
    return (Patch(JOBS, metadata.get("namespace", ""), metadata["name"], body),)


def _kept(reason: str, message: str) -> dict[str, str]:
    return {ANNOTATION_FAILURE: msgspec.json.encode(KeptFailure(reason=reason, message=message)).decode()}


def outlived(attempts: Iterable[Attempt], key: str) -> tuple[Action, ...]:
    """The end of ended Jobs that were made for something else than ``key``, and that nothing else would remove."""
    jobs = [attempt.job for attempt in attempts if attempt.key != key]
    return tuple(
        Delete(JOBS, job["metadata"].get("namespace", ""), job["metadata"]["name"])
        for job in jobs
        if finished_condition(job) is not None and job.get("spec", {}).get("ttlSecondsAfterFinished") is None
    )


def retire(job: Mapping[str, object]) -> tuple[Action, ...]:
    """Let Kubernetes remove an ended Job whose result is stored, after an hour for who wants to read its log."""
    spec, metadata = job.get("spec"), job["metadata"]
    if not isinstance(metadata, dict) or (isinstance(spec, dict) and spec.get("ttlSecondsAfterFinished") is not None):
        return ()
    body: Object = {"spec": {"ttlSecondsAfterFinished": RUN_TTL_SECONDS}}
    return (Patch(JOBS, metadata.get("namespace", ""), metadata["name"], body),)
