"""ONNX files of eight kinds of network by width, depth and resolution, with seeded weights.

The same arguments give the same bytes on every machine. The batch is left open, the size of an item is fixed. Batch
normalisation is folded into convolutions, as exporters for inference do. `resolution` is an image's edge in pixels, a
sequence's length, or an MLP's number of inputs.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

OPSET: Final = 17
IR_VERSION: Final = 8
CLASSES: Final = 10
STEP_FEATURES: Final = 64
"""What each step of a recurrent network's input has."""
HEAD_WIDTH: Final = 32
PATCH: Final = 16
STAGES: Final = 4


class Network(NamedTuple):
    """A network by its hyperparameters; `width` is that of the first stage or of every layer."""

    model_type: str
    width: int
    depth: int
    resolution: int

    @property
    def name(self) -> str:
        """Tells it from all others, and is a file's name."""
        return f"{self.model_type}-w{self.width}-d{self.depth}-r{self.resolution}"

    @property
    def input_shape(self) -> tuple[int, ...]:
        """One item."""
        if self.model_type == "mlp":
            return (self.resolution,)
        if self.model_type in ("lstm", "gru"):
            return (self.resolution, STEP_FEATURES)
        if self.model_type == "encoder":
            return (self.resolution, self.width)
        return (3, self.resolution, self.resolution)


