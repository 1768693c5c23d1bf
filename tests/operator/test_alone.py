"""A measurement waits for a node without tasks, for a bounded time, and is made again where it was disturbed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from foretide.profiling.turns import Limits, measuring_seconds
from foretide_kube.kinds import aiworkload
from foretide_kube.kinds.aiworkload import ClassProfiling
from foretide_kube.kinds.common import to_time
from foretide_kube.kinds.workloadprofile import Replaced, WorkloadProfile
from foretide_kube.names import AIWORKLOADS, JOBS, NODES, PODS
from foretide_kube.published import predictions_of
from foretide_operator.actions import WriteStatus
from foretide_operator.fleet import read_fleet
from foretide_operator.jobs import profile_job
from foretide_operator.outcome import Failed, Running
from foretide_operator.workload.alone import PATIENCE_SECONDS, node_seconds
from foretide_operator.workload.currency import MOST_DISTURBED, outdated
from foretide_operator.workload.facts import Facts
from foretide_operator.workload.reconcile import Decision, decide
from tests.operator.cluster_objects import (
    NOW,
    SETTINGS,
    Object,
    ago,
    node,
    node_class,
    pod_of,
    uid,
    workload,
    workload_object,
)
from tests.operator.memory_api import MemoryApi
from tests.operator.test_choice import begun, rows
from tests.operator.test_controller import live
from tests.operator.test_currency import ALARMED, NEW_DRIVER, asked
from tests.operator.test_workload_reconcile import (
    CLASSES,
    facts,
    known,
    predict,
    prediction,
    profile_attempt,
    verdict,
    with_status,
)

ALWAYS = {"policy": "Always"}
FOR_A_WHILE = {"key": "k", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60}
F1, F2 = node("f1", "fast"), node("f2", "fast")


def task(
    node_name: str | None = "f1",
    *,
    role: str | None = "run",
    phase: str = "Running",
    workload: str = "other",
    planned: str = "",
    gates: Sequence[str] = (),
) -> Object:
    labels = {"foretide.dev/workload": workload, **({"foretide.dev/role": role} if role else {})}
    return {
        "metadata": {
            "name": f"task-{uid()}",
            "namespace": "team",
            "uid": uid(),
            "labels": labels,
            "annotations": {"foretide.dev/planned-node": planned} if planned else {},
        },
        "spec": {"nodeName": node_name, "schedulingGates": [{"name": each} for each in gates], "containers": []},
        "status": {"phase": phase},
    }


def given(*pods: Object, nodes: Sequence[Object] = (F1,), **fields: Any) -> Facts:
    """A workload that is to be measured on one class, with these Pods there."""
    fields.setdefault("workload", known(profiling=ALWAYS))
    return facts(classes=(CLASSES[0],), nodes=nodes, workload_pods=pods, **fields)


def row(decision: Decision) -> ClassProfiling:
    assert decision.status.profiles is not None
    (found,) = decision.status.profiles.classes
    return found


def later(before: Facts, decision: Decision, seconds: float, **changes: Any) -> Facts:
    """The next look, so much later, at what the last one published."""
    workload = with_status(before.workload, decision.status)
    return replace(before, workload=workload, now=before.now + timedelta(seconds=seconds), **changes)


def test_a_measurement_begins_at_once_where_a_node_has_no_tasks() -> None:
    decision = decide(given(task("f1"), nodes=(F1, F2)), predict)
    assert begun(decision) == ["fast"]
    assert row(decision).latest_start_time is None


@pytest.mark.parametrize(
    "pod",
    [
        task(),
        task(role=None),
        task(phase="Pending"),
        task(None, phase="Pending", planned="f1"),
        task(role="profile"),
    ],
)
def test_a_measurement_waits_where_every_node_has_a_task_or_is_about_to(pod: Object) -> None:
    decision = decide(given(pod), predict)
    assert begun(decision) == []
    assert (row(decision).reason, row(decision).latest_start_time) == (
        "NodesBusy",
        to_time(NOW + timedelta(seconds=PATIENCE_SECONDS)),
    )
    assert verdict(decision, "Profiled") == ("Unknown", "NodesBusy")
    assert decision.recheck_seconds is not None
    assert decision.recheck_seconds < 5.0


@pytest.mark.parametrize(
    "pod",
    [
        task(phase="Succeeded"),
        task(phase="Failed"),
        task(role="inspect"),
        task(None, phase="Pending"),
        task(None, phase="Pending", planned="f1", gates=["foretide.dev/plan"]),
        task("f9"),
        task(workload="served"),
    ],
)
def test_what_is_over_or_not_there_or_no_task_keeps_no_measurement_waiting(pod: Object) -> None:
    served = workload_object("served", run={"mode": "Deployment"})
    assert begun(decide(given(pod, workloads={("team", "served"): served}), predict)) == ["fast"]


@pytest.mark.parametrize(
    "other",
    [
        node("f2", "fast", ready=False),
        node("f2", "fast", cpu="500m"),
        {**F2, "spec": {"unschedulable": True}},
        {**F2, "spec": {"taints": [{"key": "k", "value": "v", "effect": "NoSchedule"}]}},
    ],
)
def test_an_empty_node_that_cannot_take_the_measurement_is_none(other: Object) -> None:
    assert begun(decide(given(task(), nodes=(F1, other)), predict)) == []


def test_an_empty_node_whose_taint_the_workload_tolerates_is_one() -> None:
    tainted = {**F1, "spec": {"taints": [{"key": "k", "value": "v", "effect": "NoSchedule"}]}}
    tolerant = known(
        profiling=ALWAYS, run={"template": {"tolerations": [FOR_A_WHILE, {"key": "k", "operator": "Exists"}]}}
    )
    assert begun(decide(given(nodes=(tainted,), workload=tolerant), predict)) == ["fast"]
    assert begun(decide(given(nodes=(tainted,)), predict)) == []


def test_its_patience_is_bounded_and_begins_once_whatever_restarts() -> None:
    first = given(task())
    decision = decide(first, predict)
    due = row(decision).latest_start_time
    soon = later(first, decision, PATIENCE_SECONDS / 2)
    again = decide(soon, predict)
    assert row(again).latest_start_time == due
    assert not any(isinstance(action, WriteStatus) for action in again.actions), "nothing to say"
    over = decide(later(soon, again, PATIENCE_SECONDS / 2), predict)
    assert begun(over) == ["fast"]
    assert row(over).reason == "Started"


def test_a_clock_that_was_ahead_makes_nobody_wait_longer() -> None:
    ahead = replace(given(task()), now=NOW + timedelta(days=1))
    decision = decide(ahead, predict)
    back = decide(later(ahead, decision, -86_400), predict)
    assert row(back).latest_start_time == to_time(NOW + timedelta(seconds=PATIENCE_SECONDS))


def test_it_begins_as_soon_as_a_node_is_empty() -> None:
    first = given(task())
    assert begun(decide(later(first, decide(first, predict), 30.0, workload_pods=()), predict)) == ["fast"]


def test_another_attempt_waits_as_the_first_does_and_its_failure_stays_told() -> None:
    workload = known(profiling=ALWAYS)
    failed = profile_attempt(workload, "fast", Failed("InternalError", "something", ended_time=ago(600)))
    first = given(task(), workload=workload, attempts=(failed,))
    decision = decide(first, predict)
    assert begun(decision) == []
    assert row(decision).reason == "InternalError"
    assert row(decision).latest_start_time is not None
    assert begun(decide(later(first, decision, PATIENCE_SECONDS), predict)) == ["fast"]


def test_who_waits_for_a_node_keeps_its_place_and_lets_nobody_pass() -> None:
    api = MemoryApi()
    api.put(NODES, F1)
    api.put(PODS, task())
    for name in ("a", "b"):
        api.put(AIWORKLOADS, workload_object(name, profiling=ALWAYS))
    process = live(api, rounds=4)
    assert profiled(api) == []
    reasons = sorted(reason_of(api, name) for name in ("a", "b"))
    assert reasons == ["NodesBusy", "Waiting"]
    first = next(name for name in ("a", "b") if reason_of(api, name) == "NodesBusy")
    api.delete(PODS, api.all(PODS)[0]["metadata"]["name"], "team")
    process.work()
    assert [job["metadata"]["labels"]["foretide.dev/workload"] for job in profiled(api)] == [first]


def profiled(api: MemoryApi) -> list[Object]:
    return [job for job in api.all(JOBS) if job["metadata"]["labels"]["foretide.dev/role"] == "profile"]


def reason_of(api: MemoryApi, name: str) -> str:
    (found,) = api.get(AIWORKLOADS, name, "team")["status"]["profiles"]["classes"]
    reason: str = found["reason"]
    return reason


def test_planner_and_extender_are_told_while_it_waits_for_a_node_or_is_under_way_and_no_longer() -> None:
    workload = known(profiling=ALWAYS)
    waiting = given(task(), workload=workload)
    decision = decide(waiting, predict)
    seconds = measuring_seconds(
        startup_seconds=1.0, inference_seconds=0.01, limits=Limits(max_seconds=30, min_samples=64, min_seconds=5)
    )
    assert told(decision, workload) == {"fast": seconds}
    started = decide(later(waiting, decision, 9.0, workload_pods=()), predict)
    assert told(started, workload) == {"fast": seconds}
    under_way = later(waiting, started, 9.0, attempts=(profile_attempt(workload, "fast", Running(message="at work")),))
    slower = decide(under_way, lambda *_: [prediction("fast", microseconds=400_000)])
    assert told(slower, workload) == {"fast": seconds}, "told once, whatever is predicted meanwhile"
    blocked = profile_attempt(workload, "fast", Running("ImageMissing", "x"))
    assert told(decide(replace(under_way, attempts=(blocked,)), predict), workload) == {}
    done = replace(under_way, attempts=(profile_attempt(workload, "fast"),))
    assert told(decide(done, predict), workload) == {}


def told(decision: Decision, workload: Any) -> dict[str, float]:
    return dict(predictions_of(with_status(workload, decision.status)).measuring)


def test_without_a_prediction_a_measurement_is_expected_to_take_as_long_as_it_may() -> None:
    assert node_seconds(given(workload=workload()), "fast", ()) == SETTINGS.profile_max_seconds + 30


def test_a_workload_without_such_rows_is_told_of_nothing() -> None:
    assert predictions_of(aiworkload.parse(workload_object())).measuring == {}


def test_its_pod_prefers_nodes_without_tasks() -> None:
    job = profile_job(known(), node_class("fast"), attempt=1, lost_nodes=(), replaced=None, settings=SETTINGS)
    (preference,) = job["spec"]["template"]["spec"]["affinity"]["podAntiAffinity"][
        "preferredDuringSchedulingIgnoredDuringExecution"
    ]
    term = preference["podAffinityTerm"]
    assert (preference["weight"], term["namespaceSelector"]) == (100, {})
    met = {
        role: _is_met(term, {"foretide.dev/workload": "w", **({"foretide.dev/role": role} if role else {})})
        for role in ("", "run", "inspect", "profile", "probe")
    }
    assert met == {"": True, "run": True, "inspect": False, "profile": False, "probe": False}
    assert not _is_met(term, {"app": "nginx"})


def _is_met(term: Object, labels: dict[str, str]) -> bool:
    """As Kubernetes matches labels: NotIn is met by an absent one."""
    for each in term["labelSelector"]["matchExpressions"]:
        value = labels.get(each["key"])
        if each["operator"] == "Exists" and value is None:
            return False
        if each["operator"] == "NotIn" and value in each["values"]:
            return False
    return True


def disturbed(before: Facts, *, co_runners: int = 1) -> Facts:
    """The same, its measurement with so many tasks beside it."""
    (profile,) = before.profiles
    measurement = profile.spec.measurement
    environment = msgspec.structs.replace(measurement.environment, co_runners=co_runners)
    measurement = msgspec.structs.replace(measurement, stable=not co_runners, environment=environment)
    return replace(before, profiles=(with_spec(profile, measurement=measurement),))


def with_spec(profile: WorkloadProfile, **fields: Any) -> WorkloadProfile:
    return msgspec.structs.replace(profile, spec=msgspec.structs.replace(profile.spec, **fields))


def chain(first: Facts) -> list[str]:
    """The reasons for which it is made again and again, each time with a task beside it."""
    reasons: list[str] = []
    for _ in range(20):
        found = outdated(first, first.profiles[0])
        if found is None:
            return reasons
        reasons.append(found.reason)
        (profile,) = first.profiles
        replaced = Replaced(name=profile.metadata.name, reason=found.reason, cause=found.cause)
        first = replace(first, profiles=(with_spec(profile, replaced=replaced),))
    raise AssertionError(f"it goes round: {reasons}")


def test_a_disturbed_measurement_is_made_again_a_bounded_number_of_times() -> None:
    assert chain(disturbed(asked())) == ["Disturbed"] * MOST_DISTURBED
    assert chain(disturbed(asked(), co_runners=0)) == []


def test_what_it_was_made_for_is_remembered_so_that_nothing_goes_round() -> None:
    """Tasks tell of another driver than every measurement, and are always there."""
    again = ["Disturbed"] * MOST_DISTURBED
    assert chain(disturbed(asked(watch=NEW_DRIVER))) == ["DriverChanged", *again]
    assert chain(disturbed(asked(watch=ALARMED, age_seconds=60.0))) == ["Drifted", *again]


@pytest.mark.parametrize("cause", ["", "x", "-1", "9", "³", "1", "1 Drifted", "1  ", "1 DriverChanged 550 rc 1"])
def test_a_cause_that_somebody_wrote_is_read_as_far_as_it_can_be(cause: str) -> None:
    given = disturbed(asked(replaced=Replaced(name="old", reason="Disturbed", cause=cause)))
    found = outdated(given, given.profiles[0])
    assert (found is not None) == cause.startswith("1")


def test_a_disturbed_measurement_is_made_again_in_its_turn_and_used_until_then() -> None:
    workload = known(profiling=ALWAYS)
    (profile,) = disturbed(asked()).profiles
    busy = given(task(), workload=workload, profiles=(profile,))
    decision = decide(busy, predict)
    assert begun(decision) == []
    assert rows(decision) == {"fast": "NodesBusy"}
    assert "again, for Disturbed (1 task ran beside it)" in row(decision).message
    assert decision.status.profiles is not None
    assert decision.status.profiles.measured == 1
    assert begun(decide(replace(busy, workload_pods=()), predict)) == ["fast"]


def test_a_profile_pod_of_a_job_counts_as_a_measurement_on_its_node() -> None:
    """Two at a time on a class: the second waits for another node than the first one's."""
    class_ = node_class("fast")
    job = profile_job(known(), class_, attempt=1, lost_nodes=(), replaced=None, settings=SETTINGS)
    pod = pod_of(job, node_name="f1", phase="Running")
    assert read_fleet([class_], [F1]).classes["fast"].members
    assert begun(decide(given(pod), predict)) == []
    assert begun(decide(given(pod, nodes=(F1, F2)), predict)) == ["fast"]
