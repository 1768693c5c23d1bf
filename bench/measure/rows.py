"""The data set as a file: one row per measurement, appended as soon as it is made, so that the file is all state.

The columns of `foretide.model` are those that the operator's training table gives (`foretide.observation`), under the
same names; docs/experiment.md tells of every column.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any, Final, NamedTuple, get_args

from bench.measure.settings import Measurement
from foretide.observation import DeviceFeatures, Question, feature_columns
from foretide.results import ProbeResult, ProfileResult
from foretide.signature import OperatorCost, OperatorKind, Signature

TASK_INFERENCES: Final = 100
"""The task of `total_time_s`: the model loaded, and so many inferences."""
_KINDS: Final[tuple[OperatorKind, ...]] = get_args(OperatorKind)


class Key(NamedTuple):
    """Tells a row from all others."""

    device: str
    measurement: str


class MeasuredModel(NamedTuple):
    """What is known of a setting before it is measured: its signature, and its parameters in fp32."""

    signature: Signature
    parameters: int


def row(
    node_class: str, measurement: Measurement, model: MeasuredModel, probe: ProbeResult, result: ProfileResult
) -> dict[str, Any]:
    """A line of the data set."""
    setting, signature = measurement.setting, model.signature
    workload = setting.name
    question = Question(
        workload=workload,
        node_class=node_class,
        signature=signature,
        precision=setting.precision,
        cpu_millis=setting.cpu_millis,
        runtime=setting.runtime,
    )
    features = {
        name: column[0]
        for name, column in feature_columns([question], {node_class: features_of(node_class, probe)}).items()
    }
    costs = {kind: signature.by_kind.get(kind, OperatorCost()) for kind in _KINDS}
    times, environment = result.inference, result.environment
    return {
        **{name: _plain(value) for name, value in features.items()},
        "architecture": setting.network.name,
        "model_type": setting.network.model_type,
        "width": setting.network.width,
        "depth": setting.network.depth,
        "resolution": setting.network.resolution,
        "precision": setting.precision,
        "runtime": setting.runtime,
        "threads": environment.threads,
        "quota_millis": environment.cpu_millis or "",
        "grid": int(measurement.is_grid),
        "repeat": measurement.repeat,
        "parameters": model.parameters,
        "flops": flops(signature, setting.precision),
        "peak_activation_bytes": signature.peak_activation_bytes,
        **{f"macs_{_snake(kind)}": cost.macs for kind, cost in costs.items() if kind in _WITH_MACS},
        **{f"bytes_{_snake(kind)}": cost.bytes_written for kind, cost in costs.items()},
        "seconds": times.mean / 1e6,
        "mean_us": times.mean,
        "median_us": times.median,
        "iqr_us": times.interquartile_range,
        "p90_us": "" if times.p90 is None else times.p90,
        "samples": times.samples,
        "stable": int(result.stable),
        "unstable_reason": result.unstable_reason.partition(":")[0],
        "load_ms": result.load_milliseconds,
        "first_us": result.first_inference_microseconds,
        "memory_peak_bytes": result.memory_peak_bytes,
        "memory_base_bytes": result.memory_base_bytes,
        "total_time_s": round(result.load_milliseconds / 1e3 + TASK_INFERENCES * times.mean / 1e6, 6),
        "measured_ms": result.process_start,
    }


_WITH_MACS: Final = ("denseConvolution", "depthwiseConvolution", "linear", "attention")


def flops(signature: Signature, precision: str) -> int:
    """Two for each multiply-add, one for each element that a normalisation or an elementwise operator writes."""
    written = sum(
        signature.by_kind.get(kind, OperatorCost()).bytes_written for kind in ("normalization", "elementwise")
    )
    return 2 * signature.macs + written // (2 if precision in ("fp16", "bf16") else 4)


def features_of(node_class: str, probe: ProbeResult) -> DeviceFeatures:
    """A probe as the model takes it."""
    return DeviceFeatures(
        node_class=node_class,
        gemm_flops_per_second=probe.gemm_flops_per_second,
        memory_bandwidth_bytes_per_second=probe.memory_bandwidth_bytes_per_second,
        model_microseconds=probe.model_microseconds,
    )


class DataSet:
    """The file, read once and appended to; rows are on disk when `append` returns."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._columns: list[str] = []
        self.keys: set[Key] = set()
        if path.exists():
            self._read()

    def append(self, line: Mapping[str, Any]) -> None:
        """Add a row; ValueError if its columns are others than the file's."""
        with self._lock:
            if not self._columns:
                self._columns = list(line)
                self._write(self._columns)
            if list(line) != self._columns:
                message = f"{self._path} has other columns; they differ in {sorted(set(line) ^ set(self._columns))}"
                raise ValueError(message)
            self._write([str(value) for value in line.values()])
            self.keys.add(_key(line))

    def _read(self) -> None:
        """Take the keys of what is there, and cut off a last line that a killed run left half."""
        text = self._path.read_bytes()
        if not text.endswith(b"\n"):
            whole = text.rfind(b"\n") + 1
            with self._path.open("r+b") as file:
                file.truncate(whole)
        with self._path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            self._columns = list(reader.fieldnames or ())
            self.keys = {_key(line) for line in reader}

    def _write(self, values: list[str]) -> None:
        with self._path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerow(values)
            file.flush()
            os.fsync(file.fileno())


def _key(line: Mapping[str, Any]) -> Key:
    return Key(str(line["device"]), f"{line['workload']}#{line['repeat']}")


def _plain(value: object) -> object:
    """Whole numbers without a point, six digits of the others, nothing for what is not known."""
    if not isinstance(value, float):
        return value
    if value != value:  # noqa: PLR0124 - NaN
        return ""
    return int(value) if value.is_integer() else float(f"{value:.6g}")


def _snake(kind: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in kind)
