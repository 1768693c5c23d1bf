"""One cluster of real nodes with the chart installed and a workload that is profiled, for all fault tests of a run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from demo.scenario import ROOT
from devcluster import Cluster, ClusterSpec, leftovers
from examples.models import make_onnx
from foretide_kube.names import AIWORKLOADS
from tests.e2e.workloads import onnx_workload, put_file
from tests.faults.crowd import LIMITS
from tests.faults.stage import Stage
from tests.installed import Installed, install, say

NAMESPACE = "faults"
WORKLOAD = "task"
CROWD_WORKLOAD = "crowd"
WORK_MICROSECONDS = 1_500_000
"""What a task is to take on the fastest class: long enough to be hit in the middle, and no longer."""


@pytest.fixture(scope="package")
def installed() -> Iterator[Installed]:
    """A cluster of its own: what is broken here must not show elsewhere."""
    spec = replace(ClusterSpec.load(ROOT / "devcluster" / "clusters" / "test.yaml"), name="tests-faults")
    images = ["operator", "extender", "profiler-onnx", "kube-scheduler"]
    with Cluster.up(spec, images=images, progress=say, replace=True) as cluster:
        yield install(cluster)
    assert leftovers.of(spec.name) == []


@pytest.fixture(scope="package")
def model(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The model of all tasks."""
    path: Path = make_onnx.build(tmp_path_factory.mktemp("models"))["edge-cnn"]
    return path.read_bytes()


@pytest.fixture(scope="package")
def stage(installed: Installed, model: bytes) -> Iterator[Stage]:
    """A workload that is measured on every class, its tasks as long as they should be."""
    installed.namespace(NAMESPACE)
    put_file(installed.client, WORKLOAD, model, NAMESPACE)
    installed.client.create(AIWORKLOADS, onnx_workload(WORKLOAD, model), NAMESPACE)
    with Stage.of(installed, NAMESPACE, WORKLOAD) as found:
        installed.wait_condition(WORKLOAD, "Profiled", NAMESPACE, status="True", timeout_seconds=300)
        fastest = installed.until(
            "measured predictions",
            lambda: min(
                (
                    each.work_microseconds_per_inference.median
                    for each in found.workload().status.predictions
                    if each.source == "Measured"
                ),
                default=None,
            ),
        )
        spec = {"inferences": max(1, round(WORK_MICROSECONDS / fastest))}
        installed.client.patch(AIWORKLOADS, WORKLOAD, {"spec": spec}, NAMESPACE)
        yield found


@pytest.fixture(scope="package")
def crowd_workload(stage: Stage, model: bytes) -> Iterator[str]:
    """A workload of the crowds alone: what they make of it is not the bursts' concern."""
    client, namespace = stage.installed.client, stage.namespace
    manifest = onnx_workload(CROWD_WORKLOAD, model, limits=LIMITS)
    manifest["spec"]["model"]["file"]["volume"]["configMap"]["name"] = stage.workload_name
    manifest["spec"] |= {"profiling": {"policy": "Never"}, "objective": {"deadlineMilliseconds": 3_600_000}}
    client.create(AIWORKLOADS, manifest, namespace)
    stage.installed.wait_condition(CROWD_WORKLOAD, "Predicted", namespace, status="True")
    yield CROWD_WORKLOAD
    client.delete(AIWORKLOADS, CROWD_WORKLOAD, namespace)
