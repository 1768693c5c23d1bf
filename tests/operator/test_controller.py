"""The controller from an applied manifest to paired tasks, on an API in memory where any write may fail."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretide.prediction import Interval, PodPrediction
from foretide_kube.names import (
    AIWORKLOADS,
    CONFIG_MAPS,
    JOBS,
    NODE_CLASSES,
    NODES,
    PODS,
    WORKLOAD_PROFILES,
    Resource,
)
from foretide_kube.pod_plan import PodPlan
from foretide_operator.controller import MODEL, PAIRING, TABLE, WORKLOADS, Controller
from foretide_operator.controller import NODE_CLASSES as NODE_CLASSES_KEY
from foretide_operator.metrics import Metrics
from foretide_operator.pairing import ledger as ledgers
from foretide_operator.queue import KeyedQueue
from foretide_operator.training import table as tables
from foretide_operator.training.protocol import TrainingRequest
from foretide_operator.training.trainer import Trainer
from foretide_operator.worker import Worker
from tests.operator.cluster_objects import (
    NOW,
    NOW_MILLISECONDS,
    SETTINGS,
    ago,
    ended,
    inspect_result,
    node,
    node_class_object,
    pod_of,
    probe_result,
    profile_result,
    run_result,
    workload_object,
)
from tests.operator.memory_api import MemoryApi

RESULTS: dict[str, Any] = {"inspect": inspect_result, "profile": profile_result, "probe": probe_result}
TASKS = 3


class Idle(Trainer):
    """Trains nothing: the training process has its own tests."""

    def start(self, *_: Any) -> None:
        pass


class Process:
    """One life of the operator: made anew after each kill."""

    def __init__(self, api: MemoryApi, trainer: Trainer | None = None) -> None:
        self.metrics = Metrics()
        self.queue = KeyedQueue()
        self.seconds = 0.0
        self.controller = Controller(
            api.client,
            api.world,
            SETTINGS,
            queue=self.queue,
            trainer=trainer or Idle(lambda: None),
            metrics=self.metrics,
            wall=lambda: NOW,
            monotonic=lambda: self.seconds,
            worked=lambda: self.seconds,
        )
        self.controller.load()
        self.worker = Worker(self.queue, self.controller.look, lambda _: None, self.metrics, lambda: self.seconds)

    def work(self) -> None:
        """Look at everything, and go on for a hundred seconds."""
        for key in (NODE_CLASSES_KEY, WORKLOADS, TABLE, MODEL, PAIRING):
            self.queue.add(key, self.seconds)
        for _ in range(20):
            self.seconds += 5.0
            while self.worker.step():
                pass


def kubernetes(api: MemoryApi, *, is_full: bool = False) -> None:
    """What Kubernetes and the nodes would do: every Job made is run to its end; runs are not, where all is full."""
    for job in api.all(JOBS):
        if job.get("status", {}).get("conditions"):
            continue
        role = job["metadata"]["labels"]["foretide.dev/role"]
        if role == "run" and is_full:
            continue
        if role == "run":
            for _ in range(TASKS):
                api.put(PODS, run_pod(job))
            api.put(JOBS, ended(job, succeeded=TASKS))
            continue
        where = {"slow": "s1"}.get(job["metadata"]["labels"].get("foretide.dev/job-node-class", ""), "f1")
        api.put(PODS, pod_of(job, message=RESULTS[role](), node_name=where))
        api.put(JOBS, ended(job))


def run_pod(job: Any) -> Any:
    prediction = PodPrediction(
        node="f1",
        node_class="fast",
        inferences=100,
        work_milliseconds=Interval(lower=1_000, median=2_000, upper=4_000),
        startup_milliseconds=6_000,
        memory_bytes=1,
        source="Measured",
        model_version="",
        bound_milliseconds=NOW_MILLISECONDS - 56_500,
    )
    pod = pod_of(job, message=run_result(), node_name="f1")
    pod["metadata"]["annotations"]["foretide.dev/prediction"] = msgspec.json.encode(prediction).decode()
    return pod


def cluster(api: MemoryApi) -> None:
    api.put(NODES, node("f1", "fast"))
    api.put(NODES, node("s1", "slow"))
    api.put(AIWORKLOADS, workload_object("cnn", run={"mode": "Job", "completions": TASKS}))


def live(api: MemoryApi, *, rounds: int, killed: bool = False) -> Process:
    process = Process(api)
    for _ in range(rounds):
        process.work()
        kubernetes(api)
        if killed:
            process = Process(api)
    process.work()
    return process


def test_from_an_applied_manifest_to_paired_tasks() -> None:
    api = MemoryApi()
    cluster(api)
    process = live(api, rounds=5)
    (workload,) = api.all(AIWORKLOADS)
    status = workload["status"]
    assert {c["type"]: c["status"] for c in status["conditions"]} == {
        "Inspected": "True",
        "Profiled": "True",
        "Predicted": "True",
        "Admissible": "True",
        "RunComplete": "True",
        "Ready": "True",
    }
    assert {p["nodeClass"]: p["source"] for p in status["predictions"]} == {"fast": "Measured", "slow": "Measured"}
    assert status["actuals"]["count"] == TASKS
    assert {item["metadata"]["name"] for item in api.all(NODE_CLASSES)} == {"fast", "slow"}
    assert len(api.all(WORKLOAD_PROFILES)) == 2
    value = process.metrics.registry.get_sample_value
    assert value("foretide_tasks_ended_total", {"ending": "Paired"}) == TASKS
    assert value("foretide_actual_seconds_total", {"node_class": "fast", "quantity": "work"}) == 2.0 * TASKS


class Asked(Idle):
    """Keeps what it was asked to train on."""

    def __init__(self) -> None:
        super().__init__(lambda: None)
        self.requests: list[TrainingRequest] = []

    def start(self, request: TrainingRequest, _: str) -> None:
        self.requests.append(request)


@pytest.mark.parametrize(
    ("changed", "learned_on"), [(None, {"fast", "slow"}), (ago(0), {"slow"}), (ago(3600), {"fast", "slow"})]
)
def test_nothing_is_learned_from_a_machine_that_is_no_more_by_an_operator_that_begins_anew_either(
    changed: str | None, learned_on: set[str]
) -> None:
    api = MemoryApi()
    cluster(api)
    for name in ("lstm", "mlp", "rnn"):
        api.put(AIWORKLOADS, workload_object(name))
    live(api, rounds=6)
    fast = next(item for item in api.all(NODE_CLASSES) if item["metadata"]["name"] == "fast")
    fast["status"]["hardwareChangedTime"] = changed
    api.put(NODE_CLASSES, fast)
    trainer = Asked()
    Process(api, trainer).work()
    assert {row.node_class for row in trainer.requests[-1].observations} == learned_on
    # the old measurement is what is predicted by until there is another, and the old rows count in the budget
    cnn = next(item for item in api.all(AIWORKLOADS) if item["metadata"]["name"] == "cnn")
    assert {p["source"] for p in cnn["status"]["predictions"]} == {"Measured"}
    kept, _ = tables.load(api.all(CONFIG_MAPS))
    assert {(row.node_class, row.origin) for row in kept.rows} == {
        ("fast", "Profile"),
        ("slow", "Profile"),
        ("fast", "Run"),
    }


def test_a_workload_made_again_under_its_name_begins_without_the_tasks_of_the_one_before() -> None:
    api = MemoryApi()
    cluster(api)
    process = live(api, rounds=5)
    (job,) = [job for job in api.all(JOBS) if job["metadata"]["labels"]["foretide.dev/role"] == "run"]
    api.delete(AIWORKLOADS, "cnn", "team")
    again = workload_object("cnn")
    again["metadata"]["creationTimestamp"] = ago(20)
    api.put(AIWORKLOADS, again)
    late = api.put(PODS, run_pod(job))  # of the first one's Job, and paired only now
    process.work()
    late = api.get(PODS, late["metadata"]["name"], "team")
    assert "foretide.dev/paired" in late["metadata"]["annotations"]
    (workload,) = api.all(AIWORKLOADS)
    assert "actuals" not in workload["status"]
    profiles = api.all(WORKLOAD_PROFILES)
    assert profiles
    assert all("runs" not in profile["status"] for profile in profiles)


@pytest.mark.parametrize("broken", [WORKLOAD_PROFILES, AIWORKLOADS])
def test_an_object_that_cannot_be_read_is_named_once_and_holds_up_no_other(
    broken: Resource, caplog: pytest.LogCaptureFixture
) -> None:
    api = MemoryApi()
    cluster(api)
    api.put(AIWORKLOADS, workload_object("aaa"))
    live(api, rounds=5)
    for item in api.all(CONFIG_MAPS):
        api.delete(CONFIG_MAPS, item["metadata"]["name"], item["metadata"]["namespace"])
    about = next(p for p in api.all(WORKLOAD_PROFILES) if p["spec"]["workload"]["name"] == "aaa")
    item = api.get(broken, about["metadata"]["name"] if broken == WORKLOAD_PROFILES else "aaa", "team")
    field = "cpuMillis" if broken == WORKLOAD_PROFILES else "inferences"
    api.put(broken, {**item, "spec": {**item["spec"], field: "many"}})
    process = Process(api)
    for _ in range(2):
        process.controller.look(TABLE)
    table, _ = tables.load(api.all(CONFIG_MAPS))
    found = Counter(row.workload.split("/")[1] for row in table.rows)
    assert found == {"cnn": 2, "aaa": 1} if broken == WORKLOAD_PROFILES else {"cnn": 2}
    (said,) = [message for message in caplog.messages if f"spec.{field}" in message]
    assert item["metadata"]["name"] in said


def test_a_node_class_or_profile_that_cannot_be_read_stops_no_workload() -> None:
    api = MemoryApi()
    cluster(api)
    api.put(NODE_CLASSES, {**node_class_object("odd"), "spec": {"selector": {}, "priority": "high"}})
    live(api, rounds=5)
    profile = api.all(WORKLOAD_PROFILES)[0]
    api.put(WORKLOAD_PROFILES, {**profile, "spec": {**profile["spec"], "cpuMillis": "many"}})
    live(api, rounds=5)
    status = api.get(AIWORKLOADS, "cnn", "team")["status"]
    assert {row["nodeClass"] for row in status["predictions"]} == {"fast", "slow"}
    assert status["actuals"]["count"] == TASKS


def test_a_plan_that_changes_every_second_is_written_once_in_five() -> None:
    api = MemoryApi()
    cluster(api)
    process = Process(api)
    for _ in range(4):
        process.work()
        kubernetes(api, is_full=True)
    job = next(job for job in api.all(JOBS) if job["metadata"]["labels"]["foretide.dev/role"] == "run")
    pod = pod_of(job, phase="Pending", node_name=None)
    pod["spec"]["schedulingGates"] = [{"name": "foretide.dev/plan"}]
    process.work()
    before = api.writes
    for second in range(20):
        plan = PodPlan(node="f1", expected_start_time=ago(-60 * second), expected_finish_time=ago(-60 * second - 9))
        pod["metadata"]["annotations"]["foretide.dev/plan"] = msgspec.json.encode(plan).decode()
        api.put(PODS, pod)
        process.queue.add(WORKLOADS, process.seconds)
        process.seconds += 1.0
        while process.worker.step():
            pass
    assert 3 <= api.writes - before <= 5
    process.work()
    assert api.get(AIWORKLOADS, "cnn", "team")["status"]["runs"]["expectedFinishTime"] == ago(-60 * 19 - 9)


def test_a_settled_cluster_is_left_alone() -> None:
    api = MemoryApi()
    cluster(api)
    process = live(api, rounds=5)
    before = api.writes
    process.work()
    assert api.writes == before
    restarted = Process(api)
    restarted.work()
    assert api.writes == before, "a restart changes nothing"


@settings(max_examples=40, deadline=None)
@given(
    fail_at=st.frozensets(st.integers(1, 60), max_size=12),
    lose_at=st.frozensets(st.integers(1, 60), max_size=12),
    killed=st.booleans(),
)
def test_whichever_writes_fail_and_however_often_it_is_killed_each_task_counts_once(
    *, fail_at: frozenset[int], lose_at: frozenset[int], killed: bool
) -> None:
    api = MemoryApi(fail_at=fail_at, lose_at=lose_at)
    cluster(api)
    live(api, rounds=8, killed=killed)
    tasks = [p for p in api.all(PODS) if p["metadata"]["labels"]["foretide.dev/role"] == "run"]
    assert len(tasks) == TASKS
    assert all("foretide.dev/paired" in pod["metadata"]["annotations"] for pod in tasks)
    stored = api.all(CONFIG_MAPS)
    ledger = ledgers.load(next(item for item in stored if item["metadata"]["name"] == ledgers.NAME))
    (owner,) = api.all(AIWORKLOADS)
    actuals = ledger.of_workload(owner["metadata"]["uid"])
    assert actuals is not None
    assert actuals.count == TASKS
    table, errors = tables.load(stored)
    assert errors == []
    assert {row.origin for row in table.rows} == {"Profile", "Run"}
    assert len(api.all(WORKLOAD_PROFILES)) == 2
    assert len([job for job in api.all(JOBS) if job["metadata"]["labels"]["foretide.dev/role"] == "run"]) == 1


def test_whichever_answer_is_lost_metrics_count_each_task_once() -> None:
    whole = MemoryApi()
    cluster(whole)
    live(whole, rounds=5)
    for number in range(1, whole.writes + 1):
        api = MemoryApi(lose_at=frozenset({number}))
        cluster(api)
        process = live(api, rounds=6)
        counted = process.metrics.registry.get_sample_value("foretide_tasks_ended_total", {"ending": "Paired"})
        assert counted == TASKS, f"the answer to write {number} of {whole.writes} was lost"
