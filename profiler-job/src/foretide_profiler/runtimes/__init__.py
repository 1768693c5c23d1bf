"""What a runtime offers to the rest of the profiler, and which one serves which source.

A runtime is imported only when its source is asked for: on a slow node, importing costs more than many a task.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from foretide_profiler.cgroups import Limits
from foretide_profiler.failures import ProfilerError
from foretide_profiler.requests import ModelRequest, Source

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class ModelInput:
    """What a model is fed with: the input's name, its full shape (batch first), and numpy's name of its elements."""

    name: str
    shape: tuple[int, ...]
    data_type: str


class LoadedModel(Protocol):
    """A model in memory together with one fixed, random batch to feed it."""

    @property
    def runtime(self) -> str:
        """Name, version and device of the runtime, as `onnxruntime 1.22.0 CPUExecutionProvider`."""

    @property
    def accelerator(self) -> str | None:
        """The accelerator's name, or None on a CPU."""

    @property
    def accelerator_uuid(self) -> str | None:
        """By which its driver knows it, where the runtime tells; else None."""

    @property
    def sha256(self) -> str | None:
        """Digest of the model's file, or None where it has none."""

    @property
    def input(self) -> ModelInput:
        """What it is fed with now."""

    def infer(self) -> object:
        """One forward pass over the batch, ended when this returns."""

    def answer(self, batch: npt.NDArray[np.generic]) -> Sequence[tuple[str, Any]]:
        """One forward pass over a batch of the input's form: outputs by name, as arrays on the CPU where they are."""

    def feed(self, batch_size: int) -> None:
        """From now on infer batches of this size; raises ProfilerError InputRefused where the model takes no such."""

    def accelerator_memory_peak_bytes(self) -> int | None:
        """The most that the runtime allocated on the accelerator, or None."""


PRECISIONS: Final[dict[Source, tuple[str, ...]]] = {
    "TorchVision": ("fp32", "fp16", "bf16", "int8"),
    "TorchExport": ("fp32", "int8"),
    "ONNX": ("fp32", "int8"),
}
"""In which a source can be had: an architecture is made in any type, a file computes in those that it was saved in."""


def check_precision(request: ModelRequest) -> None:
    """Raise ProfilerError PrecisionUnsupported for a precision that the source cannot be had in."""
    choices = PRECISIONS[request.source]
    if request.precision not in choices:
        message = (
            f"precision {request.precision} is not available for files; choose {' or '.join(choices)}: "
            f"a file saved in {request.precision} computes in it under fp32 too"
        )
        raise ProfilerError("PrecisionUnsupported", message, "precision")


def load(request: ModelRequest, limits: Limits) -> LoadedModel:
    """Load the model that is asked for.

    Raises ProfilerError: UnknownModel, ModelFileMissing, ModelFileInvalid, ModelDigestMismatch, ModelFileChanged,
    InputRefused, PrecisionUnsupported, RuntimeMissing or OutOfMemory.
    """
    check_precision(request)
    try:
        if request.source == "ONNX":
            from foretide_profiler.runtimes import onnx_runtime  # noqa: PLC0415 - only when asked for

            return onnx_runtime.load(request, limits)
        from foretide_profiler.runtimes import torch_runtime  # noqa: PLC0415 - only when asked for

        return torch_runtime.load(request, limits)
    except ModuleNotFoundError as error:
        message = f"Python module {error.name!r} is missing; {request.source} needs the image flavour that has it"
        raise ProfilerError("RuntimeMissing", message, "model.source") from error
