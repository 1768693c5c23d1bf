"""Many workloads measured on all classes: how often the operator writes meanwhile, and nothing once it is settled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from foretide_kube.kinds.common import to_time
from foretide_kube.names import AIWORKLOADS, JOBS, NODES, PODS, WORKLOAD_PROFILES
from foretide_operator.controller import Controller
from foretide_operator.metrics import Metrics
from foretide_operator.queue import KeyedQueue
from foretide_operator.triggers import Triggers
from foretide_operator.worker import EVERYTHING_SECONDS, Worker
from tests.operator.cluster_objects import (
    NOW,
    SETTINGS,
    Object,
    ended,
    inspect_result,
    node,
    pod_of,
    probe_result,
    profile_result,
    workload_object,
)
from tests.operator.memory_api import MemoryApi
from tests.operator.test_controller import Idle

CLASSES = [f"class-{number}" for number in range(6)]
WORKLOADS = 8
SLOW = frozenset(CLASSES[4:])
"""By their probes a thousand times slower than the others: no task of a workload that is known would go there."""
RESULTS: dict[str, Callable[[], Any]] = {"inspect": inspect_result, "profile": profile_result}
LOOK_SECONDS = 0.01
JOB_SECONDS = 2.5


class Cluster:
    """An API in memory, Kubernetes as far as Jobs need it, and the operator, by a clock that is set forward."""

    def __init__(self) -> None:
        self.api = MemoryApi()
        self.seconds = 0.0
        self.ends: dict[str, float] = {}
        self.most_at_once = 0
        """Measuring Jobs that were under way on one class."""
        for name in CLASSES:
            self.api.put(NODES, node(f"{name}-1", name))
        self.start()

    def start(self) -> None:
        """Have an operator that knows nothing yet; the one before it is gone."""
        self.queue = KeyedQueue()
        self.triggers = Triggers(self.queue, lambda: self.seconds)
        self.triggers.connect(self.api.world)
        controller = Controller(
            self.api.client,
            self.api.world,
            SETTINGS,
            queue=self.queue,
            trainer=Idle(lambda: None),
            metrics=Metrics(),
            wall=lambda: NOW + timedelta(seconds=self.seconds),
            monotonic=lambda: self.seconds,
            worked=lambda: self.seconds,
        )
        controller.load()
        self.worker = Worker(self.queue, controller.look, lambda _: None, Metrics(), lambda: self.seconds)

    def work(self, seconds: float) -> None:
        """Go on for so long."""
        until, everything = self.seconds + seconds, self.seconds
        while self.seconds < until:
            if self.seconds >= everything:
                self.triggers.ask_for_everything(self.seconds)
                everything += EVERYTHING_SECONDS
            self.count_at_once()
            self.end_jobs()
            self.seconds += LOOK_SECONDS if self.worker.step() else 0.1

    def count_at_once(self) -> None:
        """Take note of how many Jobs measure on the class where most do now."""
        under_way = Counter(
            job["metadata"]["labels"].get("foretide.dev/job-node-class")
            for job in self.api.all(JOBS)
            if not job.get("status", {}).get("conditions")
        )
        del under_way[None]  # inspections
        self.most_at_once = max(self.most_at_once, *under_way.values(), 0)

    def end_jobs(self) -> None:
        """Each Job ends well a while after it was made; its Pod first, as in Kubernetes."""
        now = to_time(NOW + timedelta(seconds=self.seconds))
        for job in self.api.all(JOBS):
            name = job["metadata"]["name"]
            labels = job["metadata"]["labels"]
            is_slow = labels.get("foretide.dev/job-node-class") in SLOW
            end = self.ends.setdefault(name, self.seconds + JOB_SECONDS * (2 if is_slow else 1))
            if job.get("status", {}).get("conditions") or self.seconds < end:
                continue
            node_class, role = labels.get("foretide.dev/job-node-class", CLASSES[0]), labels["foretide.dev/role"]
            result: Any = _probed(node_class) if role == "probe" else RESULTS[role]()
            self.api.put(PODS, pod_of(job, message=result, node_name=f"{node_class}-1"))
            self.api.put(JOBS, _ended(job, now))


def _ended(job: Object, now: str) -> Object:
    done = ended(job)
    done["status"]["conditions"][0]["lastTransitionTime"] = now
    return done


def _probed(node_class: str) -> Any:
    times = 1000 if node_class in SLOW else 1
    return probe_result(gemm_flops_per_second=10**10 // times, memory_bandwidth_bytes_per_second=5 * 10**9 // times)


def settled(policy: str) -> Cluster:
    cluster = Cluster()
    cluster.work(10.0)  # the classes are probed
    cluster.api.writes = 0
    for number in range(WORKLOADS):
        cluster.api.put(AIWORKLOADS, workload_object(f"w{number}", profiling={"policy": policy}))
    cluster.work(90.0)
    return cluster


def test_each_pair_is_measured_once_one_after_the_other_with_at_most_six_writes() -> None:
    cluster = settled("Always")
    assert cluster.most_at_once == 1
    roles = Counter(job["metadata"]["labels"]["foretide.dev/role"] for job in cluster.api.all(JOBS))
    pairs = WORKLOADS * len(CLASSES)
    assert roles == {"inspect": WORKLOADS, "profile": pairs, "probe": len(CLASSES)}
    assert len(cluster.api.all(WORKLOAD_PROFILES)) == pairs
    statuses = [item["status"]["profiles"] for item in cluster.api.all(AIWORKLOADS)]
    assert {(each["measured"], each["desired"]) for each in statuses} == {(len(CLASSES), len(CLASSES))}
    assert cluster.api.writes / pairs <= 6.0


def test_what_is_worth_it_is_measured_once_one_after_the_other_with_at_most_six_writes() -> None:
    cluster = settled("Auto")
    assert cluster.most_at_once == 1
    rows = [row for item in cluster.api.all(AIWORKLOADS) for row in item["status"]["profiles"]["classes"]]
    measured = sum(row["reason"] == "Measured" for row in rows)
    sure = [row["nodeClass"] for row in rows if row["reason"] == "SureEnough"]
    assert measured + len(sure) == WORKLOADS * len(CLASSES)
    assert sure
    assert set(sure) <= SLOW
    jobs = [job for job in cluster.api.all(JOBS) if job["metadata"]["labels"]["foretide.dev/role"] == "profile"]
    assert len(jobs) == len(cluster.api.all(WORKLOAD_PROFILES)) == measured
    assert cluster.api.writes / len(jobs) <= 6.0


@pytest.mark.parametrize("policy", ["Always", "Auto"])
def test_once_settled_nothing_is_written_and_by_a_new_operator_neither(policy: str) -> None:
    cluster = settled(policy)
    cluster.api.writes = 0
    cluster.work(130.0)
    assert cluster.api.writes == 0
    cluster.start()
    cluster.work(70.0)
    assert cluster.api.writes == 0
