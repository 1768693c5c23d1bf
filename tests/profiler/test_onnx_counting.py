"""The signature of an ONNX graph, checked against counts made by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from examples.models import make_onnx
from foretide.signature import OperatorCost, Signature
from foretide_profiler.counting import onnx_graph
from foretide_profiler.failures import ProfilerError
from foretide_profiler.requests import ModelRequest
from tests.profiler.conftest import small_model


def _count(request: ModelRequest) -> Signature:
    return onnx_graph.count(request)[0]


def _request(file: Path, *, shape: tuple[int, ...] | None = (3, 8, 8), batch_size: int = 1) -> ModelRequest:
    return ModelRequest("ONNX", "", file, None, shape, "float32", batch_size, "fp32")


def test_every_operator_is_counted_by_its_kind(model_file: Path) -> None:
    signature = _count(_request(model_file))
    dense, half = 6 * 8 * 8, 6 * 4 * 4
    assert signature.by_kind == {
        "denseConvolution": OperatorCost(macs=dense * 3 * 9, bytes_written=4 * dense, count=1),
        "depthwiseConvolution": OperatorCost(macs=half * 9, bytes_written=4 * half, count=1),
        "linear": OperatorCost(macs=24, bytes_written=16, count=1),
        "elementwise": OperatorCost(bytes_written=4 * (dense + half), count=2),
        "normalization": OperatorCost(bytes_written=16, count=1),
        "other": OperatorCost(bytes_written=24, count=1),
    }
    assert signature.macs == dense * 27 + half * 9 + 24
    assert signature.parameter_bytes == 4 * (6 * 27 + 6 + 54 + 24 + 4)
    assert signature.activation_bytes == 4 * (2 * dense + 2 * half + 6 + 4 + 4)
    assert signature.peak_activation_bytes == 4 * (3 * 64 + 2 * dense)  # the input, the first convolution, its ReLU
    assert (signature.input_pixels, signature.operator_count) == (64, 7)
    assert signature.family == "denseConvolution"


@settings(deadline=None, max_examples=10)
@given(batch_size=st.integers(1, 64))
def test_work_grows_with_the_batch_and_parameters_do_not(
    batch_size: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("model") / "small.onnx"
    file.write_bytes(small_model().SerializeToString())
    one, many = _count(_request(file)), _count(_request(file, batch_size=batch_size))
    assert (many.macs, many.activation_bytes) == (one.macs * batch_size, one.activation_bytes * batch_size)
    assert (many.parameter_bytes, many.input_pixels, many.batch_size) == (one.parameter_bytes, 64, batch_size)


def test_attention_is_told_from_linear_layers_by_its_operands(tmp_path: Path) -> None:
    tokens, width = 16, 8
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["q"]),
        helper.make_node("Transpose", ["x"], ["k"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["q", "k"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["shares"], axis=-1),
        helper.make_node("MatMul", ["shares", "x"], ["y"]),
    ]
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", tokens, width]) for name in "xy"]
    weights = [numpy_helper.from_array(np.ones((width, width), np.float32), "w")]
    graph = helper.make_graph(nodes, "attention", value[:1], value[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"family": "tiny-transformer"})
    file = tmp_path / "attention.onnx"
    file.write_bytes(model.SerializeToString())
    signature = _count(_request(file, shape=(tokens, width)))
    assert signature.by_kind["linear"].macs == tokens * width * width
    assert signature.by_kind["attention"].macs == 2 * tokens * tokens * width
    assert (signature.input_pixels, signature.family) == (tokens, "tiny-transformer")


def test_constants_and_views_cost_nothing(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Constant", [], ["two"], value=numpy_helper.from_array(np.array(2, np.float32))),
        helper.make_node("Mul", ["two", "two"], ["four"]),
        helper.make_node("Reshape", ["x", "shape"], ["flat"]),
        helper.make_node("Mul", ["flat", "four"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "views",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 16])],
        [numpy_helper.from_array(np.array([-1, 16]), "shape")],
    )
    file = tmp_path / "views.onnx"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    file.write_bytes(model.SerializeToString())
    signature = _count(_request(file, shape=(4, 4)))
    assert (signature.operator_count, signature.activation_bytes, signature.peak_activation_bytes) == (1, 64, 128)


def test_without_a_shape_the_declared_one_is_taken(model_file: Path) -> None:
    assert _count(_request(model_file, shape=None)) == _count(_request(model_file))


@pytest.mark.parametrize(
    ("sizes", "shape", "wants"),
    [
        (("batch", 3, 8, 8), (3, 9, 8), "any,3,8,8"),
        (("batch", 3, 8, 8), (8, 8), "any,3,8,8"),
        ((4, 3, 8, 8), (3, 8, 8), "4,3,8,8"),
        (("batch", 3, "h", "w"), None, "any,3,any,any"),
    ],
)
def test_a_refused_shape_is_answered_with_what_the_model_takes(
    tmp_path: Path, sizes: tuple[int | str, ...], shape: tuple[int, ...] | None, wants: str
) -> None:
    file = tmp_path / "small.onnx"
    file.write_bytes(small_model(sizes).SerializeToString())
    with pytest.raises(ProfilerError) as caught:
        _count(_request(file, shape=shape))
    assert (caught.value.reason, caught.value.field) == ("InputRefused", "input.shape")
    assert wants in caught.value.message


def test_a_shape_that_an_operator_inside_refuses_is_refused(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", "tokens", "width"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", "tokens", 4])],
        [numpy_helper.from_array(np.ones((8, 4), np.float32), "w")],
    )
    file = tmp_path / "product.onnx"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    file.write_bytes(model.SerializeToString())
    assert _count(_request(file, shape=(5, 8))).macs == 5 * 8 * 4
    with pytest.raises(ProfilerError) as caught:
        _count(_request(file, shape=(5, 9)))
    assert (caught.value.reason, caught.value.field) == ("InputRefused", "input.shape")


def _text_request(file: Path, *, length: int, batch_size: int = 1, precision: str = "fp32") -> ModelRequest:
    return ModelRequest("ONNX", "", file, None, (length,), "int64", batch_size, precision)


def test_a_recurrence_multiplies_by_its_matrices_at_each_step(tmp_path: Path) -> None:
    signature = _count(_text_request(make_onnx.build(tmp_path)["token-lstm"], length=40, batch_size=3))
    each_step = 4 * make_onnx.LSTM_HIDDEN * (make_onnx.LSTM_WIDTH + make_onnx.LSTM_HIDDEN)
    classifier = make_onnx.LSTM_HIDDEN * make_onnx.TOKEN_CLASSES
    assert signature.by_kind["linear"].macs == 3 * (40 * each_step + classifier)
    assert (signature.macs, signature.input_pixels) == (signature.by_kind["linear"].macs, 40)


@pytest.mark.parametrize("length", [1, 17, 128])
def test_attention_grows_with_the_square_of_an_open_length_and_all_else_with_the_length(
    tmp_path: Path, length: int
) -> None:
    signature = _count(_text_request(make_onnx.build(tmp_path)["token-encoder"], length=length, batch_size=2))
    width, hidden = make_onnx.ENCODER_WIDTH, make_onnx.ENCODER_HIDDEN
    rounds = 2 * make_onnx.ENCODER_ROUNDS
    assert signature.by_kind["attention"].macs == rounds * 2 * length**2 * width
    classifier = 2 * width * make_onnx.TOKEN_CLASSES
    assert signature.by_kind["linear"].macs == rounds * length * (4 * width**2 + 2 * width * hidden) + classifier


def test_int8_keeps_the_operators_and_a_byte_of_each_weight_that_it_covers(tmp_path: Path) -> None:
    files = make_onnx.build(tmp_path)
    width, hidden = make_onnx.LSTM_WIDTH, make_onnx.LSTM_HIDDEN
    whole = _count(_text_request(files["token-lstm"], length=8))
    small = _count(_text_request(files["token-lstm"], length=8, precision="int8"))
    covered = 4 * hidden * (width + hidden) + hidden * make_onnx.TOKEN_CLASSES
    assert whole.parameter_bytes - small.parameter_bytes == 3 * covered
    assert small.by_kind == whole.by_kind


def test_the_examples_are_small_and_of_different_kinds(tmp_path: Path) -> None:
    files = make_onnx.build(tmp_path / "a")
    again = make_onnx.build(tmp_path / "b")
    kinds = {}
    for name, file in files.items():
        assert file.stat().st_size <= 740_000  # a ConfigMap takes 1 MiB
        assert file.read_bytes() == again[name].read_bytes()
        onnx.checker.check_model(onnx.load(file), full_check=True)
        is_text = name.startswith("token")
        by_kind = _count(_text_request(file, length=32) if is_text else _request(file, shape=None)).by_kind
        kinds[name] = max(by_kind, key=lambda kind: by_kind[kind].macs)
    assert kinds == {
        "edge-cnn": "denseConvolution",
        "sensor-mixer": "linear",
        "token-lstm": "linear",
        "token-encoder": "linear",
    }
