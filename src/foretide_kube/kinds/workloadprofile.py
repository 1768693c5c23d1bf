"""WorkloadProfile: one measurement of one AIWorkload on one node class, kept unchanged."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from foretide.results import (
    MAX_BATCHES,
    BatchTime,
    Bytes,
    Environment,
    Interference,
    Microseconds,
    Milliseconds,
    ProfileResult,
)
from foretide_kube.kinds.common import (
    Conditions,
    Count,
    CpuMillis,
    Metadata,
    Object,
    Ratio,
    Sha256,
    Time,
    convert,
    plain,
)
from foretide_kube.names import API_VERSION

KIND: Final = "WorkloadProfile"


class WorkloadReference(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was measured: an AIWorkload of the same namespace, its key then, and a digest of what else was given.

    Without a ``container_key`` it is not known what limits, variables and runtime class the container had.
    """

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=52)]
    uid: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    key: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    container_key: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | None = None


class InferenceTime(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Order statistics of the time of one inference, in microseconds."""

    mean: Microseconds
    median: Microseconds
    interquartile_range: Microseconds
    p90: Microseconds | None = None
    p99: Microseconds | None = None


class Measurement(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The figures that the profiler reported; meanings as in `foretide.results.ProfileResult`.

    What tasks ran beside it the profiler cannot see: the operator adds that, calls the measurement unstable for it, and
    leaves out what it says of other batch sizes and of interference.
    """

    samples: Annotated[int, msgspec.Meta(ge=1, le=100_000_000)]
    inference_microseconds: InferenceTime
    first_inference_microseconds: Microseconds
    warmup_inferences: Count
    load_milliseconds: Milliseconds
    stable: bool
    unstable_reason: Annotated[str, msgspec.Meta(max_length=256)] = ""
    memory_peak_bytes: Bytes
    memory_base_bytes: Bytes
    accelerator_memory_peak_bytes: Bytes | None = None
    energy_microjoules_per_inference: Count | None = None
    model_sha256: Sha256 | None = None
    batches: Annotated[tuple[BatchTime, ...], msgspec.Meta(max_length=MAX_BATCHES)] = ()
    interference: Interference | None = None
    environment: Environment

    @classmethod
    def of(cls, result: ProfileResult, *, co_runners: int) -> Measurement:
        """The lasting part of what a profiler Job reported while so many tasks ran on its node."""
        return cls(
            samples=result.inference.samples,
            inference_microseconds=InferenceTime(
                mean=result.inference.mean,
                median=result.inference.median,
                interquartile_range=result.inference.interquartile_range,
                p90=result.inference.p90,
                p99=result.inference.p99,
            ),
            first_inference_microseconds=result.first_inference_microseconds,
            warmup_inferences=result.warmup_inferences,
            load_milliseconds=result.load_milliseconds,
            stable=result.stable and not co_runners,
            unstable_reason=result.unstable_reason or (f"CoRunners: {co_runners}" if co_runners else ""),
            memory_peak_bytes=result.memory_peak_bytes,
            memory_base_bytes=result.memory_base_bytes,
            accelerator_memory_peak_bytes=result.accelerator_memory_peak_bytes,
            energy_microjoules_per_inference=result.energy_microjoules_per_inference,
            model_sha256=result.model_sha256,
            batches=result.batches if not co_runners else (),
            interference=result.interference if not co_runners else None,
            environment=msgspec.structs.replace(result.environment, co_runners=co_runners),
        )


class Replaced(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The measurement that this one was made to replace, by its name, and why: a reason, and what in particular.

    A measurement that was made for a cause is not replaced for the same cause again.
    """

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=253)]
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[A-Z][A-Za-z0-9]*$")]
    cause: Annotated[str, msgspec.Meta(max_length=256)] = ""


class WorkloadProfileSpec(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was measured, where, when, and the figures; ``startup_milliseconds`` from bound to the model loaded."""

    workload: WorkloadReference
    node_class: Annotated[str, msgspec.Meta(min_length=1, max_length=63)]
    node_name: Annotated[str, msgspec.Meta(max_length=253)] | None = None
    cpu_millis: CpuMillis
    startup_milliseconds: Count
    measured_time: Time
    measurement: Measurement
    replaced: Replaced | None = None


class RunSummary(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Tasks that ended on this class and were held against their predictions; the ratio is of sums, in thousandths."""

    count: Count
    mean_work_milliseconds: Count
    mean_startup_milliseconds: Count
    actual_to_predicted_permille: Ratio | None = None


class WorkloadProfileStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What happened since."""

    observed_generation: Annotated[int, msgspec.Meta(ge=0)] | None = None
    conditions: Conditions = ()
    runs: RunSummary | None = None


class WorkloadProfile(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One measurement."""

    metadata: Metadata
    spec: WorkloadProfileSpec
    status: WorkloadProfileStatus = WorkloadProfileStatus()


def parse(obj: Object) -> WorkloadProfile:
    """A WorkloadProfile out of a plain object; KindError names the field and the value that do not fit."""
    return convert(obj, WorkloadProfile, KIND)


def to_object(profile: WorkloadProfile) -> Object:
    """A plain object that the API server takes."""
    return {"apiVersion": API_VERSION, "kind": KIND, **plain(profile)}
