"""Counts the signature of a model from its graph, without performing an inference."""

from __future__ import annotations

import msgspec

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
    signature, digest = _count(request)
    try:
        msgspec.convert(msgspec.to_builtins(signature), Signature)
    except msgspec.ValidationError as error:
        field = "input.shape" if request.file is None else "model.file.path"
        message = f"no machine performs a model like this: {error}"
        raise ProfilerError("ModelFileInvalid" if request.file else "InputRefused", message, field) from error
    return signature, digest


def _count(request: ModelRequest) -> tuple[Signature, str | None]:
    try:
        if request.source == "ONNX":
            from foretide_profiler.counting import onnx_graph  # noqa: PLC0415 - only when asked for

            return onnx_graph.count(request)
        from foretide_profiler.counting import torch_dispatch  # noqa: PLC0415 - only when asked for

        return torch_dispatch.count(request)
    except ModuleNotFoundError as error:
        message = f"Python module {error.name!r} is missing; {request.source} needs the image flavour that has it"
        raise ProfilerError("RuntimeMissing", message, "model.source") from error
