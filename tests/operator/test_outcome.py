"""What became of a Job, for every way in which one can end or get stuck: each has its reason."""

from __future__ import annotations

from typing import Any

import pytest

from foretide.results import Failure, InspectResult, ProfileResult
from foretide.termination_message import MAX_RESULT_BYTES, encode
from foretide_operator.jobs import inspect_job, profile_job
from foretide_operator.outcome import TRANSIENT, Done, Failed, Running, read_outcome
from tests.operator.cluster_objects import (
    NOW,
    NOW_MILLISECONDS,
    SETTINGS,
    SIGNATURE,
    ago,
    as_stored,
    ended,
    inspect_result,
    node_class,
    pod_of,
    profile_result,
    workload,
)

JOB = as_stored(inspect_job(workload(), 1, SETTINGS))
PROFILE = as_stored(
    profile_job(workload(), node_class("fast"), attempt=1, lost_nodes=(), replaced=None, settings=SETTINGS)
)
FAILED = ended(JOB, "Failed", reason="BackoffLimitExceeded")
TIMED_OUT = ended(JOB, "Failed", reason="DeadlineExceeded", startTime=ago(630))
PENDING = {"phase": "Pending", "containerStatuses": []}


def event(reason: str, message: str = "", *, seconds_ago: int = 10) -> dict[str, Any]:
    return {"reason": reason, "message": message, "lastTimestamp": ago(seconds_ago), "involvedObject": {"name": "x"}}


def outcome(job: Any, pods: Any, events: Any = (), expected: Any = InspectResult, signature: Any = None) -> Any:
    return read_outcome(job, pods, events, expected=expected, now=NOW, signature=signature)


def test_a_job_that_completed_gives_the_result_of_its_pod() -> None:
    pod = pod_of(JOB, message=inspect_result())
    assert outcome(ended(JOB), [pod]) == Done(inspect_result(), pod)


def test_a_profile_is_believed_within_what_the_signature_allows() -> None:
    job = ended(PROFILE)
    assert isinstance(outcome(job, [pod_of(PROFILE, message=profile_result())], (), ProfileResult, SIGNATURE), Done)
    too_fast = pod_of(PROFILE, message=profile_result(microseconds=1))
    failed = outcome(job, [too_fast], (), ProfileResult, SIGNATURE)
    assert failed.reason == "ResultImpossible"


@pytest.mark.parametrize(
    ("reason", "pod"),
    [
        ("UnknownModel", pod_of(JOB, phase="Failed", message=Failure(reason="UnknownModel", message="no such model"))),
        ("ResultMissing", pod_of(JOB, phase="Failed", terminated={"exitCode": 1})),
        ("Killed", pod_of(JOB, phase="Failed", terminated={"exitCode": 137, "reason": "Error"})),
        ("NodeGone", pod_of(JOB, phase="Failed", terminated={"exitCode": 137, "reason": "ContainerStatusUnknown"})),
        ("ResultInvalid", pod_of(JOB, phase="Failed", message="Segmentation fault")),
        ("OOMKilled", pod_of(JOB, phase="Failed", terminated={"reason": "OOMKilled", "exitCode": 137})),
        ("PodEvicted", pod_of(JOB, phase="Failed", reason="Evicted", message="low on memory")),
        ("PodRefused", pod_of(JOB, phase="Failed", reason="OutOfcpu")),
        ("NodeGone", pod_of(JOB, phase="Failed", reason="NodeLost")),
        ("NodeGone", None),
    ],
)
def test_each_cause_of_a_failed_job_has_its_reason(reason: str, pod: Any) -> None:
    failed = outcome(FAILED, [pod] if pod is not None else [])
    assert isinstance(failed, Failed)
    assert failed.reason == reason


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("ResultMissing", ""),
        ("ResultInvalid", "garbage"),
        ("ResultInvalid", "{" * 3000),
        ("ResultInvalid", "x" * (MAX_RESULT_BYTES + 1)),
        ("ResultInvalid", "x" * 1_000_000),
        ("ResultImpossible", profile_result(memory_peak_bytes=1, memory_base_bytes=2)),
        ("ResultImpossible", profile_result(memory_peak_bytes=10**12)),
        ("ResultImpossible", profile_result(work_end=NOW_MILLISECONDS + 10**9)),
    ],
)
def test_a_result_that_cannot_be_used_is_a_reason_and_never_an_exception(reason: str, message: Any) -> None:
    failed = outcome(ended(PROFILE), [pod_of(PROFILE, message=message)], (), ProfileResult)
    assert isinstance(failed, Failed)
    assert failed.reason == reason


@pytest.mark.parametrize(
    ("limits", "is_believed"),
    [
        ([{"memory": "512Mi"}], False),
        ([{"memory": "512Mi"}, {"memory": "8Gi"}], False),  # what one that admission put beside it may use, it may not
        ([{"memory": "512Mi"}, {}], False),
        ([{"memory": "8Gi"}, {"memory": "512Mi"}], True),
        ([{"memory": "1500Mi"}], True),  # and a gibibyte of pages that are charged to another Pod
        ([{"memory": "0"}], True),  # no limit
        ([{}], True),
        ([{"memory": "much"}], True),
    ],
)
def test_nothing_uses_more_memory_than_its_own_container_may(limits: list[Any], *, is_believed: bool) -> None:
    pod = pod_of(PROFILE, message=profile_result(memory_peak_bytes=2 << 30))
    names = ("profiler", "proxy")
    pod["spec"]["containers"] = [
        {"name": name, "resources": {"limits": each}} for name, each in zip(names, limits, strict=False)
    ]
    found = outcome(ended(PROFILE), [pod], (), ProfileResult)
    assert (found.reason if isinstance(found, Failed) else "") == ("" if is_believed else "ResultImpossible")


