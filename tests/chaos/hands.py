"""What users do meanwhile: Jobs given and deleted, runs started again, suspended, deleted and applied anew.

A user comes back until the API server has taken what was asked. An administrator helps as the documents say: a Pod that
stays Pending on a Ready node, as kubelet leaves one whose container was made and not yet started, is evicted.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Final, TypeVar

from foretide_kube.client import ApiError, Object
from foretide_kube.kinds import aiworkload
from foretide_kube.names import AIWORKLOADS, JOBS
from tests.chaos.arena import Arena
from tests.chaos.witness import Witness
from tests.e2e.workloads import onnx_workload, put_file
from tests.faults.burst import has_ended
from tests.faults.jobs import task_job

NAMESPACE: Final = "chaos"
RUNS: Final = ("runs-a", "runs-b", "runs-c")
"""AIWorkloads whose tasks the operator runs."""
OWNS: Final = ("own-a", "own-b")
"""AIWorkloads of users who bring their own Jobs."""

_MOST_OPEN_TASKS: Final = 14
_PAUSE_SECONDS: Final = (1.0, 5.0)
_STUCK_SECONDS: Final = 75.0
_WORK_MICROSECONDS: Final = 1_500_000
"""What a task is to take on the fastest class."""
_AGAIN_SECONDS: Final = 0.5

_T = TypeVar("_T")


@dataclass
class Hands:
    """Users at work: `begin`, then `work` on a thread of its own until `rest`."""

    arena: Arena
    witness: Witness
    model: bytes
    chances: random.Random
    inferences: int = 20
    deleted_owners: set[str] = field(default_factory=set)
    """UIDs of AIWorkloads that were deleted: what they ran is not missed."""
    deleted_jobs: set[str] = field(default_factory=set)
    """UIDs of users' Jobs that were deleted."""
    evicted: set[str] = field(default_factory=set)
    """UIDs of Pods that had to be evicted, because kubelet never started them."""
    actions: dict[str, int] = field(default_factory=dict)
    _completions: dict[str, int] = field(default_factory=dict)
    _numbers: count[int] = field(default_factory=lambda: count(1))
    _pending_seconds: dict[str, float] = field(default_factory=dict)
    _suspended: dict[str, float] = field(default_factory=dict)
    _stopped: threading.Event = field(default_factory=threading.Event)

    def begin(self) -> None:
        """Apply all workloads, and wait until the first tells how many inferences a task should have."""
        installed = self.arena.installed
        installed.namespace(NAMESPACE)
        put_file(self.arena.client, "model", self.model, NAMESPACE)
        for name in (*OWNS, *RUNS):
            self._apply(name)
        microseconds = installed.until(
            "measured predictions",
            lambda: min(
                (
                    each.work_microseconds_per_inference.median
                    for each in self._workload(OWNS[0]).status.predictions
                    if each.source == "Measured"
                ),
                default=None,
            ),
            timeout_seconds=300,
        )
        self.inferences = max(1, round(_WORK_MICROSECONDS / microseconds))
        for name in (*OWNS, *RUNS):
            self.arena.client.patch(AIWORKLOADS, name, {"spec": {"inferences": self.inferences}}, NAMESPACE)

    def work(self) -> None:
        """Do one thing after the other until `rest` is called; raises what the API server will never take."""
        while not self._stopped.wait(self.chances.uniform(*_PAUSE_SECONDS)):
            self.unstick()
            self._resume(only_if_due=True)
            acts = [self._run_again, self._reapply, self._suspend, self._change_inferences, self._delete_job]
            act = self._give_job if self._open_tasks() < _MOST_OPEN_TASKS else self.chances.choice(acts)
            if self.chances.random() < 0.4:
                act = self.chances.choice(acts[:1] * 3 + acts)
            if act():
                name = act.__name__.strip("_")
                self.actions[name] = self.actions.get(name, 0) + 1
        self._resume(only_if_due=False)

    def rest(self) -> None:
        """Have `work` end, which leaves nothing suspended."""
        self._stopped.set()

    def unstick(self) -> None:
        """Evict Pods that have been Pending on a Ready node for too long."""
        now_seconds = time.monotonic()
        pending = {
            pod["metadata"]["uid"]: pod
            for pod in self.witness.all_pods()
            if pod["metadata"]["namespace"] == NAMESPACE
            and pod["metadata"]["uid"] not in self.witness.gone | self.evicted
            and pod["status"].get("phase") == "Pending"
            and pod["spec"].get("nodeName")
        }
        self._pending_seconds = {uid: self._pending_seconds.get(uid, now_seconds) for uid in pending}
        for uid, since_seconds in self._pending_seconds.items():
            if now_seconds - since_seconds > _STUCK_SECONDS:
                self._evict(pending[uid])

    def _evict(self, pod: Object) -> None:
        name = pod["metadata"]["name"]
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": NAMESPACE}}
        try:
            self.arena.client.raw("POST", f"/api/v1/namespaces/{NAMESPACE}/pods/{name}/eviction", body=body)
        except ApiError:
            return  # next time
        self.evicted.add(pod["metadata"]["uid"])

    def _give_job(self) -> bool:
        owner = self.chances.choice(OWNS)
        workload = self._asked(lambda: self._workload(owner))
        job = task_job(f"{owner}-{next(self._numbers)}", workload, tasks=self.chances.randint(2, 5))
        self._create(JOBS, job)
        return True

    def _delete_job(self) -> bool:
        """A user thinks better of one in several of the Jobs that are under way."""
        under_way = [
            job
            for job in self.witness.all_jobs()
            if job["metadata"]["name"].startswith("own-")
            and job["metadata"]["uid"] not in self.witness.gone | self.deleted_jobs
            and "ownerReferences" not in job["metadata"]
            and "completionTime" not in job.get("status", {})
        ]
        if len(under_way) < 2:
            return False
        job = self.chances.choice(under_way)["metadata"]
        self.deleted_jobs.add(job["uid"])
        self._asked(lambda: self.arena.client.delete(JOBS, job["name"], NAMESPACE))
        return True

    def _run_again(self) -> bool:
        """Another run of a workload whose run is over."""
        name = self.chances.choice(RUNS)
        found = self._asked(lambda: self.arena.client.find(AIWORKLOADS, name, NAMESPACE))
        if found is None or name in self._suspended or not is_over(found):
            return False
        self._completions[name] += 1
        off: Object = {"spec": {"run": {"mode": "None", "completions": None}}}
        again: Object = {"spec": {"run": {"mode": "Job", "completions": self._completions[name]}}}
        self._asked(lambda: self.arena.client.patch(AIWORKLOADS, name, off, NAMESPACE))
        self._asked(lambda: self.arena.client.patch(AIWORKLOADS, name, again, NAMESPACE))
        return True

    def _reapply(self) -> bool:
        """A workload is deleted, whatever its tasks are about, and applied anew at once or a little later."""
        name = self.chances.choice(RUNS)
        found = self._asked(lambda: self.arena.client.find(AIWORKLOADS, name, NAMESPACE))
        if found is not None:
            self.deleted_owners.add(found["metadata"]["uid"])
        self._suspended.pop(name, None)
        self._asked(lambda: self.arena.client.delete(AIWORKLOADS, name, NAMESPACE))
        time.sleep(self.chances.choice((0.0, 0.0, 2.0)))
        self._apply(name)
        return True

    def _suspend(self) -> bool:
        name = self.chances.choice(RUNS)
        if name in self._suspended:
            return False
        self._suspended[name] = time.monotonic() + self.chances.uniform(3, 15)
        self._patch(name, {"suspend": True})
        return True

    def _resume(self, *, only_if_due: bool) -> None:
        for name, due_seconds in list(self._suspended.items()):
            if not only_if_due or time.monotonic() > due_seconds:
                self._patch(name, {"suspend": False})
                del self._suspended[name]

    def _change_inferences(self) -> bool:
        self._patch(self.chances.choice((*RUNS, *OWNS)), {"inferences": self._some_inferences()})
        return True

    def _some_inferences(self) -> int:
        return max(1, round(self.inferences * self.chances.uniform(0.5, 1.5)))

    def _apply(self, name: str) -> None:
        manifest = onnx_workload(name, self.model)
        manifest["spec"]["model"]["file"]["volume"]["configMap"]["name"] = "model"
        manifest["spec"]["inferences"] = self._some_inferences()
        if name in RUNS:
            self._completions[name] = self.chances.randint(2, 5)
            manifest["spec"]["run"] = {"mode": "Job", "completions": self._completions[name]}
        self._create(AIWORKLOADS, manifest)

    def _create(self, resource: object, body: Object) -> None:
        def create() -> None:
            try:
                self.arena.client.create(resource, body, NAMESPACE)  # type: ignore[arg-type]
            except ApiError as error:
                if not error.is_already_there:  # the answer to the first request was lost
                    raise

        self._asked(create)

    def _patch(self, name: str, spec: Object) -> None:
        self._asked(lambda: self.arena.client.patch(AIWORKLOADS, name, {"spec": spec}, NAMESPACE))

    def _workload(self, name: str) -> aiworkload.AIWorkload:
        return aiworkload.parse(self.arena.client.get(AIWORKLOADS, name, NAMESPACE))

    def _open_tasks(self) -> int:
        return sum(
            not has_ended(pod)
            for pod in self.witness.all_pods()
            if pod["metadata"]["namespace"] == NAMESPACE and pod["metadata"]["uid"] not in self.witness.gone
        )

    @staticmethod
    def _asked(ask: Callable[[], _T]) -> _T:
        """What the API server answers, once it does; raises ApiError for what it will never take."""
        while True:
            try:
                return ask()
            except ApiError as error:
                if not (error.is_transient or error.is_conflict):
                    raise
                time.sleep(_AGAIN_SECONDS)


def is_over(workload: Object) -> bool:
    """Whether an AIWorkload says of its present specification that its run is complete."""
    rows = workload.get("status", {}).get("conditions", [])
    return any(
        row["type"] == "RunComplete"
        and row["status"] == "True"
        and row.get("observedGeneration") == workload["metadata"]["generation"]
        for row in rows
    )
