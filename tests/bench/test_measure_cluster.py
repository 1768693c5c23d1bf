"""The measuring Pods on real nodes: they find the models, report each call, and run as their class is described."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.measure.networks import Network, write
from bench.measure.pods import MODELS, Call, PodError, Runner
from bench.measure.processor import LIBRARY, TABLE, make_library
from devcluster import Cluster, cgroups
from devcluster.spec import ClusterSpec, Node, NodeClass
from foretide.results import Failure, ProfileResult
from foretide.termination_message import parse
from foretide_kube.client import KubeClient
from foretide_kube.names import PODS

pytestmark = pytest.mark.cluster

OLDER = {
    "LD_AUDIT": f"{MODELS}/{LIBRARY}",
    "OLDER_PROCESSOR": "sse42",
    "OLDER_PROCESSOR_TABLE": f"{MODELS}/{TABLE}",
}
PLAIN = NodeClass("plain", 2, 0.6, 1024)
WRONG = NodeClass("wrong", 1, 0.3, 512, environment={**OLDER, "LD_AUDIT": "/none.so"})
NETWORK = Network("mlp", 16, 2, 8)
FILE = ("--source", "ONNX", "--file", f"{MODELS}/{NETWORK.name}.onnx", "--input", "8")
SHORT = ("--max-seconds", "1", "--min-seconds", "0.1", "--min-samples", "3")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    folder.chmod(0o755)
    make_library(folder, [])
    write(NETWORK, folder)
    return folder


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    spec = ClusterSpec("tests-measure", (Node("plain", PLAIN), Node("wrong", WRONG)))
    with Cluster.up(spec, images=["profiler-onnx"]) as cluster:
        yield cluster


def test_a_pod_performs_call_after_call_with_the_threads_of_its_limit(cluster: Cluster, models: Path) -> None:
    runner = Runner(cluster, models)
    calls = [
        Call("first", ("profile", *FILE, *SHORT)),
        Call("missing", ("profile", "--source", "ONNX", "--file", f"{MODELS}/none.onnx", *SHORT)),
        Call("int8", ("profile", *FILE, "--precision", "int8", *SHORT)),
    ]
    for millis, quota, threads in ((1000, 600, 1), (2000, 1200, 2)):
        said = {each.key: parse(each.document.encode()) for each in runner.run(PLAIN, "onnx", millis, calls)}
        assert list(said) == ["first", "missing", "int8"]
        assert isinstance(said["missing"], Failure)
        assert said["missing"].reason == "ModelFileMissing"
        for key in ("first", "int8"):
            found = said[key]
            assert isinstance(found, ProfileResult)
            assert (found.environment.cpu_millis, found.environment.threads) == (quota, threads)
    client = KubeClient.connect(str(cluster.kubeconfig))
    assert [pod for pod in client.list_objects(PODS, "default") if not pod["metadata"].get("deletionTimestamp")] == []


def test_a_favoured_cluster_outweighs_all_others(cluster: Cluster) -> None:
    def weights() -> list[int]:
        groups = [root / cgroups.cluster_group(cluster.name) for root in cgroups.hierarchies().roots]
        files = [group / name for group in groups for name in ("cpu.shares", "cpu.weight")]
        return [int(file.read_text()) for file in files if file.exists()]

    before = weights()
    cgroups.favour_cluster(cluster.name)
    assert before
    assert all(after >= 5 * weight for after, weight in zip(weights(), before, strict=True))


def test_a_pod_that_ends_before_its_calls_says_how_many_it_left_out(cluster: Cluster, models: Path) -> None:
    with pytest.raises(PodError, match="ended before 1 of 1 calls"):
        list(Runner(cluster, models).run(WRONG, "onnx", 1000, [Call("one", ("profile", *FILE, *SHORT))]))
