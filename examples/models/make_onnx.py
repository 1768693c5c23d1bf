# ruff: noqa: INP001 - a program to run by itself
"""Builds the ONNX models of the examples: small enough for a ConfigMap, and of different operators.

`edge-cnn` is made of dense convolutions on an image, `sensor-mixer` of matrix products, normalisations and
elementwise operators on a window of sensor readings. `token-lstm` and `token-encoder` take a text as a sequence of
numbers, of any length: a recurrence, and a small transformer. The bytes are the same on every machine.

    python examples/models/make_onnx.py DIRECTORY
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8

CNN_IMAGE_SIZE = 256
CNN_CHANNELS = (20, 32, 48, 56, 64)
CNN_CLASSES = 10

MIXER_TOKENS = 512
MIXER_CHANNELS = 64
MIXER_HIDDEN_TOKENS = 64
MIXER_HIDDEN_CHANNELS = 192
MIXER_ROUNDS = 32
MIXER_CLASSES = 6

VOCABULARY = 256
TOKEN_CLASSES = 6
LSTM_WIDTH = 64
LSTM_HIDDEN = 128
ENCODER_WIDTH = 128
ENCODER_HEADS = 4
ENCODER_HIDDEN = 256
ENCODER_ROUNDS = 2
ENCODER_TOKENS = 128
"""The longest text that the encoder has positions for."""


class _Graph:
    """Nodes and weights in the order in which they are added; each `node` returns the name of its output."""

    def __init__(self, name: str, input_name: str, seed: int) -> None:
        self.name = name
        self.input = input_name
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self._random = np.random.Generator(np.random.PCG64(seed))

    def node(self, operator: str, *inputs: str, **attributes: int | list[int]) -> str:
        output = f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], output, None, None, None, **attributes))
        return output

    def weight(self, *shape: int) -> str:
        """Uniform weights whose products keep their scale (integers scaled: the same bits on every machine)."""
        fan_in = int(np.prod(shape[1:])) if len(shape) > 1 else 1
        steps = self._random.integers(-1000, 1001, shape).astype(np.float32)
        return self.constant(steps * np.float32(1.7 / 1000 / fan_in**0.5 if len(shape) > 1 else 1e-4))

    def constant(self, values: npt.NDArray[np.generic]) -> str:
        name = f"constant_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(values, name))
        return name


def edge_cnn() -> onnx.ModelProto:
    """Five stages of dense 3x3 convolutions with a residual branch, on a 3-channel image."""
    graph, channels = _Graph("edge-cnn", "image", seed=1), 3
    value = graph.input
    for stage, width in enumerate(CNN_CHANNELS):
        value = graph.node("Relu", _convolution(graph, value, channels, width, stride=1 if stage == 0 else 2))
        branch = graph.node("Relu", _convolution(graph, value, width, width, stride=1))
        value = graph.node("Add", value, branch)
        channels = width
    value = graph.node("Flatten", graph.node("GlobalAveragePool", value), axis=1)
    value = graph.node("Gemm", value, graph.weight(CNN_CLASSES, channels), graph.weight(CNN_CLASSES), transB=1)
    return _model(graph, (3, CNN_IMAGE_SIZE, CNN_IMAGE_SIZE), value, CNN_CLASSES)


def sensor_mixer() -> onnx.ModelProto:
    """An MLP mixer on a window of readings: along the tokens, then along the channels, with residuals.

    All rounds share their weights, as ALBERT's do, so that much work fits into a small file.
    """
    graph = _Graph("sensor-mixer", "window", seed=2)
    value = graph.input
    norm = graph.constant(np.ones(MIXER_CHANNELS, np.float32)), graph.weight(MIXER_CHANNELS)
    along_tokens = _perceptron_weights(graph, MIXER_TOKENS, MIXER_HIDDEN_TOKENS)
    along_channels = _perceptron_weights(graph, MIXER_CHANNELS, MIXER_HIDDEN_CHANNELS)
    for _ in range(MIXER_ROUNDS):
        mixed = graph.node("Transpose", graph.node("LayerNormalization", value, *norm, axis=-1), perm=[0, 2, 1])
        mixed = graph.node("Transpose", _perceptron(graph, mixed, along_tokens), perm=[0, 2, 1])
        value = graph.node("Add", value, mixed)
        mixed = _perceptron(graph, graph.node("LayerNormalization", value, *norm, axis=-1), along_channels)
        value = graph.node("Add", value, mixed)
    value = graph.node("ReduceMean", graph.node("LayerNormalization", value, *norm, axis=-1), axes=[1], keepdims=0)
    head = graph.weight(MIXER_CLASSES, MIXER_CHANNELS), graph.weight(MIXER_CLASSES)
    value = graph.node("Gemm", value, *head, transB=1)
    return _model(graph, (MIXER_TOKENS, MIXER_CHANNELS), value, MIXER_CLASSES)


def token_lstm() -> onnx.ModelProto:
    """An embedding, an LSTM over the tokens, and a classifier of its last state."""
    graph, gates = _Graph("token-lstm", "tokens", seed=3), 4 * LSTM_HIDDEN
    steps = graph.node("Transpose", _embedded(graph, LSTM_WIDTH), perm=[1, 0, 2])
    weights = graph.weight(1, gates, LSTM_WIDTH), graph.weight(1, gates, LSTM_HIDDEN), graph.weight(1, 2 * gates)
    states = graph.node("LSTM", steps, *weights, hidden_size=LSTM_HIDDEN)
    last = graph.node("Gather", states, graph.constant(np.array(-1)), axis=0)
    last = graph.node("Squeeze", last, graph.constant(np.array([0])))
    scores = graph.node("Gemm", last, *_linear_weights(graph, LSTM_HIDDEN, TOKEN_CLASSES))
    return _model(graph, ("length",), scores, TOKEN_CLASSES, TensorProto.INT64)


def token_encoder() -> onnx.ModelProto:
    """An embedding with learned positions, rounds of self-attention and a perceptron, and a classifier of the mean.

    All rounds share their weights, as ALBERT's do.
    """
    graph = _Graph("token-encoder", "tokens", seed=4)
    length = graph.node("Gather", graph.node("Shape", graph.input), graph.constant(np.array([1])))
    positions = graph.node("Slice", graph.weight(ENCODER_TOKENS, ENCODER_WIDTH), graph.constant(np.array([0])), length)
    value = graph.node("Add", _embedded(graph, ENCODER_WIDTH), positions)
    query, key, values, out = (_linear_weights(graph, ENCODER_WIDTH, ENCODER_WIDTH) for _ in range(4))
    rise = _linear_weights(graph, ENCODER_WIDTH, ENCODER_HIDDEN)
    fall = _linear_weights(graph, ENCODER_HIDDEN, ENCODER_WIDTH)
    norm = graph.constant(np.ones(ENCODER_WIDTH, np.float32)), graph.weight(ENCODER_WIDTH)
    heads = graph.constant(np.array([0, 0, ENCODER_HEADS, -1]))
    whole = graph.constant(np.array([0, 0, ENCODER_WIDTH]))
    scale = graph.constant(np.array((ENCODER_HEADS / ENCODER_WIDTH) ** 0.5, np.float32))
    for _ in range(ENCODER_ROUNDS):
        parts = [
            graph.node("Transpose", graph.node("Reshape", _linear(graph, value, each), heads), perm=order)
            for each, order in ((query, [0, 2, 1, 3]), (key, [0, 2, 3, 1]), (values, [0, 2, 1, 3]))
        ]
        shares = graph.node("Softmax", graph.node("Mul", graph.node("MatMul", *parts[:2]), scale), axis=-1)
        mixed = graph.node("Transpose", graph.node("MatMul", shares, parts[2]), perm=[0, 2, 1, 3])
        mixed = _linear(graph, graph.node("Reshape", mixed, whole), out)
        value = graph.node("LayerNormalization", graph.node("Add", value, mixed), *norm, axis=-1)
        mixed = _linear(graph, graph.node("Relu", _linear(graph, value, rise)), fall)
        value = graph.node("LayerNormalization", graph.node("Add", value, mixed), *norm, axis=-1)
    value = graph.node("ReduceMean", value, axes=[1], keepdims=0)
    scores = graph.node("Gemm", value, *_linear_weights(graph, ENCODER_WIDTH, TOKEN_CLASSES))
    return _model(graph, ("length",), scores, TOKEN_CLASSES, TensorProto.INT64)


MODELS = {
    "edge-cnn": edge_cnn,
    "sensor-mixer": sensor_mixer,
    "token-lstm": token_lstm,
    "token-encoder": token_encoder,
}


def build(directory: Path) -> dict[str, Path]:
    """Write every model as `directory`/NAME.onnx and return where each lies."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = {}
    for name, make in MODELS.items():
        model = make()
        onnx.checker.check_model(model, full_check=True)
        paths[name] = directory / f"{name}.onnx"
        paths[name].write_bytes(model.SerializeToString(deterministic=True))
    return paths


