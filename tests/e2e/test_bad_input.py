"""Bad input on a real cluster: each ends in a condition with a reason that a person can act on, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples.models import make_onnx
from foretide_kube.client import Object
from foretide_kube.names import AIWORKLOADS, CONFIG_MAPS, NODE_CLASSES
from tests.e2e.workloads import onnx_workload, put_file, torchvision_workload
from tests.installed import Installed

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def namespace(installed: Installed) -> str:
    """A namespace for this module's workloads."""
    return installed.namespace("bad-input")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A model file that is right."""
    path: Path = make_onnx.build(tmp_path_factory.mktemp("models"))["edge-cnn"]
    return path.read_bytes()


def apply(installed: Installed, manifest: Object, namespace: str) -> str:
    """Create a workload and return its name."""
    installed.client.create(AIWORKLOADS, manifest, namespace)
    name: str = manifest["metadata"]["name"]
    return name


def test_an_unknown_model_name_says_so(installed: Installed, namespace: str) -> None:
    name = apply(installed, torchvision_workload("no-such-model", "mobilenet_v9_gigantic"), namespace)
    row = installed.wait_condition(
        name, "Inspected", namespace, status="False", reason="UnknownModel", timeout_seconds=240
    )
    assert "mobilenet_v9_gigantic" in row["message"]


def test_a_shape_that_the_model_refuses_says_what_it_wants(installed: Installed, namespace: str, model: bytes) -> None:
    put_file(installed.client, "refused-shape", model, namespace)
    manifest = onnx_workload("refused-shape", model)
    manifest["spec"]["input"]["shape"] = [5, 256, 256]
    name = apply(installed, manifest, namespace)
    row = installed.wait_condition(name, "Inspected", namespace, status="False", reason="InputRefused")
    assert "3" in row["message"]


def test_a_truncated_file_with_its_own_digest_is_invalid(installed: Installed, namespace: str, model: bytes) -> None:
    half = model[: len(model) // 2]
    put_file(installed.client, "truncated", half, namespace)
    name = apply(installed, onnx_workload("truncated", half), namespace)
    installed.wait_condition(name, "Inspected", namespace, status="False", reason="ModelFileInvalid")


def test_a_file_of_another_digest_is_not_loaded(installed: Installed, namespace: str, model: bytes) -> None:
    put_file(installed.client, "other-digest", model, namespace)
    name = apply(installed, onnx_workload("other-digest", model, sha256="ab" * 32), namespace)
    row = installed.wait_condition(name, "Inspected", namespace, status="False", reason="ModelDigestMismatch")
    assert "abab" in row["message"]


def test_a_path_that_is_not_in_the_volume_is_missing(installed: Installed, namespace: str, model: bytes) -> None:
    put_file(installed.client, "wrong-path", model, namespace)
    manifest = onnx_workload("wrong-path", model)
    manifest["spec"]["model"]["file"]["path"] = "other.onnx"
    name = apply(installed, manifest, namespace)
    installed.wait_condition(name, "Inspected", namespace, status="False", reason="ModelFileMissing")


def test_a_workload_larger_than_every_node_is_said_at_once(installed: Installed, namespace: str) -> None:
    manifest = torchvision_workload("too-large", "mobilenet_v3_small")
    manifest["spec"]["resources"]["limits"]["memory"] = "900Gi"
    name = apply(installed, manifest, namespace)
    installed.wait_condition(
        name, "Admissible", namespace, status="False", reason="TooLargeForEveryNode", timeout_seconds=30
    )


def test_a_deadline_that_no_class_can_meet_is_said(installed: Installed, namespace: str, model: bytes) -> None:
    put_file(installed.client, "hopeless", model, namespace)
    manifest = onnx_workload("hopeless", model)
    manifest["spec"] |= {"inferences": 1_000_000, "objective": {"deadlineMilliseconds": 1000}}
    name = apply(installed, manifest, namespace)
    row = installed.wait_condition(name, "Admissible", namespace, status="False", reason="DeadlineUnmeetable")
    assert "1.0 s" in row["message"] or "1000" in row["message"]


SABOTAGE = {
    "garbage": "ResultInvalid",
    "impossible": "ResultImpossible",
    "megabyte": "ResultInvalid",
    "silent": "ResultMissing",
    "oom": "OOMKilled",
    "hang": "DeadlineExceeded",
}


@pytest.fixture(scope="module")
def sabotaged(installed: Installed, namespace: str) -> None:
    """One workload for each way to misbehave, all at once: each class measures one after the other."""
    for how in SABOTAGE:
        content = f"SABOTAGE {how} ".encode().ljust(128, b"\0")
        put_file(installed.client, f"profile-{how}", content, namespace)
        apply(installed, onnx_workload(f"profile-{how}", content), namespace)


@pytest.mark.usefixtures("sabotaged")
@pytest.mark.parametrize(("how", "reason"), SABOTAGE.items())
def test_a_profiling_job_that_misbehaves_ends_in_a_reason(
    installed: Installed, namespace: str, how: str, reason: str
) -> None:
    name = f"profile-{how}"
    installed.wait_condition(name, "Inspected", namespace, status="True")
    installed.wait_condition(name, "Profiled", namespace, status="False", reason=reason, timeout_seconds=400)


def test_a_quota_that_refuses_the_pod_of_an_inspection_is_named_while_attempts_follow(
    installed: Installed, model: bytes
) -> None:
    namespace = installed.namespace("bad-quota")
    installed.cluster.kubectl("create", "quota", "tight", "--hard=limits.memory=16Mi", "-n", namespace)
    put_file(installed.client, "refused", model, namespace)
    name = apply(installed, onnx_workload("refused", model), namespace)
    row = installed.wait_condition(name, "Inspected", namespace, status="Unknown", reason="QuotaExceeded")
    assert "tight" in row["message"]
    installed.cluster.kubectl("delete", "quota", "tight", "-n", namespace)
    installed.wait_condition(name, "Inspected", namespace, status="True")


def test_a_volume_that_is_not_there_yet_is_named_and_waited_for(installed: Installed, namespace: str) -> None:
    content = b"not a model, but it can be read"
    name = apply(installed, onnx_workload("volume-later", content), namespace)
    row = installed.wait_condition(name, "Inspected", namespace, status="Unknown", reason="VolumeUnavailable")
    assert "volume-later" in row["message"]
    put_file(installed.client, "volume-later", content, namespace)
    installed.wait_condition(name, "Inspected", namespace, status="False", reason="ModelFileInvalid")


def test_profile_jobs_that_a_quota_or_a_missing_volume_keeps_back_say_so_and_then_measure(
    installed: Installed, model: bytes
) -> None:
    namespace = installed.namespace("bad-profile")
    kubectl = installed.cluster.kubectl
    kubectl("create", "quota", "one-job", "--hard=count/jobs.batch=1", "-n", namespace)
    is_counted = ("get", "quota", "one-job", "-n", namespace, "-o", "jsonpath={.status.hard}")
    installed.until("the quota in force", lambda: kubectl(*is_counted))
    put_file(installed.client, "kept-back", model, namespace)
    name = apply(installed, onnx_workload("kept-back", model), namespace)
    installed.wait_condition(name, "Inspected", namespace, status="True")
    row = installed.wait_condition(name, "Profiled", namespace, status="Unknown", reason="QuotaExceeded")
    assert "one-job" in row["message"]

    installed.client.delete(CONFIG_MAPS, "kept-back", namespace)
    kubectl("delete", "quota", "one-job", "-n", namespace)
    row = installed.wait_condition(name, "Profiled", namespace, status="Unknown", reason="VolumeUnavailable")
    assert "kept-back" in row["message"]

    put_file(installed.client, "kept-back", model, namespace)
    installed.wait_condition(name, "Profiled", namespace, status="True", timeout_seconds=300)


def test_a_node_class_that_selects_no_node_says_so(installed: Installed) -> None:
    spec = {"selector": {"matchLabels": {"hardware": "abacus"}}}
    body = {"apiVersion": NODE_CLASSES.api_version, "kind": "NodeClass", "metadata": {"name": "abacus"}, "spec": spec}
    installed.client.create(NODE_CLASSES, body)
    row = installed.until(
        "NodesSelected=False on abacus",
        lambda: (found := installed.condition(NODE_CLASSES, "abacus", "NodesSelected"))["status"] == "False" and found,
    )
    assert row["reason"] == "NoNodes"
    installed.client.delete(NODE_CLASSES, "abacus")


def test_two_classes_of_equal_priority_that_select_one_node_both_say_so_and_the_older_keeps_it(
    installed: Installed,
) -> None:
    def reasons(kind: str) -> list[str]:
        return [installed.condition(NODE_CLASSES, name, kind)["reason"] for name in ("edge-slow", "rival")]

    before = installed.client.get(NODE_CLASSES, "edge-slow")["status"]["nodes"]
    spec = {"selector": {"matchLabels": {"foretide.dev/node-class": "edge-slow"}}}
    body = {"apiVersion": NODE_CLASSES.api_version, "kind": "NodeClass", "metadata": {"name": "rival"}, "spec": spec}
    installed.client.create(NODE_CLASSES, body)
    try:
        installed.until(
            "SameNodesSelected on both", lambda: reasons("Unambiguous") == ["SameNodesSelected", "SameNodesSelected"]
        )
        assert reasons("NodesSelected") == ["Selected", "NodesLost"]
        assert installed.client.get(NODE_CLASSES, "edge-slow")["status"]["nodes"] == before
    finally:
        installed.client.delete(NODE_CLASSES, "rival")
    installed.until(
        "Unambiguous=True on edge-slow",
        lambda: installed.condition(NODE_CLASSES, "edge-slow", "Unambiguous")["status"] == "True",
    )
