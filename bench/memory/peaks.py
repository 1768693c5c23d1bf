"""A table of measured peaks as observations: `bench/data/memory_peaks.csv`, or another with the same columns."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Final, NamedTuple, cast, get_args

from foretide.observation import Observation, Runtime
from foretide.signature import OperatorCost, Signature

DATA: Final = Path(__file__).parents[1] / "data" / "memory_peaks.csv"
COLUMNS: Final = (
    "device", "workload", "architecture", "family", "runtime", "precision", "batch_size", "macs",
    "macs_dense_convolution", "macs_depthwise_convolution", "parameter_bytes", "activation_bytes",
    "peak_activation_bytes", "op_count", "input_pixels", "memory_peak_bytes",
)  # fmt: skip


class Subject(NamedTuple):
    """What was measured, and on what."""

    device: str
    architecture: str
    runtime: Runtime
    precision: str


def row(subject: Subject, signature: Signature, peak_bytes: int) -> list[str]:
    """A line of the table."""
    device, architecture, runtime, precision = subject
    kinds = (signature.by_kind.get(kind, OperatorCost()) for kind in ("denseConvolution", "depthwiseConvolution"))
    values = (
        device, f"{architecture}-b{signature.batch_size}-{precision}", architecture, signature.family, runtime,
        precision, signature.batch_size, signature.macs, *(kind.macs for kind in kinds), signature.parameter_bytes,
        signature.activation_bytes, signature.peak_activation_bytes, signature.operator_count, signature.input_pixels,
        peak_bytes,
    )  # fmt: skip
    return [str(value) for value in values]


def read(path: Path) -> list[tuple[str, Observation]]:
    """Each row's architecture, and the row as the training table would have it; ValueError where columns lack."""
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        lacking = set(COLUMNS).difference(reader.fieldnames or ())
        if lacking:
            message = f"{path} has no column {', '.join(sorted(lacking))}"
            raise ValueError(message)
        return [(line["architecture"], _observation(line)) for line in reader]


def _observation(line: dict[str, str]) -> Observation:
    def whole(column: str) -> int:
        return round(float(line[column]))

    runtime = line["runtime"]
    if runtime not in get_args(Runtime):
        message = f"runtime {runtime!r} is neither of {', '.join(get_args(Runtime))}"
        raise ValueError(message)
    return Observation(
        workload=f"bench/{line['workload']}/1",
        node_class=line["device"],
        signature=Signature(
            family=line["family"],
            macs=whole("macs"),
            parameter_bytes=whole("parameter_bytes"),
            activation_bytes=whole("activation_bytes"),
            peak_activation_bytes=whole("peak_activation_bytes"),
            operator_count=whole("op_count"),
            input_pixels=whole("input_pixels"),
            batch_size=whole("batch_size"),
            by_kind={
                "denseConvolution": OperatorCost(macs=whole("macs_dense_convolution")),
                "depthwiseConvolution": OperatorCost(macs=whole("macs_depthwise_convolution")),
            },
        ),
        precision=line["precision"],
        cpu_millis=1000,
        inference_microseconds=1,
        memory_peak_bytes=whole("memory_peak_bytes"),
        runtime=cast("Runtime", runtime),
        origin="Profile",
        observed_milliseconds=0,
    )
