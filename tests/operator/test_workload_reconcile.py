"""One look at an AIWorkload: each condition by tables, and that a second look at the same finds nothing to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide.prediction import Interval, Prediction
from foretide.results import Failure
from foretide.signature import Signature
from foretide.termination_message import encode
from foretide_kube.kinds import aiworkload, workloadprofile
from foretide_kube.kinds.aiworkload import MAX_PREDICTIONS
from foretide_kube.kinds.common import find_condition, plain
from foretide_kube.kinds.workloadprofile import Replaced, WorkloadProfile
from foretide_kube.names import DEPLOYMENTS, JOBS, WORKLOAD_PROFILES
from foretide_operator.actions import Apply, Create, Delete, Patch, WriteStatus
from foretide_operator.attempts import Attempt
from foretide_operator.fleet import read_fleet
from foretide_operator.job_keys import run_key
from foretide_operator.jobs import inspect_job, profile_job, run_deployment, run_job
from foretide_operator.outcome import Done, Failed, Outcome, Running
from foretide_operator.workload.facts import Facts
from foretide_operator.workload.measured import profile_of
from foretide_operator.workload.reconcile import Decision, decide
from tests.operator.cluster_objects import (
    NOW,
    SETTINGS,
    SIGNATURE,
    ago,
    as_stored,
    ended,
    inspect_result,
    node,
    node_class,
    pod_of,
    profile_result,
    run_result,
    workload,
    workload_object,
)

FAILURE = Failure(reason="ModelFileMissing", field="model.file.path", message="mount it")
NODES = (node("f1", "fast"), node("s1", "slow"), node("s2", "slow"))
CLASSES = (node_class("fast", labels={"tier": "a"}), node_class("slow", labels={"tier": "b"}))


def prediction(name: str, *, microseconds: int = 20_000, source: Any = "Learned", **fields: Any) -> Prediction:
    return Prediction(
        **{
            "node_class": name,
            "work_microseconds_per_inference": Interval(
                lower=microseconds // 2, median=microseconds, upper=microseconds * 2
            ),
            "startup_milliseconds": 1_000,
            "memory_bytes": 200 << 20,
            "source": source,
            **fields,
        }
    )


def predict(facts: Facts, _: Signature) -> Sequence[Prediction]:
    return [prediction(m.name, microseconds=10_000 if m.name == "fast" else 50_000) for m in facts.classes]


def facts(*, classes: Any = CLASSES, nodes: Any = NODES, **fields: Any) -> Facts:
    fields.setdefault("workload", workload())
    fleet = read_fleet(classes, nodes)
    chosen = tuple(
        fleet.classes[name]
        for name in sorted(fleet.classes)
        if fields["workload"].spec.node_class_selector.matches(fleet.classes[name].node_class.metadata.labels)
    )
    return Facts(**{"classes": chosen, "nodes": tuple(nodes), "settings": SETTINGS, "now": NOW, **fields})


def inspected(*, outcome: Outcome | None = None, **spec: Any) -> Any:
    """A workload with its inspect Job, ended as given; well, if nothing is given."""
    given = workload(**spec)
    job = ended(as_stored(inspect_job(given, 1, SETTINGS)))
    result = inspect_result()
    return given, Attempt(job, outcome or Done(result, pod_of(job, message=result)))


def with_status(given: Any, status: Any) -> Any:
    return aiworkload.parse({**aiworkload.to_object(given), "status": plain(status)})


def edited(given: Any, **spec: Any) -> Any:
    """The same workload with another spec."""
    return with_status(msgspec.structs.replace(workload(**spec), metadata=given.metadata), given.status)


def known(**spec: Any) -> Any:
    """A workload whose signature an earlier look has stored."""
    given, attempt = inspected(**spec)
    return with_status(given, decide(facts(workload=given, attempts=(attempt,)), predict).status)


def profile_attempt(
    given: Any,
    name: str,
    outcome: Outcome | None = None,
    *,
    replacing: WorkloadProfile | None = None,
    node_name: str = "",
) -> Attempt:
    members = next(c for c in CLASSES if c.metadata.name == name)
    replaced = None if replacing is None else Replaced(name=replacing.metadata.name, reason="Stale")
    job = as_stored(
        profile_job(given, members, attempt=1, lost_nodes=(), replaced=replaced, settings=SETTINGS), age_seconds=60
    )
    result = profile_result()
    pod = pod_of(job, message=result, node_name=node_name or f"{name[0]}1")
    return Attempt(job, outcome or Done(result, pod))


def stored_profile(given: Any, name: str, *, measured: str | None = None) -> WorkloadProfile:
    attempt = profile_attempt(given, name)
    assert isinstance(attempt.outcome, Done)
    body = as_stored(profile_of(facts(workload=given), name, attempt.outcome))
    if measured is not None:
        body["spec"]["measuredTime"] = measured
    body.pop("status")
    return workloadprofile.parse(body)


def verdict(decision: Decision, type_: str) -> tuple[str, str]:
    found = find_condition(decision.status.conditions, type_)
    assert found is not None
    return found.status, found.reason


def created(decision: Decision) -> list[str]:
    return [
        action.body["metadata"]["labels"].get("foretide.dev/role", action.body["kind"])
        for action in decision.actions
        if isinstance(action, Create)
    ]


def test_the_first_look_sets_every_condition_and_makes_the_inspect_job() -> None:
    decision = decide(facts(), predict)
    assert created(decision) == ["inspect"]
    assert [condition.type for condition in decision.status.conditions] == [
        "Inspected", "Profiled", "Predicted", "Admissible", "Ready",
    ]  # fmt: skip
    assert {condition.status for condition in decision.status.conditions} == {"Unknown"}
    assert isinstance(decision.actions[-1], WriteStatus)


def test_an_inspected_workload_is_predicted_at_once_and_profiled_on_every_class() -> None:
    given, attempt = inspected()
    decision = decide(facts(workload=given, attempts=(attempt,)), predict)
    assert decision.status.signature == SIGNATURE
    assert created(decision) == ["profile", "profile"]
    assert verdict(decision, "Predicted") == ("True", "Published")
    assert verdict(decision, "Ready") == ("True", "Predicted")
    assert decision.status.best is not None
    assert decision.status.best.node_class == "fast"
    assert decision.status.best.completion_milliseconds == 2_000


@pytest.mark.parametrize(
    "reason", ["UnknownModel", "ModelFileMissing", "ModelFileInvalid", "InputRefused", "OOMKilled", "ResultInvalid"]
)
def test_a_failed_inspection_says_why_and_starts_nothing_else(reason: str) -> None:
    given, attempt = inspected(outcome=Failed(reason, "because"), run={"mode": "Job"})
    decision = decide(facts(workload=given, attempts=(attempt,)), predict)
    assert verdict(decision, "Inspected") == ("False", reason)
    assert verdict(decision, "Ready") == ("False", reason)
    assert verdict(decision, "RunComplete") == ("False", "NotInspected")
    assert created(decision) == []


def test_a_file_with_another_digest_than_asked_for_is_refused() -> None:
    given, attempt = inspected()
    assert isinstance(attempt.outcome, Done)
    lying = replace(attempt, outcome=Done(inspect_result(model_sha256="cd" * 32), attempt.outcome.pod))
    decision = decide(facts(workload=given, attempts=(lying,)), predict)
    assert verdict(decision, "Inspected") == ("False", "ModelDigestMismatch")


def test_raising_the_memory_of_a_failed_workload_tries_again() -> None:
    _, attempt = inspected(outcome=Failed("OOMKilled", "killed"))
    larger = workload(resources={"limits": {"cpu": "1", "memory": "1Gi"}})
    assert created(decide(facts(workload=larger, attempts=(attempt,)), predict)) == ["inspect"]


def test_what_fits_on_no_node_is_said_at_once_and_started_nowhere() -> None:
    huge = workload(resources={"limits": {"cpu": "1", "memory": "64Gi"}})
    decision = decide(facts(workload=huge), predict)
    assert verdict(decision, "Admissible") == ("False", "TooLargeForEveryNode")
    assert verdict(decision, "Ready") == ("False", "TooLargeForEveryNode")
    assert created(decision) == []


@pytest.mark.parametrize(
    ("classes", "nodes", "selector", "reason"),
    [
        (CLASSES, NODES, {"matchLabels": {"tier": "none"}}, "NoNodeClass"),
        ((), NODES, {}, "NoNodeClass"),
        ((node_class("empty"),), NODES, {}, "NoNodes"),
    ],
)
def test_a_workload_without_classes_or_nodes_is_not_admissible(
    classes: Any, nodes: Any, selector: Any, reason: str
) -> None:
    decision = decide(facts(workload=workload(nodeClassSelector=selector), classes=classes, nodes=nodes), predict)
    assert verdict(decision, "Admissible") == ("False", reason)


@pytest.mark.parametrize(
    ("deadline_milliseconds", "expected"),
    [
        (1, ("False", "DeadlineUnmeetable")),
        (1_400, ("False", "DeadlineUnmeetable")),
        (1_600, ("True", "DeadlineAtRisk")),
        (2_600, ("True", "DeadlineAtRisk")),
        (2_800, ("True", "MeetsDeadline")),
    ],
)
def test_a_deadline_is_judged_by_the_interval_of_the_best_class(
    deadline_milliseconds: int, expected: tuple[str, str]
) -> None:
    given = known(objective={"deadlineMilliseconds": deadline_milliseconds})
    decision = decide(facts(workload=given), predict)  # fast: start-up 1 s, work 0.5 .. 1 .. 2 s, nine in ten in 1.7 s
    assert verdict(decision, "Admissible") == expected


def test_the_more_tasks_should_meet_a_deadline_the_sooner_it_is_at_risk() -> None:
    given = known(objective={"deadlineMilliseconds": 2_800, "percentile": 95})
    assert verdict(decide(facts(workload=given), predict), "Admissible") == ("True", "DeadlineAtRisk")


@pytest.mark.parametrize(
    ("latency_milliseconds", "expected"),
    [
        (4, ("False", "LatencyUnmeetable")),
        (6, ("True", "LatencyAtRisk")),
        (16, ("True", "LatencyAtRisk")),
        (18, ("True", "MeetsLatency")),
    ],
)
def test_a_latency_is_judged_by_one_inference_whatever_starting_takes(
    latency_milliseconds: int, expected: tuple[str, str]
) -> None:
    given = known(run={"mode": "Deployment"}, objective={"latencyMilliseconds": latency_milliseconds})
    decision = decide(facts(workload=given), predict)  # fast: start-up 1 s, an inference 5 .. 10 .. 20 ms
    assert verdict(decision, "Admissible") == expected


def test_the_best_class_of_a_service_is_that_which_answers_soonest_not_that_which_starts_soonest() -> None:
    given = known(run={"mode": "Deployment"}, objective={"latencyMilliseconds": 100})
    rows = [prediction("fast", microseconds=10_000), prediction("slow", microseconds=50_000)]
    late = [msgspec.structs.replace(rows[0], startup_milliseconds=90_000), rows[1]]
    best = decide(facts(workload=given), lambda *_: late).status.best
    assert best is not None
    assert (best.node_class, best.completion_milliseconds) == ("fast", 17)
    assert best.completion_seconds == "0.0168"


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({"state": {"running": {}}}, ("PodsMissing", "0 of 1 Pods available")),
        (
            {"state": {"running": {}}, "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}},
            ("PodsMissing", "0 of 1 Pods available"),
        ),
        (
            {"state": {"waiting": {}}, "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}},
            ("OOMKilled", "raise spec.resources.limits.memory"),
        ),
        (
            {"state": {"terminated": {"exitCode": 1, "message": encode(FAILURE).decode()}}},
            ("ModelFileMissing", "mount it (model.file.path)"),
        ),
        ({"state": {"terminated": {"exitCode": 1, "message": "{}"}}}, ("PodsMissing", "0 of 1 Pods available")),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_service_whose_pods_are_missing_says_why_the_latest_failed(state: Any, expected: tuple[str, str]) -> None:
    given = known(run={"mode": "Deployment"})
    stored = as_stored(run_deployment(given, SETTINGS), status={})
    pod = pod_of(stored, phase="Running", containerStatuses=[{"name": "profiler", **state}])
    decision = decide(facts(workload=given, deployments=(stored,), run_pods=(pod,)), predict)
    condition = find_condition(decision.status.conditions, "Available")
    assert condition is not None
    assert (condition.status, condition.reason) == ("False", expected[0])
    assert expected[1] in condition.message


def test_a_measured_need_above_the_limit_is_said() -> None:
    needy = [prediction(name, source="Measured", memory_bytes=600 << 20) for name in ("fast", "slow")]
    decision = decide(facts(workload=known()), lambda *_: needy)
    assert verdict(decision, "Admissible") == ("False", "MemoryLimitTooSmall")


def test_classes_take_turns_where_another_workload_is_being_measured() -> None:
    decision = decide(facts(workload=known(), measuring={"fast": 1}), predict)
    (job,) = [action for action in decision.actions if isinstance(action, Create)]
    assert job.body["metadata"]["labels"]["foretide.dev/job-node-class"] == "slow"


@pytest.mark.parametrize("policy", ["Auto", "Always"])
def test_classes_beyond_those_that_can_be_predicted_are_not_measured_and_that_is_said(policy: str) -> None:
    classes = [node_class(f"class-{number:02}") for number in range(MAX_PREDICTIONS + 2)]
    nodes = [node(f"{each.metadata.name}-1", each.metadata.name) for each in classes]
    given = known(profiling={"policy": policy})
    decision = decide(facts(workload=given, classes=classes, nodes=nodes), predict)
    jobs = [action.body["metadata"]["labels"] for action in decision.actions if isinstance(action, Create)]
    begun = {labels["foretide.dev/job-node-class"] for labels in jobs}
    assert begun == {each.metadata.name for each in classes[:MAX_PREDICTIONS]}
    assert decision.status.profiles is not None
    assert decision.status.profiles.failed == 2
    condition = find_condition(decision.status.conditions, "Profiled")
    assert condition is not None
    assert "class-65: TooManyNodeClasses" in condition.message


def test_a_measurement_becomes_a_workload_profile_once() -> None:
    given = known()
    attempts = (profile_attempt(given, "fast"), profile_attempt(given, "slow", Running()))
    decision = decide(facts(workload=given, attempts=attempts), predict)
    (create,) = [action for action in decision.actions if isinstance(action, Create)]
    assert create.resource == WORKLOAD_PROFILES
    spec = create.body["spec"]
    assert (spec["nodeClass"], spec["nodeName"], spec["cpuMillis"]) == ("fast", "f1", 1000)
    assert spec["startupMilliseconds"] == 6_500  # bound 57 s ago (the middle of that second), at work 50 s ago
    again = decide(facts(workload=given, attempts=attempts, profiles=(stored_profile(given, "fast"),)), predict)
    assert WORKLOAD_PROFILES not in {a.resource for a in again.actions if isinstance(a, Create)}
    assert not [action for action in again.actions if isinstance(action, Patch)]


@pytest.mark.parametrize("elsewhere", ["s1", "gone"])
def test_a_measurement_made_on_no_node_of_the_class_is_not_stored_but_made_again(elsewhere: str) -> None:
    given = known(nodeClassSelector={"matchLabels": {"tier": "a"}})
    stray = profile_attempt(given, "fast", node_name=elsewhere)
    stray.job["status"] = ended(stray.job, seconds_ago=5)["status"]
    decision = decide(facts(workload=given, attempts=(stray,)), predict)
    assert verdict(decision, "Profiled") == ("Unknown", "NodeGone")
    assert not [action for action in decision.actions if isinstance(action, Create)]
    stray.job["status"] = ended(stray.job, seconds_ago=15)["status"]
    assert created(decide(facts(workload=given, attempts=(stray,)), predict)) == ["profile"]


def test_a_measurement_is_not_tried_again_while_the_class_has_no_ready_node() -> None:
    given = known(nodeClassSelector={"matchLabels": {"tier": "a"}})
    lost = profile_attempt(given, "fast", Failed("NodeGone", "its node is gone", ago(60)))
    assert (
        created(decide(facts(workload=given, attempts=(lost,), nodes=[node("f1", "fast", ready=False)]), predict)) == []
    )
    assert created(decide(facts(workload=given, attempts=(lost,)), predict)) == ["profile"]


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (None, ("Unknown", "NoReadyNode")),
        (Failed("ImageMissing", "not there", ago(1)), ("Unknown", "NoReadyNode")),
        (Failed("ImageMissing", "not there", ago(600)), ("Unknown", "NoReadyNode")),
        (Failed("TimedOut", "too slow", ago(600)), ("Unknown", "NoReadyNode")),
        (Failed("UnknownModel", "no", ago(600)), ("False", "UnknownModel")),  # a node could not help it
    ],
)
def test_a_class_without_a_ready_node_waits_for_one_whatever_the_last_attempt_was(
    outcome: Failed | None, expected: tuple[str, str]
) -> None:
    given = known(nodeClassSelector={"matchLabels": {"tier": "a"}})
    attempts = () if outcome is None else (profile_attempt(given, "fast", outcome),)
    decision = decide(facts(workload=given, attempts=attempts, nodes=[node("f1", "fast", ready=False)]), predict)
    assert verdict(decision, "Profiled") == expected
    assert decision.recheck_seconds is None
    is_kept = [action for action in decision.actions if isinstance(action, Patch)]
    assert len(is_kept) == len(attempts)  # why it failed, for its Events expire meanwhile


def test_a_measurement_under_way_or_done_counts_though_its_node_is_not_ready() -> None:
    given = known(nodeClassSelector={"matchLabels": {"tier": "a"}})
    asleep = [node("f1", "fast", ready=False)]
    working = decide(
        facts(workload=given, attempts=(profile_attempt(given, "fast", Running()),), nodes=asleep), predict
    )
    assert verdict(working, "Profiled") == ("Unknown", "InProgress")
    done = decide(facts(workload=given, attempts=(profile_attempt(given, "fast"),), nodes=asleep), predict)
    assert verdict(done, "Profiled") == ("True", "Measured")


def test_profiled_counts_and_names_what_is_missing() -> None:
    given = known()
    attempts = (profile_attempt(given, "slow", Failed("OOMKilled", "killed", ago(60))),)
    decision = decide(facts(workload=given, attempts=attempts, profiles=(stored_profile(given, "fast"),)), predict)
    assert verdict(decision, "Profiled") == ("False", "OOMKilled")
    assert decision.status.profiles is not None
    assert decision.status.profiles.summary == "measured 1, learned 1 of 2"
    assert decision.status.profiles.failed == 1
    assert verdict(decision, "Ready") == ("True", "Predicted")


def test_a_class_without_a_ready_node_waits_and_one_that_is_too_small_fails() -> None:
    nodes = (node("f1", "fast", ready=False), node("s1", "slow", memory="64Mi"))
    decision = decide(facts(workload=known(), nodes=nodes), predict)
    found = find_condition(decision.status.conditions, "Profiled")
    assert found is not None
    assert "fast: NoReadyNode" in found.message
    assert "slow: TooLargeForEveryNode" in found.message
    assert created(decision) == []


def test_policy_never_measures_nothing_and_is_ready_all_the_same() -> None:
    decision = decide(facts(workload=known(profiling={"policy": "Never"})), predict)
    assert verdict(decision, "Profiled") == ("False", "PolicyNever")
    assert verdict(decision, "Ready") == ("True", "Predicted")
    assert created(decision) == []


def test_a_measurement_too_old_is_made_again_and_then_replaced() -> None:
    given = known(
        profiling={"policy": "Always", "maxAgeSeconds": 3600}, nodeClassSelector={"matchLabels": {"tier": "a"}}
    )
    old = stored_profile(given, "fast", measured=ago(7200))
    first = decide(facts(workload=given, profiles=(old,)), predict)
    assert created(first) == ["profile"]
    assert verdict(first, "Profiled") == ("True", "Measured")
    then = decide(
        facts(workload=given, profiles=(old,), attempts=(profile_attempt(given, "fast", replacing=old),)), predict
    )
    kinds = [type(action) for action in then.actions]
    assert kinds[:2] == [Create, Delete], "the class is never without"
    earlier = profile_attempt(given, "fast")
    earlier.job["metadata"]["creationTimestamp"] = ago(8000)
    unaffected = decide(facts(workload=given, profiles=(old,), attempts=(earlier,)), predict)
    assert created(unaffected) == ["profile"]


def test_predictions_do_not_flicker() -> None:
    given = known()

    def slightly_other(f: Facts, _: Signature) -> Sequence[Prediction]:
        return [prediction(m.name, microseconds=10_200 if m.name == "fast" else 49_000) for m in f.classes]

    def other(f: Facts, _: Signature) -> Sequence[Prediction]:
        return [prediction(m.name, microseconds=12_000) for m in f.classes]

    assert decide(facts(workload=given), slightly_other).status.predictions == given.status.predictions
    assert decide(facts(workload=given), other).status.predictions != given.status.predictions


def run_stored(given: Any, **status: Any) -> Any:
    job = as_stored(run_job(given, SETTINGS))
    job["status"] = status
    return job


JOB_RUN = {"mode": "Job", "completions": 4, "parallelism": 2}


def test_the_run_starts_once_there_are_predictions() -> None:
    waiting = decide(facts(workload=workload(run=JOB_RUN)), predict)
    assert verdict(waiting, "RunComplete") == ("Unknown", "NotPredicted")
    started = decide(facts(workload=known(run=JOB_RUN)), predict)
    assert "run" in created(started)


def test_suspending_and_parallelism_change_the_job_in_place() -> None:
    given = known(run=JOB_RUN)
    running = run_stored(given, active=2)
    changed = edited(given, run={**JOB_RUN, "parallelism": 1}, suspend=True)
    decision = decide(facts(workload=changed, run_jobs=(running,)), predict)
    (patch,) = [action for action in decision.actions if isinstance(action, Patch)]
    assert patch.body == {"spec": {"suspend": True, "parallelism": 1}}
    assert verdict(decision, "RunComplete") == ("Unknown", "Suspended")


CHANGES: tuple[dict[str, Any], ...] = (
    {"inferences": 7},
    {"resources": {"limits": {"cpu": "1", "memory": "1Gi"}}},
    {"run": {**JOB_RUN, "template": {"env": [{"name": "A", "value": "1"}]}}},
)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("is_over", [False, True])
def test_a_run_keeps_what_it_was_made_with_and_is_made_once(*, change: dict[str, Any], is_over: bool) -> None:
    old = known(run=JOB_RUN)
    job = run_stored(old, active=2)
    if is_over:
        job = ended(job, succeeded=4)
    changed = edited(old, **{"run": JOB_RUN, **change})
    decision = decide(facts(workload=changed, run_jobs=(job,)), predict)
    assert "run" not in created(decision)
    assert not [a for a in decision.actions if isinstance(a, Delete) and a.name == job["metadata"]["name"]]


@pytest.mark.parametrize("mode", ["None", "Deployment"])
def test_another_mode_stops_a_run_under_way_and_leaves_one_that_ended(mode: str) -> None:
    old = known(run=JOB_RUN)
    job = run_stored(old, active=2)
    changed = edited(old, run={"mode": mode})
    stopped = decide(facts(workload=changed, run_jobs=(job,)), predict)
    assert [a.name for a in stopped.actions if isinstance(a, Delete)] == [job["metadata"]["name"]]
    over = decide(facts(workload=changed, run_jobs=(ended(job, succeeded=4),)), predict)
    assert not any(isinstance(action, Delete) for action in over.actions)


@pytest.mark.parametrize("mode", ["None", "Deployment"])
def test_a_run_that_ended_is_not_run_again_after_another_mode(mode: str) -> None:
    old = known(run=JOB_RUN)
    over = decide(facts(workload=old, run_jobs=(ended(run_stored(old), succeeded=4),)), predict)
    between = decide(facts(workload=with_status(edited(old, run={"mode": mode}), over.status)), predict)
    back = decide(facts(workload=with_status(old, between.status)), predict)
    assert "run" not in created(back)
    assert verdict(back, "RunComplete")[0] == "True"


@pytest.mark.parametrize(
    ("kind", "status", "expected"),
    [
        ("Complete", {"succeeded": 4}, ("True", "TasksSucceeded")),
        ("Failed", {"succeeded": 2, "failedIndexes": "1,3"}, ("False", "TasksFailed")),
    ],
)
def test_a_run_that_ended_is_remembered_and_not_run_again_when_its_job_is_gone(
    kind: str, status: Any, expected: tuple[str, str]
) -> None:
    given = known(run=JOB_RUN)
    job = ended(run_stored(given), kind, **status)
    over = decide(facts(workload=given, run_jobs=(job,)), predict)
    assert verdict(over, "RunComplete") == expected
    assert over.status.runs is not None
    assert over.status.runs.ended_key == run_key(given)
    assert not any(isinstance(a, Patch) and a.resource == JOBS for a in over.actions), "the status must come first"
    remembered = with_status(given, over.status)
    retired = decide(facts(workload=remembered, run_jobs=(job,)), predict)
    assert any(isinstance(action, Patch) and "ttlSecondsAfterFinished" in str(action) for action in retired.actions)
    gone = decide(facts(workload=remembered), predict)
    assert "run" not in created(gone)
    assert verdict(gone, "RunComplete") == expected


def test_an_ended_job_whose_tasks_are_not_all_paired_keeps_them() -> None:
    given = known(run=JOB_RUN)
    job = ended(run_stored(given), "Complete", succeeded=4)
    remembered = with_status(given, decide(facts(workload=given, run_jobs=(job,)), predict).status)
    paired, unpaired, late = (pod_of(job, message=run_result()) for _ in range(3))
    paired["metadata"]["annotations"]["foretide.dev/paired"] = ago(1)
    late["status"]["phase"] = "Running"  # its end is not heard of yet
    of_another = pod_of(run_stored(given))
    for pods, is_retired in (((paired, unpaired), False), ((paired, late), False), ((paired, of_another), True)):
        actions = decide(facts(workload=remembered, run_jobs=(job,), run_pods=pods), predict).actions
        assert (
            any(isinstance(action, Patch) and action.name == job["metadata"]["name"] for action in actions)
            is is_retired
        )


def test_a_failed_measurement_for_what_is_asked_for_no_more_is_removed() -> None:
    given = known()
    old = edited(given, resources={"limits": {"cpu": "2", "memory": "1Gi"}})
    attempts = []
    for each in (old, given):
        job = ended(profile_attempt(each, "fast").job, "Failed")
        job["spec"].pop("ttlSecondsAfterFinished", None)  # it stays, as the record of why it failed
        attempts.append(Attempt(job, Failed("OOMKilled", "", ago(30))))
    attempts.append(profile_attempt(old, "slow", Running()))
    actions = decide(facts(workload=given, attempts=tuple(attempts)), predict).actions
    assert [each.name for each in actions if isinstance(each, Delete)] == [attempts[0].job["metadata"]["name"]]


def test_a_deployment_is_made_rolled_out_scaled_and_removed() -> None:
    given = known(run={"mode": "Deployment", "replicas": 2})
    made = decide(facts(workload=given), predict)
    (apply,) = [action for action in made.actions if isinstance(action, Apply)]
    assert apply.body == run_deployment(given, SETTINGS)
    stored = as_stored(apply.body, status={"availableReplicas": 2})
    steady = decide(facts(workload=given, deployments=(stored,)), predict)
    assert verdict(steady, "Available") == ("True", "PodsAvailable")
    assert not any(isinstance(action, Apply) for action in steady.actions)
    scaled = edited(given, run={"mode": "Deployment", "replicas": 5})
    assert any(isinstance(a, Apply) for a in decide(facts(workload=scaled, deployments=(stored,)), predict).actions)
    off = edited(given)
    removal = decide(facts(workload=off, deployments=(stored,)), predict)
    assert [a.resource for a in removal.actions if isinstance(a, Delete)] == [DEPLOYMENTS]
    assert find_condition(removal.status.conditions, "Available") is None


def test_a_refused_job_is_a_reason_in_the_status() -> None:
    given = workload()
    name = inspect_job(given, 1, SETTINGS)["metadata"]["name"]
    refusals = {name: Failed("QuotaExceeded", "exceeded quota: jobs")}
    decision = decide(facts(workload=given, refusals=refusals), predict)
    assert verdict(decision, "Inspected") == ("Unknown", "QuotaExceeded")
    assert created(decision) == []


def test_a_refused_run_job_is_a_reason_in_the_status_until_it_is_tried_again() -> None:
    given = known(run={"mode": "Job"})
    refusals = {run_job(given, SETTINGS)["metadata"]["name"]: Failed("QuotaExceeded", "exceeded quota: jobs")}
    decision = decide(facts(workload=given, refusals=refusals), predict)
    assert verdict(decision, "RunComplete") == ("Unknown", "QuotaExceeded")
    assert "run" not in created(decision)
    assert decision.recheck_seconds is not None
    assert decision.recheck_seconds <= 30.0


@pytest.mark.parametrize(
    ("available_replicas", "available"),
    [(None, "Unknown"), (2, "True"), (1, "False"), (0, "False")],  # None: there is no Deployment yet
)
def test_a_refused_deployment_is_a_reason_beside_what_still_runs(
    available_replicas: int | None, available: str
) -> None:
    given = known(run={"mode": "Deployment", "replicas": 2})
    stored = as_stored(run_deployment(given, SETTINGS), status={"availableReplicas": available_replicas or 0})
    template = {"metadata": {"labels": {"bad key!": "x"}}}
    changed = edited(given, run={"mode": "Deployment", "replicas": 2, "template": template})
    refusals = {stored["metadata"]["name"]: Failed("PodRefused", "labels: Invalid value")}
    deployments = () if available_replicas is None else (stored,)
    decision = decide(facts(workload=changed, deployments=deployments, refusals=refusals), predict)
    assert verdict(decision, "Available") == (available, "PodRefused")
    assert not any(isinstance(action, Apply) for action in decision.actions)
    assert decision.recheck_seconds is not None
    assert decision.recheck_seconds <= 30.0
    settled = decide(facts(workload=given, deployments=(stored,), refusals=refusals), predict)
    assert verdict(settled, "Available")[1] in {"PodsAvailable", "PodsMissing"}, "what is there already is not refused"


OUTCOMES = st.sampled_from(
    [
        None,
        Running(message="at work"),
        Running("Unschedulable", "0/3 nodes"),
        Failed("UnknownModel", "no", ago(600)),
        Failed("PodEvicted", "low", ago(600)),
        Failed("PodEvicted", "low", ago(1)),
    ]
)
RUNS = st.sampled_from([{"mode": "None"}, JOB_RUN, {"mode": "Deployment", "replicas": 2}])


@given(
    inspect=st.sampled_from(["Done", *range(6)]),
    outcomes=st.tuples(OUTCOMES, OUTCOMES),
    measured=st.sets(st.sampled_from(["fast", "slow"])),
    run=RUNS,
    suspend=st.booleans(),
    deadline=st.sampled_from([None, 1, 1_600, 60_000]),
    measuring=st.dictionaries(st.sampled_from(["fast", "slow"]), st.integers(0, 1)),
)
def test_after_what_was_decided_is_done_a_second_look_finds_nothing_to_do(
    *, inspect: Any, outcomes: Any, measured: set[str], run: Any, suspend: bool, deadline: Any, measuring: Any
) -> None:
    spec: dict[str, Any] = {"run": run, "suspend": suspend}
    if deadline is not None:
        spec["objective"] = {f"{'latency' if run['mode'] == 'Deployment' else 'deadline'}Milliseconds": deadline}
    given = aiworkload.parse(workload_object(**spec))
    attempts: list[Attempt] = []
    if inspect == "Done":
        attempts.append(inspected(**spec)[1])
        attempts += [
            profile_attempt(given, name, outcome)
            for name, outcome in zip(("fast", "slow"), outcomes, strict=True)
            if outcome is not None
        ]
    profiles = tuple(stored_profile(given, name) for name in measured)
    now = facts(
        workload=given, attempts=tuple(attempts), profiles=profiles, measuring=measuring if inspect == "Done" else {}
    )
    for _ in range(4):
        decision = decide(now, predict)
        if not decision.actions:
            break
        now = after(now, decision)
    assert decide(now, predict).actions == ()


def after(now: Facts, decision: Decision) -> Facts:
    """The facts when everything that was decided has been done."""
    measuring = dict(now.measuring)
    for action in decision.actions:
        match action:
            case Create(resource=resource, body=body) if resource == JOBS:
                job = as_stored(body, age_seconds=0)
                role = body["metadata"]["labels"]["foretide.dev/role"]
                if role == "run":
                    now = replace(now, run_jobs=(*now.run_jobs, job))
                else:
                    name = body["metadata"]["labels"].get("foretide.dev/job-node-class", "")
                    measuring[name] = measuring.get(name, 0) + 1
                    now = replace(now, attempts=(*now.attempts, Attempt(job, Running())), measuring=measuring)
            case Apply(body=body):
                now = replace(now, deployments=(as_stored(body),))
            case Delete(name=name):
                now = replace(now, attempts=tuple(a for a in now.attempts if a.job["metadata"]["name"] != name))
            case Patch(name=name, body=body):
                for attempt in now.attempts:
                    if attempt.job["metadata"]["name"] == name:
                        attempt.job["spec"].update(body.get("spec", {}))
                        attempt.job["metadata"]["annotations"] |= body.get("metadata", {}).get("annotations", {})
            case WriteStatus(status=status):
                now = replace(now, workload=aiworkload.parse({**aiworkload.to_object(now.workload), "status": status}))
            case _:
                raise AssertionError(action)
    return now
