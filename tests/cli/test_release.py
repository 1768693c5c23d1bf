"""`foretide release` as a process on a real API server: what it opens, what it says, how it fails."""

from __future__ import annotations

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
from foretide_cli.__main__ import main
from foretide_cli.release import release
from foretide_kube.client import ApiError, KubeClient, Object
from foretide_kube.names import NAMESPACES, PODS

PLAN, THEIRS = "foretide.dev/plan", "example.com/theirs"
SPACES = ("release-a", "release-b")


def run(*words: str, kubeconfig: Path | str) -> tuple[int, list[str], str]:
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "PYTHONSAFEPATH": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "foretide_cli", *words], env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout.splitlines(), done.stderr


@pytest.fixture
def client(control_plane: Cluster) -> Iterator[KubeClient]:
    """Two namespaces with Pods, some of them gated."""
    client = KubeClient.connect(str(control_plane.kubeconfig))
    for space in SPACES:
        if client.find(NAMESPACES, space) is None:
            client.create(NAMESPACES, {"metadata": {"name": space}})
        until_there(client, f"/api/v1/namespaces/{space}/serviceaccounts/default")
    client.create(PODS, pod("first", PLAN), SPACES[0])
    client.create(PODS, pod("second", THEIRS, PLAN), SPACES[0])
    client.create(PODS, pod("free"), SPACES[0])
    client.create(PODS, pod("elsewhere", PLAN), SPACES[1])
    yield client
    for space in SPACES:
        for item in client.list_objects(PODS, space):
            client.raw("DELETE", f"/api/v1/namespaces/{space}/pods/{item['metadata']['name']}?gracePeriodSeconds=0")


def until_there(client: KubeClient, path: str) -> None:
    give_up = time.monotonic() + 10.0
    while True:
        try:
            client.raw("GET", path)
        except ApiError:
            assert time.monotonic() < give_up
            time.sleep(0.1)
        else:
            return


def pod(name: str, *gates: str) -> Object:
    spec = {
        "schedulingGates": [{"name": gate} for gate in gates],
        "containers": [{"name": "main", "image": "registry.example/a:1"}],
        "schedulerName": "foretide-scheduler",
    }
    return {"metadata": {"name": name}, "spec": spec}


def gated(client: KubeClient) -> set[str]:
    """The Pods that our gate keeps."""
    return {
        item["metadata"]["name"]
        for space in SPACES
        for item in client.list_objects(PODS, space)
        if {"name": PLAN} in item["spec"].get("schedulingGates", [])
    }


@pytest.mark.cluster
def test_it_opens_every_gate_of_a_namespace_and_leaves_gates_of_others(
    client: KubeClient, control_plane: Cluster
) -> None:
    status, said, _ = run("release", "--namespace", SPACES[0], kubeconfig=control_plane.kubeconfig)
    assert (status, said) == (
        0,
        [
            "release-a/first released",
            "release-a/second released; it still waits behind example.com/theirs",
        ],
    )
    assert gated(client) == {"elsewhere"}
    assert client.get(PODS, "second", SPACES[0])["spec"]["schedulingGates"] == [{"name": THEIRS}]
    status, said, _ = run("release", "-n", SPACES[0], kubeconfig=control_plane.kubeconfig)
    assert (status, said) == (0, ["no Pod waits behind foretide.dev/plan in namespace release-a"])


@pytest.mark.cluster
def test_a_dry_run_of_all_namespaces_opens_none_and_the_real_one_all(
    client: KubeClient, control_plane: Cluster
) -> None:
    status, said, _ = run("release", "--all-namespaces", "--dry-run", kubeconfig=control_plane.kubeconfig)
    assert status == 0
    assert {"release-a/first would be released", "release-b/elsewhere would be released"} <= set(said)
    assert gated(client) == {"first", "second", "elsewhere"}
    assert run("release", "-A", kubeconfig=control_plane.kubeconfig)[0] == 0
    assert gated(client) == set()