def _convolution(graph: _Graph, value: str, inputs: int, outputs: int, stride: int) -> str:
    weights = graph.weight(outputs, inputs, 3, 3), graph.weight(outputs)
    return graph.node("Conv", value, *weights, kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[stride, stride])


def _perceptron_weights(graph: _Graph, width: int, hidden: int) -> tuple[str, ...]:
    """Weights of two linear layers, and the constants of the GELU between them."""
    constants = [graph.constant(np.array(value, np.float32)) for value in (2**0.5, 1.0, 0.5)]
    return (
        graph.weight(width, hidden), graph.weight(hidden), *constants, graph.weight(hidden, width), graph.weight(width)
    )  # fmt: skip


def _perceptron(graph: _Graph, value: str, weights: tuple[str, ...]) -> str:
    """Two linear layers with a GELU between, spelt out as exporters do."""
    rise, rise_bias, root_of_two, one, half, fall, fall_bias = weights
    value = graph.node("Add", graph.node("MatMul", value, rise), rise_bias)
    gate = graph.node("Add", graph.node("Erf", graph.node("Div", value, root_of_two)), one)
    value = graph.node("Mul", graph.node("Mul", value, gate), half)
    return graph.node("Add", graph.node("MatMul", value, fall), fall_bias)


def _embedded(graph: _Graph, width: int) -> str:
    """The tokens of the input, each as its vector."""
    return graph.node("Gather", graph.weight(VOCABULARY, width), graph.input, axis=0)


def _linear_weights(graph: _Graph, inputs: int, outputs: int) -> tuple[str, str]:
    return graph.weight(inputs, outputs), graph.weight(outputs)


def _linear(graph: _Graph, value: str, weights: tuple[str, str]) -> str:
    return graph.node("Add", graph.node("MatMul", value, weights[0]), weights[1])


def _model(
    graph: _Graph, item: tuple[int | str, ...], output: str, classes: int, data_type: int = TensorProto.FLOAT
) -> onnx.ModelProto:
    batch = [helper.make_tensor_value_info(graph.input, data_type, ["batch", *item])]
    scores = [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", classes])]
    model = helper.make_model(
        helper.make_graph(graph.nodes, graph.name, batch, scores, graph.weights),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="foretide-examples",
    )
    helper.set_model_props(model, {"family": graph.name})
    return model


if __name__ == "__main__":
    for _path in build(Path(sys.argv[1])).values():
        print(f"{hashlib.sha256(_path.read_bytes()).hexdigest()}  {_path}")
