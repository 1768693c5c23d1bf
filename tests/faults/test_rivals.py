"""What else takes places or keeps Pods from being made: another scheduler, Pods bound by hand, a quota."""

from __future__ import annotations

import json

import pytest

from foretide_kube.client import Object
from foretide_kube.names import AIWORKLOADS, JOBS
from tests.e2e.workloads import onnx_workload, put_file
from tests.faults.burst import Burst
from tests.faults.jobs import pod_of, task_job, ungate
from tests.faults.stage import Stage

pytestmark = pytest.mark.cluster

NODE = "edge-fast-1"
SLOTS = 2
FILLERS = 6


def test_tasks_are_done_while_another_scheduler_and_pods_bound_by_hand_take_their_places(stage: Stage) -> None:
    with Burst(stage) as burst:
        burst.give_own()
        burst.give_run()
        direct = task_job("direct", stage.workload(), tasks=SLOTS + 1)
        ungate(direct)
        pod_of(direct)["nodeName"] = NODE
        burst.give(direct)
        stage.installed.client.create(JOBS, fillers(), stage.namespace)
        burst.wait_complete()
        refused = [pod for pod in burst.pods("direct") if pod["status"]["phase"] == "Failed"]
        assert {pod["status"]["reason"] for pod in refused} == {"OutOfcpu"}
        burst.until("all fillers done", lambda: succeeded(stage, "fillers") == FILLERS)
        stage.installed.client.delete(JOBS, "fillers", stage.namespace)
        burst.check()


def test_a_quota_that_refuses_pods_delays_tasks_and_loses_none(stage: Stage, model: bytes) -> None:
    installed, namespace, name = stage.installed, "faults-quota", "limited"
    installed.namespace(namespace)
    put_file(installed.client, name, model, namespace)
    manifest = onnx_workload(name, model)
    manifest["spec"]["profiling"] = {"policy": "Never"}
    installed.client.create(AIWORKLOADS, manifest, namespace)
    with Stage.of(installed, namespace, name) as limited:
        installed.wait_condition(name, "Predicted", namespace, status="True")
        installed.cluster.kubectl("create", "quota", "tight", "--hard=pods=2", "-n", namespace)
        with Burst(limited) as burst:
            job = burst.give_run()
            burst.wait_complete()
            burst.check()
            refusals = [event for event in burst.events("FailedCreate") if event["involvedObject"]["name"] == job]
            assert "tight" in json.dumps(refusals)


def fillers() -> Object:
    """Pods that are no tasks, given to the cluster's own scheduler."""
    container = {
        "name": "filler",
        "image": "foretide/profiler:dev-onnx",
        "command": ["python3", "-c", "import time; time.sleep(5)"],
        "resources": {"limits": {"cpu": "1", "memory": "64Mi"}},
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "fillers"},
        "spec": {
            "completions": FILLERS,
            "parallelism": FILLERS,
            "template": {"spec": {"restartPolicy": "Never", "containers": [container]}},
        },
    }


def succeeded(stage: Stage, job: str) -> int:
    """How many Pods of a Job have succeeded."""
    count: int = stage.installed.client.get(JOBS, job, stage.namespace)["status"].get("succeeded", 0)
    return count
