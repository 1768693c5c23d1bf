"""Measurements that are made again: each but once, whatever the clocks of nodes say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from foretide_kube.kinds import workloadprofile
from foretide_kube.names import AIWORKLOADS, JOBS, NODE_CLASSES, NODES, PODS, WORKLOAD_PROFILES
from foretide_operator.actions import Action, Create, Delete
from foretide_operator.attempts import Attempt
from foretide_operator.fleet import read_fleet
from foretide_operator.jobs import profile_job, run_job
from foretide_operator.outcome import Done
from foretide_operator.workload import alone, currency
from foretide_operator.workload.facts import Facts
from foretide_operator.workload.measured import profile_of
from foretide_operator.workload.profiling import decide
from tests.operator.cluster_objects import (
    NOW,
    NOW_MILLISECONDS,
    SETTINGS,
    SIGNATURE,
    Object,
    as_stored,
    node,
    node_class,
    pod_of,
    profile_result,
    workload,
    workload_object,
)
from tests.operator.memory_api import MemoryApi
from tests.operator.test_controller import cluster, live

MAX_AGE_SECONDS = 300
STEP_SECONDS = 10
MEASURING_SECONDS = 20
HOURS = 3
PER_AGE = MAX_AGE_SECONDS // STEP_SECONDS


class Measuring:
    """A workload on one class, whose nodes' clock is off, looked at every ten seconds for hours."""

    def __init__(self, off_seconds: float) -> None:
        self.now = NOW
        self.measurements = 0
        self.replacements = 0
        self._off = timedelta(seconds=off_seconds)
        fleet = read_fleet([node_class("fast")], [node("f1", "fast")])
        self.facts = Facts(
            workload=workload(profiling={"policy": "Always", "maxAgeSeconds": MAX_AGE_SECONDS}),
            classes=tuple(fleet.classes.values()),
            nodes=(),
            settings=SETTINGS,
            now=NOW,
        )

    def look(self) -> None:
        self.now += timedelta(seconds=STEP_SECONDS)
        self.facts = replace(self.facts, now=self.now)
        self._apply(decide(self.facts, (), signature=SIGNATURE, inspection_failed=False).actions)

    def _apply(self, actions: Sequence[Action]) -> None:
        for action in actions:
            match action:
                case Create(resource=resource, body=body) if resource == JOBS:
                    self.measurements += 1
                    self.facts = replace(self.facts, attempts=(*self.facts.attempts, self._measured(body)))
                case Create(resource=resource, body=body) if resource == WORKLOAD_PROFILES:
                    profile = workloadprofile.parse({**as_stored(body), "status": {}})
                    self.facts = replace(self.facts, profiles=(*self.facts.profiles, profile))
                case Delete(resource=resource, name=name) if resource == WORKLOAD_PROFILES:
                    self.replacements += 1
                    kept = tuple(p for p in self.facts.profiles if p.metadata.name != name)
                    self.facts = replace(self.facts, profiles=kept)
                case _:
                    pass

    def _measured(self, manifest: Object) -> Attempt:
        """The Job as it will have ended; it stays, as ended Jobs do for an hour."""
        job = as_stored(manifest)
        job["metadata"]["creationTimestamp"] = api_time(self.now)
        begin_millis = milliseconds(self.now + self._off) + 5_000
        result = profile_result(
            process_start=begin_millis - 1_000,
            work_begin=begin_millis,
            work_end=begin_millis + 1_000 * MEASURING_SECONDS,
        )
        pod = pod_of(job, message=result, node_name="f1")
        ended = self.now + self._off + timedelta(seconds=MEASURING_SECONDS + 6)
        pod["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"] = api_time(ended)
        pod["status"]["conditions"][0]["lastTransitionTime"] = api_time(self.now)
        return Attempt(job, Done(result, pod))


def api_time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def milliseconds(moment: datetime) -> int:
    return NOW_MILLISECONDS + round((moment - NOW).total_seconds() * 1000)


