"""What is loaded is what the digest was taken of, and lies in one file."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from foretide.scratch import SCRATCH_MEBIBYTES
from foretide_profiler import onnx_int8
from foretide_profiler.cgroups import read_limits
from foretide_profiler.counting import onnx_graph
from foretide_profiler.failures import ProfilerError
from foretide_profiler.modelfile import opened
from foretide_profiler.requests import ModelRequest
from foretide_profiler.runtimes import onnx_runtime
from tests.profiler.conftest import Profiler, small_model


def _request(file: Path | None, sha256: str | None = None, precision: str = "fp32") -> ModelRequest:
    return ModelRequest(
        source="ONNX",
        name="",
        file=file,
        sha256=sha256,
        input_shape=None,
        data_type="float32",
        batch_size=1,
        precision=precision,
    )


def test_a_file_that_takes_the_name_after_the_digest_is_not_what_is_loaded(tmp_path: Path) -> None:
    file, other = tmp_path / "model.onnx", tmp_path / "other"
    file.write_bytes(b"meant")
    other.write_bytes(b"another")
    read = []

    def load() -> None:
        with opened(_request(file, hashlib.sha256(b"meant").hexdigest())) as model:
            other.replace(file)
            read.extend([model.path.read_bytes(), model.stream.read()])

    with pytest.raises(ProfilerError, match="replaced while it was being loaded"):
        load()
    assert read == [b"meant", b"meant"]


@pytest.mark.parametrize("is_invalid", [False, True])
def test_a_file_that_is_written_to_while_it_is_loaded_is_refused(tmp_path: Path, *, is_invalid: bool) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(b"meant")

    def load() -> None:
        with opened(_request(file)):
            file.write_bytes(b"other")
            os.utime(file, ns=(0, 0))  # a time of one's choosing does not hide it
            if is_invalid:
                raise ProfilerError("ModelFileInvalid", "half a model")

    with pytest.raises(ProfilerError, match="changed or replaced while") as caught:
        load()
    assert (caught.value.reason, caught.value.field) == ("ModelFileChanged", "model.file.path")


@pytest.mark.parametrize("command", ["inspect", "run"])
@pytest.mark.parametrize("location", ["weights.bin", "../weights.bin", "/proc/self/environ"])
def test_weights_in_other_files_are_refused_unread_with_the_way_out(
    profiler: Profiler, tmp_path: Path, command: str, location: str
) -> None:
    model = small_model()
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", str(len(tensor.raw_data)))):
        entry: onnx.StringStringEntryProto = tensor.external_data.add()
        entry.key, entry.value = key, value
    (tmp_path / "weights.bin").write_bytes(tensor.raw_data)
    tensor.ClearField("raw_data")
    file = tmp_path / "model.onnx"
    file.write_bytes(model.SerializeToString())
    task = ["--inferences", 1] if command == "run" else []
    status, document = profiler(command, "--source", "ONNX", "--file", file, *task)
    assert (status, document["reason"], document["field"]) == (1, "ModelFileInvalid", "model.file.path")
    if not location.startswith("/"):
        assert document["message"].endswith("save the model as one file")


def test_int8_writes_nothing_beside_the_model_whose_volume_is_read_only(
    tmp_path: Path, model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    model = volume / "model.onnx"
    model.write_bytes(model_file.read_bytes())
    written = []
    infer_shapes = onnx.shape_inference.infer_shapes_path

    def note(source: str, target: str) -> None:
        written.append(Path(target))
        infer_shapes(source, target)

    monkeypatch.setattr(onnx.shape_inference, "infer_shapes_path", note)
    onnx_runtime.load(_request(model, precision="int8"), read_limits()).infer()
    assert written
    assert not [path for path in written if path.parent == volume]


def test_int8_has_at_most_one_model_in_tmp_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound of /tmp a Pod is evicted, and tried again without end."""
    weight = numpy_helper.from_array(np.ones((1024, 1024), np.float32), "w")
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 1024]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "m", ends[:1], ends[1:], [weight])
    model, scratch = tmp_path / "model.onnx", tmp_path / "tmp"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), model)
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    held, before = [], logging.getLogger().level
    infer_shapes = onnx.shape_inference.infer_shapes_path

    def note(source: str, target: str) -> None:
        infer_shapes(source, target)
        held.append(sum(path.lstat().st_size for path in scratch.rglob("*") if path.is_file()))

    monkeypatch.setattr(onnx.shape_inference, "infer_shapes_path", note)
    assert len(onnx_int8.quantised(model)) < model.stat().st_size / 3
    assert logging.getLogger().level == before
    assert held
    assert max(held) < 1.1 * model.stat().st_size
    assert not list(scratch.iterdir())


@pytest.mark.parametrize("use", [onnx_graph.count, lambda request: onnx_runtime.load(request, read_limits())])
def test_int8_of_a_file_that_tmp_cannot_hold_is_refused(tmp_path: Path, use: Callable[[ModelRequest], object]) -> None:
    file = tmp_path / "large.onnx"
    file.touch()
    os.truncate(file, SCRATCH_MEBIBYTES * 2**20)
    with pytest.raises(ProfilerError, match=r"needs 282 MiB of /tmp, which has 256; choose fp32") as caught:
        use(_request(file, precision="int8"))
    assert (caught.value.reason, caught.value.field) == ("PrecisionUnsupported", "precision")