@pytest.mark.cluster
def test_named_pods_alone_are_opened_and_a_name_that_is_none_is_said(
    client: KubeClient, control_plane: Cluster
) -> None:
    status, said, complaints = run(
        "release", "-n", SPACES[0], "first", "free", "nobody", kubeconfig=control_plane.kubeconfig
    )
    assert status == 1
    assert said == ["release-a/first released", "release-a/free does not wait behind foretide.dev/plan"]
    assert complaints == "foretide: there is no Pod release-a/nobody\n"
    assert gated(client) == {"second", "elsewhere"}


POLICY = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicy",
    "metadata": {"name": "release-refuses-first"},
    "spec": {
        "matchConstraints": {
            "resourceRules": [
                {"apiGroups": [""], "apiVersions": ["*"], "operations": ["UPDATE"], "resources": ["pods"]}
            ]
        },
        "matchConditions": [{"name": "first", "expression": "object.metadata.name == 'first'"}],
        "validations": [{"expression": "false", "message": "first stays as it is", "reason": "Forbidden"}],
    },
}
BINDING = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicyBinding",
    "metadata": {"name": "release-refuses-first"},
    "spec": {"policyName": "release-refuses-first", "validationActions": ["Deny"]},
}


@pytest.fixture
def first_refused(client: KubeClient, control_plane: Cluster) -> Iterator[None]:
    """A policy of the cluster that answers 403 to any change of the Pod `first`, as webhooks do by default."""
    for body in (POLICY, BINDING):
        control_plane.kubectl("create", "-f", "-", stdin=json.dumps(body))
    try:
        until_refused(client)
        yield
    finally:
        for kind in ("validatingadmissionpolicybinding", "validatingadmissionpolicy"):
            control_plane.kubectl("delete", kind, "release-refuses-first")


def until_refused(client: KubeClient) -> None:
    """A policy is enforced some moments after it was made."""
    give_up, count = time.monotonic() + 30.0, 0
    while time.monotonic() < give_up:
        try:
            client.patch(PODS, "first", {"metadata": {"labels": {"try": str(count)}}}, SPACES[0])
        except ApiError:
            return
        time.sleep(0.2)
        count += 1
    pytest.fail("the policy is not enforced after 30 s")


@pytest.mark.cluster
@pytest.mark.usefixtures("first_refused")
def test_a_pod_that_a_policy_refuses_is_named_and_keeps_no_other_shut(
    client: KubeClient, control_plane: Cluster
) -> None:
    status, said, complaints = run("release", "--all-namespaces", kubeconfig=control_plane.kubeconfig)
    assert status == 1
    assert gated(client) == {"first"}
    assert {"release-b/elsewhere released"} < set(said)
    assert complaints.startswith("foretide: release-a/first was not released: ")
    assert "first stays as it is" in complaints
    assert complaints.count("\n") == 1


class OneRefused:
    """Two gated Pods; the API server answers 403 for the first, as to a webhook's denial."""

    def __init__(self, status: int = 403) -> None:
        self.opened: list[str] = []
        self._status = status

    def find(self, _resource: Any, name: str) -> Object | None:
        if name == "unknown":
            raise ApiError(403, "Forbidden", "namespaces is forbidden")
        going = {"deletionTimestamp": "2026-06-01T12:00:00Z"} if name == "going" else {}
        return None if name == "gone" else {"metadata": {"name": name, **going}}

    def list_objects_with_version(self, *_: Any, reduce: Any, **__: Any) -> tuple[list[Object], str]:
        pods = [pod("first", PLAN), pod("second", PLAN)]
        for item in pods:
            item["metadata"] |= {"namespace": "default", "uid": item["metadata"]["name"]}
        return [reduce(item) for item in pods], "1"

    def patch(self, _resource: Any, name: str, *_: Any) -> None:
        if name == "first":
            raise ApiError(self._status, "Forbidden", "denied the request")
        self.opened.append(name)


def test_a_refusal_of_one_pod_is_complained_of_and_the_next_is_opened() -> None:
    api: Any = OneRefused()
    complaints: list[str] = []
    status = release(api, None, (), is_trial=False, say=lambda _words: None, complain=complaints.append)
    assert (status, api.opened) == (1, ["second"])
    assert complaints == ["default/first was not released: denied the request"]


