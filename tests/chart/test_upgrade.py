"""Upgrade, rollback and uninstall on real nodes with tasks that run and tasks that wait: none of them notices.

The former chart is made of the present one, and `former` says what differs. The release is helm 3's first, then helm
4's. Each test begins with what the one before it left.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from devcluster import Cluster, ClusterSpec
from examples.models import make_onnx
from foretide_kube.client import Object
from foretide_kube.names import (
    AIWORKLOADS,
    COMPLETION_TIME_MODELS,
    DEPLOYMENTS,
    GATE_PLAN,
    JOBS,
    LABEL_ROLE,
    LEASES,
    NODE_CLASSES,
    PODS,
    WORKLOAD_PROFILES,
)
from tests.audit import calls
from tests.chart.former import NEW_FIELD, VERSION, former_chart
from tests.chart.rendering import CHART, ROOT
from tests.chart.rights import OPERATOR, SCHEDULER
from tests.e2e.workloads import onnx_service, onnx_workload, put_file
from tests.installed import SYSTEM_NAMESPACE, Installed, install, say

pytestmark = pytest.mark.cluster
NAMESPACE = "team"
NODES = {"system", "edge-fast-1"}
ENDED, LONG, SERVED, SHORT = "ended", "long", "served", "short"
DONE, WAITING = 3, 2
"""Tasks that have ended, and that wait."""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """The former chart on a cluster of one node for tasks, and one for what the chart brings."""
    spec = ClusterSpec.load(ROOT / "devcluster" / "clusters" / "test.yaml")
    nodes = tuple(node for node in spec.nodes if node.name in NODES)
    spec = replace(spec, name="tests-upgrade", nodes=nodes, audit=True)
    images = ["operator", "extender", "profiler-onnx", "kube-scheduler"]
    with Cluster.up(spec, images=images, progress=say, replace=True) as cluster:
        yield install(cluster, chart=former_chart(tmp_path_factory.mktemp("former")))


@pytest.fixture(scope="module")
def busy(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Object:
    """What is there once tasks ended, a long one and a service fill the node's memory, and others wait for theirs."""
    installed.namespace(NAMESPACE)
    content = make_onnx.build(tmp_path_factory.mktemp("models"))["edge-cnn"].read_bytes()
    limits = {"cpu": "1", "memory": "512Mi"}
    workloads = {name: onnx_workload(name, content, limits=limits) for name in (ENDED, LONG, SHORT)}
    workloads[SERVED] = onnx_service(SERVED, content)
    never: Object = {"profiling": {"policy": "Never"}, "suspend": True}
    large: Object = {**never, "resources": {"limits": {"cpu": "200m", "memory": "1300Mi"}}}
    workloads[ENDED]["spec"] |= {"run": {"mode": "Job", "completions": DONE}}
    workloads[LONG]["spec"] |= {**large, "inferences": 1_000_000, "run": {"mode": "Job"}}
    workloads[SERVED]["spec"] |= large
    workloads[SHORT]["spec"] |= {**never, "maxWaitSeconds": 3600, "run": {"mode": "Job", "completions": WAITING}}
    once: Object = {"spec": {"retrainAfterSeconds": 86_400}}
    installed.until("the model of the cluster", lambda: installed.client.find(COMPLETION_TIME_MODELS, "default"))
    installed.client.patch(COMPLETION_TIME_MODELS, "default", once)
    for name, manifest in workloads.items():
        put_file(installed.client, name, content, NAMESPACE)
        installed.client.create(AIWORKLOADS, manifest, NAMESPACE)
    installed.until("a model that predicts", lambda: all(map(is_informed, statuses(installed).values())))
    installed.until(
        "the ended tasks paired", lambda: statuses(installed)[ENDED].get("actuals", {}).get("count") == DONE
    )
    for name in (LONG, SERVED):
        installed.client.patch(AIWORKLOADS, name, {"spec": {"suspend": False}}, NAMESPACE)
    installed.until("a task and a service at work", lambda: len(working(installed)) == 2)
    installed.wait_condition(SERVED, "Available", NAMESPACE, status="True")
    installed.client.patch(AIWORKLOADS, SHORT, {"spec": {"suspend": False}}, NAMESPACE)
    installed.until("tasks behind their gates", lambda: len(gated(installed)) == WAITING)
    settle(installed)
    return there(installed)


def run_pods(installed: Installed) -> list[Object]:
    return installed.client.list_objects(PODS, NAMESPACE, label_selector=f"{LABEL_ROLE}=run")


def working(installed: Installed) -> dict[str, Any]:
    """The containers that run, with how often each was started, by the names of their Pods."""
    return {
        pod["metadata"]["name"]: [
            (each["containerID"], each["restartCount"]) for each in pod["status"]["containerStatuses"]
        ]
        for pod in run_pods(installed)
        if pod["status"]["phase"] == "Running"
    }


def gated(installed: Installed) -> set[str]:
    """The identities of Pods that wait behind our gate."""
    gate = {"name": GATE_PLAN}
    return {pod["metadata"]["uid"] for pod in run_pods(installed) if gate in pod["spec"].get("schedulingGates", [])}


def statuses(installed: Installed) -> dict[str, Object]:
    """Those of the workloads."""
    return {item["metadata"]["name"]: item.get("status", {}) for item in installed.client.list_objects(AIWORKLOADS)}


def is_informed(status: Object) -> bool:
    """Whether a workload's predictions rest on a measurement or the model."""
    sources = {row["source"] for row in status.get("predictions", [])}
    return bool(sources) and sources <= {"Measured", "Learned"}


