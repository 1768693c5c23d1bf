"""The signature of an ONNX graph, from onnx's own shape inference at the input shape that is asked for."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

import onnx
from onnx import shape_inference
from onnx.inliner import inline_local_functions

from foretide.signature import OperatorKind, Signature
from foretide_profiler import onnx_int8
from foretide_profiler.counting.onnx_outline import outline
from foretide_profiler.counting.tally import Tally
from foretide_profiler.failures import ProfilerError
from foretide_profiler.int8 import SAVED_BYTES_PER_WEIGHT, nothing_to_quantise
from foretide_profiler.modelfile import kept_elsewhere, opened
from foretide_profiler.requests import ModelRequest
from foretide_profiler.shapes import check_data_type, matching_shape


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


NORMALIZATION = _names(
    "BatchNormalization InstanceNormalization LayerNormalization GroupNormalization LpNormalization LRN "
    "MeanVarianceNormalization RMSNormalization SimplifiedLayerNormalization SkipLayerNormalization "
    "Softmax LogSoftmax"
)
ELEMENTWISE = _names(
    "Abs Add And Cast Ceil Clip Cos Div Dropout Elu Equal Erf Exp FastGelu Floor Gelu Greater HardSigmoid HardSwish "
    "LeakyRelu Less Log Max Mean Min Mish Mod Mul Neg Not Or PRelu Pow QuickGelu Reciprocal Relu Round Selu Sigmoid "
    "Sign Sin Softplus Softsign Sqrt Sub Sum Swish Tanh ThresholdedRelu Where Xor"
)
FREE = _names("Constant Flatten Identity Reshape Shape Squeeze Unsqueeze")
"""Operators that write nothing: their output is another view of their input."""

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Operands:
    """Shapes of a node's inputs (None: unknown) and of its first output; whether its second input is a constant."""

    node: onnx.NodeProto
    inputs: list[Shape | None]
    output: Shape
    has_constant_operand: bool

    def attribute(self, name: str, default: int) -> int:
        for attribute in self.node.attribute:
            if attribute.name == name:
                return int(attribute.i)
        return default

    def input(self, index: int) -> Shape:
        return (self.inputs[index] if index < len(self.inputs) else None) or ()


def count(request: ModelRequest) -> tuple[Signature, str]:
    """The signature of the graph, and the file's digest.

    Raises ProfilerError ModelFileInvalid, InputRefused or PrecisionUnsupported.
    """
    with opened(request) as file:
        if request.precision == "int8":
            onnx_int8.check_room(file.path)
        model = _checked(file.stream)
    item = _fix_input(model.graph, request)
    try:
        model = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    except Exception as error:
        message = f"the model refuses an input of shape {','.join(map(str, item))}: {error}"
        raise ProfilerError("InputRefused", message, "input.shape") from error
    tally, parameter_bytes = Tally(), _parameter_bytes(model.graph, request.precision)
    _tally_graph(model.graph, tally)
    family = next((entry.value for entry in model.metadata_props if entry.key == "family"), "")
    signature = tally.signature(family[:64] or tally.dominating_kind(), parameter_bytes, item, request.batch_size)
    return signature, file.sha256


def _checked(stream: BinaryIO) -> onnx.ModelProto:
    """The model in the file without its weights, its functions put where they are called."""
    try:
        model = onnx.load_model_from_string(outline(stream, has_shapes=True))
        outside = [tensor for tensor in model.graph.initializer if tensor.data_location == onnx.TensorProto.EXTERNAL]
        if not outside:
            onnx.checker.check_model(outline(stream, has_shapes=False))
            return inline_local_functions(model) if model.functions else model
    except Exception as error:  # onnx and protobuf share no base below Exception
        message = f"the file is not a valid ONNX model: {error}"
        raise ProfilerError("ModelFileInvalid", message, "model.file.path") from error
    raise kept_elsewhere(next((entry.value for entry in outside[0].external_data if entry.key == "location"), ""))


def _fix_input(graph: onnx.GraphProto, request: ModelRequest) -> Shape:
    """Write the shape that is asked for into the graph's input; return one item's."""
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs)
        message = f"the model takes {len(inputs)} inputs ({names}); only models with one input can be fed"
        raise ProfilerError("InputRefused", message, "input")
    tensor = inputs[0].type.tensor_type
    check_data_type(request, onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name)
    declared = [size.dim_value if size.HasField("dim_value") else None for size in tensor.shape.dim]
    shape = matching_shape(request, declared, inputs[0].name)
    for size, asked in zip(tensor.shape.dim, shape, strict=True):
        size.dim_value = asked
    return shape[1:]


def _tally_graph(graph: onnx.GraphProto, tally: Tally) -> None:
    constants = {tensor.name for tensor in graph.initializer}
    shapes: dict[str, Shape | None] = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    widths: dict[str, int] = {}
    for value in (*graph.input, *graph.value_info, *graph.output):
        shapes[value.name] = _shape(value)
        widths[value.name] = _element_bytes(value.type.tensor_type.elem_type)
    dead_after = _dead_after(graph)
    sizes: dict[str, int] = {}
    for value in graph.input:
        if value.name not in constants:
            sizes[value.name] = math.prod(shapes[value.name] or ()) * widths[value.name]
            tally.allocate(sizes[value.name])
    for position, node in enumerate(graph.node):
        if all(name in constants for name in node.input if name):
            constants.update(node.output)
            continue
        if node.op_type not in FREE:
            written = 0
            for name in filter(None, node.output):
                sizes[name] = math.prod(shapes.get(name) or (0,)) * widths.get(name, 4)
                written += sizes[name]
            operands = _Operands(
                node,
                [shapes.get(name) for name in node.input],
                shapes.get(node.output[0]) or (),
                has_constant_operand=any(name in constants for name in node.input[:2]),
            )
            kind, macs = _cost(operands)
            tally.add(kind, macs, written)
            tally.allocate(written)
        for name in dead_after[position]:
            tally.release(sizes.pop(name, 0))


