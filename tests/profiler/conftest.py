"""Small real ONNX models, and the profiler as the container starts it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from devcluster import command
from devcluster.images import buildah, catalogue

ROOT = Path(__file__).resolve().parents[2]


def small_model(
    sizes: tuple[int | str, ...] = ("batch", 3, 8, 8), data_type: int = TensorProto.FLOAT
) -> onnx.ModelProto:
    """Dense and depthwise convolutions, a global mean, a linear layer and a softmax."""
    weights = [
        ("dense", (6, 3, 3, 3)),
        ("dense_bias", (6,)),
        ("depthwise", (6, 1, 3, 3)),
        ("matrix", (4, 6)),
        ("matrix_bias", (4,)),
    ]
    nodes = [
        helper.make_node("Conv", ["x", "dense", "dense_bias"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "depthwise"], ["c"], group=6, pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("HardSwish", ["c"], ["d"]),
        helper.make_node("GlobalAveragePool", ["d"], ["e"]),
        helper.make_node("Flatten", ["e"], ["f"], axis=1),
        helper.make_node("Gemm", ["f", "matrix", "matrix_bias"], ["g"], transB=1),
        helper.make_node("Softmax", ["g"], ["y"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", data_type, list(sizes))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [sizes[0], 4])],
        [numpy_helper.from_array(np.full(shape, 0.1, np.float32), name) for name, shape in weights],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


MOST_STARTS = 3
NOT_STARTED = "sealing memfd copy"
"""What buildah says when it could not start itself anew, since another process had the copy open that moment."""


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    """A small model whose batch size is open."""
    path = tmp_path / "small.onnx"
    path.write_bytes(small_model().SerializeToString())
    return path


Profiler = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture(scope="session")
def profiler() -> Profiler:
    """Runs the program with these arguments; gives its exit status and the document on stdout."""

    def call(*arguments: object) -> tuple[int, dict[str, Any]]:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-m", "foretide_profiler", *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": f"{ROOT}/src:{ROOT}/profiler-job/src"},
            capture_output=True,
            check=False,
            timeout=120,
        )
        return done.returncode, json.loads(done.stdout)

    return call


InImage = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def in_torch_image() -> Iterator[InImage]:
    """Runs a command in the image that carries torch, built if the cache has none; without any cluster."""
    catalogue.archive("profiler-torch", lambda _text: None)
    reference = catalogue.CATALOGUE["profiler-torch"].reference
    container = command.run([*buildah.invocation(), "from", "--pull-never", reference]).strip()

    def call(*argv: object) -> subprocess.CompletedProcess[str]:
        prefix = [*buildah.invocation(), "run", "--isolation", "chroot", container, "--"]
        words = [str(word) for word in (*prefix, *argv)]
        for _ in range(MOST_STARTS):
            done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
            if NOT_STARTED not in done.stderr:
                break
        return done

    yield call
    command.run([*buildah.invocation(), "rm", container])


@pytest.fixture(scope="session")
def torch_profiler(in_torch_image: InImage) -> Profiler:
    """Runs the program in the image that carries torch; gives its exit status and the document on stdout."""

    def call(*arguments: object) -> tuple[int, dict[str, Any]]:
        done = in_torch_image("python3", "-m", "foretide_profiler", *arguments)
        return done.returncode, json.loads(done.stdout)

    return call
