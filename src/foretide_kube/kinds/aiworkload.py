"""AIWorkload: what inference there is to do, and what Foretide found out about it."""

from __future__ import annotations

import hashlib
from typing import Annotated, Final, Literal

import msgspec

from foretide.prediction import Prediction
from foretide.service_report import MAX_QUEUE
from foretide.signature import Signature
from foretide_kube.kinds.common import (
    DNS_SUBDOMAIN,
    EVERYTHING,
    ClassName,
    Conditions,
    Count,
    KindError,
    Labels,
    LabelSelector,
    LabelValue,
    Limits,
    Metadata,
    Name,
    Object,
    Ratio,
    Sha256,
    SmallCount,
    Time,
    Toleration,
    check_limits,
    convert,
    cpu_millis_of,
    memory_bytes_of,
    plain,
)
from foretide_kube.kinds.rules import broken_rules
from foretide_kube.names import API_VERSION

KIND: Final = "AIWorkload"
MAX_PREDICTIONS: Final = 64
MAX_PROFILING_MESSAGE: Final = 256
USUAL_QUEUE: Final = 16

ModelSource = Literal["TorchVision", "ONNX", "TorchExport"]
DataType = Literal["float32", "float16", "int64", "int32", "uint8"]
Precision = Literal["fp32", "fp16", "bf16", "int8"]
RunMode = Literal["Job", "Deployment", "None"]


