"""Whatever the extender does, every Pod of our scheduler is bound, ours and others, and the metrics say what was."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from foretide_kube.client import Object
from foretide_kube.names import DEPLOYMENTS
from tests.faults import impostor
from tests.faults.burst import Burst
from tests.faults.crowd import crowd
from tests.faults.readings import (
    RESTARTED_SECONDS,
    bound_seconds,
    container_started_seconds,
    failed_probes,
    of_extender,
    placed,
)
from tests.faults.stage import Stage
from tests.installed import SYSTEM_NAMESPACE, say

pytestmark = pytest.mark.cluster

SCHEDULER = "foretide-scheduler"
TIMEOUT_SECONDS = 0.3
"""The scheduler's httpTimeout: a frozen extender costs each Pod two, filter and prioritize."""
SLACK_SECONDS = 2.0
"""Times that the API tells are whole seconds, and the first of several Pods waits until it is given."""


def roll_out(stage: Stage) -> None:
    """Wait until the scheduler's Deployment is as it should be."""
    stage.installed.cluster.kubectl(
        "rollout", "status", f"deployment/{SCHEDULER}", "-n", SYSTEM_NAMESPACE, "--timeout=120s"
    )


def wait_back(stage: Stage, restart_count: int) -> None:
    """Wait until the extender has been restarted so often and is ready."""

    def is_back() -> bool:
        status = stage.container("extender")
        return bool(status["restartCount"] >= restart_count and status["ready"])

    stage.installed.until(f"extender ready after {restart_count} restarts", is_back, every_seconds=0.1)


def test_a_frozen_extender_costs_each_pod_two_timeouts_until_its_probe_has_it_restarted(
    stage: Stage, crowd_workload: str
) -> None:
    before, failed_before, placed_before = stage.restarts(), failed_probes(stage, "Liveness"), placed(stage)
    started_before = of_extender(stage).total("process_start_time_seconds")
    frozen_seconds = time.time()
    with crowd(stage, "frozen") as pods, stage.hung("extender"):
        pods.give(crowd_workload, of_each=3, sorts=("ungated", "other"))
        pods.wait_bound()
        assert stage.restarts() == before, "restarted before all were bound"
        took_seconds = bound_seconds(pods.pods())
        say(f"frozen: {len(pods.given)} Pods bound after {took_seconds:.0f} s")
        assert took_seconds <= 2 * TIMEOUT_SECONDS * len(pods.given) + SLACK_SECONDS
        wait_back(stage, before["extender"] + 1)
        restarted_seconds = container_started_seconds(stage.container("extender")) - frozen_seconds
        say(f"frozen: extender running again after {restarted_seconds:.1f} s")
        assert restarted_seconds <= RESTARTED_SECONDS
        assert placed(stage) - placed_before == len(pods.given)
        assert of_extender(stage).total("process_start_time_seconds") > started_before
        assert failed_probes(stage, "Liveness") - failed_before >= 3
        assert stage.restarts() == before | {"extender": before["extender"] + 1}


def test_an_extender_that_is_restarted_again_and_again_loses_no_task(stage: Stage) -> None:
    first, before = stage.restarts()["extender"], stage.pod_of("extender")["metadata"]["uid"]
    with Burst(stage) as burst:
        burst.give_own()
        burst.give_run()
        burst.wait_under_way()
        for count in (1, 2):
            stage.kill("extender")
            wait_back(stage, first + count)
        stage.installed.cluster.kubectl("rollout", "restart", f"deployment/{SCHEDULER}", "-n", SYSTEM_NAMESPACE)
        burst.wait_complete()
        burst.check()
    roll_out(stage)
    assert stage.pod_of("extender")["metadata"]["uid"] != before


@pytest.fixture(scope="module")
def impostor_in_place(stage: Stage, crowd_workload: str) -> Iterator[str]:
    """Put a program with faults in the extender's place; yield the workload."""

    def command(words: list[str]) -> None:
        container = {"name": "extender", "command": words}
        patch: Object = {"spec": {"template": {"spec": {"containers": [container]}}}}
        stage.installed.client.patch(DEPLOYMENTS, SCHEDULER, patch, SYSTEM_NAMESPACE, patch_type="strategic")
        roll_out(stage)

    deployment = stage.installed.client.get(DEPLOYMENTS, SCHEDULER, SYSTEM_NAMESPACE)
    containers = deployment["spec"]["template"]["spec"]["containers"]
    (own,) = [each["command"] for each in containers if each["name"] == "extender"]
    command(["python", "-c", Path(impostor.__file__).read_text()])
    try:
        yield crowd_workload
    finally:
        command(own)


@pytest.mark.parametrize("fault", impostor.FAULTS)
def test_every_pod_is_bound_whatever_the_extender_answers(stage: Stage, impostor_in_place: str, fault: str) -> None:
    placed_before = placed(stage)
    with crowd(stage, fault.lower()) as pods:
        begin = time.monotonic()
        pods.give(impostor_in_place, of_each=2, labels={impostor.LABEL: fault})
        pods.wait_bound()
        say(f"{fault}: {len(pods.given)} Pods bound after {time.monotonic() - begin:.1f} s")
        calls = of_extender(stage)
        assert calls.total(impostor.CALLS, fault=fault, verb="filter") >= len(pods.given)
        assert calls.total(impostor.CALLS, fault=fault, verb="prioritize") >= len(pods.given)
        assert placed(stage) - placed_before == len(pods.given)
