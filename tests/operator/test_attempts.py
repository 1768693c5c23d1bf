"""Retries are bounded, survive restarts, and end for good where another try cannot help."""

from __future__ import annotations

from typing import Any

import pytest

from foretide_operator.actions import Create, Delete, Patch
from foretide_operator.attempts import MAX_ATTEMPTS, Attempt, advance, latest, retire
from foretide_operator.jobs import inspect_job, measuring_key
from foretide_operator.outcome import Done, Failed, KeptFailure, Outcome, Running
from tests.operator.cluster_objects import NOW, SETTINGS, ago, as_stored, inspect_result, pod_of, workload

WORKLOAD = workload()


def make(number: int) -> dict[str, Any]:
    return inspect_job(WORKLOAD, number, SETTINGS)


def attempt(outcome: Outcome, number: int = 1) -> Attempt:
    return Attempt(as_stored(make(number)), outcome)


def step(given: Attempt | None, *, may_start: bool = True, refusals: Any = None) -> Any:
    return advance(given, make, may_start=may_start, refusals=refusals or {}, now=NOW)


def kept_reason(step: Any) -> str:
    """The reason that the step's one action writes on the Job."""
    (patch,) = step.actions
    assert isinstance(patch, Patch)
    kept = KeptFailure.of({"metadata": patch.body["metadata"]})
    assert kept is not None
    return kept.reason


def test_the_first_attempt_is_made_when_there_is_room() -> None:
    assert step(None).actions == (Create(step(None).actions[0].resource, make(1)),)
    waiting = step(None, may_start=False)
    assert (waiting.actions, waiting.reason) == ((), "Waiting")


def test_a_transient_failure_is_tried_again_after_a_pause_and_replaces_the_old_job() -> None:
    early = step(attempt(Failed("PodEvicted", "low on memory", ago(1))))
    assert kept_reason(early) == "PodEvicted"
    assert early.recheck_seconds == pytest.approx(9.0)
    later = step(attempt(Failed("PodEvicted", "low on memory", ago(60))))
    created, deleted = later.actions
    assert isinstance(created, Create)
    assert created.body["metadata"]["annotations"]["foretide.dev/attempt"] == "2"
    assert isinstance(deleted, Delete)
    assert deleted.name == make(1)["metadata"]["name"] != created.body["metadata"]["name"]
    assert later.reason == "PodEvicted"


def test_why_a_job_failed_is_kept_on_it_once() -> None:
    """Events expire and Pods go; what was read first stays."""
    failing = attempt(Failed("QuotaExceeded", "pods=0", ago(1)))
    assert kept_reason(step(failing)) == "QuotaExceeded"
    failing.job["metadata"]["annotations"] |= step(failing).actions[0].body["metadata"]["annotations"]
    assert step(failing).actions == ()
    assert KeptFailure.of(failing.job) == KeptFailure(reason="QuotaExceeded", message="pods=0")


def test_attempts_end_after_a_bound_and_the_message_names_the_way_out() -> None:
    last = step(attempt(Failed("PodEvicted", "low on memory", ago(600)), MAX_ATTEMPTS))
    assert kept_reason(last) == last.failed.reason == "PodEvicted"
    assert "delete it to try again" in last.failed.message


def test_a_definite_failure_ends_at_once() -> None:
    ended = step(attempt(Failed("UnknownModel", "no such model", ago(600))))
    assert (kept_reason(ended), ended.failed.reason) == ("UnknownModel", "UnknownModel")


def test_a_refused_job_gives_its_reason_instead_of_an_action() -> None:
    refusals = {make(1)["metadata"]["name"]: Failed("QuotaExceeded", "count/jobs.batch=0")}
    refused = step(None, refusals=refusals)
    assert (refused.actions, refused.reason) == ((), "QuotaExceeded")
    assert refused.recheck_seconds == 30.0


def test_the_attempt_that_counts_is_the_last_of_the_present_key() -> None:
    key = measuring_key(WORKLOAD.spec)
    other = workload(resources={"limits": {"cpu": "1", "memory": "1Gi"}})
    stale = Attempt(as_stored(inspect_job(other, 3, SETTINGS)), Running())
    first, second = attempt(Running(), 1), attempt(Running(), 2)
    assert latest([second, stale, first], role="inspect", key=key) is second
    assert latest([stale], role="inspect", key=key) is None


def test_a_job_with_its_result_stored_is_given_an_end_once() -> None:
    job = as_stored(make(1))
    (patch,) = retire(job)
    assert patch.body == {"spec": {"ttlSecondsAfterFinished": 3600}}  # type: ignore[union-attr]
    job["spec"]["ttlSecondsAfterFinished"] = 3600
    assert retire(job) == ()
    assert step(attempt(Done(inspect_result(), pod_of(job)))).done is not None