@pytest.mark.parametrize("off_seconds", [0, -30, -120, -6 * 3600, 30, 120])
def test_a_measurement_is_made_again_once_per_age_however_wrong_the_nodes_clock_is(off_seconds: float) -> None:
    measuring = Measuring(off_seconds)
    for _ in range(HOURS * 3600 // STEP_SECONDS):
        measuring.look()
    due = HOURS * 3600 // MAX_AGE_SECONDS
    assert due // 2 <= measuring.measurements <= due + 1
    assert measuring.replacements <= measuring.measurements
    assert len(measuring.facts.profiles) == 1


def test_a_stored_measurement_that_seems_older_than_its_own_job_is_not_replaced_by_itself() -> None:
    measuring = Measuring(0)
    for _ in range(3):
        measuring.look()
    body: Any = workloadprofile.to_object(measuring.facts.profiles[0])
    body["spec"]["measuredTime"] = api_time(NOW - timedelta(seconds=2 * MAX_AGE_SECONDS))
    measuring.facts = replace(measuring.facts, profiles=(workloadprofile.parse(body),))
    measuring.look()
    assert (measuring.measurements, measuring.replacements) == (2, 0)


@pytest.mark.parametrize("off_seconds", [0, -40, 40])
def test_start_up_is_not_measured_across_two_clocks(off_seconds: float) -> None:
    begin = NOW_MILLISECONDS - 50_000 + round(off_seconds * 1000)
    measuring = Measuring(0)
    measuring.look()
    (attempt,) = measuring.facts.attempts
    assert isinstance(attempt.outcome, Done)
    result = profile_result(process_start=begin - 1_000, work_begin=begin, work_end=begin + 15_000)
    pod = pod_of(attempt.job, message=result, node_name="f1")  # bound 56.5 s ago
    pod["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"] = api_time(NOW - timedelta(seconds=35))
    measuring.facts = replace(measuring.facts, attempts=(replace(attempt, outcome=Done(result, pod)),))
    measuring.look()
    assert measuring.facts.profiles[0].spec.startup_milliseconds == 6_500


def task(*, node_name: str = "f1", began: float = 60, ended: float | None = None, role: str = "run") -> Object:
    """The Pod of a task whose container ran from so many seconds ago until so many, or still runs."""
    pod = pod_of(as_stored(run_job(workload(), SETTINGS)), phase="Running", node_name=node_name)
    life = {"startedAt": api_time(NOW - timedelta(seconds=began))}
    state = {"running": life}
    if ended is not None:
        state = {"terminated": {**life, "finishedAt": api_time(NOW - timedelta(seconds=ended))}}
    pod["status"]["containerStatuses"][0]["state"] = state
    pod["metadata"]["labels"]["foretide.dev/role"] = role
    return pod


@pytest.mark.parametrize(
    ("pods", "count"),
    [
        ([], 0),
        ([task()], 1),
        ([task(ended=40), task(began=36), task(began=45, ended=44)], 3),
        ([task(ended=51), task(began=34)], 0),  # before the measurement, which took from 50 s ago to 35 s ago; after it
        ([task(node_name="f2"), task(role="inspect"), task(role="profile")], 0),
    ],
)
def test_a_measurement_beside_tasks_is_unstable_and_says_how_many_there_were(pods: list[Object], count: int) -> None:
    class_ = node_class("fast")
    fleet = read_fleet([class_], [node("f1", "fast")])
    given = workload()
    job = as_stored(profile_job(given, class_, attempt=1, lost_nodes=(), replaced=None, settings=SETTINGS))
    result = profile_result()
    facts = Facts(
        workload=given,
        classes=tuple(fleet.classes.values()),
        nodes=(),
        workload_pods=pods,
        settings=SETTINGS,
        now=NOW,
    )
    body = profile_of(facts, "fast", Done(result, pod_of(job, message=result, node_name="f1")))
    measurement = body["spec"]["measurement"]
    assert measurement["environment"]["coRunners"] == count
    assert measurement["stable"] is (count == 0)
    assert measurement.get("unstableReason", "") == (f"CoRunners: {count}" if count else "")


def test_services_are_no_co_runners_of_profiles_and_probes_for_they_are_always_there() -> None:
    api = MemoryApi()
    api.put(NODES, node("f1", "fast"))
    api.put(AIWORKLOADS, workload_object("served", run={"mode": "Deployment"}))
    replica = task()
    replica["metadata"]["labels"]["foretide.dev/workload"] = "served"
    api.put(PODS, replica)
    live(api, rounds=3)
    (profile,), (fast,) = api.all(WORKLOAD_PROFILES), api.all(NODE_CLASSES)
    measurement = profile["spec"]["measurement"]
    assert (measurement["stable"], measurement["environment"]["coRunners"]) == (True, 0)
    assert fast["status"]["probe"]["environment"]["coRunners"] == 0


def test_tasks_of_any_workload_are_seen_beside_profiles_and_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alone, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(currency, "MOST_DISTURBED", 0)
    api = MemoryApi()
    cluster(api)
    api.put(PODS, task())
    live(api, rounds=3)
    seen = {
        item["spec"]["nodeClass"]: item["spec"]["measurement"]["environment"]["coRunners"]
        for item in api.all(WORKLOAD_PROFILES)
    }
    assert seen == {"fast": 1, "slow": 0}
    probes = {item["metadata"]["name"]: item["status"]["probe"] for item in api.all(NODE_CLASSES)}
    assert {name: probe["environment"]["coRunners"] for name, probe in probes.items()} == {"fast": 1, "slow": 0}
