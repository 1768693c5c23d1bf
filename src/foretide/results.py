"""What a profiler Job says when it ends: one small JSON document, versioned, and never trusted.

The document travels as the container's termination message (at most 4,096 bytes). It comes from a container that
runs someone else's model, so `parse` bounds every field and refuses what is physically impossible.
Durations are integers with their unit in the name; times are milliseconds since the epoch by the node's clock.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from foretide.signature import Count, Signature

SCHEMA: Literal["foretide.dev/result/v1"] = "foretide.dev/result/v1"
MAX_RESULT_BYTES = 4096

Microseconds = Annotated[int, msgspec.Meta(ge=0, le=86_400_000_000)]
Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=86_400_000)]
EpochMilliseconds = Annotated[int, msgspec.Meta(ge=1_500_000_000_000, le=9_999_999_999_999)]
Bytes = Annotated[int, msgspec.Meta(ge=0, le=2**50)]
Text = Annotated[str, msgspec.Meta(max_length=256)]


class Document(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True, tag_field="kind"
):
    """What every result carries: the version of its schema."""

    schema: Literal["foretide.dev/result/v1"] = SCHEMA


class Environment(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The fingerprint of what a measurement ran on; absent figures are None, never 0."""

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
    co_runners: Annotated[int, msgspec.Meta(ge=0, le=10_000)] | None = None


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


class Failure(Document, tag="Failure"):
    """Why nothing was measured: a CamelCase reason, the field at fault if there is one, and what to do."""

    reason: Annotated[str, msgspec.Meta(pattern=r"^[A-Z][A-Za-z0-9]{2,63}$")]
    message: Annotated[str, msgspec.Meta(max_length=1024)]
    field: Text = ""


class InspectResult(Document, tag="Inspect"):
    """The signature of a workload, and the digest of its file where it has one."""

    signature: Signature
    model_sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")] | None = None


class ProfileResult(Document, tag="Profile"):
    """One workload measured on one node.

    ``inference`` times single calls one after the other. ``load_milliseconds`` runs from the process's first
    statement to the model ready; ``work_begin`` is that moment. Memory is the peak resident size of the process;
    ``memory_base_bytes`` what it held before the model was loaded.
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
    environment: Environment


class ProbeResult(Document, tag="Probe"):
    """How a node class behaves on a fixed set of small tasks: a description no data sheet gives."""

    process_start: EpochMilliseconds
    work_end: EpochMilliseconds
    startup_milliseconds: Milliseconds
    gemm_flops_per_second: Count
    memory_bandwidth_bytes_per_second: Count
    model_microseconds: Annotated[dict[Text, Microseconds], msgspec.Meta(max_length=16)]
    environment: Environment


class RunResult(Document, tag="Run"):
    """One task performed: what it really took."""

    process_start: EpochMilliseconds
    work_begin: EpochMilliseconds
    work_end: EpochMilliseconds
    inferences: Annotated[int, msgspec.Meta(ge=1, le=10**12)]
    inference_median_microseconds: Microseconds
    memory_peak_bytes: Bytes
    environment: Environment


Result = Failure | InspectResult | ProfileResult | ProbeResult | RunResult
