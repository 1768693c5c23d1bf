"""Counts the signature of a model from its graph, without performing an inference."""

from __future__ import annotations

from foretide.signature import Signature
from foretide_profiler.failures import ProfilerError
from foretide_profiler.modelfile import verified_digest
from foretide_profiler.requests import ModelRequest
from foretide_profiler.runtimes import check_precision


def count(request: ModelRequest) -> tuple[Signature, str | None]:
    """Return the signature, and the digest of the model's file where it has one.

    Raises ProfilerError: UnknownModel, ModelFileMissing, ModelFileInvalid, ModelDigestMismatch, InputRefused,
    PrecisionUnsupported or RuntimeMissing.
    """
    check_precision(request)
    digest = verified_digest(request.file, request.sha256) if request.file is not None else None
    try:
        if request.source == "ONNX":
            from foretide_profiler.counting import onnx_graph  # noqa: PLC0415 - only when asked for

            return onnx_graph.count(request), digest
        from foretide_profiler.counting import torch_dispatch  # noqa: PLC0415 - only when asked for

        return torch_dispatch.count(request), digest
    except ModuleNotFoundError as error:
        message = f"Python module {error.name!r} is missing; {request.source} needs the image flavour that carries it"
        raise ProfilerError("RuntimeMissing", message, "model.source") from error
