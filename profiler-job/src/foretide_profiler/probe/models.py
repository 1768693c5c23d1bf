"""The fixed set of small models by whose times a node class is known: one for each kind of operator with its own cost.

Changing a model changes what its time means everywhere: give it a new name instead.
"""

from __future__ import annotations

from collections.abc import Callable

from foretide_profiler.probe.onnx_writer import INPUT, GraphWriter

Model = tuple[bytes, tuple[int, ...]]
"""An ONNX model, and the shape of its one input."""

GEMM_SIZE = 384
GEMM_FLOPS = 2 * GEMM_SIZE**3


def gemm() -> Model:
    """One product of square matrices."""
    graph = GraphWriter("gemm", (GEMM_SIZE, GEMM_SIZE))
    product = graph.node("MatMul", INPUT, graph.weight(GEMM_SIZE, GEMM_SIZE))
    return graph.model(product, graph.input_shape), graph.input_shape


def dense_convolution() -> Model:
    """Three dense 3x3 convolutions, 87 million multiply-adds."""
    return _convolutions("dense-convolution", layers=3, channels=64, size=28, groups=1)


def depthwise_convolution() -> Model:
    """Eight depthwise 3x3 convolutions, 22 million multiply-adds."""
    return _convolutions("depthwise-convolution", layers=8, channels=96, size=56, groups=96)


def linear() -> Model:
    """Four linear layers on 64 tokens, 67 million multiply-adds."""
    graph = GraphWriter("linear", (64, 512))
    value = INPUT
    for _ in range(4):
        value = graph.node("Relu", graph.node("MatMul", value, graph.weight(512, 512)))
    return graph.model(value, graph.input_shape), graph.input_shape


def elementwise() -> Model:
    """Four rounds of normalisation, error function, product and sum; hardly a multiply-add."""
    graph = GraphWriter("elementwise", (256, 384))
    scale, bias = graph.weight(384), graph.weight(384)
    value = INPUT
    for _ in range(4):
        normal = graph.node("LayerNormalization", value, scale, bias, axis=-1)
        value = graph.node("Add", value, graph.node("Mul", normal, graph.node("Erf", normal)))
    return graph.model(value, graph.input_shape), graph.input_shape


MODELS: dict[str, Callable[[], Model]] = {
    "dense-convolution": dense_convolution,
    "depthwise-convolution": depthwise_convolution,
    "linear": linear,
    "elementwise": elementwise,
}


def _convolutions(name: str, layers: int, channels: int, size: int, groups: int) -> Model:
    graph = GraphWriter(name, (1, channels, size, size))
    value = INPUT
    for _ in range(layers):
        weight = graph.weight(channels, channels // groups, 3, 3)
        value = graph.node("Conv", value, weight, group=groups, kernel_shape=(3, 3), pads=(1, 1, 1, 1), strides=(1, 1))
        value = graph.node("Relu", value)
    return graph.model(value, graph.input_shape), graph.input_shape
