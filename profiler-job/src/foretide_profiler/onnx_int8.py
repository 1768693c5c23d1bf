"""Dynamic int8 of an ONNX file, made by onnxruntime's own quantiser when the model is loaded.

The quantiser imports the `onnx` package, which takes a second: only workloads in int8 pay it. Convolutions stay in
float, as in torch: onnxruntime has integer ones, and they are slower than those in float.
"""

from __future__ import annotations

import logging
import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import onnx

from foretide.scratch import SCRATCH_MEBIBYTES
from foretide_profiler.failures import ProfilerError
from foretide_profiler.int8 import nothing_to_quantise

_WEIGHT_INPUTS: Final = {"MatMul": (0, 1), "Gemm": (0, 1), "LSTM": (1, 2)}
"""Operators whose products are computed in int8, and which of their inputs are weights where they are constant."""

_WRITTEN: Final = 1.1
"""Bytes that the quantiser has in /tmp at most, of one in the file: first the whole model with its shapes, then what
it makes of it, which is no larger."""


def weights(graph: onnx.GraphProto) -> set[str]:
    """The names of the float32 weights that int8 keeps in one byte each."""
    constants = {tensor.name for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT}
    return {
        node.input[index]
        for node in graph.node
        for index in _WEIGHT_INPUTS.get(node.op_type, ())
        if index < len(node.input) and node.input[index] in constants
    }


def check_room(file: Path) -> None:
    """Raise ProfilerError PrecisionUnsupported for a file that /tmp is too small to quantise."""
    needed = math.ceil(file.stat().st_size * _WRITTEN / 2**20)
    if needed > SCRATCH_MEBIBYTES:
        message = (
            f"precision int8: the quantiser needs {needed} MiB of /tmp, which has {SCRATCH_MEBIBYTES}; choose fp32"
        )
        raise ProfilerError("PrecisionUnsupported", message, "precision")


def quantised(file: Path) -> bytes:
    """The model in int8, as bytes of an ONNX file; raises ProfilerError ModelFileInvalid or PrecisionUnsupported."""
    from onnxruntime.quantization import quantize_dynamic  # noqa: PLC0415 - of no use to inspection

    check_room(file)
    try:
        graph = onnx.load(str(file), load_external_data=False).graph
    except Exception as error:  # onnx and protobuf share no base below Exception
        message = f"the file is not a valid ONNX model: {error}"
        raise ProfilerError("ModelFileInvalid", message, "model.file.path") from error
    if not weights(graph):
        raise nothing_to_quantise()
    with tempfile.TemporaryDirectory() as directory, _only_errors():
        link, target = Path(directory) / "float.onnx", Path(directory) / "int8.onnx"
        try:
            # The quantiser writes beside the name that it reads, and a model's volume is read-only.
            link.symlink_to(file.absolute())
            quantize_dynamic(link, target, op_types_to_quantize=list(_WEIGHT_INPUTS), per_channel=True)
        except Exception as error:
            message = f"precision int8: onnxruntime cannot quantise the file; choose fp32: {error}"
            raise ProfilerError("PrecisionUnsupported", message, "precision") from error
        return target.read_bytes()


@contextmanager
def _only_errors() -> Iterator[None]:
    """No warnings meanwhile: the quantiser recommends to preprocess the file, whatever the file is."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
