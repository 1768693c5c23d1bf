"""A node is lost or emptied in the middle of a burst: its tasks are done again, there or elsewhere."""

from __future__ import annotations

import pytest

from foretide_kube.client import Object
from foretide_kube.names import EVENTS, NODE_CLASSES
from tests.faults.burst import Burst, has_ended, is_running
from tests.faults.jobs import pin, run_program, task_job
from tests.faults.stage import Stage

pytestmark = pytest.mark.cluster

NODE = "edge-fast-1"
NODE_CLASS = "edge-fast"


def test_tasks_of_a_node_that_lost_its_power_are_done_again(stage: Stage) -> None:
    with Burst(stage) as burst:
        lasting = task_job("lasting", stage.workload(), tasks=1)
        run_program(lasting, "import os, time; os.environ['FAILURES'] == '0' and time.sleep(600)")
        pin(lasting, NODE_CLASS)
        burst.give(lasting)
        burst.give_own()
        burst.give_run()
        burst.wait_under_way()
        burst.until("the lasting task under way, and none about to start", lambda: has_only_running(burst))
        stage.node(NODE).power_cut()
        try:
            wait_ready_nodes(stage, 0)
            selected = stage.installed.condition(NODE_CLASSES, NODE_CLASS, "NodesSelected")
            assert selected["message"].startswith("0 of 1 nodes")
        finally:
            stage.node(NODE).power_on()
        burst.wait_complete()
        burst.check()
        told = stage.installed.client.list_objects(EVENTS, "default", field_selector=f"involvedObject.name={NODE}")
        assert "NodeNotReady" in {event["reason"] for event in told}
        assert sorted(pod["status"]["phase"] for pod in burst.pods("lasting")) == ["Failed", "Succeeded"]
        wait_ready_nodes(stage, 1)


def test_tasks_of_a_drained_node_are_done_elsewhere(stage: Stage) -> None:
    kubectl = stage.installed.cluster.kubectl
    with Burst(stage) as burst:
        burst.give_own()
        burst.give_run()
        burst.wait_under_way()
        burst.until(f"tasks on {NODE}", lambda: burst.running_on(NODE))
        try:
            kubectl("drain", NODE, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=60s")
            drained = {pod["metadata"]["uid"] for pod in burst.pods() if pod["spec"].get("nodeName") == NODE}
            burst.wait_complete()
        finally:
            kubectl("uncordon", NODE)
        burst.check()
        assert any(is_evicted(pod) for pod in burst.pods())
        later = {pod["metadata"]["uid"] for pod in burst.pods() if pod["spec"].get("nodeName") == NODE} - drained
        assert not later


def has_only_running(burst: Burst) -> bool:
    """Whether tasks run on the node and none is being started there.

    A Pod that is never restarted and whose container was created and not started when the power went stays Pending for
    good, by kubelet's own rules.
    """
    there = [pod for pod in burst.present() if pod["spec"].get("nodeName") == NODE and not has_ended(pod)]
    return any(map(is_running, burst.present("lasting"))) and all(map(is_running, there))


def wait_ready_nodes(stage: Stage, count: int) -> None:
    """Wait until the class of the node says how many of its nodes are Ready."""

    def is_said() -> bool:
        node_class = stage.installed.client.get(NODE_CLASSES, NODE_CLASS)
        return bool(node_class["status"]["nodes"]["ready"] == count)

    stage.installed.until(f"{count} nodes of {NODE_CLASS} Ready", is_said)


def is_evicted(pod: Object) -> bool:
    """Whether a Pod was evicted, as a drain does."""
    rows = pod["status"].get("conditions", [])
    return any(row["type"] == "DisruptionTarget" and row["status"] == "True" for row in rows)
