"""The chart in external mode for chosen namespaces, on real nodes: no call is forbidden there, no right is for nothing.

The end-to-end suite judges the usual installation so. Here one is judged that differs in both; with one of the two
alone the rights are the same but for whose they are or where they hold.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from devcluster import Cluster, ClusterSpec
from examples.models import make_onnx
from foretide_kube.client import Object
from foretide_kube.names import (
    AIWORKLOADS,
    CONFIG_MAPS,
    DEPLOYMENTS,
    EVENTS,
    GATE_PLAN,
    JOBS,
    LABEL_ROLE,
    LABEL_WORKLOAD,
    LEASES,
    PODS,
    RESOURCE_TASK,
    WORKLOAD_PROFILES,
)
from foretide_operator.config_maps import config_map
from foretide_operator.training import artefacts
from tests.audit import Call, Right, calls, rights
from tests.chart.rendering import ROOT, render
from tests.chart.rights import OPERATOR, SCHEDULER
from tests.e2e.workloads import onnx_service, onnx_workload, put_file
from tests.extender.authority import Authority
from tests.extender.own_scheduler import scheduler
from tests.installed import SYSTEM_NAMESPACE, VALUES, Installed, install, say

NAMESPACE = "team"
WATCHED = {NAMESPACE, SYSTEM_NAMESPACE}
EXTENDER = f"system:serviceaccount:{SYSTEM_NAMESPACE}:foretide-extender"
MOUNTED = "foretide-tls"
EXTERNAL = ("scheduler.mode=external", f"scheduler.external.tlsSecret={MOUNTED}")
CHOSEN = (f"watchNamespaces={{{NAMESPACE}}}",)
CLUSTER_NODES = {"system", "edge-fast-1"}


def given(*values: str) -> set[Right]:
    """The rights of our accounts, but for those that Kubernetes keeps for every kube-scheduler."""
    return rights(render(*values, files=(VALUES,)).all.values(), {OPERATOR, SCHEDULER, EXTENDER})


def test_modes_give_the_same_rights_to_another_account_or_in_other_places() -> None:
    everywhere = given()

    def of_extender(found: set[Right]) -> set[Right]:
        return {right._replace(account=EXTENDER) if right.account == SCHEDULER else right for right in found}

    def anywhere(found: set[Right]) -> set[Right]:
        return {right._replace(namespace="") for right in found}

    assert given(*EXTERNAL) == of_extender(everywhere)
    assert given(*EXTERNAL, *CHOSEN) == of_extender(given(*CHOSEN))
    asked = {Right(account, "get", "namespaces", name=each) for account in (OPERATOR, SCHEDULER) for each in WATCHED}
    assert anywhere(given(*CHOSEN)) == anywhere(everywhere) | asked


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """The chart, and the cluster's own scheduler as its notes say."""
    spec = ClusterSpec.load(ROOT / "devcluster" / "clusters" / "test.yaml")
    nodes = tuple(node for node in spec.nodes if node.name in CLUSTER_NODES)
    spec = replace(spec, name="tests-modes", nodes=nodes, audit=True)
    folder = tmp_path_factory.mktemp("external")
    authority = Authority(folder / "authority")
    files = authority.server()
    images = ["operator", "extender", "profiler-onnx"]
    with ExitStack() as stack:
        cluster = stack.enter_context(Cluster.up(spec, images=images, progress=say, replace=True))
        for name in WATCHED:
            cluster.kubectl("create", "namespace", name)
        contents = (f"tls.crt={files.certificate}", f"tls.key={files.key}", f"ca.crt={files.client_authority}")
        words = (f"--from-file={each}" for each in contents)
        cluster.kubectl("create", "secret", "generic", MOUNTED, "-n", SYSTEM_NAMESPACE, *words)
        found = install(cluster, *(word for value in (*EXTERNAL, *CHOSEN) for word in ("--set", value)))
        extender, _ = found.client.list_objects(
            PODS, SYSTEM_NAMESPACE, label_selector="app.kubernetes.io/component=extender"
        )
        port = stack.enter_context(cluster.forward(extender["status"]["podIP"], 8888))
        stack.enter_context(cluster.without("kube-scheduler"))
        stack.enter_context(scheduler(cluster, folder, port, authority, http_timeout="300ms", name="default-scheduler"))
        yield found


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return make_onnx.build(tmp_path_factory.mktemp("models"))["edge-cnn"].read_bytes()


