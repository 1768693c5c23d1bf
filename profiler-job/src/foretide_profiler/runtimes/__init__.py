"""What a runtime offers to the rest of the profiler, and which one serves which source.

A runtime is imported only when its source is asked for: on a slow node, importing costs more than many a task.
"""

from __future__ import annotations

from typing import Protocol

from foretide_profiler.cgroups import Limits
from foretide_profiler.failures import ProfilerError
from foretide_profiler.requests import ModelRequest


class LoadedModel(Protocol):
    """A model in memory together with one fixed, random batch to feed it."""

    @property
    def runtime(self) -> str:
        """Name, version and device of the runtime, as `onnxruntime 1.22.0 CPUExecutionProvider`."""

    @property
    def accelerator(self) -> str | None:
        """The accelerator's name, or None on a CPU."""

    @property
    def sha256(self) -> str | None:
        """Digest of the model's file, or None where it has none."""

    def infer(self) -> object:
        """One forward pass over the batch, ended when this returns."""

    def accelerator_memory_peak_bytes(self) -> int | None:
        """The most that the runtime allocated on the accelerator, or None."""


def load(request: ModelRequest, limits: Limits) -> LoadedModel:
    """Load the model that is asked for.

    Raises ProfilerError: UnknownModel, ModelFileMissing, ModelFileInvalid, ModelDigestMismatch, InputRefused,
    PrecisionUnsupported, RuntimeMissing or OutOfMemory.
    """
    if request.precision != "fp32":
        message = f"{request.precision} is not supported; choose fp32 (an ONNX file keeps the types that it declares)"
        raise ProfilerError("PrecisionUnsupported", message, "precision")
    try:
        if request.source == "ONNX":
            from foretide_profiler.runtimes import onnx_runtime  # noqa: PLC0415 - only when asked for

            return onnx_runtime.load(request, limits)
        from foretide_profiler.runtimes import torch_runtime  # noqa: PLC0415 - only when asked for

        return torch_runtime.load(request, limits)
    except ModuleNotFoundError as error:
        message = f"Python module {error.name!r} is missing; {request.source} needs the image flavour that carries it"
        raise ProfilerError("RuntimeMissing", message, "model.source") from error
