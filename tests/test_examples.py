"""The examples stand on their own: every manifest is of its kind's form, and names the file that it needs."""

from __future__ import annotations

import copy
import hashlib
import json
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft202012Validator, ValidationError

from demo.scenario import ROOT, Scenario
from devcluster import Cluster
from examples.models import make_onnx
from foretide.simulate.scenario import Scenario as SimulatedScenario
from foretide_kube.kinds import aiworkload, nodeclass
from foretide_kube.names import SCHEDULER_NAME
from foretide_kube.reduced import facts_of, reduce_pod
from foretide_kube.task_pods import TaskPod

SIMULATED = ROOT / "examples" / "simulation"
MANIFESTS = sorted(
    path
    for path in (ROOT / "examples").rglob("*.yaml")
    if SIMULATED not in path.parents and not path.name.endswith("values.yaml")
)
SCENARIO = Scenario.load(ROOT / "demo" / "scenario.yaml")


@pytest.mark.parametrize("path", sorted(SIMULATED.glob("*.yaml")), ids=lambda path: path.name)
def test_every_scenario_among_the_examples_is_one(path: Path) -> None:
    assert SimulatedScenario.read(path).sim_tasks()


def documents(*paths: Path) -> list[dict[str, Any]]:
    return [one for path in paths or MANIFESTS for one in yaml.safe_load_all(path.read_text())]


WORKLOADS = {one["metadata"]["name"]: one for one in documents() if one["kind"] == "AIWorkload"}
OF_OTHERS = {
    ("nfd.k8s-sigs.io/v1alpha1", "NodeFeatureRule"),
    ("kueue.x-k8s.io/v1beta2", "ResourceFlavor"),
    ("kueue.x-k8s.io/v1beta2", "ClusterQueue"),
    ("kueue.x-k8s.io/v1beta2", "LocalQueue"),
    ("monitoring.coreos.com/v1", "PodMonitor"),
}
"""Kinds whose definitions are of other projects."""


def strict(schema: Any) -> Any:
    """A schema of a kind that refuses fields which it does not name, as the API server does for kubectl."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {"additionalProperties": False} if isinstance(schema.get("properties"), dict) else {}
    return {**closed, **{key: strict(value) for key, value in schema.items()}}


def schema_of(kind: str) -> Any:
    for path in (ROOT / "crds").glob("*.yaml"):
        definition = yaml.safe_load(path.read_text())
        if definition["spec"]["names"]["kind"] == kind:
            return strict(definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"])
    raise AssertionError(f"no definition of {kind}")


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_every_manifest_among_the_examples_is_of_its_kinds_form(path: Path) -> None:
    for manifest in documents(path):
        if manifest["apiVersion"].startswith("foretide.dev/"):
            Draft202012Validator(schema_of(manifest["kind"])).validate(manifest)
        elif (manifest["apiVersion"], manifest["kind"]) not in OF_OTHERS:
            kubernetes_validate.validate(manifest, "1.36", strict=True)
        if manifest["kind"] == "AIWorkload":
            assert aiworkload.parse(manifest).metadata.name
        if manifest["kind"] == "NodeClass":
            assert nodeclass.parse(manifest).metadata.name


def test_a_slip_in_a_manifest_is_seen() -> None:
    manifest = copy.deepcopy(WORKLOADS["mobilenet"])
    manifest["spec"]["inference"] = manifest["spec"].pop("inferences")
    with pytest.raises(ValidationError, match="inference"):
        Draft202012Validator(schema_of("AIWorkload")).validate(manifest)


def test_every_form_of_a_workload_has_an_example() -> None:
    assert len(WORKLOADS) == sum(one["kind"] == "AIWorkload" for one in documents()), "two of one name"
    specs = [one["spec"] for one in WORKLOADS.values()]
    models = [spec["model"] for spec in specs]
    assert {spec.get("run", {}).get("mode", "None") for spec in specs} == {"Job", "Deployment", "None"}
    assert {model["source"] for model in models} == {"TorchVision", "ONNX", "TorchExport"}
    volumes = {volume for model in models if "file" in model for volume in model["file"]["volume"]}
    assert volumes == {"configMap", "persistentVolumeClaim", "image"}


def test_the_page_of_the_examples_names_each_of_them() -> None:
    page = (ROOT / "examples" / "README.md").read_text()
    files = [path for path in (ROOT / "examples").rglob("*") if path.suffix in {".yaml", ".py"}]
    assert [path for path in files if f"({path.relative_to(ROOT / 'examples')})" not in page] == []


def test_manifests_name_the_digest_of_the_file_that_the_script_writes(tmp_path: Path) -> None:
    files = make_onnx.build(tmp_path)
    models = [one["spec"]["model"] for one in WORKLOADS.values()]
    named = {(Path(model["file"]["path"]).name, model["file"]["sha256"]) for model in models if "file" in model}
    exported = {(name, digest) for name, digest in named if name.endswith(".pt2")}
    assert {name for name, _ in exported} == {"token-lstm.pt2"}, "whose digest is another with each version of torch"
    digests = {(path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in files.values()}
    assert {name for name, _ in named - exported} == {"edge-cnn.onnx", "sensor-mixer.onnx", "token-encoder.onnx"}
    assert named - exported <= digests


def own_pods() -> list[dict[str, Any]]:
    """The Pods among the examples that users make themselves."""
    (pod,) = documents(ROOT / "examples" / "own-pod.yaml")
    (job,) = documents(ROOT / "examples" / "kueue" / "job.yaml")
    template = job["spec"]["template"]
    made = {**template, "metadata": {"name": "made-by-the-job", **template["metadata"]}}
    return [pod, made]


@pytest.mark.parametrize("body", own_pods(), ids=lambda body: body["metadata"]["name"])
def test_a_pod_among_the_examples_is_a_task_behind_the_gate_of_a_workload_that_is_there(body: dict[str, Any]) -> None:
    pod: TaskPod = facts_of(reduce_pod(body))
    assert pod.is_task
    assert pod.is_gated
    assert (pod.task.inferences, pod.inferences_problem) == (250, "")
    assert body["spec"]["schedulerName"] == SCHEDULER_NAME
    limits = WORKLOADS[pod.workload]["spec"]["resources"]["limits"]
    assert body["spec"]["containers"][0]["resources"] == {"requests": limits, "limits": limits}


@pytest.mark.cluster
@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_every_example_is_admitted_where_restricted_pod_security_is_enforced(
    chart_installed: Cluster, path: Path
) -> None:
    ours = [one for one in documents(path) if (one["apiVersion"], one["kind"]) not in OF_OTHERS]
    if ours:
        items = json.dumps({"apiVersion": "v1", "kind": "List", "items": ours})
        chart_installed.kubectl("create", "--dry-run=server", "-n", "foretide-system", "-f", "-", stdin=items)


def test_both_schedulers_are_given_the_same_arrivals_with_equal_shares() -> None:
    names = ["a", "b", "c", "d"]
    waves = SCENARIO.arrivals(names)
    assert waves == SCENARIO.arrivals(names)
    assert [sorted(wave) for wave in waves] == [sorted(names * (SCENARIO.tasks_per_wave // 4))] * SCENARIO.waves