@pytest.mark.cluster
def test_tasks_are_planned_and_placed_by_the_cluster_s_own_scheduler(installed: Installed, model: bytes) -> None:
    put_file(installed.client, "tasks", model, NAMESPACE)
    manifest = onnx_workload("tasks", model)
    manifest["spec"] |= {"run": {"mode": "Job", "completions": 2}, "suspend": True}
    installed.client.create(AIWORKLOADS, manifest, NAMESPACE)
    installed.wait_condition("tasks", "Profiled", NAMESPACE, status="True")
    installed.client.patch(AIWORKLOADS, "tasks", {"spec": {"suspend": False}}, NAMESPACE)
    installed.wait_condition("tasks", "RunComplete", NAMESPACE, status="True")
    pod, _ = run_pods(installed, "tasks")
    assert pod["spec"]["schedulerName"] == "default-scheduler"
    assert RESOURCE_TASK in pod["spec"]["containers"][0]["resources"]["requests"]
    done = subprocess.run(
        [sys.executable, "-m", "foretide_cli", "explain", "pod", pod["metadata"]["name"], "-n", NAMESPACE],
        env={**os.environ, "KUBECONFIG": str(installed.cluster.kubeconfig)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "edge-fast-1" in done.stdout


def run_pods(installed: Installed, workload: str) -> list[Object]:
    selector = f"{LABEL_WORKLOAD}={workload},{LABEL_ROLE}=run"
    return installed.client.list_objects(PODS, NAMESPACE, label_selector=selector)


@pytest.mark.cluster
def test_a_service_and_a_run_end_when_their_workloads_are_to_run_nothing_any_more(
    installed: Installed, model: bytes
) -> None:
    endless = onnx_workload("endless", model)
    endless["spec"] |= {"profiling": {"policy": "Never"}, "inferences": 1_000_000, "run": {"mode": "Job"}}
    for manifest in (endless, onnx_service("served", model)):
        put_file(installed.client, manifest["metadata"]["name"], model, NAMESPACE)
        installed.client.create(AIWORKLOADS, manifest, NAMESPACE)
    installed.wait_condition("served", "Available", NAMESPACE, status="True")
    installed.client.patch(AIWORKLOADS, "served", {"spec": {"suspend": True}}, NAMESPACE)
    installed.until("no Pod serves", lambda: not run_pods(installed, "served"))
    installed.until("a run", lambda: run_pods(installed, "endless"))
    nothing: Object = {"objective": None, "run": {"mode": "None", "replicas": None, "completions": None}}
    for name in ("served", "endless"):
        installed.client.patch(AIWORKLOADS, name, {"spec": nothing}, NAMESPACE)
    installed.until("no Deployment", lambda: not installed.client.list_objects(DEPLOYMENTS, NAMESPACE))
    installed.until("no run", lambda: not run_pods(installed, "endless"))


@pytest.mark.cluster
def test_a_volume_that_is_not_there_is_named_by_what_kubernetes_tells_of_the_pod(
    installed: Installed, model: bytes
) -> None:
    installed.client.create(AIWORKLOADS, onnx_workload("stuck", model), NAMESPACE)
    installed.wait_condition("stuck", "Inspected", NAMESPACE, status="Unknown", reason="VolumeUnavailable")
    installed.client.delete(AIWORKLOADS, "stuck", NAMESPACE)


@pytest.mark.cluster
def test_a_node_whose_label_is_no_name_is_told_of_in_the_namespace_default(installed: Installed) -> None:
    installed.cluster.kubectl("label", "node", "system", "foretide.dev/node-class=No_Name")

    def told() -> bool:
        return any(
            each["reason"] == "NodeClassNameInvalid" for each in installed.client.list_objects(EVENTS, "default")
        )

    installed.until("an Event about the node", told)


@pytest.mark.cluster
def test_a_planner_gives_its_lease_back_as_it_ends_and_makes_one_anew_that_is_gone(installed: Installed) -> None:
    def holder() -> str:
        lease = installed.client.find(LEASES, "foretide-planner", SYSTEM_NAMESPACE) or {"spec": {}}
        found: str = lease["spec"].get("holderIdentity") or ""
        return found

    installed.client.delete(LEASES, "foretide-planner", SYSTEM_NAMESPACE)
    installed.until("a Lease", holder)
    (operator,) = installed.client.list_objects(
        PODS, SYSTEM_NAMESPACE, label_selector="app.kubernetes.io/component=operator"
    )
    (planner,) = (each for each in operator["status"]["containerStatuses"] if each["name"] == "planner")
    installed.cluster.node(operator["spec"]["nodeName"]).signal_container(planner["containerID"], signal.SIGTERM)
    installed.until("nobody leads", lambda: not holder(), every_seconds=0.1)
    installed.until("it leads again", holder)


@pytest.mark.cluster
def test_an_artefact_that_belongs_to_no_version_goes(installed: Installed) -> None:
    body = config_map("left-over", SYSTEM_NAMESPACE, artefacts.COMPONENT, {}, None)
    installed.client.create(CONFIG_MAPS, body, SYSTEM_NAMESPACE)
    installed.until("it gone", lambda: installed.client.find(CONFIG_MAPS, "left-over", SYSTEM_NAMESPACE) is None)


@pytest.mark.cluster
def test_a_measurement_that_another_was_made_to_replace_goes(installed: Installed) -> None:
    (old,) = installed.client.list_objects(WORKLOAD_PROFILES, NAMESPACE)
    metadata = {"name": "newer", **{key: old["metadata"][key] for key in ("labels", "ownerReferences")}}
    replaced = {"name": old["metadata"]["name"], "reason": "Stale", "cause": ""}
    body = {**old, "metadata": metadata, "spec": {**old["spec"], "replaced": replaced}}
    installed.client.create(WORKLOAD_PROFILES, body, NAMESPACE)
    installed.client.patch(AIWORKLOADS, "tasks", {"spec": {"maxWaitSeconds": 60}}, NAMESPACE)  # it is looked at soon

    def left() -> list[str]:
        return [item["metadata"]["name"] for item in installed.client.list_objects(WORKLOAD_PROFILES, NAMESPACE)]

    installed.until("the old one gone", lambda: left() == ["newer"])


@pytest.mark.cluster
def test_the_hook_before_an_uninstall_looks_into_every_namespace(installed: Installed) -> None:
    hook = render(*EXTERNAL, *CHOSEN, files=(VALUES,))["Job", "foretide-release"]
    installed.client.create(JOBS, hook, SYSTEM_NAMESPACE)

    def said() -> set[str]:
        return set(installed.cluster.kubectl("logs", "job/foretide-release", "-n", SYSTEM_NAMESPACE).splitlines())

    def is_done() -> bool:
        return bool(installed.client.get(JOBS, "foretide-release", SYSTEM_NAMESPACE).get("status", {}).get("succeeded"))

    installed.until("the hook done", is_done)
    assert {f"no Pod waits behind {GATE_PLAN} in namespace {each}" for each in WATCHED} <= said()


@pytest.fixture(scope="module")
def made(installed: Installed) -> set[Call]:
    """The calls of our accounts in all that the tests before have done."""
    return calls(installed.cluster.audit_log, {OPERATOR, EXTENDER})


@pytest.mark.cluster
def test_no_call_was_forbidden(made: set[Call]) -> None:
    assert {call.right.account for call in made} == {OPERATOR, EXTENDER}
    assert sorted(f"{call.right} by {call.agent}" for call in made if call.is_forbidden or call.refusal) == []


@pytest.mark.cluster
def test_every_right_was_used_where_it_was_given_or_in_another_namespace_that_is_watched(made: set[Call]) -> None:
    """Which of the watched namespaces has workloads is for users to say: each has the rights that they take."""

    def is_used(right: Right) -> bool:
        places = WATCHED if right.namespace in WATCHED else {right.namespace}
        return any(call.uses(right._replace(namespace=place)) for call in made for place in places)

    assert sorted(str(right) for right in given(*EXTERNAL, *CHOSEN) if not is_used(right)) == []
