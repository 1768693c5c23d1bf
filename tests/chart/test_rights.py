"""What the two accounts may do on the real API server: enough and no more, the rest of it tried."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devcluster import Cluster
from foretide_kube.client import ApiError, KubeClient, Object
from foretide_kube.names import JOBS, PODS
from foretide_operator.jobs import inspect_job, probe_job, profile_job, run_deployment, run_job
from tests.chart.rendering import render
from tests.chart.rights import IN_THE_CLUSTER, IN_THE_NAMESPACE, NAMESPACE, OPERATOR, SCHEDULER, each, may
from tests.operator.cluster_objects import SETTINGS, node_class, workload

pytestmark = pytest.mark.cluster

MAY = [
    *((OPERATOR, *one) for one in each(IN_THE_CLUSTER["foretide-operator"], "default")),
    *((OPERATOR, *one) for one in each(IN_THE_CLUSTER["foretide-operator-cluster"], "")),
    *((OPERATOR, *one) for one in each(IN_THE_NAMESPACE["foretide-operator"], NAMESPACE)),
    *((SCHEDULER, *one) for one in each(IN_THE_CLUSTER["foretide-extender"], "default")),
    *((SCHEDULER, *one) for one in each(IN_THE_CLUSTER["foretide-extender-cluster"], "")),
    (SCHEDULER, "create", "pods/binding", "default"),
]
MAY_NOT = [
    (OPERATOR, "create", "aiworkloads.foretide.dev", "default"),
    (OPERATOR, "delete", "nodeclasses.foretide.dev", ""),
    (OPERATOR, "patch", "workloadprofiles.foretide.dev", "default"),
    (OPERATOR, "delete", "aiworkloads.foretide.dev", "default"),
    (OPERATOR, "create", "pods", "default"),
    (OPERATOR, "delete", "pods", "default"),
    (OPERATOR, "update", "pods", "default"),
    (OPERATOR, "patch", "pods/status", "default"),
    (OPERATOR, "patch", "pods/ephemeralcontainers", "default"),
    (OPERATOR, "patch", "pods/resize", "default"),
    (OPERATOR, "deletecollection", "pods", "default"),
    (OPERATOR, "create", "pods/exec", "default"),
    (OPERATOR, "get", "pods/exec", "default"),
    (OPERATOR, "create", "pods/attach", "default"),
    (OPERATOR, "create", "pods/binding", "default"),
    (OPERATOR, "create", "pods/eviction", "default"),
    (OPERATOR, "get", "secrets", NAMESPACE),
    (OPERATOR, "get", "configmaps", "kube-system"),
    (OPERATOR, "get", "leases.coordination.k8s.io/foretide-scheduler", NAMESPACE),
    (OPERATOR, "patch", "nodes", ""),
    (OPERATOR, "list", "namespaces", ""),
    (OPERATOR, "patch", "customresourcedefinitions.apiextensions.k8s.io", ""),
    (OPERATOR, "create", "clusterrolebindings.rbac.authorization.k8s.io", ""),
    (SCHEDULER, "patch", "aiworkloads.foretide.dev/status", "default"),
    (SCHEDULER, "patch", "nodeclasses.foretide.dev", ""),
    (SCHEDULER, "create", "jobs.batch", "default"),
    (SCHEDULER, "get", "secrets", NAMESPACE),
]


def test_the_accounts_may_do_what_they_need(chart_installed: Cluster) -> None:
    refused = [one for one in MAY if not may(chart_installed, *one)]
    assert refused == []


def test_the_accounts_may_do_nothing_else_that_matters(chart_installed: Cluster) -> None:
    allowed = [one for one in MAY_NOT if may(chart_installed, *one)]
    assert allowed == []


POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "task",
        "namespace": "default",
        "labels": {"app": "theirs"},
        "annotations": {"example.com/theirs": "1", "foretide.dev/inferences": "3"},
        "finalizers": ["example.com/theirs"],
    },
    "spec": {
        "schedulingGates": [{"name": "foretide.dev/plan"}, {"name": "example.com/theirs"}],
        "containers": [{"name": "main", "image": "registry.example/a:1"}],
        "tolerations": [{"key": "a", "operator": "Exists"}],
    },
}
ANNOTATIONS = "annotations under foretide.dev/ only"
GATE = "remove the scheduling gate foretide.dev/plan only"
METADATA = "labels, finalizers or owner references"
SPEC = "may not change the spec of Pods"
GATES = [{"name": "foretide.dev/plan"}, {"name": "example.com/theirs"}]
REQUIRED = {
    "requiredDuringSchedulingIgnoredDuringExecution": {
        "nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}]
    }
}
OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "0"}
FORBIDDEN_PATCHES: list[tuple[str, Any, str]] = [
    ("adds an annotation", {"metadata": {"annotations": {"example.com/ours": "1"}}}, ANNOTATIONS),
    ("changes an annotation", {"metadata": {"annotations": {"example.com/theirs": "2"}}}, ANNOTATIONS),
    ("removes an annotation", {"metadata": {"annotations": {"example.com/theirs": None}}}, ANNOTATIONS),
    (
        "changes ours and removes another's annotation",
        {"metadata": {"annotations": {"foretide.dev/plan": "{}", "example.com/theirs": None}}},
        ANNOTATIONS,
    ),
    ("removes all annotations", {"metadata": {"annotations": None}}, ANNOTATIONS),
    ("a prefix that looks like ours", {"metadata": {"annotations": {"foretide.dev.example/a": "1"}}}, ANNOTATIONS),
    ("adds a label", {"metadata": {"labels": {"a": "b"}}}, METADATA),
    ("adds a label of ours", {"metadata": {"labels": {"foretide.dev/workload": "b"}}}, METADATA),
    ("changes a label", {"metadata": {"labels": {"app": "ours"}}}, METADATA),
    ("removes all labels", {"metadata": {"labels": None}}, METADATA),
    ("removes a finalizer", {"metadata": {"finalizers": None}}, METADATA),
    ("adds a finalizer", {"metadata": {"finalizers": ["example.com/theirs", "foretide.dev/ours"]}}, METADATA),
    ("adds an owner", {"metadata": {"ownerReferences": [OWNER]}}, METADATA),
    ("removes another's gate", {"spec": {"schedulingGates": [{"name": "foretide.dev/plan"}]}}, GATE),
    ("removes all gates", {"spec": {"schedulingGates": None}}, GATE),
    (
        "opens its gate and adds a label",
        {"metadata": {"labels": {"a": "b"}}, "spec": {"schedulingGates": [{"name": "example.com/theirs"}]}},
        METADATA,
    ),
    (
        "changes an image",
        [{"op": "replace", "path": "/spec/containers/0/image", "value": "registry.example/b:1"}],
        SPEC,
    ),
    ("tolerates a taint", [{"op": "add", "path": "/spec/tolerations/-", "value": {"operator": "Exists"}}], SPEC),
    ("sets a deadline", {"spec": {"activeDeadlineSeconds": 1}}, SPEC),
    ("asks for a node's kind", {"spec": {"affinity": {"nodeAffinity": REQUIRED}}}, SPEC),
    ("shortens the grace", {"spec": {"terminationGracePeriodSeconds": 1}}, "spec"),
    ("names a node", {"spec": {"nodeName": "a"}}, "spec"),
    ("names another scheduler", {"spec": {"schedulerName": "theirs"}}, "spec"),
    ("takes a priority", {"spec": {"priority": 1000}}, "Priority"),
    (
        "adds another's gate",
        {"spec": {"schedulingGates": [*GATES, {"name": "example.com/more"}]}},
        "only deletion is allowed",
    ),
    ("selects nodes", {"spec": {"nodeSelector": {"kubernetes.io/hostname": "a"}}}, SPEC),
]


ALLOWED_PATCHES: list[tuple[str, Any]] = [
    ("adds an annotation of ours", {"metadata": {"annotations": {"foretide.dev/plan": "{}"}}}),
    ("changes one", {"metadata": {"annotations": {"foretide.dev/inferences": "4"}}}),
    ("removes one", {"metadata": {"annotations": {"foretide.dev/inferences": None}}}),
    ("opens our gate", {"spec": {"schedulingGates": [{"name": "example.com/theirs"}]}}),
]
OTHER_WRITES = [
    ("deletes it", "DELETE", "/task"),
    ("replaces it", "PUT", "/task"),
    ("sets its phase", "PATCH", "/task/status"),
    ("resizes it", "PATCH", "/task/resize"),
    ("debugs it", "PATCH", "/task/ephemeralcontainers"),
    ("evicts it", "POST", "/task/eviction"),
    ("binds it", "POST", "/task/binding"),
    ("makes another", "POST", ""),
]


@pytest.fixture(scope="module")
def kubeconfig_of_operator(chart_installed: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    kubeconfig = json.loads(chart_installed.kubectl("config", "view", "--raw", "-o", "json"))
    token = chart_installed.kubectl("create", "token", "foretide-operator", "--namespace", NAMESPACE).strip()
    kubeconfig["users"] = [{"name": kubeconfig["users"][0]["name"], "user": {"token": token}}]
    file = tmp_path_factory.mktemp("operator") / "kubeconfig"
    file.write_text(json.dumps(kubeconfig))
    return file


@pytest.fixture(scope="module")
def operator(kubeconfig_of_operator: Path) -> KubeClient:
    """Its client: kubectl would read a Pod before it writes, which the operator may not and need not."""
    return KubeClient.connect(str(kubeconfig_of_operator))


@pytest.fixture
def pod(chart_installed: Cluster) -> Iterator[Cluster]:
    chart_installed.kubectl("create", "-f", "-", stdin=json.dumps(POD))
    yield chart_installed
    chart_installed.kubectl("patch", "pod", "task", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    chart_installed.kubectl("delete", "pod", "task", "--ignore-not-found", "--grace-period=0", "--force")


def patch(operator: KubeClient, body: Any) -> Object:
    return operator.patch(PODS, "task", body, "default", patch_type="json" if isinstance(body, list) else "merge")


def wait_for_policy(operator: KubeClient) -> None:
    """The API server enforces a policy some moments after it was made."""
    for _ in range(60):
        try:
            patch(operator, {"metadata": {"labels": {"waiting": "for-the-policy"}}})
        except ApiError:
            return
        time.sleep(0.5)
    pytest.fail("the admission policy is not enforced after 30 s")


@pytest.mark.usefixtures("pod")
def test_the_operator_opens_its_gate_and_writes_its_annotations_in_one_patch(operator: KubeClient) -> None:
    wait_for_policy(operator)
    opened = patch(
        operator,
        {
            "metadata": {"annotations": {"foretide.dev/prediction": "{}", "foretide.dev/inferences": None}},
            "spec": {"schedulingGates": [{"name": "example.com/theirs"}]},
        },
    )
    assert opened["spec"]["schedulingGates"] == [{"name": "example.com/theirs"}]
    assert opened["metadata"]["annotations"] == {"example.com/theirs": "1", "foretide.dev/prediction": "{}"}


@pytest.mark.usefixtures("pod")
def test_the_operator_can_change_nothing_else_of_a_pod(operator: KubeClient) -> None:
    wait_for_policy(operator)
    for what, body, words in FORBIDDEN_PATCHES:
        with pytest.raises(ApiError) as refusal:
            patch(operator, body)
        assert words in refusal.value.message, what


@pytest.mark.usefixtures("pod")
@pytest.mark.parametrize(("what", "body"), ALLOWED_PATCHES, ids=[what for what, _ in ALLOWED_PATCHES])
def test_what_the_planner_needs_is_allowed_each_by_itself(operator: KubeClient, what: str, body: Any) -> None:
    wait_for_policy(operator)
    assert patch(operator, body)["metadata"]["labels"] == {"app": "theirs"}, what


@pytest.mark.usefixtures("pod")
def test_the_operator_cannot_put_its_gate_back(operator: KubeClient) -> None:
    wait_for_policy(operator)
    patch(operator, {"spec": {"schedulingGates": [{"name": "example.com/theirs"}]}})
    with pytest.raises(ApiError, match="only deletion is allowed"):
        patch(operator, {"spec": {"schedulingGates": GATES}})


def test_no_other_way_of_writing_to_a_pod_is_open_to_the_operator(pod: Cluster, operator: KubeClient) -> None:
    for what, method, path in OTHER_WRITES:
        with pytest.raises(ApiError) as refusal:
            operator.raw(method, f"/api/v1/namespaces/default/pods{path}", body={})
        assert refusal.value.status == 403, (what, str(refusal.value))
    assert json.loads(pod.kubectl("get", "pod", "task", "-o", "json"))["metadata"]["labels"] == {"app": "theirs"}


@pytest.mark.usefixtures("pod")
def test_the_account_of_the_hook_can_open_gates_as_the_command_does(
    operator: KubeClient, kubeconfig_of_operator: Path
) -> None:
    wait_for_policy(operator)
    _, *words = render()["Job", "foretide-release"]["spec"]["template"]["spec"]["containers"][0]["command"]
    done = subprocess.run(
        [sys.executable, *words],
        env={**os.environ, "KUBECONFIG": str(kubeconfig_of_operator)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "default/task released; it still waits behind example.com/theirs" in done.stdout


def test_others_are_not_held_by_the_policy(pod: Cluster, operator: KubeClient) -> None:
    wait_for_policy(operator)
    changed = json.loads(pod.kubectl("label", "pod", "task", "by=an-administrator", "-o", "json"))
    assert changed["metadata"]["labels"]["by"] == "an-administrator"


def job() -> Object:
    """A Job as the operator makes it, with all that a workload may choose."""
    template = {
        "env": [{"name": "A", "value": "1"}],
        "runtimeClassName": "nvidia",
        "nodeSelector": {"zone": "a"},
        "tolerations": [{"operator": "Exists"}],
    }
    return run_job(workload(run={"mode": "Job", "template": template}), SETTINGS)


MANAGED = "app.kubernetes.io/managed-by"
OURS = "its own Jobs and Deployments only"
POD_OF_JOB = "have no account, no node, no priority and nothing of the host's"
VOLUMES = "mount a model and room for scratch only"
CONTAINER = "have no privilege, and read no Secret"
SECRET = {"secretKeyRef": {"name": "a", "key": "b"}}
FORBIDDEN_JOBS: list[tuple[str, list[str | int], Any, str]] = [
    ("another account", ["serviceAccountName"], "admin", POD_OF_JOB),
    ("its account's token", ["automountServiceAccountToken"], True, POD_OF_JOB),
    ("a node of its choice", ["nodeName"], "a", POD_OF_JOB),
    ("the host's network", ["hostNetwork"], True, POD_OF_JOB),
    ("the host's processes", ["hostPID"], True, POD_OF_JOB),
    ("the host's memory", ["hostIPC"], True, POD_OF_JOB),
    ("a port of the host", ["containers", 0, "ports"], [{"containerPort": 80, "hostPort": 80}], POD_OF_JOB),
    ("a priority", ["priorityClassName"], "system-node-critical", POD_OF_JOB),
    ("the host's files", ["volumes", 0], {"name": "tmp", "hostPath": {"path": "/"}}, VOLUMES),
    ("a Secret's files", ["volumes", 0], {"name": "tmp", "secret": {"secretName": "a"}}, VOLUMES),
    ("privilege", ["containers", 0, "securityContext"], {"privileged": True}, CONTAINER),
    ("no word of privilege", ["containers", 0, "securityContext"], {"runAsNonRoot": True}, CONTAINER),
    ("a Secret's value", ["containers", 0, "env", 0], {"name": "A", "valueFrom": SECRET}, CONTAINER),
    ("a Secret's values", ["containers", 0, "envFrom"], [{"secretRef": {"name": "a"}}], CONTAINER),
    ("another container before", ["initContainers"], [{"name": "a", "image": "a"}], CONTAINER),
]


def made(operator: KubeClient, body: Object) -> Object:
    """Have the API server take it in a namespace that there is, and keep nothing."""
    path = f"/apis/{body['apiVersion']}/namespaces/default/{body['kind'].lower()}s?dryRun=All"
    return operator.raw("POST", path, body={**body, "metadata": {**body["metadata"], "namespace": "default"}})


def changed(body: Object, path: list[str | int], value: Any) -> Object:
    found = copy.deepcopy(body)
    at: Any = found["spec"]["template"]["spec"]
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return found


def wait_for_policy_of_jobs(operator: KubeClient) -> None:
    """As `wait_for_policy`."""
    for _ in range(60):
        try:
            made(operator, changed(job(), ["serviceAccountName"], "admin"))
        except ApiError as error:
            if POD_OF_JOB in error.message:
                return
        time.sleep(0.5)
    pytest.fail("the admission policy is not enforced after 30 s")


def test_all_that_the_operator_makes_is_let_through(operator: KubeClient) -> None:
    wait_for_policy_of_jobs(operator)
    given = workload(run={"mode": "Deployment"})
    fast = node_class("fast")
    volumes = (
        {"configMap": {"name": "a"}},
        {"persistentVolumeClaim": {"claimName": "a"}},
        {"image": {"reference": "registry.example/m:1"}},
    )
    models = [
        {"source": "ONNX", "file": {"path": "m.onnx", "sha256": "ab" * 32, "volume": volume}} for volume in volumes
    ]
    for body in (
        job(),
        *(inspect_job(workload(model=model), 1, SETTINGS) for model in models),
        profile_job(given, fast, attempt=1, lost_nodes=(), replaced=None, settings=SETTINGS),
        probe_job(fast, attempt=1, lost_nodes=(), series="", settings=SETTINGS, owner=None),
        run_deployment(given, SETTINGS),
    ):
        assert made(operator, body)["metadata"]["name"] == body["metadata"]["name"]


def test_the_operator_makes_no_job_whose_pods_may_more_than_a_stranger_s_model(operator: KubeClient) -> None:
    wait_for_policy_of_jobs(operator)
    for what, path, value, words in FORBIDDEN_JOBS:
        with pytest.raises(ApiError) as refusal:
            made(operator, changed(job(), path, value))
        assert words in refusal.value.message, what


def test_the_operator_leaves_jobs_of_others_alone(chart_installed: Cluster, operator: KubeClient) -> None:
    wait_for_policy_of_jobs(operator)
    theirs = job()
    theirs["metadata"] = {"name": "theirs", "namespace": "default", "labels": {"app": "theirs"}}
    chart_installed.kubectl("create", "-f", "-", stdin=json.dumps(theirs))
    for write in (
        lambda: operator.delete(JOBS, "theirs", "default"),
        lambda: operator.patch(JOBS, "theirs", {"spec": {"suspend": True}}, "default"),
        lambda: operator.patch(JOBS, "theirs", {"metadata": {"labels": {MANAGED: "foretide"}}}, "default"),
    ):
        with pytest.raises(ApiError, match=OURS):
            write()
    chart_installed.kubectl("label", "job", "theirs", f"{MANAGED}=foretide")
    assert operator.patch(JOBS, "theirs", {"spec": {"suspend": True}}, "default")["spec"]["suspend"] is True
    assert operator.delete(JOBS, "theirs", "default")
