"""Retries are bounded, survive restarts, and end for good where another try cannot help."""

from __future__ import annotations

from typing import Any

import pytest

from foretide.results import InspectResult
from foretide_operator.actions import Create, Delete, Patch
from foretide_operator.attempts import MAX_ATTEMPTS, Attempt, advance, latest, retire
from foretide_operator.job_keys import measuring_key
from foretide_operator.jobs import inspect_job
from foretide_operator.outcome import SURROUNDINGS, Done, Failed, KeptFailure, Outcome, Running, read_outcome
from tests.operator.cluster_objects import NOW, SETTINGS, ago, as_stored, ended, inspect_result, pod_of, workload

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


def test_the_next_attempt_does_not_wait_until_a_clock_that_was_put_back_catches_up() -> None:
    assert isinstance(step(attempt(Failed("PodEvicted", "low on memory", ago(-86_400)))).actions[0], Create)
    assert step(attempt(Failed("PodEvicted", "low on memory", ago(-1)))).recheck_seconds == pytest.approx(11.0)


def test_why_a_job_failed_is_kept_on_it_once() -> None:
    """Events expire and Pods go; what was read first stays."""
    failing = attempt(Failed("QuotaExceeded", "pods=0", ago(1)))
    assert kept_reason(step(failing)) == "QuotaExceeded"
    (patch,) = step(failing).actions
    assert patch.body["spec"] == {"ttlSecondsAfterFinished": None}, "a Job that failed stays, as the record of it"
    failing.job["metadata"]["annotations"] |= step(failing).actions[0].body["metadata"]["annotations"]
    assert step(failing).actions == ()
    assert KeptFailure.of(failing.job) == KeptFailure(reason="QuotaExceeded", message="pods=0")


@pytest.mark.parametrize("reason", ["TimedOut", "InternalError"])
def test_attempts_that_fail_by_their_own_doing_end_after_a_bound_and_the_message_names_the_way_out(reason: str) -> None:
    assert "attempt 3 of 3 has begun" in step(attempt(Failed(reason, "too slow", ago(600)), MAX_ATTEMPTS - 1)).message
    last = step(attempt(Failed(reason, "too slow", ago(600)), MAX_ATTEMPTS))
    assert kept_reason(last) == last.failed.reason == reason
    assert "delete it to try again" in last.failed.message


@pytest.mark.parametrize("reason", sorted(SURROUNDINGS))
@pytest.mark.parametrize(("number", "pause_seconds"), [(1, 10), (3, 40), (8, 1280), (9, 1800), (4_000, 1800)])
def test_what_the_cluster_keeps_from_its_work_is_tried_for_ever_at_most_half_an_hour_apart(
    reason: str, number: int, pause_seconds: int
) -> None:
    waiting = step(attempt(Failed(reason, "not now", ago(pause_seconds - 1)), number))
    assert (waiting.failed, waiting.reason, waiting.recheck_seconds) == (None, reason, 1.0)
    assert f"attempt {number + 1} follows at 2026-06-01T12:00:01Z" in waiting.message
    again = step(attempt(Failed(reason, "not now", ago(pause_seconds)), number))
    (created, _) = again.actions
    assert created.body["metadata"]["annotations"]["foretide.dev/attempt"] == str(number + 1)


@pytest.mark.parametrize("reason", ["ImageMissing", "VolumeUnavailable"])
def test_a_later_attempt_that_cannot_begin_on_its_node_is_ended_after_a_minute_with_its_reason_kept(
    reason: str,
) -> None:
    blocked = Attempt(as_stored(make(2), age_seconds=65.5), Running(reason, "not there"))
    waiting = step(blocked)
    assert (waiting.is_active, waiting.reason) == (True, reason)
    assert kept_reason(waiting) == reason
    (patch,) = waiting.actions
    assert patch.body["spec"] == {"activeDeadlineSeconds": 66, "ttlSecondsAfterFinished": None}
    blocked.job["spec"] |= patch.body["spec"]
    blocked.job["metadata"]["annotations"] |= patch.body["metadata"]["annotations"]
    assert step(blocked).actions == ()
    stopped = ended(blocked.job, "Failed", reason="DeadlineExceeded", seconds_ago=1)
    outcome = read_outcome(stopped, [], [], expected=InspectResult, now=NOW)
    assert outcome == Failed(reason, "not there", ago(1))
    assert "attempt 3 follows at" in step(Attempt(stopped, outcome)).message


@pytest.mark.parametrize(
    ("number", "age_seconds", "outcome"),
    [
        (1, 300, Running("ImageMissing", "an image may take minutes")),
        (2, 59, Running("ImageMissing", "not there")),
        (2, 600, Running("ImageMissing", "its time is up anyway")),
        (2, 300, Running("Unschedulable", "holds no room")),
        (2, 300, Running("QuotaExceeded", "holds no room")),
        (2, 300, Running(message="at work", is_started=True)),
    ],
)
def test_an_attempt_that_may_yet_begin_or_holds_no_room_keeps_its_deadline(
    number: int, age_seconds: float, outcome: Running
) -> None:
    assert step(Attempt(as_stored(make(number), age_seconds=age_seconds), outcome)).actions == ()


@pytest.mark.parametrize(("ended_seconds_ago", "recheck_seconds"), [(1, 9.0), (10, 10.0), (600, 10.0)])
def test_what_waits_for_its_turn_is_looked_at_when_it_is_due_and_then_now_and_then(
    ended_seconds_ago: int, recheck_seconds: float
) -> None:
    waiting = step(attempt(Failed("PodEvicted", "low", ago(ended_seconds_ago))), may_start=False)
    assert waiting.recheck_seconds == pytest.approx(recheck_seconds)


def test_another_attempt_waits_for_its_turn() -> None:
    waiting = step(attempt(Failed("PodEvicted", "low on memory", ago(600))), may_start=False)
    assert waiting.message == "low on memory; attempt 2 follows when its turn comes"


@pytest.mark.parametrize("text", ["", "²", "٣", "-1", "0", "1.5", "9" * 5000, "x"])
def test_an_annotation_that_is_no_number_of_an_attempt_means_the_first(text: str) -> None:
    odd = attempt(Running())
    odd.job["metadata"]["annotations"]["foretide.dev/attempt"] = text
    assert odd.number == 1


def test_a_definite_failure_ends_at_once() -> None:
    last = step(attempt(Failed("UnknownModel", "no such model", ago(600))))
    assert (kept_reason(last), last.failed.reason) == ("UnknownModel", "UnknownModel")


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
    assert retire(job) == (), "one that measures has it from the beginning"
    del job["spec"]["ttlSecondsAfterFinished"]
    (patch,) = retire(job)
    assert patch.body == {"spec": {"ttlSecondsAfterFinished": 3600}}  # type: ignore[union-attr]
    job["spec"]["ttlSecondsAfterFinished"] = 3600
    assert retire(job) == ()
    assert step(attempt(Done(inspect_result(), pod_of(job)))).done is not None