class _Graph:
    """Nodes and weights in the order in which they are added; each `node` returns the name of its output."""

    def __init__(self, seed: int) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self._random = np.random.Generator(np.random.PCG64(seed))

    def node(self, operator: str, *inputs: str, **attributes: float | str | list[int]) -> str:
        output = f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], output, None, None, None, **attributes))
        return output

    def weight(self, *shape: int, inputs: int) -> str:
        """Uniform weights whose products with so many inputs keep their scale."""
        values = self._random.random(shape, dtype=np.float32) - np.float32(0.5)
        values *= np.float32((12 / inputs) ** 0.5)
        return self.constant(values)

    def constant(self, values: npt.NDArray[np.generic]) -> str:
        name = f"constant_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def bias(self, outputs: int) -> str:
        return self.constant(np.zeros(outputs, np.float32))

    def convolution(self, value: str, inputs: int, outputs: int, *, kernel: int, stride: int, groups: int = 1) -> str:
        fan_in = inputs // groups * kernel * kernel
        weights = self.weight(outputs, inputs // groups, kernel, kernel, inputs=fan_in), self.bias(outputs)
        pads = [0 if kernel == stride else kernel // 2] * 4
        sizes = {"kernel_shape": [kernel, kernel], "strides": [stride, stride], "pads": pads}
        return self.node("Conv", value, *weights, group=groups, **sizes)

    def linear(self, value: str, inputs: int, outputs: int) -> str:
        product = self.node("MatMul", value, self.weight(inputs, outputs, inputs=inputs))
        return self.node("Add", product, self.bias(outputs))

    def norm(self, value: str, width: int) -> str:
        return self.node(
            "LayerNormalization", value, self.constant(np.ones(width, np.float32)), self.bias(width), axis=-1
        )

    def gelu(self, value: str) -> str:
        """Spelt out as exporters do; onnxruntime fuses it."""
        root, one, half = (self.constant(np.array(number, np.float32)) for number in (2**0.5, 1.0, 0.5))
        gate = self.node("Add", self.node("Erf", self.node("Div", value, root)), one)
        return self.node("Mul", self.node("Mul", value, gate), half)

    def classifier(self, value: str, inputs: int) -> str:
        return self.node("Gemm", value, self.weight(CLASSES, inputs, inputs=inputs), self.bias(CLASSES), transB=1)

    def pooled(self, value: str) -> str:
        return self.node("Flatten", self.node("GlobalAveragePool", value), axis=1)


def _mlp(graph: _Graph, network: Network) -> str:
    value, inputs = "input", network.resolution
    for _ in range(network.depth):
        weights = graph.weight(network.width, inputs, inputs=inputs), graph.bias(network.width)
        value, inputs = graph.node("Relu", graph.node("Gemm", value, *weights, transB=1)), network.width
    return graph.classifier(value, inputs)


def _cnn(graph: _Graph, network: Network) -> str:
    """As VGG: `depth` dense 3x3 convolutions a stage, pooled between stages, which double the channels."""
    value, channels = "input", 3
    for stage in range(STAGES):
        width = network.width << stage
        for _ in range(network.depth):
            value = graph.node("Relu", graph.convolution(value, channels, width, kernel=3, stride=1))
            channels = width
        value = graph.node("MaxPool", value, kernel_shape=[2, 2], strides=[2, 2])
    return graph.classifier(graph.pooled(value), channels)


def _resnet(graph: _Graph, network: Network) -> str:
    """As ResNet-18: `depth` basic blocks a stage."""
    channels = network.width
    value = graph.node("Relu", graph.convolution("input", 3, channels, kernel=7, stride=2))
    value = graph.node("MaxPool", value, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    for stage in range(STAGES):
        width = network.width << stage
        for block in range(network.depth):
            stride = 2 if stage and not block else 1
            branch = graph.node("Relu", graph.convolution(value, channels, width, kernel=3, stride=stride))
            branch = graph.convolution(branch, width, width, kernel=3, stride=1)
            if channels != width:
                value = graph.convolution(value, channels, width, kernel=1, stride=stride)
            value, channels = graph.node("Relu", graph.node("Add", value, branch)), width
    return graph.classifier(graph.pooled(value), channels)


def _mobilenet(graph: _Graph, network: Network) -> str:
    """As MobileNet v1: `depth` depthwise and pointwise pairs a stage."""
    low, high = (graph.constant(np.array(bound, np.float32)) for bound in (0, 6))
    channels = network.width
    value = graph.node("Clip", graph.convolution("input", 3, channels, kernel=3, stride=2), low, high)
    for stage in range(STAGES):
        width = network.width << (stage + 1)
        for block in range(network.depth):
            stride = 2 if stage and not block else 1
            value = graph.convolution(value, channels, channels, kernel=3, stride=stride, groups=channels)
            value = graph.node("Clip", value, low, high)
            value = graph.node("Clip", graph.convolution(value, channels, width, kernel=1, stride=1), low, high)
            channels = width
    return graph.classifier(graph.pooled(value), channels)


def _recurrent(operator: str, gates: int) -> Callable[[_Graph, Network], str]:
    def build(graph: _Graph, network: Network) -> str:
        """`depth` layers over the steps, and a classifier of the last state."""
        width, inputs = network.width, STEP_FEATURES
        value = graph.node("Transpose", "input", perm=[1, 0, 2])
        for _ in range(network.depth):
            weights = (
                graph.weight(1, gates * width, inputs, inputs=inputs),
                graph.weight(1, gates * width, width, inputs=width),
                graph.constant(np.zeros((1, 2 * gates * width), np.float32)),
            )
            states = graph.node(operator, value, *weights, hidden_size=width)
            value, inputs = graph.node("Squeeze", states, graph.constant(np.array([1]))), width
        last = graph.node("Gather", value, graph.constant(np.array(-1)), axis=0)
        return graph.classifier(last, width)

    return build


def _encoder(graph: _Graph, network: Network) -> str:
    """`depth` layers of self-attention and a perceptron four times as wide, and a classifier of the mean."""
    value, width = "input", network.width
    heads = graph.constant(np.array([0, 0, width // HEAD_WIDTH, HEAD_WIDTH]))
    whole = graph.constant(np.array([0, 0, width]))
    scale = graph.constant(np.array(HEAD_WIDTH**-0.5, np.float32))
    for _ in range(network.depth):
        query, key, values = (
            graph.node("Transpose", graph.node("Reshape", graph.linear(value, width, width), heads), perm=order)
            for order in ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3])
        )
        shares = graph.node("Softmax", graph.node("Mul", graph.node("MatMul", query, key), scale), axis=-1)
        mixed = graph.node("Transpose", graph.node("MatMul", shares, values), perm=[0, 2, 1, 3])
        mixed = graph.linear(graph.node("Reshape", mixed, whole), width, width)
        value = graph.norm(graph.node("Add", value, mixed), width)
        mixed = graph.linear(graph.gelu(graph.linear(value, width, 4 * width)), 4 * width, width)
        value = graph.norm(graph.node("Add", value, mixed), width)
    return graph.classifier(graph.node("ReduceMean", value, axes=[1], keepdims=0), width)


def _mixer(graph: _Graph, network: Network) -> str:
    """As MLP-Mixer: patches, then `depth` perceptrons along tokens and along channels by turns."""
    width, tokens = network.width, (network.resolution // PATCH) ** 2
    patches = graph.convolution("input", 3, width, kernel=PATCH, stride=PATCH)
    patches = graph.node("Reshape", patches, graph.constant(np.array([0, width, tokens])))
    value = graph.node("Transpose", patches, perm=[0, 2, 1])
    for _ in range(network.depth):
        mixed = graph.node("Transpose", graph.norm(value, width), perm=[0, 2, 1])
        mixed = graph.linear(graph.gelu(graph.linear(mixed, tokens, width // 2)), width // 2, tokens)
        value = graph.node("Add", value, graph.node("Transpose", mixed, perm=[0, 2, 1]))
        mixed = graph.linear(graph.gelu(graph.linear(graph.norm(value, width), width, 4 * width)), 4 * width, width)
        value = graph.node("Add", value, mixed)
    return graph.classifier(graph.node("ReduceMean", value, axes=[1], keepdims=0), width)


_BUILDERS: Final[dict[str, Callable[[_Graph, Network], str]]] = {
    "mlp": _mlp,
    "cnn": _cnn,
    "resnet": _resnet,
    "mobilenet": _mobilenet,
    "lstm": _recurrent("LSTM", 4),
    "gru": _recurrent("GRU", 3),
    "encoder": _encoder,
    "mixer": _mixer,
}
MODEL_TYPES: Final = tuple(_BUILDERS)


def build(network: Network) -> onnx.ModelProto:
    """The network's graph with its weights."""
    graph = _Graph(zlib.crc32(network.name.encode()))
    output = _BUILDERS[network.model_type](graph, network)
    given = helper.make_tensor_value_info("input", onnx.TensorProto.FLOAT, ["batch", *network.input_shape])
    scores = helper.make_tensor_value_info(output, onnx.TensorProto.FLOAT, ["batch", CLASSES])
    model = helper.make_model(
        helper.make_graph(graph.nodes, network.name, [given], [scores], graph.weights),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="foretide-bench",
    )
    helper.set_model_props(model, {"family": network.model_type})
    return model


def write(network: Network, folder: Path) -> Path:
    """The network's file in `folder`, made where it is not there; a run that is killed leaves no half of one."""
    path = folder / f"{network.name}.onnx"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_bytes(build(network).SerializeToString(deterministic=True))
        part.replace(path)
    return path
