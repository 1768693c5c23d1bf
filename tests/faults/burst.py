"""A burst of tasks that is followed to its end, and what must hold then, whatever went wrong meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import msgspec
import pytest

from foretide_kube.client import Object
from foretide_kube.names import (
    AIWORKLOADS,
    ANNOTATION_PAIRED,
    ANNOTATION_PLAN,
    EVENTS,
    GATE_PLAN,
    JOBS,
    LABEL_NODE_CLASS,
    NODES,
)
from foretide_kube.pod_plan import PodPlan
from foretide_operator.pairing.ended import read_ended
from tests.faults.jobs import pod_of, run_job_name, task_job
from tests.faults.stage import Stage

OWN_TASKS = 6
_JOB_NAME = "batch.kubernetes.io/job-name"
_INDEX = "batch.kubernetes.io/job-completion-index"


class Burst:
    """Jobs of tasks that are given at about the same time; a context that leaves nothing behind."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self._client = stage.installed.client
        self._tasks_of: dict[str, int] = {}
        self._without_gate: set[str] = set()
        self._forgotten: set[str] = set()
        self._run = ""
        self._of_earlier_bursts = frozenset(stage.pods.seen)
        self._counted_before = self._counted()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    def give(self, job: Object) -> str:
        """Create a user's Job; its name."""
        self._client.create(JOBS, job, self.stage.namespace)
        name: str = job["metadata"]["name"]
        self._tasks_of[name] = job["spec"]["completions"]
        if "schedulingGates" not in pod_of(job):
            self._without_gate.add(name)
        return name

    def give_own(self, name: str = "own", tasks: int = OWN_TASKS) -> str:
        """Create a user's Job of ordinary tasks; its name."""
        return self.give(task_job(name, self.stage.workload(), tasks=tasks))

    def give_run(self) -> str:
        """Have the operator run tasks; the name of its Job."""
        count = next(self.stage.run_tasks)
        self._patch_workload({"run": {"mode": "Job", "completions": count}})
        self._run = run_job_name(self.stage.workload())
        self._tasks_of[self._run] = count
        return self._run

    def forget(self, name: str) -> None:
        """Expect nothing more of a Job: it was deleted. What it had already begun may still succeed and be counted."""
        del self._tasks_of[name]
        self._forgotten.add(name)

    def pods(self, job: str = "") -> list[Object]:
        """Every Pod of the burst, or of one of its Jobs, as it was last seen; those that are deleted included."""
        jobs = {job} if job else self._tasks_of.keys()
        return [
            pod
            for pod in self.stage.pods.all()
            if pod["metadata"]["labels"].get(_JOB_NAME) in jobs
            and pod["metadata"]["uid"] not in self._of_earlier_bursts
        ]

    def present(self, job: str = "") -> list[Object]:
        """The Pods of the burst, or of one of its Jobs, that are there."""
        return [pod for pod in self.pods(job) if pod["metadata"]["uid"] not in self.stage.pods.gone]

    def running_on(self, node: str) -> list[Object]:
        """The Pods that run on a node now."""
        return [pod for pod in self.present() if is_running(pod) and pod["spec"].get("nodeName") == node]

    def until(self, what: str, look: Callable[[], Any], *, timeout_seconds: float = 120.0) -> Any:
        """What ``look`` returns once it is true."""
        return self.stage.installed.until(what, look, timeout_seconds=timeout_seconds, every_seconds=0.2)

    def wait_under_way(self) -> None:
        """Wait until tasks run while others wait for their turn."""

        def is_under_way() -> bool:
            pods = self.present()
            is_whole = len(pods) >= sum(self._tasks_of.values())
            return is_whole and any(map(is_running, pods)) and sum(map(is_gated, pods)) >= 2

        self.until("a burst under way", is_under_way)

    def wait_complete(self, *names: str, timeout_seconds: float = 180.0) -> None:
        """Wait until the Jobs of these names, or all, are complete; fails at once where one has failed."""
        for name in names or self._tasks_of:

            def is_complete(name: str = name) -> bool:
                job = self._client.find(JOBS, name, self.stage.namespace)
                rows = (job or {}).get("status", {}).get("conditions", [])
                ended = {row["type"]: row for row in rows if row["status"] == "True"}
                if "Failed" in ended:
                    pytest.fail(f"Job {name}: {ended['Failed']}\n{self.stage.installed.describe()}")
                return "Complete" in ended

            self.until(f"Job {name} complete", is_complete, timeout_seconds=timeout_seconds)

    def events(self, reason: str = "") -> list[Object]:
        """Events of the namespace, or those of one reason."""
        found = self._client.list_objects(EVENTS, self.stage.namespace)
        return [event for event in found if reason in {"", event["reason"]}]

    def check(self, *, all_predicted: bool = True) -> None:
        """What must hold at the end of every burst.

        Each index of each Job has succeeded once; no gate remains; every Pod that has ended is paired, once; each
        that waited tells how it came to start; nobody but us is left. ``all_predicted`` says that no prediction may
        be missing: where the planner itself was the victim, the tasks that started meanwhile have none.
        """
        for name in self._tasks_of:
            self._check_indexes(name)
        if self._run:
            self._check_condition(self._tasks_of[self._run])
        assert not [pod["metadata"]["name"] for pod in self.present() if is_gated(pod)]
        self.until(
            "every Pod that has ended paired", lambda: all(is_paired(pod) for pod in self.present() if has_ended(pod))
        )
        self._check_count(all_predicted=all_predicted)
        self._check_told()

    def remove(self) -> None:
        """Delete what the burst made, and wait until all of it is gone."""
        self._patch_workload({"run": {"mode": "None", "completions": None}, "suspend": False})
        for name in self._tasks_of:
            self._client.delete(JOBS, name, self.stage.namespace)
        self.until("nothing left behind", lambda: not self.present())

    def suspend_run(self, *, suspend: bool) -> None:
        """Suspend what the operator runs, or resume it."""
        self._patch_workload({"suspend": suspend})

    def _patch_workload(self, spec: Object) -> None:
        self._client.patch(AIWORKLOADS, self.stage.workload_name, {"spec": spec}, self.stage.namespace)

    def _check_indexes(self, name: str) -> None:
        tasks = self._tasks_of[name]
        status = self._client.get(JOBS, name, self.stage.namespace)["status"]
        assert status["succeeded"] == tasks
        assert status["completedIndexes"] == (f"0-{tasks - 1}" if tasks > 2 else ",".join(map(str, range(tasks))))
        self.until("all Pods that succeeded seen", lambda: len(self._succeeded_indexes(name)) >= tasks)
        assert sorted(self._succeeded_indexes(name)) == [str(index) for index in range(tasks)]

    def _check_condition(self, tasks: int) -> None:
        """The workload says that its run is over, and how it went."""
        said = ("True", "TasksSucceeded", f"{tasks} of {tasks} tasks succeeded")

        def is_said() -> bool:
            row = self.stage.condition("RunComplete")
            return (row["status"], row["reason"], row["message"]) == said

        self.until(f"RunComplete: {said}", is_said)

    def _succeeded_indexes(self, name: str) -> list[str]:
        return [pod["metadata"]["annotations"][_INDEX] for pod in self.pods(name) if has_succeeded(pod)]

    def _check_count(self, *, all_predicted: bool) -> None:
        """As many tasks were counted as have succeeded with a prediction that fits them.

        A Pod that was taken away while it ran may have succeeded on its way out: whether it was there for long enough
        to be counted shows only in its mark, and in neither where it went before it could be marked.
        """
        workload = self.stage.workload()
        classes = {
            node["metadata"]["name"]: node["metadata"]["labels"].get(LABEL_NODE_CLASS)
            for node in self._client.list_objects(NODES)
        }
        jobs = ["", *self._forgotten]
        succeeded = [pod for name in jobs for pod in self.pods(name) if has_succeeded(pod)]
        vanished = [pod for pod in succeeded if not is_paired(pod) and "deletionTimestamp" in pod["metadata"]]
        endings = {
            pod["metadata"]["name"]: read_ended(
                pod, workload, classes[pod["spec"]["nodeName"]], workload.status.signature
            )
            for pod in succeeded
            if is_paired(pod)
        }
        missing = {name: (ended.ending, ended.reason) for name, ended in endings.items() if ended.ending != "Paired"}
        assert not (missing and all_predicted), missing
        expected = self._counted_before + len(endings) - len(missing)
        self.until(f"{expected} tasks counted", lambda: self._counted() >= expected, timeout_seconds=30)
        assert expected <= self._counted() <= expected + len(vanished)

    def _counted(self) -> int:
        actuals = self.stage.workload().status.actuals
        return 0 if actuals is None else actuals.count

    def _check_told(self) -> None:
        """Each Pod that waited says when its gate was opened, or that it was opened without a plan."""
        told = {event["involvedObject"].get("uid") for event in self.events("GateOpenedWithoutPlan")}
        untold = [
            pod["metadata"]["name"]
            for name in self._tasks_of.keys() - self._without_gate
            for pod in self.pods(name)
            if has_succeeded(pod) and not plan_of(pod).opened_time and pod["metadata"]["uid"] not in told
        ]
        assert not untold


def is_running(pod: Object) -> bool:
    """Whether a Pod's containers run."""
    return bool(pod["status"].get("phase") == "Running")


def is_gated(pod: Object) -> bool:
    """Whether our gate keeps a Pod."""
    return any(gate["name"] == GATE_PLAN for gate in pod["spec"].get("schedulingGates", []))


def has_succeeded(pod: Object) -> bool:
    """Whether a Pod has done its task."""
    return bool(pod["status"].get("phase") == "Succeeded")


def has_ended(pod: Object) -> bool:
    """Whether nothing more comes of a Pod."""
    return bool(pod["status"].get("phase") in {"Succeeded", "Failed"})


def is_paired(pod: Object) -> bool:
    """Whether a Pod that has ended was held against its prediction."""
    return ANNOTATION_PAIRED in pod["metadata"].get("annotations", {})


def plan_of(pod: Object) -> PodPlan:
    """What the planner wrote on a Pod; an empty plan where it wrote nothing."""
    text: str = pod["metadata"].get("annotations", {}).get(ANNOTATION_PLAN, "{}")
    return msgspec.json.decode(text, type=PodPlan)
