"""Builds the two ONNX models of the examples: small enough for a ConfigMap, and of different operators.

`edge-cnn` is made of dense convolutions on an image, `sensor-mixer` of matrix products, normalisations and
elementwise operators on a window of sensor readings. The bytes are the same on every machine.

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
CNN_CHANNELS = (24, 32, 48, 64, 88)
CNN_CLASSES = 10

MIXER_TOKENS = 512
MIXER_CHANNELS = 64
MIXER_HIDDEN_TOKENS = 64
MIXER_HIDDEN_CHANNELS = 192
MIXER_BLOCKS = 24
MIXER_CLASSES = 6


class _Graph:
    """Nodes and weights in the order in which they are added; each `node` returns the name of its output."""

    def __init__(self, seed: int) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self._random = np.random.Generator(np.random.PCG64(seed))

    def node(self, operator: str, *inputs: str, **attributes: object) -> str:
        output = f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], output, **attributes))
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
    graph, value, channels = _Graph(seed=1), "image", 3
    for stage, width in enumerate(CNN_CHANNELS):
        stride = 2 if stage in (0, 2, 3, 4) else 1
        value = _convolution(graph, value, channels, width, stride)
        value = graph.node("Relu", value)
        branch = graph.node("Relu", _convolution(graph, value, width, width, 1)) if stage < 4 else value
        value = graph.node("Add", value, branch)
        channels = width
    value = graph.node("Flatten", graph.node("GlobalAveragePool", value), axis=1)
    value = graph.node("Gemm", value, graph.weight(CNN_CLASSES, channels), graph.weight(CNN_CLASSES), transB=1)
    return _model("edge-cnn", graph, "image", (3, CNN_IMAGE_SIZE, CNN_IMAGE_SIZE), value, CNN_CLASSES)


def sensor_mixer() -> onnx.ModelProto:
    """An MLP mixer: along the tokens, then along the channels, each with a layer normalisation and a residual."""
    graph, value = _Graph(seed=2), "window"
    for _ in range(MIXER_BLOCKS):
        mixed = graph.node("Transpose", _normalised(graph, value), perm=[0, 2, 1])
        mixed = _perceptron(graph, mixed, MIXER_TOKENS, MIXER_HIDDEN_TOKENS)
        value = graph.node("Add", value, graph.node("Transpose", mixed, perm=[0, 2, 1]))
        mixed = _perceptron(graph, _normalised(graph, value), MIXER_CHANNELS, MIXER_HIDDEN_CHANNELS)
        value = graph.node("Add", value, mixed)
    value = graph.node("ReduceMean", _normalised(graph, value), axes=[1], keepdims=0)
    value = graph.node(
        "Gemm", value, graph.weight(MIXER_CLASSES, MIXER_CHANNELS), graph.weight(MIXER_CLASSES), transB=1
    )
    return _model("sensor-mixer", graph, "window", (MIXER_TOKENS, MIXER_CHANNELS), value, MIXER_CLASSES)


MODELS = {"edge-cnn": edge_cnn, "sensor-mixer": sensor_mixer}


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


def _normalised(graph: _Graph, value: str) -> str:
    scale = graph.constant(np.ones(MIXER_CHANNELS, np.float32))
    return graph.node("LayerNormalization", value, scale, graph.weight(MIXER_CHANNELS), axis=-1)


def _perceptron(graph: _Graph, value: str, width: int, hidden: int) -> str:
    """Two linear layers with a GELU between, spelt out as exporters do."""
    value = graph.node("Add", graph.node("MatMul", value, graph.weight(width, hidden)), graph.weight(hidden))
    scaled = graph.node("Div", value, graph.constant(np.float32(2**0.5).reshape(())))
    gate = graph.node("Add", graph.node("Erf", scaled), graph.constant(np.float32(1).reshape(())))
    value = graph.node("Mul", graph.node("Mul", value, gate), graph.constant(np.float32(0.5).reshape(())))
    return graph.node("Add", graph.node("MatMul", value, graph.weight(hidden, width)), graph.weight(width))


def _model(
    name: str, graph: _Graph, input_name: str, item: tuple[int, ...], output: str, classes: int
) -> onnx.ModelProto:
    batch = [helper.make_tensor_value_info(input_name, TensorProto.FLOAT, ["batch", *item])]
    scores = [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", classes])]
    model = helper.make_model(
        helper.make_graph(graph.nodes, name, batch, scores, graph.weights),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="foretide-examples",
    )
    helper.set_model_props(model, {"family": name})
    return model


if __name__ == "__main__":
    for _name, _path in build(Path(sys.argv[1])).items():
        print(f"{hashlib.sha256(_path.read_bytes()).hexdigest()}  {_path}")
