"""Writes small ONNX models byte by byte, because a probe must not pay for importing the `onnx` package.

Only what the probe's models need of the format: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto, whose field
numbers are the constants below.
"""

from __future__ import annotations

import math

import numpy as np

OPSET = 17
IR_VERSION = 8

_MODEL_IR_VERSION, _MODEL_PRODUCER, _MODEL_GRAPH, _MODEL_OPSET = 1, 2, 7, 8
_OPSET_DOMAIN, _OPSET_VERSION = 1, 2
_GRAPH_NODE, _GRAPH_NAME, _GRAPH_INITIALIZER, _GRAPH_INPUT, _GRAPH_OUTPUT = 1, 2, 5, 11, 12
_NODE_INPUT, _NODE_OUTPUT, _NODE_NAME, _NODE_OPERATOR, _NODE_ATTRIBUTE = 1, 2, 3, 4, 5
_ATTRIBUTE_NAME, _ATTRIBUTE_INT, _ATTRIBUTE_INTS, _ATTRIBUTE_TYPE = 1, 3, 8, 20
_TYPE_INT, _TYPE_INTS = 2, 7
_TENSOR_DIMS, _TENSOR_TYPE, _TENSOR_NAME, _TENSOR_RAW = 1, 2, 8, 9
_VALUE_NAME, _VALUE_TYPE, _TYPE_TENSOR, _TENSOR_ELEMENT, _TENSOR_SHAPE, _SHAPE_DIM, _DIM_VALUE = 1, 2, 1, 1, 2, 1, 1
_FLOAT = 1

INPUT = "input"


class GraphWriter:
    """A graph with one float32 input; operators and weights are appended and named in order."""

    def __init__(self, name: str, input_shape: tuple[int, ...]) -> None:
        self.input_shape = input_shape
        self._name = name
        self._nodes = b""
        self._weights = b""
        self._count = 0

    def node(self, operator: str, *inputs: str, **attributes: int | tuple[int, ...]) -> str:
        """Append an operator; return the name of its output."""
        self._count += 1
        output = f"{operator}_{self._count}"
        body = b"".join(_text(_NODE_INPUT, name) for name in inputs)
        body += _text(_NODE_OUTPUT, output) + _text(_NODE_NAME, output) + _text(_NODE_OPERATOR, operator)
        body += b"".join(_message(_NODE_ATTRIBUTE, _attribute(*item)) for item in attributes.items())
        self._nodes += _message(_GRAPH_NODE, body)
        return output

    def weight(self, *shape: int) -> str:
        """Append a weight of fixed, mixed values that keep a product at the scale of its input."""
        self._count += 1
        name = f"weight_{self._count}"
        fan_in = max(1, math.prod(shape) // shape[-1])
        values = np.sin(np.arange(math.prod(shape), dtype=np.float32)) / np.float32(fan_in**0.5)
        body = b"".join(_integer(_TENSOR_DIMS, size) for size in shape)
        body += _integer(_TENSOR_TYPE, _FLOAT) + _text(_TENSOR_NAME, name) + _message(_TENSOR_RAW, values.tobytes())
        self._weights += _message(_GRAPH_INITIALIZER, body)
        return name

    def model(self, output: str, output_shape: tuple[int, ...]) -> bytes:
        """Close the graph with its one output."""
        graph = self._nodes + _text(_GRAPH_NAME, self._name) + self._weights
        graph += _message(_GRAPH_INPUT, _value(INPUT, self.input_shape))
        graph += _message(_GRAPH_OUTPUT, _value(output, output_shape))
        opset = _text(_OPSET_DOMAIN, "") + _integer(_OPSET_VERSION, OPSET)
        head = _integer(_MODEL_IR_VERSION, IR_VERSION) + _text(_MODEL_PRODUCER, "foretide")
        return head + _message(_MODEL_GRAPH, graph) + _message(_MODEL_OPSET, opset)


def _attribute(name: str, value: int | tuple[int, ...]) -> bytes:
    if isinstance(value, int):
        body, kind = _integer(_ATTRIBUTE_INT, value), _TYPE_INT
    else:
        body, kind = b"".join(_integer(_ATTRIBUTE_INTS, item) for item in value), _TYPE_INTS
    return _text(_ATTRIBUTE_NAME, name) + body + _integer(_ATTRIBUTE_TYPE, kind)


def _value(name: str, shape: tuple[int, ...]) -> bytes:
    sizes = b"".join(_message(_SHAPE_DIM, _integer(_DIM_VALUE, size)) for size in shape)
    tensor = _integer(_TENSOR_ELEMENT, _FLOAT) + _message(_TENSOR_SHAPE, sizes)
    return _text(_VALUE_NAME, name) + _message(_VALUE_TYPE, _message(_TYPE_TENSOR, tensor))


def _integer(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value & (2**64 - 1))


def _text(field: int, text: str) -> bytes:
    return _message(field, text.encode())


def _message(field: int, body: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(body)) + body


def _varint(value: int) -> bytes:
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)
