"""Many workloads measured on all classes: how often the operator writes meanwhile, and nothing once it is settled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

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
RESULTS: dict[str, Callable[[], Any]] = {"inspect": inspect_result, "profile": profile_result, "probe": probe_result}
LOOK_SECONDS = 0.01
JOB_SECONDS = 2.5


class Cluster:
    """An API in memory, Kubernetes as far as Jobs need it, and the operator, by a clock that is set forward."""

    def __init__(self) -> None:
        self.api = MemoryApi()
        self.seconds = 0.0
        self.ends: dict[str, float] = {}
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
            self.end_jobs()
            self.seconds += LOOK_SECONDS if self.worker.step() else 0.1

    def end_jobs(self) -> None:
        """Each Job ends well a while after it was made; its Pod first, as in Kubernetes."""
        now = to_time(NOW + timedelta(seconds=self.seconds))
        for job in self.api.all(JOBS):
            name = job["metadata"]["name"]
            end = self.ends.setdefault(name, self.seconds + JOB_SECONDS)
            if job.get("status", {}).get("conditions") or self.seconds < end:
                continue
            labels = job["metadata"]["labels"]
            where = f"{labels.get('foretide.dev/job-node-class', CLASSES[0])}-1"
            result: Any = RESULTS[labels["foretide.dev/role"]]()
            self.api.put(PODS, pod_of(job, message=result, node_name=where))
            self.api.put(JOBS, _ended(job, now))


def _ended(job: Object, now: str) -> Object:
    done = ended(job)
    done["status"]["conditions"][0]["lastTransitionTime"] = now
    return done


def settled() -> Cluster:
    cluster = Cluster()
    cluster.work(10.0)  # the classes are probed
    cluster.api.writes = 0
    for number in range(WORKLOADS):
        cluster.api.put(AIWORKLOADS, workload_object(f"w{number}", profiling={"policy": "Always"}))
    cluster.work(90.0)
    return cluster


def test_each_pair_is_measured_once_one_after_the_other_with_at_most_six_writes() -> None:
    cluster = settled()
    roles = Counter(job["metadata"]["labels"]["foretide.dev/role"] for job in cluster.api.all(JOBS))
    pairs = WORKLOADS * len(CLASSES)
    assert roles == {"inspect": WORKLOADS, "profile": pairs, "probe": len(CLASSES)}
    assert len(cluster.api.all(WORKLOAD_PROFILES)) == pairs
    statuses = [item["status"]["profiles"] for item in cluster.api.all(AIWORKLOADS)]
    assert {(each["measured"], each["desired"]) for each in statuses} == {(len(CLASSES), len(CLASSES))}
    assert cluster.api.writes / pairs <= 6.0


def test_once_settled_nothing_is_written_and_by_a_new_operator_neither() -> None:
    cluster = settled()
    cluster.api.writes = 0
    cluster.work(130.0)
    assert cluster.api.writes == 0
    cluster.start()
    cluster.work(70.0)
    assert cluster.api.writes == 0
