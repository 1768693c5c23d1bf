"""What a run Job counts as the failure of a task, as kube-controller-manager applies `podFailurePolicy`."""

from __future__ import annotations

from typing import Any

import pytest

from foretide_operator.jobs import run_job
from tests.operator.cluster_objects import SETTINGS, workload

JOB = run_job(workload(run={"mode": "Job", "completions": 3}), SETTINGS)
SPEC = JOB["spec"]


def ended(exit_code: int, container: str = "profiler") -> dict[str, Any]:
    statuses = [{"name": container, "state": {"terminated": {"exitCode": exit_code}}}]
    return {
        "phase": "Failed",
        "conditions": [{"type": "PodScheduled", "status": "True"}],
        "containerStatuses": statuses,
    }


def disrupted(status: dict[str, Any]) -> dict[str, Any]:
    return {**status, "conditions": [*status["conditions"], {"type": "DisruptionTarget", "status": "True"}]}


REFUSED = {
    "phase": "Failed",
    "reason": "OutOfcpu",
    "message": "Pod was rejected: Node didn't have enough resource: cpu",
}


def action_on(status: dict[str, Any]) -> str:
    """The action of the first rule that matches; without one a failure is counted."""
    for rule in SPEC["podFailurePolicy"]["rules"]:
        for wanted in rule.get("onPodConditions", ()):
            if wanted in status.get("conditions", []):
                return str(rule["action"])
        codes = rule.get("onExitCodes")
        if codes is not None:
            assert codes["operator"] == "In"
            for container in status.get("containerStatuses", []):
                exit_code = container["state"]["terminated"]["exitCode"]
                if container["name"] == codes["containerName"] and exit_code in codes["values"]:
                    return str(rule["action"])
    return "Count"


@pytest.mark.parametrize(
    ("status", "action"),
    [
        (disrupted(ended(1)), "Ignore"),
        (disrupted(ended(2)), "Ignore"),
        (ended(2), "FailIndex"),
        (ended(2, container="injected"), "Count"),
        (ended(1), "Count"),
        (ended(137), "Count"),
        (REFUSED, "Count"),
    ],
)
def test_a_task_fails_at_once_only_where_no_other_try_can_go_better(status: dict[str, Any], action: str) -> None:
    assert action_on(status) == action


def test_a_task_that_nodes_refuse_is_tried_for_ten_minutes_before_it_fails() -> None:
    first_delay_seconds = 10  # of kube-controller-manager, doubled each time up to 600
    delays_seconds = [first_delay_seconds * 2**number for number in range(SPEC["backoffLimitPerIndex"])]
    assert max(delays_seconds) <= 600
    assert sum(delays_seconds) >= 600


def test_rules_name_a_container_of_the_pod_as_the_api_server_requires() -> None:
    names = {container["name"] for container in SPEC["template"]["spec"]["containers"]}
    named = {
        rule["onExitCodes"]["containerName"] for rule in SPEC["podFailurePolicy"]["rules"] if "onExitCodes" in rule
    }
    assert named
    assert named <= names
    assert SPEC["template"]["spec"]["restartPolicy"] == "Never"


def test_a_run_has_no_deadline() -> None:
    assert "activeDeadlineSeconds" not in SPEC
    assert "activeDeadlineSeconds" not in SPEC["template"]["spec"]