class ConfigMapVolume(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A ConfigMap of the workload's namespace."""

    name: Name


class ClaimVolume(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A PersistentVolumeClaim of the workload's namespace."""

    claim_name: Name


class ImageVolume(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An OCI image mounted as a volume."""

    reference: Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
    pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None


class ModelVolume(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Where the model file lies: exactly one of the three is set."""

    config_map: ConfigMapVolume | None = None
    persistent_volume_claim: ClaimVolume | None = None
    image: ImageVolume | None = None


class ModelFile(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A model file; ``path`` is relative to the root of its volume."""

    path: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    sha256: Annotated[str, msgspec.Meta(min_length=64, max_length=64, pattern=r"^[0-9a-f]{64}$")]
    volume: ModelVolume


class Model(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The network: ``name`` with source TorchVision, ``file`` with the others."""

    source: ModelSource
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9_]*$")] | None = None
    file: ModelFile | None = None


class Input(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One item, without the batch dimension."""

    shape: Annotated[
        tuple[Annotated[int, msgspec.Meta(ge=1, le=1_048_576)], ...], msgspec.Meta(min_length=1, max_length=8)
    ]
    data_type: DataType = "float32"


class Objective(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What so many of a hundred tasks, or requests, should keep to.

    Tasks have a deadline from their Pod's creation; requests to a service (mode Deployment) a latency.
    """

    deadline_milliseconds: Annotated[int, msgspec.Meta(ge=1, le=604_800_000)] | None = None
    latency_milliseconds: Annotated[int, msgspec.Meta(ge=1, le=86_400_000)] | None = None
    percentile: Annotated[int, msgspec.Meta(ge=50, le=99)] = 90


class Resources(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Limits by resource name, cpu and memory among them; requests are equal."""

    limits: Limits


class Profiling(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Whether the workload is measured, and at what age of a measurement again."""

    policy: Literal["Auto", "Always", "Never"] = "Auto"
    max_age_seconds: Annotated[int, msgspec.Meta(ge=60, le=315_360_000)] | None = None


class TemplateMetadata(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Labels and annotations added to run Pods; none under foretide.dev/."""

    labels: Annotated[dict[str, LabelValue], msgspec.Meta(max_length=32)] = msgspec.field(default_factory=dict)
    annotations: Annotated[dict[str, Annotated[str, msgspec.Meta(max_length=4096)]], msgspec.Meta(max_length=32)] = (
        msgspec.field(default_factory=dict)
    )


class EnvironmentVariable(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A variable of the container's environment."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=128, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
    value: Annotated[str, msgspec.Meta(max_length=4096)] = ""


class PodTemplate(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a workload may choose of its Pods."""

    metadata: TemplateMetadata = TemplateMetadata()
    node_selector: Labels = msgspec.field(default_factory=dict)
    tolerations: Annotated[tuple[Toleration, ...], msgspec.Meta(max_length=16)] = ()
    runtime_class_name: Annotated[Name, msgspec.Meta(pattern=f"^{DNS_SUBDOMAIN}$")] | None = None
    env: Annotated[tuple[EnvironmentVariable, ...], msgspec.Meta(max_length=32)] = ()


class Run(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What Foretide starts; read the numbers through the properties, which know what an absent one means."""

    mode: RunMode = "None"
    completions: Annotated[int, msgspec.Meta(ge=1, le=100_000)] | None = None
    parallelism: Annotated[int, msgspec.Meta(ge=1, le=100_000)] | None = None
    replicas: Annotated[int, msgspec.Meta(ge=0, le=10_000)] | None = None
    max_queued_requests: Annotated[int, msgspec.Meta(ge=1, le=MAX_QUEUE)] | None = None
    template: PodTemplate = PodTemplate()

    @property
    def is_service(self) -> bool:
        """Whether its Pods answer requests, and never end."""
        return self.mode == "Deployment"

    @property
    def task_count(self) -> int:
        """Tasks that mode Job performs."""
        return 1 if self.completions is None else self.completions

    @property
    def tasks_at_once(self) -> int:
        """Tasks of mode Job that may be at work at once."""
        return self.task_count if self.parallelism is None else min(self.parallelism, self.task_count)

    @property
    def replica_count(self) -> int:
        """Pods that mode Deployment keeps."""
        return 1 if self.replicas is None else self.replicas

    @property
    def queue_length(self) -> int:
        """Requests that wait at most in each Pod of mode Deployment."""
        return USUAL_QUEUE if self.max_queued_requests is None else self.max_queued_requests


class AIWorkloadSpec(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What is wanted; see the schema for what may change."""

    model: Model
    input: Input
    precision: Precision = "fp32"
    batch_size: Annotated[int, msgspec.Meta(ge=1, le=4096)] = 1
    inferences: Annotated[int, msgspec.Meta(ge=1, le=10**9)] = 1000
    objective: Objective = Objective()
    resources: Resources
    node_class_selector: LabelSelector = EVERYTHING
    profiling: Profiling = Profiling()
    max_wait_seconds: Annotated[int, msgspec.Meta(ge=1, le=604_800)] | None = None
    run: Run = Run()
    suspend: bool = False

    @property
    def inferences_at_a_time(self) -> int:
        """Inferences by which nodes are compared: those of one task, or the one of a request to a service."""
        return 1 if self.run.is_service else self.inferences


class ClassProfiling(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Why a node class was measured, is to be, or is not.

    ``gain_permille`` is what measuring would gain a task, in thousandths of its time on the fastest class;
    ``worth_permille`` what all its tasks lately would gain for a second of measuring, in thousandths of a second.
    ``node_seconds`` is what measuring is expected to take of a node, told while it is under way, or waits for nothing
    but a node without tasks: until ``latest_start_time``, then it begins beside them.
    """

    node_class: ClassName
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[A-Z][A-Za-z0-9]*$")]
    message: Annotated[str, msgspec.Meta(max_length=MAX_PROFILING_MESSAGE)] = ""
    gain_permille: Ratio | None = None
    worth_permille: Ratio | None = None
    node_seconds: Annotated[int, msgspec.Meta(ge=1, le=86_400)] | None = None
    latest_start_time: Time | None = None


class Profiles(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Node classes that are selected, measured, predicted by the model, and failed for good; and why, for each."""

    desired: SmallCount
    measured: SmallCount
    learned: SmallCount = 0
    failed: SmallCount
    summary: Annotated[str, msgspec.Meta(max_length=64)]
    classes: Annotated[tuple[ClassProfiling, ...], msgspec.Meta(max_length=MAX_PREDICTIONS)] = ()

    @classmethod
    def of(
        cls, *, desired: int, measured: int, learned: int, failed: int, classes: tuple[ClassProfiling, ...] = ()
    ) -> Profiles:
        """The counts with their summary for printing; of ``classes`` as many as there is room for."""
        return cls(
            desired=desired,
            measured=measured,
            learned=learned,
            failed=failed,
            summary=f"measured {measured}, learned {learned} of {desired}",
            classes=classes[:MAX_PREDICTIONS],
        )


class RunCounts(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Tasks of the run Job, or Pods of the Deployment; ``ended_key`` digests the run that has ended.

    ``waiting`` counts the Pods behind the planner's gate; ``next_start_time`` is when the first of them is expected to
    start, on ``next_node``, and ``expected_finish_time`` when the last of them is expected to end.
    """

    active: SmallCount
    succeeded: SmallCount
    failed: SmallCount
    waiting: SmallCount = 0
    next_start_time: Time | None = None
    next_node: Annotated[str, msgspec.Meta(max_length=253)] | None = None
    expected_finish_time: Time | None = None
    ended_key: Annotated[str, msgspec.Meta(max_length=64)] | None = None


class Actuals(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Tasks whose times were held against their predictions; the ratio is of sums, in thousandths."""

    count: Count
    mean_work_milliseconds: Count
    mean_completion_milliseconds: Count
    actual_to_predicted_permille: Ratio | None = None


class ServiceActuals(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What requests to a service took, held against what was predicted for each Pod and minute.

    ``minutes`` are those of Pods in which there were requests; of ``judged_minutes``, in which there was an objective,
    ``met_minutes`` kept to it. The ratio is of sums over all of them, in thousandths. Latencies, at the percentile that
    is asked for and at the load that there was, and the requests in flight, in thousandths, are of the latest minute.
    """

    minutes: Count
    requests: Count
    refused: Count
    judged_minutes: Count = 0
    met_minutes: Count = 0
    observed_to_predicted_permille: Ratio | None = None
    observed_latency_microseconds: Count
    predicted_latency_microseconds: Count
    in_flight_permille: Ratio
    observed_time: Time


class Best(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The node class where one task would finish first, or a request be answered soonest, on an idle node."""

    node_class: ClassName
    completion_milliseconds: Count
    completion_seconds: Annotated[str, msgspec.Meta(max_length=32)]

    @classmethod
    def of(cls, *, node_class: str, seconds: float, is_service: bool = False) -> Best:
        """The class with its time, the seconds for printing included: for requests they are small."""
        return cls(
            node_class=node_class,
            completion_milliseconds=round(1000 * seconds),
            completion_seconds=f"{seconds:.4f}" if is_service else f"{seconds:.1f}",
        )


class AIWorkloadStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What Foretide found out."""

    observed_generation: Annotated[int, msgspec.Meta(ge=0)] | None = None
    conditions: Conditions = ()
    key: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    model_sha256: Sha256 | None = None
    signature: Signature | None = None
    profiles: Profiles | None = None
    runs: RunCounts | None = None
    actuals: Actuals | None = None
    service: ServiceActuals | None = None
    best: Best | None = None
    predictions: Annotated[tuple[Prediction, ...], msgspec.Meta(max_length=MAX_PREDICTIONS)] = ()


class AIWorkload(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One kind of inference in one namespace."""

    metadata: Metadata
    spec: AIWorkloadSpec
    status: AIWorkloadStatus = AIWorkloadStatus()


def parse(obj: Object) -> AIWorkload:
    """An AIWorkload out of a plain object; KindError names the field and the value that do not fit.

    Also refuses, as the API server does, what no single field shows (`foretide_kube.kinds.rules`), and limits that are
    no positive quantities.
    """
    workload = convert(obj, AIWorkload, KIND)
    name = f"{workload.metadata.namespace}/{workload.metadata.name}"
    for field, value, problem in broken_rules(workload):
        raise KindError(KIND, name, field, value, problem)
    check_limits(workload.spec.resources.limits, KIND, name, "spec.resources.limits")
    return workload


def to_object(workload: AIWorkload) -> Object:
    """A plain object that the API server takes."""
    return {"apiVersion": API_VERSION, "kind": KIND, **plain(workload)}


def cpu_millis(spec: AIWorkloadSpec) -> int:
    """The CPU limit in thousandths of a CPU."""
    return cpu_millis_of(spec.resources.limits)


def memory_bytes(spec: AIWorkloadSpec) -> int:
    """The memory limit in bytes."""
    return memory_bytes_of(spec.resources.limits)


def workload_key(spec: AIWorkloadSpec) -> str:
    """A digest of what is immutable; measurements with the same key speak of the same work.

    Equal for equal quantities however written (cpu ``1`` and ``1000m``), and whether or not the API server has
    filled in defaults.
    """
    immutable = {
        "model": plain(spec.model),
        "input": plain(spec.input),
        "precision": spec.precision,
        "batchSize": spec.batch_size,
        "cpuMillis": cpu_millis(spec),
    }
    return hashlib.sha256(msgspec.json.encode(immutable, order="sorted")).hexdigest()[:16]