def _dead_after(graph: onnx.GraphProto) -> dict[int, list[str]]:
    """The values that no node after this position needs, a view counting as a use of what it shows.

    Inputs and outputs live on: they belong to the caller.
    """
    owner: dict[str, str] = {}
    last: dict[str, int] = {}
    for position, node in enumerate(graph.node):
        if node.op_type in FREE and node.input:
            owner[node.output[0]] = owner.get(node.input[0], node.input[0])
        for name in (*node.input, *node.output):
            last[owner.get(name, name)] = position
    for value in (*graph.input, *graph.output):
        last.pop(owner.get(value.name, value.name), None)
    dead: dict[int, list[str]] = defaultdict(list)
    for name, position in last.items():
        dead[position].append(name)
    return dead


def _cost(operands: _Operands) -> tuple[OperatorKind, int]:
    """Kind and multiply-adds of one operator."""
    kind_of = _COSTS.get(operands.node.op_type)
    if kind_of is not None:
        return kind_of(operands)
    if operands.node.op_type in NORMALIZATION:
        return "normalization", 0
    return ("elementwise" if operands.node.op_type in ELEMENTWISE else "other"), 0


def _convolution(operands: _Operands) -> tuple[OperatorKind, int]:
    """Convolutions: weights are (out, in / groups, *kernel); quantised forms keep them further to the right."""
    weight = operands.input(3 if operands.node.op_type == "QLinearConv" else 1)
    groups = operands.attribute("group", 1)
    kind: OperatorKind = "depthwiseConvolution" if groups > 1 and weight[1:2] == (1,) else "denseConvolution"
    if operands.node.op_type == "ConvTranspose":
        kind = "depthwiseConvolution" if groups > 1 and weight[:1] == (groups,) else "denseConvolution"
        return kind, math.prod(operands.input(0)) * math.prod(weight[1:])
    return kind, math.prod(operands.output) * math.prod(weight[1:])


def _matrix_product(operands: _Operands) -> tuple[OperatorKind, int]:
    """A product with a constant is a linear layer; of two activations, part of attention."""
    inner = operands.input(0)[-1:] if not operands.attribute("transA", 0) else operands.input(0)[:1]
    kind: OperatorKind = "linear" if operands.has_constant_operand else "attention"
    return kind, math.prod(operands.output) * math.prod(inner)


def _recurrence(operands: _Operands) -> tuple[OperatorKind, int]:
    """LSTM, GRU and RNN: input (steps, batch, features), weights (directions, gates x hidden, features or hidden)."""
    steps_and_items = math.prod(operands.input(0)[:2])
    return "linear", steps_and_items * (math.prod(operands.input(1)) + math.prod(operands.input(2)))


def _fused_attention(operands: _Operands) -> tuple[OperatorKind, int]:
    """Query times keys, and scores times values: 2 x queries x keys x width for each item."""
    query, key = operands.input(0), operands.input(1) or operands.input(0)
    tokens = key[-2] if len(key) >= 2 else 1
    return "attention", 2 * math.prod(query) * tokens


_COSTS: dict[str, Callable[[_Operands], tuple[OperatorKind, int]]] = {
    **dict.fromkeys(("Conv", "ConvTranspose", "ConvInteger", "QLinearConv"), _convolution),
    **dict.fromkeys(("MatMul", "Gemm", "MatMulInteger"), _matrix_product),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), _recurrence),
    **dict.fromkeys(("Attention", "MultiHeadAttention"), _fused_attention),
}


def _parameter_bytes(graph: onnx.GraphProto, precision: str) -> int:
    """What the constants take; those that int8 covers a byte each. Raises ProfilerError where it covers none."""
    whole = sum(map(_tensor_bytes, graph.initializer))
    if precision != "int8":
        return whole
    covered = onnx_int8.weights(graph)
    if not covered:
        raise nothing_to_quantise()
    elements: int = sum(math.prod(tensor.dims) for tensor in graph.initializer if tensor.name in covered)
    return whole - SAVED_BYTES_PER_WEIGHT * elements


def _shape(value: onnx.ValueInfoProto) -> Shape | None:
    if not value.type.tensor_type.HasField("shape"):
        return None
    sizes = value.type.tensor_type.shape.dim
    return tuple(size.dim_value if size.HasField("dim_value") else 1 for size in sizes)


def _tensor_bytes(tensor: onnx.TensorProto) -> int:
    elements: int = math.prod(tensor.dims)
    return elements * _element_bytes(tensor.data_type)


def _element_bytes(data_type: int) -> int:
    if data_type in {onnx.TensorProto.UNDEFINED, onnx.TensorProto.STRING}:
        return 0
    width: int = onnx.helper.tensor_dtype_to_np_dtype(data_type).itemsize
    return width
