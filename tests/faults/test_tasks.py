"""Tasks that fail, hang, lie, are held back or taken away, all in one burst: each tells, and no other suffers.

They are given at once and looked at one after the other; what must hold of all of them is looked at in the end.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import msgspec
import pytest

from foretide.prediction import PodPrediction
from foretide_kube.client import Object
from foretide_kube.kinds.aiworkload import AIWorkload
from foretide_kube.names import (
    ANNOTATION_INFERENCES,
    ANNOTATION_PLAN,
    ANNOTATION_PLANNED_NODE,
    ANNOTATION_PREDICTION,
    JOBS,
    Resource,
)
from foretide_kube.times import epoch_seconds
from tests.faults.burst import Burst, is_gated, is_running, plan_of
from tests.faults.jobs import mount_claim, pin, run_program, task_job, ungate
from tests.faults.stage import Stage

pytestmark = pytest.mark.cluster

VOLUMES = Resource("", "v1", "persistentvolumes", "PersistentVolume", namespaced=False)
CLAIMS = Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim")
CLAIM = "late"
FASTEST = "edge-fast"
NODES = {"edge-fast-1", "edge-slow-1", "edge-slow-2"}
OVERRUN = 10
LEAST_OVERRUN_SECONDS = 30.0
"""Longer than tasks without volume can keep the place beside it before they are left out for a while."""
FOLLOWING = 6
"""Tasks for the node where one overruns: more than the other slots there take before it should have ended."""
HOARD = "import os; os.environ['FAILURES'] == '0' and b'x' * (1 << 30)"
FOREVER = "2099-01-01T00:00:00.000Z"


def _interval(milliseconds: int) -> dict[str, int]:
    return {"lower": milliseconds, "median": milliseconds, "upper": milliseconds}


FORGED_PREDICTION = {
    "node": "edge-slow-1",
    "nodeClass": "edge-slow",
    "inferences": 1,
    "workMilliseconds": _interval(1),
    "startupMilliseconds": 1,
    "memoryBytes": 1,
    "source": "Measured",
    "modelVersion": "forged",
    "boundMilliseconds": 1,
}
FORGERIES = {
    "forged-prediction": {ANNOTATION_PREDICTION: json.dumps(FORGED_PREDICTION), ANNOTATION_PLANNED_NODE: "edge-slow-1"},
    "forged-node": {ANNOTATION_PLANNED_NODE: "no-such-node"},
    "forged-plan": {ANNOTATION_PLAN: json.dumps({"node": "edge-fast-1", "openedTime": FOREVER})},
    "forged-garbage": {ANNOTATION_PREDICTION: "{{{", ANNOTATION_PLAN: '"\x00"', ANNOTATION_INFERENCES: "-7"},
    "forged-size": {ANNOTATION_INFERENCES: "1000000000"},
}
HUGE_PREDICTION = json.dumps(FORGED_PREDICTION | {"boundMilliseconds": 10**400})
RESERVATION = {
    ANNOTATION_PREDICTION: HUGE_PREDICTION,
    ANNOTATION_PLANNED_NODE: "edge-fast-1",
    ANNOTATION_PLAN: json.dumps({"node": "edge-fast-1", "openedTime": FOREVER}),
}


@pytest.fixture(scope="module")
def burst(stage: Stage) -> Iterator[Burst]:
    """All of them, and ordinary tasks among them."""
    workload = stage.workload()
    with Burst(stage) as found:
        unbindable = task_job("volume", workload, tasks=1)
        reserving = task_job("reserving", workload, tasks=1, annotations=RESERVATION)
        ungate(reserving)
        for job in (unbindable, reserving):
            pin(job, FASTEST)
            mount_claim(job, CLAIM)
            found.give(job)
        found.until("the task without volume opened", lambda: opened_unbound(found, "volume"))
        overtaking = task_job("overtaking", workload, tasks=3)
        pin(overtaking, FASTEST)
        found.give(overtaking)
        hoarding = task_job("hoarding", workload, tasks=1)
        run_program(hoarding, HOARD)
        found.give(hoarding)
        found.give(overrunning(workload))
        found.until("the task that overruns", lambda: any(map(is_running, found.present("overrunning"))))
        following = task_job("following", workload, tasks=FOLLOWING)
        pin(following, FASTEST)
        found.give(following)
        for name, annotations in FORGERIES.items():
            found.give(task_job(name, workload, tasks=1, annotations=annotations))
        for name in ("halted", "deleted"):
            found.give(task_job(name, workload, tasks=3))
        for name in ("halted", "deleted"):
            wait_gated(found, name)
        suspend(found, "halted", suspended=True)
        found.stage.installed.client.delete(JOBS, "deleted", stage.namespace)
        found.forget("deleted")
        run = found.give_run()
        found.until("the run's tasks are there", lambda: found.present(run))
        found.suspend_run(suspend=True)
        yield found


def overrunning(workload: AIWorkload) -> Object:
    """A task that sleeps for ten times what is predicted for it, or longer."""
    (expected,) = [each for each in workload.status.predictions if each.node_class == FASTEST]
    job = task_job("overrunning", workload, tasks=1, annotations={ANNOTATION_INFERENCES: "1"})
    seconds = max(OVERRUN * expected.completion_seconds(1), LEAST_OVERRUN_SECONDS)
    run_program(job, f"import time; time.sleep({seconds:.1f})")
    pin(job, FASTEST)
    return job


def wait_gated(burst: Burst, job: str) -> None:
    """Wait until tasks of a Job wait for the planner."""
    burst.until(f"{job}: tasks that wait", lambda: any(is_gated(pod) for pod in burst.present(job)))


def opened_unbound(burst: Burst, job: str) -> list[Object]:
    """Pods of a Job that wait no longer for the planner and have no node."""
    return [pod for pod in burst.present(job) if not is_gated(pod) and not pod["spec"].get("nodeName")]


def test_a_job_deleted_while_its_tasks_wait_takes_them_along(burst: Burst) -> None:
    burst.until("no Pod of the deleted Job", lambda: not burst.present("deleted"))
    assert burst.pods("deleted")


def test_a_job_suspended_while_its_tasks_wait_is_done_once_after_it_is_resumed(burst: Burst) -> None:
    burst.until("no Pod of the suspended Job", lambda: not burst.present("halted"))
    suspend(burst, "halted", suspended=False)
    burst.wait_complete("halted")


def test_a_suspended_run_says_so_and_is_done_once_after_it_is_resumed(burst: Burst) -> None:
    burst.until("said to be suspended", lambda: burst.stage.condition("RunComplete")["reason"] == "Suspended")
    burst.suspend_run(suspend=False)
    burst.until("RunComplete", lambda: burst.stage.condition("RunComplete")["status"] == "True")


def test_a_task_that_is_killed_for_its_memory_is_done_in_another_try(burst: Burst) -> None:
    burst.wait_complete("hoarding")
    (killed,) = [pod for pod in burst.pods("hoarding") if pod["status"]["phase"] == "Failed"]
    assert killed["status"]["containerStatuses"][0]["state"]["terminated"]["reason"] == "OOMKilled"


def test_a_task_that_overruns_ten_times_its_prediction_is_waited_for_and_paired(burst: Burst) -> None:
    burst.wait_complete("overrunning", "following")
    (pod,) = burst.pods("overrunning")
    assert pod["status"]["phase"] == "Succeeded"
    overrun = overrun_of(pod)
    others = [*burst.pods("overtaking"), *burst.pods("following")]
    opened = [epoch_seconds(plan_of(each).opened_time) or 0.0 for each in others]
    assert any(overrun[0] < each < overrun[1] for each in opened), "others were opened while it overran"
    refused = {event["involvedObject"]["uid"] for event in burst.events("FailedScheduling")}
    assert not refused & {each["metadata"]["uid"] for each in others}, "none was opened for its slot before it ended"


def overrun_of(pod: Object) -> tuple[float, float]:
    """When a task should have ended by its prediction, and when it did, in seconds since the epoch."""
    prediction = msgspec.json.decode(pod["metadata"]["annotations"][ANNOTATION_PREDICTION], type=PodPrediction)
    work = prediction.startup_milliseconds + prediction.work_milliseconds.upper
    ended = epoch_seconds(pod["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"])
    assert ended is not None
    return (prediction.bound_milliseconds + work) / 1e3, ended


def test_tasks_without_a_volume_keep_no_slot_from_others_and_start_when_it_is_there(burst: Burst) -> None:
    burst.wait_complete("overtaking")
    assert [plan_of(pod).reason for pod in burst.pods("overtaking")] == ["", "", ""]  # none had to wait to its bound
    stuck = [*opened_unbound(burst, "volume"), *opened_unbound(burst, "reserving")]
    assert len(stuck) == 2
    told = {event["involvedObject"]["uid"]: event["message"] for event in burst.events("FailedScheduling")}
    assert all(CLAIM in told[pod["metadata"]["uid"]] for pod in stuck)
    make_claim(burst.stage)
    burst.wait_complete("volume", "reserving")


@pytest.mark.parametrize("name", FORGERIES)
def test_what_was_forged_on_a_waiting_task_is_overwritten(burst: Burst, name: str) -> None:
    burst.wait_complete(name)
    (pod,) = burst.pods(name)
    annotations = pod["metadata"]["annotations"]
    prediction = msgspec.json.decode(annotations[ANNOTATION_PREDICTION], type=PodPrediction)
    assert prediction.node == pod["spec"]["nodeName"]
    assert prediction.model_version != "forged"
    assert annotations[ANNOTATION_PLANNED_NODE] in NODES
    assert plan_of(pod).opened_time < FOREVER


def test_all_of_them_are_done_and_paired_once(burst: Burst) -> None:
    burst.wait_complete()
    burst.check()


def suspend(burst: Burst, job: str, *, suspended: bool) -> None:
    """Suspend a user's Job, or resume it."""
    burst.stage.installed.client.patch(JOBS, job, {"spec": {"suspend": suspended}}, burst.stage.namespace)


def make_claim(stage: Stage) -> None:
    """Provide the volume that was missing: a directory that every node has."""
    size = {"storage": "1Mi"}
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": CLAIM},
        "spec": {"capacity": size, "accessModes": ["ReadOnlyMany"], "hostPath": {"path": "/var/log"}},
    }
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": CLAIM},
        "spec": {
            "accessModes": ["ReadOnlyMany"],
            "storageClassName": "",
            "volumeName": CLAIM,
            "resources": {"requests": size},
        },
    }
    stage.installed.client.create(VOLUMES, volume)
    stage.installed.client.create(CLAIMS, claim, stage.namespace)
