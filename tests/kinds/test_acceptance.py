"""What the real API server takes of our kinds and what it refuses, with which words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from devcluster import Cluster
from devcluster.errors import CommandError
from foretide.contention import Contention
from foretide.prediction import Interval, Prediction
from foretide.results import Environment
from foretide.signature import OperatorCost, Signature
from foretide_kube.kinds import aiworkload, completiontimemodel, nodeclass, workloadprofile
from foretide_kube.kinds.common import Condition, plain
from tests.kinds.objects import (
    REMOVED,
    Object,
    changed,
    completion_time_model,
    node_class,
    onnx_workload,
    torchvision_workload,
    workload_profile,
)

pytestmark = pytest.mark.cluster

IMAGE = {"image": {"reference": "registry.example/models:1", "pullPolicy": "IfNotPresent"}}

ACCEPTED: list[tuple[str, Object]] = [
    ("the least that is required", torchvision_workload()),
    ("a file on a claim", onnx_workload()),
    ("a file in a ConfigMap", changed(onnx_workload(), "spec.model.file.volume", {"configMap": {"name": "models"}})),
    ("a file in an image", changed(onnx_workload(), "spec.model.file.volume", IMAGE)),
    ("a torch.export file", changed(onnx_workload(), "spec.model.source", "TorchExport")),
    ("a number as cpu", changed(torchvision_workload(), "spec.resources.limits.cpu", 2)),
    ("an extended resource", changed(torchvision_workload(), "spec.resources.limits.nvidia|com/gpu", "1")),
    ("another data type", changed(torchvision_workload(), "spec.input.dataType", "int32")),
    ("the largest batch", changed(torchvision_workload(), "spec.batchSize", 4096)),
    ("a name of 52 characters", torchvision_workload("w" * 52)),
    (
        "a Job with everything",
        changed(
            torchvision_workload(),
            "spec.run",
            {
                "mode": "Job",
                "completions": 12,
                "parallelism": 3,
                "template": {
                    "metadata": {"labels": {"app": "vision"}, "annotations": {"example.com/team": "a"}},
                    "nodeSelector": {"kubernetes.io/arch": "arm64"},
                    "tolerations": [
                        {"key": "edge", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60}
                    ],
                    "runtimeClassName": "nvidia",
                    "env": [{"name": "OMP_WAIT_POLICY", "value": "PASSIVE"}],
                },
            },
        ),
    ),
    ("a Deployment at zero", changed(torchvision_workload(), "spec.run", {"mode": "Deployment", "replicas": 0})),
    (
        "a service with a latency and a queue",
        changed(
            changed(torchvision_workload(), "spec.run", {"mode": "Deployment", "maxQueuedRequests": 256}),
            "spec.objective",
            {"latencyMilliseconds": 20, "percentile": 99},
        ),
    ),
    (
        "a selection of classes",
        changed(
            torchvision_workload(),
            "spec.nodeClassSelector",
            {
                "matchExpressions": [
                    {"key": "tier", "operator": "NotIn", "values": ["slow"]},
                    {"key": "x", "operator": "Exists"},
                ]
            },
        ),
    ),
    ("a NodeClass", node_class()),
    ("a NodeClass with dots in a name of 63 characters", node_class("n" * 56 + ".orin-x")),
    ("a NodeClass of low priority", changed(node_class(), "spec.priority", -5)),
    (
        "a NodeClass with a probe of its own",
        changed(
            node_class(),
            "spec.probe",
            {"resources": {"limits": {"nvidia.com/gpu": 1}}, "tolerations": [{"key": "gpu", "operator": "Exists"}]},
        ),
    ),
    ("a WorkloadProfile", workload_profile()),
    ("a CompletionTimeModel", completion_time_model()),
]

Refusal = tuple[Object, str, Any, str]
REFUSED: list[Refusal] = [
    (torchvision_workload(), "metadata.name", "w" * 53, "at most 52 characters"),
    (torchvision_workload(), "spec", REMOVED, "spec: Required value"),
    (torchvision_workload(), "spec.model", REMOVED, "spec.model: Required value"),
    (torchvision_workload(), "spec.model.source", "Pickle", 'supported values: "TorchVision", "ONNX", "TorchExport"'),
    (torchvision_workload(), "spec.model.name", REMOVED, "source TorchVision needs name"),
    (torchvision_workload(), "spec.model.name", "ResNet 18", "should match '^[a-z][a-z0-9_]*$'"),
    (torchvision_workload(), "spec.model.source", "ONNX", "sources ONNX and TorchExport need file"),
    (onnx_workload(), "spec.model.name", "resnet18", "sources ONNX and TorchExport take none"),
    (onnx_workload(), "spec.model.file.sha256", "abc", "spec.model.file.sha256"),
    (onnx_workload(), "spec.model.file.sha256", "A" * 64, "should match '^[0-9a-f]{64}$'"),
    (onnx_workload(), "spec.model.file.path", "/etc/passwd", "relative to the root of the volume"),
    (onnx_workload(), "spec.model.file.path", "models/../../secret", "relative to the root of the volume"),
    (onnx_workload(), "spec.model.file.path", "models//a.onnx", "relative to the root of the volume"),
    (onnx_workload(), "spec.model.file.volume", {}, "exactly one of configMap, persistentVolumeClaim and image"),
    (onnx_workload(), "spec.model.file.volume.configMap", {"name": "m"}, "exactly one of configMap"),
    (torchvision_workload(), "spec.input.shape", [], "should have at least 1 items"),
    (torchvision_workload(), "spec.input.shape", [1] * 9, "must have at most 8 items"),
    (torchvision_workload(), "spec.input.shape", [3, 0, 224], "greater than or equal to 1"),
    (torchvision_workload(), "spec.input.dataType", "float64", "supported values"),
    (torchvision_workload(), "spec.precision", "fp8", "supported values"),
    (torchvision_workload(), "spec.batchSize", 0, "greater than or equal to 1"),
    (torchvision_workload(), "spec.batchSize", 4097, "less than or equal to 4096"),
    (torchvision_workload(), "spec.inferences", 0, "greater than or equal to 1"),
    (torchvision_workload(), "spec.inferences", 1.5, "must be of type integer"),
    (torchvision_workload(), "spec.objective", {"percentile": 100}, "less than or equal to 99"),
    (torchvision_workload(), "spec.objective", {"deadlineMilliseconds": 0}, "greater than or equal to 1"),
    (torchvision_workload(), "spec.resources.limits.cpu", REMOVED, "limits need cpu and memory"),
    (torchvision_workload(), "spec.resources.limits.memory", REMOVED, "limits need cpu and memory"),
    (torchvision_workload(), "spec.resources.limits.cpu", "fast", "every limit is a positive quantity"),
    (torchvision_workload(), "spec.resources.limits.cpu", "0", "every limit is a positive quantity"),
    (torchvision_workload(), "spec.resources.limits.memory", "-1Gi", "every limit is a positive quantity"),
    (torchvision_workload(), "spec.resources.limits.gpu", "1", "extended resources (domain/name)"),
    (torchvision_workload(), "spec.profiling", {"policy": "Sometimes"}, "supported values"),
    (torchvision_workload(), "spec.profiling", {"maxAgeSeconds": 1}, "greater than or equal to 60"),
    (torchvision_workload(), "spec.maxWaitSeconds", 0, "greater than or equal to 1"),
    (torchvision_workload(), "spec.run", {"completions": 3}, "completions and parallelism need mode Job"),
    (
        torchvision_workload(),
        "spec.run",
        {"mode": "Deployment", "parallelism": 3},
        "completions and parallelism need mode Job",
    ),
    (torchvision_workload(), "spec.run", {"mode": "Job", "replicas": 3}, "replicas needs mode Deployment"),
    (torchvision_workload(), "spec.run", {"mode": "Job", "maxQueuedRequests": 3}, "maxQueuedRequests needs mode"),
    (
        torchvision_workload(),
        "spec.run",
        {"mode": "Deployment", "maxQueuedRequests": 257},
        "less than or equal to 256",
    ),
    (torchvision_workload(), "spec.objective", {"latencyMilliseconds": 20}, "for requests to a service"),
    (
        changed(torchvision_workload(), "spec.run", {"mode": "Deployment"}),
        "spec.objective",
        {"deadlineMilliseconds": 20},
        "is for tasks, which end",
    ),
    (torchvision_workload(), "spec.run", {"template": {"serviceAccountName": "admin"}}, "unknown field"),
    (torchvision_workload(), "spec.run", {"template": {"priorityClassName": "system-node-critical"}}, "unknown field"),
    (
        torchvision_workload(),
        "spec.run",
        {"template": {"metadata": {"labels": {"foretide.dev/role": "run"}}}},
        "labels under foretide.dev/ are set by Foretide",
    ),
    (
        torchvision_workload(),
        "spec.run",
        {"template": {"metadata": {"annotations": {"foretide.dev/paired": "now"}}}},
        "annotations under foretide.dev/ are set by Foretide",
    ),
    (
        torchvision_workload(),
        "spec.run",
        {"template": {"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]}},
        "with operator Exists takes no value",
    ),
    (torchvision_workload(), "spec.run", {"template": {"tolerations": [{"value": "b"}]}}, "needs operator Exists"),
    (torchvision_workload(), "spec.run", {"template": {"env": [{"name": "A B"}]}}, "should match"),
    (torchvision_workload(), "spec.run", {"template": {"runtimeClassName": "NVIDIA"}}, "should match"),
    (
        torchvision_workload(),
        "spec.nodeClassSelector",
        {"matchExpressions": [{"key": "a", "operator": "In"}]},
        "In and NotIn need at least one value",
    ),
    (
        torchvision_workload(),
        "spec.nodeClassSelector",
        {"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]},
        "Exists and DoesNotExist take none",
    ),
    (node_class(), "metadata.name", "n" * 64, "at most 63 characters"),
    (node_class(), "spec.selector", {}, "an empty one would claim every node"),
    (node_class(), "spec.selector", {"matchLabels": {}}, "an empty one would claim every node"),
    (node_class(), "spec.priority", "high", "must be of type integer"),
    (node_class(), "spec.probe", {"resources": {"limits": {"cpu": "none"}}}, "every limit is a positive quantity"),
    (workload_profile(), "spec.measurement.inferenceMicroseconds.median", 1.5, "must be of type integer"),
    (workload_profile(), "spec.measurement.samples", 0, "greater than or equal to 1"),
    (workload_profile(), "spec.measuredTime", "yesterday", "must be of type date-time"),
    (workload_profile(), "spec.cpuMillis", 0, "greater than or equal to 1"),
    (completion_time_model(), "metadata.name", "second", "one CompletionTimeModel, named default"),
    (completion_time_model(), "spec.minimumObservations", 1, "greater than or equal to 2"),
    (completion_time_model(), "spec.keepVersions", 11, "less than or equal to 10"),
]

Change = tuple[Object, str, Any, str]
CHANGES_REFUSED: list[Change] = [
    (torchvision_workload(), "spec.model.name", "resnet18", "model cannot change"),
    (onnx_workload(), "spec.model.file.path", "other.onnx", "model cannot change"),
    (torchvision_workload(), "spec.input.shape", [3, 160, 160], "input cannot change"),
    (torchvision_workload(), "spec.input.dataType", "float16", "input cannot change"),
    (torchvision_workload(), "spec.precision", "int8", "precision cannot change"),
    (torchvision_workload(), "spec.batchSize", 2, "batchSize cannot change"),
    (torchvision_workload(), "spec.resources.limits.cpu", "2", "the CPU limit cannot change"),
    (
        changed(torchvision_workload(), "spec.run", {"mode": "Job"}),
        "spec.run.completions",
        2,
        "completions of mode Job",
    ),
    (workload_profile(), "spec.startupMilliseconds", 1, "a measurement cannot change"),
]
CHANGES_ACCEPTED: list[tuple[Object, str, Any]] = [
    (torchvision_workload(), "spec.resources.limits.cpu", "1000m"),
    (torchvision_workload(), "spec.resources.limits.memory", "1Gi"),
    (torchvision_workload(), "spec.resources.limits.example|com/npu", 1),
    (torchvision_workload(), "spec.precision", "fp32"),
    (torchvision_workload(), "spec.inferences", 5),
    (torchvision_workload(), "spec.suspend", True),
    (torchvision_workload(), "spec.objective", {"deadlineMilliseconds": 1000}),
    (torchvision_workload(), "spec.run", {"mode": "Job", "completions": 3}),
    (changed(torchvision_workload(), "spec.run", {"mode": "Job"}), "spec.run", {"mode": "None"}),
    (node_class(), "spec.priority", 7),
    (completion_time_model(), "spec.keepVersions", 1),
]


def create(cluster: Cluster, obj: Object, *, dry_run: bool = True) -> Object:
    words = ["create", "-f", "-", "-o", "json", *(["--dry-run=server"] if dry_run else [])]
    made: Object = json.loads(cluster.kubectl(*words, stdin=json.dumps(obj)))
    return made


@pytest.mark.parametrize(("what", "obj"), ACCEPTED, ids=[what for what, _ in ACCEPTED])
def test_is_accepted(chart_installed: Cluster, what: str, obj: Object) -> None:
    made = create(chart_installed, obj)
    assert made["metadata"]["name"] == obj["metadata"]["name"], what


@pytest.mark.parametrize(("obj", "path", "value", "words"), REFUSED, ids=[f"{r[1]}-{i}" for i, r in enumerate(REFUSED)])
def test_is_refused_with_words_that_help(
    chart_installed: Cluster, obj: Object, path: str, value: Any, words: str
) -> None:
    with pytest.raises(CommandError) as refusal:
        create(chart_installed, changed(obj, path, value))
    assert words in str(refusal.value)


@pytest.fixture
def remove_after(chart_installed: Cluster) -> Any:
    yield
    chart_installed.kubectl("delete", "aiw,wprof", "--all", "-n", "default", "--wait=true")
    chart_installed.kubectl("delete", "nclass,ctmodel", "--all", "--wait=true")


@pytest.mark.usefixtures("remove_after")
def test_what_measurements_speak_of_cannot_change(chart_installed: Cluster) -> None:
    for obj, path, value, words in CHANGES_REFUSED:
        made = create(chart_installed, obj, dry_run=False)
        with pytest.raises(CommandError) as refusal:
            chart_installed.kubectl("replace", "-f", "-", stdin=json.dumps(changed(made, path, value)))
        assert words in str(refusal.value), path
        chart_installed.kubectl("delete", "-f", "-", stdin=json.dumps(obj))


@pytest.mark.usefixtures("remove_after")
def test_all_else_can(chart_installed: Cluster) -> None:
    for obj, path, value in CHANGES_ACCEPTED:
        made = create(chart_installed, obj, dry_run=False)
        chart_installed.kubectl("replace", "-f", "-", stdin=json.dumps(changed(made, path, value)))
        chart_installed.kubectl("delete", "-f", "-", stdin=json.dumps(obj))


def test_the_server_s_defaults_are_the_forms_defaults(chart_installed: Cluster) -> None:
    for kind, obj in (
        (aiworkload, torchvision_workload()),
        (nodeclass, node_class()),
        (completiontimemodel, completion_time_model()),
    ):
        here: Any = kind.parse(obj)
        there: Any = kind.parse(create(chart_installed, obj))
        assert there.spec == here.spec
    spec = aiworkload.parse(torchvision_workload()).spec
    assert aiworkload.workload_key(
        aiworkload.parse(create(chart_installed, torchvision_workload())).spec
    ) == aiworkload.workload_key(spec)


CONDITION = Condition(
    type="Ready",
    status="True",
    reason="Ready",
    message="",
    last_transition_time="2026-01-02T03:04:05Z",
    observed_generation=1,
)
STATUSES: list[tuple[Object, Any]] = [
    (
        torchvision_workload(),
        aiworkload.AIWorkloadStatus(
            observed_generation=1,
            conditions=(CONDITION,),
            key="0123456789abcdef",
            model_sha256="0" * 64,
            signature=Signature(
                macs=1,
                parameter_bytes=2,
                activation_bytes=3,
                peak_activation_bytes=4,
                operator_count=5,
                input_pixels=6,
                by_kind={"linear": OperatorCost(macs=1, bytes_written=2, count=3)},
            ),
            profiles=aiworkload.Profiles.of(
                desired=3,
                measured=2,
                learned=1,
                failed=0,
                classes=(
                    aiworkload.ClassProfiling(node_class="a", reason="Measured"),
                    aiworkload.ClassProfiling(
                        node_class="b", reason="SureEnough", message="m", gain_permille=3, worth_permille=20
                    ),
                ),
            ),
            runs=aiworkload.RunCounts(
                active=1,
                succeeded=2,
                failed=3,
                waiting=4,
                next_start_time="2026-01-02T03:04:05Z",
                next_node="board-1",
                expected_finish_time="2026-01-02T03:14:05Z",
            ),
            actuals=aiworkload.Actuals(
                count=2,
                mean_work_milliseconds=3,
                mean_completion_milliseconds=4,
                actual_to_predicted_permille=990,
            ),
            service=aiworkload.ServiceActuals(
                minutes=3,
                requests=400,
                refused=5,
                judged_minutes=3,
                met_minutes=2,
                observed_to_predicted_permille=1100,
                observed_latency_microseconds=21_000,
                predicted_latency_microseconds=19_000,
                in_flight_permille=1200,
                observed_time="2026-01-02T03:04:05Z",
            ),
            best=aiworkload.Best.of(node_class="board", seconds=12.34),
            predictions=(
                Prediction(
                    node_class="board",
                    work_microseconds_per_inference=Interval(lower=1, median=2, upper=3),
                    startup_milliseconds=4,
                    memory_bytes=5,
                    source="Measured",
                    model_version="v1",
                    measured_time="2026-01-02T03:04:05Z",
                    contention_permille=300,
                ),
            ),
        ),
    ),
    (
        node_class(),
        nodeclass.NodeClassStatus(
            observed_generation=1,
            conditions=(CONDITION,),
            nodes=nodeclass.NodeCounts.of(total=3, ready=2),
            conflicting_nodes=("node-1",),
            probe=nodeclass.Probe(
                probed_time="2026-01-02T03:04:05Z",
                node="node-1",
                node_fingerprint="abc",
                startup_milliseconds=1,
                gemm_flops_per_second=10**12,
                memory_bandwidth_bytes_per_second=10**10,
                model_microseconds={"small-convolutions": 5},
                environment=Environment(threads=1, runtime="onnxruntime 1.20", instruction_sets=("avx2",)),
            ),
        ),
    ),
    (
        workload_profile(),
        workloadprofile.WorkloadProfileStatus(
            observed_generation=1,
            conditions=(CONDITION,),
            runs=workloadprofile.RunSummary(count=1, mean_work_milliseconds=2, mean_startup_milliseconds=3),
        ),
    ),
    (
        completion_time_model(),
        completiontimemodel.CompletionTimeModelStatus(
            observed_generation=1,
            conditions=(CONDITION,),
            active_version="v1",
            considered_time="2026-01-02T03:15:05Z",
            versions=(
                completiontimemodel.Version(
                    version="v1",
                    trained_time="2026-01-02T03:04:05Z",
                    observations=12,
                    input_rows=15,
                    input_classes=3,
                    artefact=completiontimemodel.Artefact(config_maps=("m-0",), sha256="0" * 64, bytes=123),
                    errors=completiontimemodel.Errors(median_absolute_permille=80),
                    state="Serving",
                    state_time="2026-01-02T03:04:05Z",
                    reason="NotWorse",
                    message="8.0 % median error on 12 pairs held back, version v0 9.0 %",
                    proven_time="2026-01-02T03:04:05Z",
                    input_sha256="1" * 64,
                    trials=(
                        completiontimemodel.Trial(
                            times="HeldBack",
                            against="v0",
                            pairs=12,
                            error_permille=80,
                            against_error_permille=90,
                            verdict="NotWorse",
                        ),
                    ),
                ),
                completiontimemodel.Version(
                    version="v2",
                    trained_time="2026-01-02T03:14:05Z",
                    observations=14,
                    errors=completiontimemodel.Errors(),
                    state="Rejected",
                ),
            ),
            excluded=(
                completiontimemodel.Excluded(namespace="team", observations=7, whole=True, reason="Implausible"),
            ),
            classes=(
                completiontimemodel.ClassErrors(
                    node_class="board",
                    observations=4,
                    error_permille=90,
                    contention=(
                        Contention(
                            kind="MemoryBound",
                            coefficient_permille=300,
                            pairs=40,
                            error_permille=50,
                            error_without_permille=90,
                            reason="BetterThanNone",
                        ),
                    ),
                ),
            ),
        ),
    ),
]


@pytest.mark.usefixtures("remove_after")
def test_the_server_keeps_every_field_of_a_full_status(chart_installed: Cluster) -> None:
    for obj, status in STATUSES:
        made = create(chart_installed, obj, dry_run=False)
        written = plain(status)
        kept = json.loads(
            chart_installed.kubectl(
                "replace",
                "--subresource=status",
                "-f",
                "-",
                "-o",
                "json",
                stdin=json.dumps({**made, "status": written}),
            )
        )
        assert kept["status"] == written
    columns = chart_installed.kubectl("get", "foretide")
    for shown in ("2/3", "12.3", "board", "v1", "2026-01-02T03:04:05Z   board-1   2026-01-02T03:14:05Z"):
        assert shown in columns
