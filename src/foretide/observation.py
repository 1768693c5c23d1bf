"""One observed time: a workload on a node class, as the training table keeps it, and as columns for the model.

Observations outlive the workloads that they came from, so each row carries the workload's signature itself.
How they are stored: `foretide.observation_table`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Final, Literal, Protocol

import msgspec

from foretide.signature import OperatorCost, OperatorKind, Signature

Runtime = Literal["onnx", "torch"]

MAX_CPU_MILLIS: Final = 10_000_000
MAX_INFERENCE_MICROSECONDS: Final = 86_400_000_000
"""More than these the model is not told, whatever a Pod says: it refuses a whole table for one value beyond belief."""


class Subject(Protocol):
    """A workload on a node class, measured or asked for; fields as in `Observation`."""

    @property
    def workload(self) -> str: ...  # noqa: D102
    @property
    def node_class(self) -> str: ...  # noqa: D102
    @property
    def signature(self) -> Signature: ...  # noqa: D102
    @property
    def precision(self) -> str: ...  # noqa: D102
    @property
    def cpu_millis(self) -> int: ...  # noqa: D102
    @property
    def runtime(self) -> Runtime: ...  # noqa: D102


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A workload on a node class whose time is asked for; fields as in `Observation`."""

    workload: str
    node_class: str
    signature: Signature
    precision: str
    cpu_millis: int
    runtime: Runtime


class Observation(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A time that was measured, with everything the model needs to learn from it.

    ``workload`` is ``namespace/name/key`` where key digests the immutable part of the spec; ``precision`` one of
    fp32, fp16, bf16, int8; ``cpu_millis`` the CPU limit it ran under; times as in `foretide.results`.
    ``inference_microseconds`` is the *mean* time of one inference: under a CPU quota times have two peaks, and many
    inferences take many times the mean, not the median. ``origin`` Sweep is a profile's time at another batch size than
    the workload's, of which ``signature`` speaks. ``exposure_permille`` is what a task had of others beside it
    (`foretide.contention`), None where that is not known.
    """

    workload: str
    node_class: str
    signature: Signature
    precision: str
    cpu_millis: Annotated[int, msgspec.Meta(gt=0)]
    inference_microseconds: Annotated[int, msgspec.Meta(gt=0)]
    startup_milliseconds: int | None = None
    memory_peak_bytes: int | None = None
    exposure_permille: int | None = None
    runtime: Runtime
    origin: Literal["Profile", "Sweep", "Run"]
    observed_milliseconds: int


def namespace_of(workload: str) -> str:
    """The namespace of an observed workload, out of its name."""
    return workload.partition("/")[0]


class DeviceFeatures(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What is known of a node class from its probe; None where it was not probed.

    ``startup_milliseconds`` is from the probe's first statement to its first model loaded, on onnxruntime.
    ``changed_milliseconds`` is by when its hardware had last changed, since the epoch; None where it never did.
    """

    node_class: str
    startup_milliseconds: int | None = None
    changed_milliseconds: int | None = None
    gemm_flops_per_second: int | None = None
    memory_bandwidth_bytes_per_second: int | None = None
    model_microseconds: dict[str, int] = msgspec.field(default_factory=dict)

    def slowness_against(self, other: DeviceFeatures) -> float | None:
        """How many times as long this class takes as the other, from probes that both have; None if there are none.

        The geometric mean over probe models; without these, from the GEMM speed.
        """
        both = [name for name in self.model_microseconds if other.model_microseconds.get(name, 0) > 0]
        logs = [
            math.log(self.model_microseconds[name] / other.model_microseconds[name])
            for name in both
            if self.model_microseconds[name] > 0
        ]
        if logs:
            return math.exp(sum(logs) / len(logs))
        if self.gemm_flops_per_second and other.gemm_flops_per_second:
            return other.gemm_flops_per_second / self.gemm_flops_per_second
        return None


def of_present_hardware(
    observations: Iterable[Observation], devices: Mapping[str, DeviceFeatures]
) -> list[Observation]:
    """Those that do not speak of a machine that is no more: that did not end before their class's hardware changed."""
    since = {name: device.changed_milliseconds for name, device in devices.items()}
    return [row for row in observations if row.observed_milliseconds >= (since.get(row.node_class) or -math.inf)]


_NAN: Final = float("nan")
_HALF: Final = frozenset({"fp16", "bf16"})

Table = dict[str, list[str] | list[float]]
"""Columns as `foretide.model.table` describes them."""


def feature_columns(subjects: Sequence[Subject], devices: Mapping[str, DeviceFeatures]) -> Table:
    """Columns for the model, one row per subject; NaN for what a class's probe did not say."""
    table: Table = {
        "device": [row.node_class for row in subjects],
        "workload": [row.workload for row in subjects],
        "family": [row.signature.family for row in subjects],
        "macs": [float(row.signature.macs) for row in subjects],
        "parameter_bytes": [float(row.signature.parameter_bytes) for row in subjects],
        "activation_bytes": [float(row.signature.activation_bytes) for row in subjects],
        "op_count": [float(row.signature.operator_count) for row in subjects],
        "batch_size": [float(row.signature.batch_size) for row in subjects],
        "input_pixels": [float(row.signature.input_pixels) for row in subjects],
        "x_cpu_millis": [float(min(row.cpu_millis, MAX_CPU_MILLIS)) for row in subjects],
        "x_depthwise_macs": [float(_kind(row, "depthwiseConvolution").macs) for row in subjects],
        "x_attention_macs": [float(_kind(row, "attention").macs) for row in subjects],
        "x_elementwise_bytes": [
            float(_kind(row, "elementwise").bytes_written + _kind(row, "normalization").bytes_written)
            for row in subjects
        ],
        "x_torch": [float(row.runtime == "torch") for row in subjects],
        "x_int8": [float(row.precision == "int8") for row in subjects],
        "x_half": [float(row.precision in _HALF) for row in subjects],
    }
    unknown = DeviceFeatures(node_class="")
    known = [devices.get(row.node_class, unknown) for row in subjects]
    table["device_gemm_flops_per_second"] = [_number(d.gemm_flops_per_second) for d in known]
    table["device_memory_bytes_per_second"] = [_number(d.memory_bandwidth_bytes_per_second) for d in known]
    for name in sorted({name for d in known for name in d.model_microseconds}):
        times = [_number(d.model_microseconds.get(name)) for d in known]
        table[f"device_probe_{name}_seconds"] = [time / 1e6 for time in times]
    return table


def to_columns(observations: Iterable[Observation], devices: Mapping[str, DeviceFeatures]) -> tuple[Table, list[float]]:
    """Columns and mean seconds per inference to train on, one row per observation."""
    rows = list(observations)
    seconds = [min(row.inference_microseconds, MAX_INFERENCE_MICROSECONDS) / 1e6 for row in rows]
    return feature_columns(rows, devices), seconds


def _kind(row: Subject, kind: OperatorKind) -> OperatorCost:
    return row.signature.by_kind.get(kind, OperatorCost())


def _number(value: int | None) -> float:
    return float(value) if value else _NAN
