"""What can be asked of the profiler, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Source = Literal["TorchVision", "ONNX", "TorchExport"]
DataType = Literal["float32", "float16", "int64", "int32", "uint8"]


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """Which model is fed with what.

    ``name`` is set for TorchVision, ``file`` for the others. ``input_shape`` is one item without the batch dimension;
    None means the shape that the file itself declares.
    """

    source: Source
    name: str
    file: Path | None
    sha256: str | None
    input_shape: tuple[int, ...] | None
    data_type: DataType
    batch_size: int
    precision: str


@dataclass(frozen=True, slots=True)
class InspectCall:
    """Count the signature; no weights are allocated where the source allows it."""

    model: ModelRequest


@dataclass(frozen=True, slots=True)
class ProfileCall:
    """Measure single inferences until there are enough, or ``max_seconds`` have gone by.

    While time is left, other ``batch_sizes`` are measured too. With ``co_runner``, a CPU is kept from the model and
    given to a thread that strains the memory, and the time beside it is measured as well.
    """

    model: ModelRequest
    max_seconds: float
    min_samples: int
    min_seconds: float
    batch_sizes: tuple[int, ...] = ()
    co_runner: bool = False


@dataclass(frozen=True, slots=True)
class RunCall:
    """Perform a task of ``inferences``."""

    model: ModelRequest
    inferences: int


@dataclass(frozen=True, slots=True)
class ServeCall:
    """Answer requests over HTTP on ``port`` until stopped, at most ``queue`` of them waiting."""

    model: ModelRequest
    port: int
    queue: int


@dataclass(frozen=True, slots=True)
class ProbeCall:
    """Describe this node by the time that a fixed set of small tasks takes."""

    max_seconds: float


Call = InspectCall | ProfileCall | RunCall | ServeCall | ProbeCall
