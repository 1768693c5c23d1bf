"""The examples stand on their own: every manifest is of its kind's form, and names the file that it needs."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import yaml

from demo.scenario import ROOT, Scenario
from devcluster import Cluster
from examples.models import make_onnx
from foretide.simulate.scenario import Scenario as SimulatedScenario
from foretide_kube.kinds import aiworkload
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


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_every_workload_among_the_examples_is_of_its_kinds_form(path: Path) -> None:
    for manifest in yaml.safe_load_all(path.read_text()):
        if manifest["kind"] == "AIWorkload":
            assert aiworkload.parse(manifest).metadata.name


def test_manifests_name_the_digest_of_the_file_that_the_script_writes(tmp_path: Path) -> None:
    files = make_onnx.build(tmp_path)
    manifests = [one for path in MANIFESTS for one in yaml.safe_load_all(path.read_text())]
    models = [one["spec"]["model"] for one in manifests if one["kind"] == "AIWorkload"]
    named = {model["file"]["path"]: model["file"]["sha256"] for model in models if "file" in model}
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files.values()}
    assert {"edge-cnn.onnx", "sensor-mixer.onnx", "token-encoder.onnx"} == named.keys()
    assert named.items() <= digests.items()


def test_the_pod_among_the_examples_is_a_task_behind_the_gate_of_a_workload_that_is_there() -> None:
    body = yaml.safe_load((ROOT / "examples" / "own-pod.yaml").read_text())
    pod: TaskPod = facts_of(reduce_pod(body))
    assert pod.is_task
    assert pod.is_gated
    assert (pod.task.inferences, pod.inferences_problem) == (250, "")
    assert body["spec"]["schedulerName"] == SCHEDULER_NAME
    workloads = [one for path in MANIFESTS for one in yaml.safe_load_all(path.read_text())]
    (limits,) = [one["spec"]["resources"]["limits"] for one in workloads if one["metadata"]["name"] == pod.workload]
    assert body["spec"]["containers"][0]["resources"] == {"requests": limits, "limits": limits}


@pytest.mark.cluster
def test_the_pod_among_the_examples_is_admitted_where_restricted_pod_security_is_enforced(
    chart_installed: Cluster,
) -> None:
    path = str(ROOT / "examples" / "own-pod.yaml")
    chart_installed.kubectl("create", "--dry-run=server", "-n", "foretide-system", "-f", path)


def test_both_schedulers_are_given_the_same_arrivals_with_equal_shares() -> None:
    names = ["a", "b", "c", "d"]
    waves = SCENARIO.arrivals(names)
    assert waves == SCENARIO.arrivals(names)
    assert [sorted(wave) for wave in waves] == [sorted(names * (SCENARIO.tasks_per_wave // 4))] * SCENARIO.waves
