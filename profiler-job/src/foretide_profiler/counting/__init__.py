"""Counts the signature of a model from its graph, without performing an inference."""

from __future__ import annotations

from foretide.signature import Signature
from foretide_profiler.failures import ProfilerError
from foretide_profiler.requests import ModelRequest
from foretide_profiler.runtimes import check_precision


def count(request: ModelRequest) -> tuple[Signature, str | None]:
    """Return the signature, and the digest of the model's file where it has one.

    Raises ProfilerError: UnknownModel, ModelFileMissing, ModelFileInvalid, ModelDigestMismatch, ModelFileChanged,
    InputRefused, PrecisionUnsupported or RuntimeMissing.
    """
    check_precision(request)
    try:
        if request.source == "ONNX":
            from foretide_profiler.counting import onnx_graph  # noqa: PLC0415 - only when asked for

            return onnx_graph.count(request)
        from foretide_profiler.counting import torch_dispatch  # noqa: PLC0415 - only when asked for

        return torch_dispatch.count(request)
    except ModuleNotFoundError as error:
        message = f"Python module {error.name!r} is missing; {request.source} needs the image flavour that carries it"
        raise ProfilerError("RuntimeMissing", message, "model.source") from error
