"""One observed time: a workload on a node class, as the training table keeps it.

Observations outlive the workloads that they came from, so each row carries the workload's signature itself.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from foretide.signature import Signature


class Observation(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A time that was measured, with everything the model needs to learn from it.

    ``workload`` is ``namespace/name/key`` where key digests the immutable part of the spec; ``precision`` one of
    fp32, fp16, bf16, int8; ``cpu_millis`` the CPU limit it ran under; times as in `foretide.results`.
    """

    workload: str
    node_class: str
    signature: Signature
    precision: str
    cpu_millis: Annotated[int, msgspec.Meta(gt=0)]
    inference_microseconds: Annotated[int, msgspec.Meta(gt=0)]
    startup_milliseconds: int | None = None
    memory_peak_bytes: int | None = None
    runtime: Literal["onnx", "torch"]
    origin: Literal["Profile", "Run"]
    observed_milliseconds: int


class DeviceFeatures(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What is known of a node class from its probe; None where it was not probed."""

    node_class: str
    gemm_flops_per_second: int | None = None
    memory_bandwidth_bytes_per_second: int | None = None
    model_microseconds: dict[str, int] = msgspec.field(default_factory=dict)
