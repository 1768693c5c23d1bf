"""What a profiler Job says when it ends: one small JSON document, versioned, and never trusted.

The document travels as the container's termination message (`foretide.termination_message`). It comes from a container
that runs someone else's model: every field is bounded here, and `foretide.plausibility` refuses what no machine does.
Durations are integers with their unit in the name; times are milliseconds since the epoch by the node's clock.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from foretide.signature import Count, Signature

SCHEMA: Literal["foretide.dev/result/v1"] = "foretide.dev/result/v1"

MAX_BATCHES: Final = 8
"""Batch sizes that one profile tells of besides the workload's own."""

Microseconds = Annotated[int, msgspec.Meta(ge=0, le=86_400_000_000)]
Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=86_400_000)]
EpochMilliseconds = Annotated[int, msgspec.Meta(ge=1_500_000_000_000, le=9_999_999_999_999)]
Bytes = Annotated[int, msgspec.Meta(ge=0, le=2**50)]
Text = Annotated[str, msgspec.Meta(max_length=256)]
ProbeName = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9-]{0,31}$")]


class Document(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True, tag_field="kind"):
    """What every result carries: the version of its schema."""

    schema: Literal["foretide.dev/result/v1"] = SCHEMA


class Environment(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The fingerprint of what a measurement ran on; absent figures are None, never 0.

    Clock, power and reasons for throttling (names as in NVML) are the accelerator's at the end of the measurement.
    ``co_runners`` are tasks on the same node meanwhile, which only who watches the cluster sees.
    """

    cpu_model: Text = ""
    architecture: Text = ""
    instruction_sets: Annotated[tuple[Text, ...], msgspec.Meta(max_length=16)] = ()
    cpu_millis: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)] | None = None
    threads: Annotated[int, msgspec.Meta(ge=1, le=4096)]
    memory_limit_bytes: Bytes | None = None
    governor: Text | None = None
    runtime: Text
    accelerator: Text | None = None
    driver: Text | None = None
    accelerator_megahertz: Annotated[int, msgspec.Meta(ge=0, le=100_000)] | None = None
    accelerator_milliwatts: Annotated[int, msgspec.Meta(ge=0, le=100_000_000)] | None = None
    accelerator_throttling: Annotated[tuple[Text, ...], msgspec.Meta(max_length=16)] | None = None
    co_runners: Annotated[int, msgspec.Meta(ge=0, le=10_000)] | None = None

    @property
    def runtime_version(self) -> str:
        """Name and version of the runtime without the device that it ran on: ``onnxruntime 1.22.0``."""
        return " ".join(self.runtime.split()[:2])


class Distribution(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Order statistics of the time of one inference, in microseconds.

    p90 needs 64 samples and p99 662 to be meaningful; with fewer they are None.
    """

    samples: Annotated[int, msgspec.Meta(ge=1, le=100_000_000)]
    mean: Microseconds
    median: Microseconds
    interquartile_range: Microseconds
    p90: Microseconds | None = None
    p99: Microseconds | None = None


class BatchTime(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The time of one inference at another batch size than the workload's, in microseconds.

    Measured as the workload's own, but for less long: 16 samples and a second are enough.
    """

    batch_size: Annotated[int, msgspec.Meta(ge=1, le=65536)]
    samples: Annotated[int, msgspec.Meta(ge=1, le=100_000_000)]
    mean: Microseconds
    median: Microseconds
    stable: bool


class Interference(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What the standard co-runner did to the time of one inference.

    The co-runner is one thread on a CPU of its own that copies memory as fast as it can; ``slowdown_permille`` is the
    mean time beside it over the mean time alone, in thousandths; ``co_runner_bytes_per_second`` what it read and wrote
    meanwhile.
    """

    samples: Annotated[int, msgspec.Meta(ge=1, le=100_000_000)]
    slowdown_permille: Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]
    co_runner_bytes_per_second: Count


class Failure(Document, frozen=True, kw_only=True, tag="Failure"):
    """Why nothing was measured: a CamelCase reason, the field at fault if there is one, and what to do."""

    reason: Annotated[str, msgspec.Meta(pattern=r"^[A-Z][A-Za-z0-9]{2,63}$")]
    message: Annotated[str, msgspec.Meta(max_length=1024)]
    field: Text = ""


class InspectResult(Document, frozen=True, kw_only=True, tag="Inspect"):
    """The signature of a workload, and the digest of its file where it has one."""

    signature: Signature
    model_sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")] | None = None


class ProfileResult(Document, frozen=True, kw_only=True, tag="Profile"):
    """One workload measured on one node.

    ``inference`` times single calls one after the other. ``load_milliseconds`` runs from the process's first
    statement to the model ready; ``work_begin`` is that moment. Memory is the most that the process held, without
    libraries' pages; ``memory_base_bytes`` what it held before the model was loaded. All of these are of the workload's
    own batch size; ``batches`` are times at others, where they were asked for and time was left, and ``interference``
    what a co-runner does, where that was asked for.
    """

    process_start: EpochMilliseconds
    work_begin: EpochMilliseconds
    work_end: EpochMilliseconds
    load_milliseconds: Milliseconds
    first_inference_microseconds: Microseconds
    warmup_inferences: Count
    inference: Distribution
    stable: bool
    unstable_reason: Text = ""
    memory_peak_bytes: Bytes
    memory_base_bytes: Bytes
    accelerator_memory_peak_bytes: Bytes | None = None
    energy_microjoules_per_inference: Count | None = None
    model_sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")] | None = None
    batches: Annotated[tuple[BatchTime, ...], msgspec.Meta(max_length=MAX_BATCHES)] = ()
    interference: Interference | None = None
    environment: Environment


class ProbeResult(Document, frozen=True, kw_only=True, tag="Probe"):
    """How a node class behaves on a fixed set of small tasks: a description no data sheet gives."""

    process_start: EpochMilliseconds
    work_end: EpochMilliseconds
    startup_milliseconds: Milliseconds
    gemm_flops_per_second: Count
    memory_bandwidth_bytes_per_second: Count
    model_microseconds: Annotated[dict[ProbeName, Microseconds], msgspec.Meta(max_length=16)]
    environment: Environment


class RunResult(Document, frozen=True, kw_only=True, tag="Run"):
    """One task performed: what it really took."""

    process_start: EpochMilliseconds
    work_begin: EpochMilliseconds
    work_end: EpochMilliseconds
    inferences: Annotated[int, msgspec.Meta(ge=1, le=10**12)]
    inference_median_microseconds: Microseconds
    memory_peak_bytes: Bytes
    environment: Environment


Result = Failure | InspectResult | ProfileResult | ProbeResult | RunResult


class ResultError(ValueError):
    """A document that cannot be used.

    ``reason`` is ResultMissing (nothing was said), ResultInvalid (not a document of this schema) or ResultImpossible
    (no machine behaves so); ``field`` is the path of the field at fault, or empty.
    """

    def __init__(self, reason: str, field: str, message: str) -> None:
        super().__init__(f"{reason}: {field}: {message}" if field else f"{reason}: {message}")
        self.reason = reason
        self.field = field
        self.message = message