def found_out(installed: Installed) -> Object:
    """What stands in the status of workloads, classes and the model, and which measurements there are."""
    told = statuses(installed).items()
    return {
        "signatures": {name: status["signature"] for name, status in told},
        "conditions": {
            name: {(row["type"], row["status"], row["lastTransitionTime"]) for row in status["conditions"]}
            for name, status in told
        },
        "predicted by": {
            name: {(row["nodeClass"], row["source"]) for row in status["predictions"]} for name, status in told
        },
        "actuals": {name: status.get("actuals") for name, status in told},
        "probes": [item["status"]["probe"] for item in installed.client.list_objects(NODE_CLASSES)],
        "model": installed.client.get(COMPLETION_TIME_MODELS, "default")["status"]["activeVersion"],
        "profiles": [item["metadata"]["uid"] for item in installed.client.list_objects(WORKLOAD_PROFILES)],
    }


def there(installed: Installed) -> Object:
    """All that no upgrade may touch."""
    return {"working": working(installed), "gated": gated(installed), **found_out(installed)}


def settle(installed: Installed) -> None:
    """Wait until the operator has looked at what is given to it now, and a planner leads that is of its Pod."""
    for name in (LONG, SERVED, SHORT):
        spec = installed.client.get(AIWORKLOADS, name, NAMESPACE)["spec"]
        wait_seconds = spec.get("maxWaitSeconds", 3600) + 1
        installed.client.patch(AIWORKLOADS, name, {"spec": {"maxWaitSeconds": wait_seconds}}, NAMESPACE)

    def is_seen(item: Object) -> bool:
        return bool(item["status"]["observedGeneration"] == item["metadata"]["generation"])

    installed.until("the operator at work", lambda: all(map(is_seen, installed.client.list_objects(AIWORKLOADS))))
    (pod,) = (
        pod["metadata"]["uid"]
        for pod in installed.client.list_objects(
            PODS, SYSTEM_NAMESPACE, label_selector="app.kubernetes.io/component=operator"
        )
    )

    def leads() -> bool:
        return pod in installed.client.get(LEASES, "foretide-planner", SYSTEM_NAMESPACE)["spec"]["holderIdentity"]

    installed.until("the planner leads", leads)


def version(installed: Installed) -> str:
    """Which version the operator's Pod is of."""
    deployment = installed.client.get(DEPLOYMENTS, "foretide-operator", SYSTEM_NAMESPACE)
    label: str = deployment["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/version"]
    return label


def knows_new_field(installed: Installed) -> bool:
    return NEW_FIELD in installed.cluster.kubectl("get", "crd", "aiworkloads.foretide.dev", "-o", "json")


def helm(installed: Installed, *words: str, program: str = "helm") -> None:
    """As the how-to says, waiting until all is available."""
    command = (*words, "--namespace", SYSTEM_NAMESPACE, "--wait", "--timeout", "4m")
    installed.cluster.helm(*command, program=program)


UPGRADE = ("upgrade", "foretide", str(CHART), "--reset-then-reuse-values")


def test_an_upgrade_touches_nothing_that_runs_or_waits_and_brings_the_definitions(
    installed: Installed, busy: Object
) -> None:
    assert (version(installed), knows_new_field(installed)) == (VERSION, False)
    helm(installed, *UPGRADE)
    settle(installed)
    assert version(installed) != VERSION
    assert knows_new_field(installed)
    assert there(installed) == busy


def test_a_rollback_touches_nothing_either_and_takes_the_definitions_back(installed: Installed, busy: Object) -> None:
    helm(installed, "rollback", "foretide")
    settle(installed)
    assert (version(installed), knows_new_field(installed)) == (VERSION, False)
    assert there(installed) == busy


def test_helm_4_upgrades_what_helm_3_installed(installed: Installed, busy: Object) -> None:
    helm(installed, *UPGRADE, program="helm4")
    settle(installed)
    assert version(installed) != VERSION
    assert knows_new_field(installed)
    assert there(installed) == busy


def test_no_call_was_forbidden_while_roles_were_changed(installed: Installed) -> None:
    made = calls(installed.cluster.audit_log, {OPERATOR, SCHEDULER})
    assert {call.right.account for call in made} == {OPERATOR, SCHEDULER}
    refused = [call for call in made if call.is_forbidden or call.refusal]
    assert sorted(f"{call.right} by {call.agent}: {call.refusal}" for call in refused) == []


def test_an_uninstall_opens_the_gates_of_what_waits_and_leaves_work_and_workloads(
    installed: Installed, busy: Object
) -> None:
    assert len(gated(installed)) == WAITING
    helm(installed, "uninstall", "foretide", program="helm4")
    assert there(installed) == {**busy, "gated": set()}
    assert {pod["metadata"]["uid"] for pod in run_pods(installed)} >= busy["gated"]


def test_what_waited_at_the_uninstall_is_done_once_the_chart_is_there_again(installed: Installed, busy: Object) -> None:
    install(installed.cluster, program="helm4")
    installed.client.patch(AIWORKLOADS, SERVED, {"spec": {"suspend": True}}, NAMESPACE)
    installed.wait_condition(SHORT, "RunComplete", NAMESPACE, status="True")
    done = {pod["metadata"]["uid"] for pod in run_pods(installed) if pod["status"]["phase"] == "Succeeded"}
    assert done >= busy["gated"]
    long = [name for name in working(installed) if name.startswith(LONG)]
    assert {name: working(installed)[name] for name in long} == {name: busy["working"][name] for name in long}
    counts = {
        job["metadata"]["name"]: (job["status"].get("succeeded", 0), job["status"].get("failed", 0))
        for job in installed.client.list_objects(JOBS, NAMESPACE, label_selector=f"{LABEL_ROLE}=run")
    }
    assert sorted(counts.values()) == [(0, 0), (WAITING, 0), (DONE, 0)], json.dumps(counts)
    assert found_out(installed)["profiles"] == busy["profiles"]
