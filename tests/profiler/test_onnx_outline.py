"""An inspection leaves weights unread, wherever a file keeps them, and all that shapes come from as it is."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from foretide.signature import Signature
from foretide_profiler.counting import onnx_graph
from foretide_profiler.counting.onnx_outline import LONGEST_KEPT_BYTES, outline
from foretide_profiler.requests import ModelRequest
from tests.profiler.conftest import ROOT, small_model

WIDTH = 64
PEAK_OF_INSPECTION = """
import sys
from foretide_profiler.__main__ import main
from foretide_profiler.memory import HeldMemory
if main(sys.argv[1:]) == 0:
    print(HeldMemory().peak_bytes())
"""


def products(weights: list[TensorProto], *, constants: list[TensorProto], width: int = WIDTH) -> onnx.ModelProto:
    """Products with matrices that are initializers, and then with some that nodes hold."""
    names = [tensor.name for tensor in (*weights, *constants)]
    nodes = [helper.make_node("Constant", [], [tensor.name], value=tensor) for tensor in constants]
    nodes += [helper.make_node("MatMul", [f"x{place}", name], [f"x{place + 1}"]) for place, name in enumerate(names)]
    ends = [helper.make_tensor_value_info(f"x{place}", TensorProto.FLOAT, ["n", width]) for place in (0, len(names))]
    graph = helper.make_graph(nodes, "products", ends[:1], ends[1:], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def matrix(name: str, *, width: int = WIDTH, raw: bool = True) -> TensorProto:
    values = np.random.default_rng(0).standard_normal((width, width), np.float32)
    return helper.make_tensor(name, TensorProto.FLOAT, values.shape, values.tobytes() if raw else values, raw=raw)


def inspected(model: onnx.ModelProto, directory: Path) -> Signature:
    file = directory / "model.onnx"
    file.write_bytes(model.SerializeToString())
    return onnx_graph.count(ModelRequest("ONNX", "", file, None, None, "float32", 1, "fp32"))[0]


def test_the_memory_of_an_inspection_does_not_grow_with_the_weights(tmp_path: Path) -> None:
    peaks = {}
    for width in (16, 2048):
        file = tmp_path / f"{width}.onnx"
        weights = [matrix(name, width=width) for name in "abcd"]
        file.write_bytes(products(weights, constants=[], width=width).SerializeToString())
        done = subprocess.run(
            [sys.executable, "-c", PEAK_OF_INSPECTION, "inspect", "--source", "ONNX", "--file", file],
            env={**os.environ, "PYTHONPATH": f"{ROOT}/src:{ROOT}/profiler-job/src"},
            capture_output=True,
            check=True,
        )
        peaks[width] = int(done.stdout.splitlines()[-1])
    assert peaks[2048] - peaks[16] < 4 * 2048**2  # the file has 64 MiB


@pytest.mark.parametrize(("raw", "in_nodes"), [(True, False), (False, False), (True, True), (False, True)])
def test_weights_are_left_out_however_a_file_keeps_them_and_counted_alike(
    tmp_path: Path, *, raw: bool, in_nodes: bool
) -> None:
    weights = [matrix(name, raw=raw) for name in "ab"]
    model = products([] if in_nodes else weights, constants=weights if in_nodes else [])
    short = outline(io.BytesIO(model.SerializeToString()), has_shapes=True)
    assert len(short) < LONGEST_KEPT_BYTES
    assert inspected(model, tmp_path).by_kind["linear"].macs == 2 * WIDTH**2


def test_a_shape_that_comes_from_a_long_table_of_whole_numbers_is_known(tmp_path: Path) -> None:
    table = numpy_helper.from_array(np.arange(1, LONGEST_KEPT_BYTES, dtype=np.int64), "table")
    places = numpy_helper.from_array(np.array([1, 3]), "places")
    nodes = [
        helper.make_node("Gather", ["table", "places"], ["shape"]),
        helper.make_node("Expand", ["x", "shape"], ["y"]),
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("x", [1, 1]), ("y", ["rows", "columns"]))
    ]
    graph = helper.make_graph(nodes, "table", ends[:1], ends[1:], [table, places])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    assert inspected(model, tmp_path).activation_bytes == 4 * 2 * 4


def test_a_model_without_long_weights_stays_as_it_is() -> None:
    file = small_model().SerializeToString()
    assert outline(io.BytesIO(file), has_shapes=True) == file


@given(st.binary(max_size=64), st.integers(0))
def test_what_is_no_model_is_refused_or_no_longer_than_it_was(noise: bytes, place: int) -> None:
    whole = products([matrix("a")], constants=[matrix("b")]).SerializeToString()
    cut = place % len(whole)
    for file in (noise, whole[:cut], whole[:cut] + noise + whole[cut:]):
        try:
            assert len(outline(io.BytesIO(file), has_shapes=True)) <= len(file)
        except ValueError as error:
            assert "byte" in str(error)  # noqa: PT017 - either way