def test_a_namespace_that_may_not_be_read_keeps_none_shut_in_another(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    api: Any = OneRefused(404)

    def listed(resource: Any, namespace: str | None, **options: Any) -> Any:
        if namespace == "secret":
            raise ApiError(403, "Forbidden", 'pods is forbidden in the namespace "secret"')
        return OneRefused.list_objects_with_version(api, resource, namespace, **options)

    api.list_objects_with_version = listed
    monkeypatch.setattr("foretide_cli.__main__.connect", lambda: api)
    assert main(["release", "--namespace=secret", "--namespace=there"]) == 1
    assert api.opened == ["second"]
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(("namespace", "is_gone"), [("gone", True), ("going", True), ("unknown", False)])
def test_where_a_namespace_is_gone_or_going_it_says_so_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], namespace: str, *, is_gone: bool
) -> None:
    api: Any = OneRefused(404)
    monkeypatch.setattr("foretide_cli.__main__.connect", lambda: api)
    assert main(["release", "--namespace", namespace, "--namespace=there"]) == 0
    said = capsys.readouterr()
    told = f"there is no namespace {namespace}, or it is being deleted: no gates to open there"
    assert (told in said.out.splitlines()) is is_gone
    assert said.err == ""
    assert api.opened == ["second"] * (1 if is_gone else 2)


def test_a_pod_that_is_named_in_a_namespace_that_is_gone_was_not_released() -> None:
    api: Any = OneRefused()
    assert release(api, "gone", ["first"], is_trial=False, say=lambda _words: None, complain=lambda _words: None) == 1


@pytest.mark.parametrize("status", [0, 401])
def test_where_no_other_pod_would_fare_better_it_stops(status: int) -> None:
    api: Any = OneRefused(status)
    with pytest.raises(ApiError):
        release(api, None, (), is_trial=False, say=lambda _words: None, complain=lambda _words: None)
    assert api.opened == []


@pytest.mark.cluster
@pytest.mark.parametrize(
    ("is_known", "words"),
    [(True, "the API server refused: pods is forbidden: "), (False, "the API server does not know these credentials")],
)
def test_who_may_not_is_told_so_in_one_line(
    *, is_known: bool, words: str, control_plane: Cluster, tmp_path: Path
) -> None:
    until_there(KubeClient.connect(str(control_plane.kubeconfig)), "/api/v1/namespaces/default/serviceaccounts/default")
    token = control_plane.kubectl("create", "token", "default").strip() if is_known else "of-nobody"
    kubeconfig = json.loads(control_plane.kubectl("config", "view", "--raw", "-o", "json"))
    kubeconfig["users"] = [{"name": kubeconfig["users"][0]["name"], "user": {"token": token}}]
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(kubeconfig))
    status, said, complaints = run("release", "-A", kubeconfig=file)
    assert (status, said) == (1, [])
    assert complaints.startswith(f"foretide: {words}")
    assert complaints.count("\n") == 1


def test_without_a_kubeconfig_it_says_what_to_do(tmp_path: Path) -> None:
    status, said, complaints = run("release", kubeconfig=tmp_path / "none")
    assert (status, said) == (2, [])
    assert complaints.startswith("foretide: cannot connect to the API server: ")
    assert complaints.endswith("set KUBECONFIG\n")
    assert complaints.count("\n") == 1


@pytest.mark.parametrize("where", [("-A",), ("-n", "one", "-n", "another")])
def test_names_together_with_more_than_one_namespace_are_a_wrong_call(where: tuple[str, ...], tmp_path: Path) -> None:
    status, _, complaints = run("release", *where, "first", kubeconfig=tmp_path / "none")
    assert status == 2
    assert "leave out --all-namespaces and others" in complaints


@pytest.mark.cluster
def test_several_namespaces_are_gone_through_one_after_the_other(client: KubeClient, control_plane: Cluster) -> None:
    words = [word for space in SPACES for word in ("--namespace", space)]
    status, said, _ = run("release", *words, kubeconfig=control_plane.kubeconfig)
    assert status == 0
    assert {"release-a/first released", "release-b/elsewhere released"} <= set(said)
    assert gated(client) == set()