def injected(pod: Any, **terminated: Any) -> Any:
    """The Pod with a container that admission put before ours, and of which kubelets tell first."""
    proxy = {"name": "a-proxy", "state": {"terminated": terminated} if terminated else {"running": {}}}
    pod["spec"]["containers"].insert(0, {"name": "a-proxy", "resources": {}})
    pod["status"]["containerStatuses"].insert(0, proxy)
    return pod


def test_what_an_injected_container_says_is_not_taken_for_the_result() -> None:
    proxy = {"exitCode": 0, "startedAt": ago(55), "finishedAt": ago(29), "message": "drained"}
    pod = injected(pod_of(JOB, message=inspect_result()), **proxy)
    assert outcome(ended(JOB), [pod]) == Done(inspect_result(), pod)
    own = pod_of(JOB, phase="Failed", message=Failure(reason="UnknownModel", message="no such model"))
    assert outcome(FAILED, [injected(own, exitCode=137, reason="OOMKilled")]).reason == "UnknownModel"


def test_what_an_injected_container_says_does_not_stand_in_for_a_result() -> None:
    forged = encode(inspect_result()).decode()
    pod = injected(pod_of(JOB, message=""), exitCode=0, startedAt=ago(55), finishedAt=ago(29), message=forged)
    assert outcome(ended(JOB), [pod]).reason == "ResultMissing"


def test_a_result_of_another_kind_is_refused() -> None:
    failed = outcome(ended(JOB), [pod_of(JOB, message=profile_result())])
    assert failed.reason == "ResultInvalid"
    assert "ProfileResult" in failed.message


STARTED = event("Started", seconds_ago=600)
"""So long before the end that the Job had most of its time."""
STOPPED = event("Killing", "Stopping container profiler", seconds_ago=30)


@pytest.mark.parametrize(
    ("reason", "events"),
    [
        ("DeadlineExceeded", [event("Scheduled"), STARTED, STOPPED]),
        ("DeadlineExceeded", [event("FailedScheduling", "0/3 nodes"), event("Scheduled"), STARTED, STOPPED]),
        ("Killed", [event("Scheduled"), STARTED]),
        ("StartedLate", [event("Scheduled"), event("Started", seconds_ago=100), STOPPED]),
        ("StartedLate", [event("Scheduled")]),
        ("StartedLate", []),
        ("NodeGone", [event("Scheduled"), STARTED, event("NodeNotReady", "Node is not ready")]),
        ("Unschedulable", [event("FailedScheduling", "0/3 nodes are available")]),
        ("ImageMissing", [event("Scheduled"), event("Failed", 'Failed to pull image "x"')]),
        ("VolumeUnavailable", [event("Scheduled"), event("FailedMount", "configmap not found")]),
        ("QuotaExceeded", [event("FailedCreate", "forbidden: exceeded quota: small")]),
        ("PodRefused", [event("FailedCreate", "forbidden: violates PodSecurity")]),
    ],
)
def test_a_job_whose_time_was_up_says_what_it_waited_for(reason: str, events: Any) -> None:
    assert outcome(TIMED_OUT, [], events).reason == reason


@pytest.mark.parametrize(
    ("reason", "pod", "events"),
    [
        ("QuotaExceeded", None, [event("FailedCreate", "exceeded quota: q, requested: cpu=1")]),
        ("PodRefused", None, [event("FailedCreate", "maximum memory usage per Container is 1Gi")]),
        (
            "Unschedulable",
            {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes"}], "phase": "Pending"},
            [],
        ),
        (
            "ImageMissing",
            {"containerStatuses": [{"image": "x", "state": {"waiting": {"reason": "ErrImageNeverPull"}}}]},
            [],
        ),
        ("VolumeUnavailable", PENDING, [event("FailedMount", 'configmap "models" not found')]),
        (
            "",
            PENDING,
            [event("FailedMount", "timed out waiting for the condition", seconds_ago=20), event("Pulling")],
        ),
        ("", {"phase": "Running"}, []),
    ],
)
def test_a_job_under_way_says_what_it_is_stuck_on(reason: str, pod: Any, events: Any) -> None:
    pods = [] if pod is None else [pod_of(JOB, phase="Pending", **pod) if "phase" not in pod else pod_of(JOB, **pod)]
    running = outcome(JOB, pods, events)
    assert isinstance(running, Running)
    assert running.blocked_reason == reason


def test_a_job_whose_time_was_up_a_moment_ago_waits_for_its_kubelet_to_say_that_it_stopped_it() -> None:
    just_now = ended(JOB, "Failed", reason="DeadlineExceeded", startTime=ago(601), seconds_ago=1)
    assert isinstance(outcome(just_now, [], [STARTED]), Running)
    assert outcome(just_now, [], [STARTED, STOPPED]).reason == "DeadlineExceeded"
    assert outcome(just_now, [], [event("FailedScheduling")]).reason == "Unschedulable"


def test_a_job_that_ended_a_moment_ago_waits_for_what_its_pod_says() -> None:
    just_now = ended(JOB, seconds_ago=1)
    assert isinstance(outcome(just_now, []), Running)
    assert isinstance(outcome(just_now, [pod_of(JOB, phase="Running")]), Running)
    assert outcome(ended(JOB, seconds_ago=60), []).reason == "NodeGone"


def test_what_may_pass_by_itself_is_transient_and_what_is_the_workloads_own_fault_is_not() -> None:
    assert {"PodEvicted", "NodeGone", "QuotaExceeded", "ImageMissing"} <= TRANSIENT
    assert not TRANSIENT & {"UnknownModel", "OOMKilled", "ResultInvalid", "DeadlineExceeded", "ModelDigestMismatch"}
