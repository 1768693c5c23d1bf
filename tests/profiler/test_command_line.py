"""The program as a container starts it: real onnxruntime, real files, one document for every outcome."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import msgspec
import pytest
from onnx import TensorProto, helper

from examples.models import make_onnx
from foretide.results import InspectResult, ProbeResult, ProfileResult, RunResult
from foretide.signature import Signature
from foretide.termination_message import encode, parse
from tests.profiler.conftest import ROOT, Profiler, small_model


def _file(path: Path) -> list[object]:
    return ["--source", "ONNX", "--file", path]


def test_inspect_tells_the_signature_and_the_digest(profiler: Profiler, model_file: Path, tmp_path: Path) -> None:
    status, document = profiler("inspect", *_file(model_file), "--result", tmp_path / "result")
    result = parse((tmp_path / "result").read_bytes())
    assert status == 0
    assert isinstance(result, InspectResult)
    assert json.loads(encode(result)) == document
    assert result.model_sha256 == hashlib.sha256(model_file.read_bytes()).hexdigest()


def test_profile_measures_what_parse_believes(profiler: Profiler, model_file: Path) -> None:
    status, document = profiler(
        "profile", *_file(model_file), "--max-seconds", 3, "--min-seconds", 0.3, "--batch-size", 2
    )
    _, inspected = profiler("inspect", *_file(model_file), "--batch-size", 2)
    signature = msgspec.convert(inspected["signature"], Signature)
    result = parse(json.dumps(document).encode(), signature=signature)
    assert status == 0
    assert isinstance(result, ProfileResult)
    assert result.inference.samples >= 64
    assert result.inference.p90 is not None
    assert result.memory_peak_bytes > result.memory_base_bytes
    assert result.environment.runtime.startswith("onnxruntime ")


def test_profile_measures_other_batch_sizes_and_a_co_runner_while_time_is_left(
    profiler: Profiler, model_file: Path
) -> None:
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("a co-runner needs a CPU of its own")
    status, document = profiler(
        *("profile", *_file(model_file), "--max-seconds", 8, "--min-seconds", 0.3),
        *("--batch-sizes", "2,8", "--co-runner"),
    )
    _, inspected = profiler("inspect", *_file(model_file))
    result = parse(json.dumps(document).encode(), signature=msgspec.convert(inspected["signature"], Signature))
    assert status == 0
    assert isinstance(result, ProfileResult)
    assert [each.batch_size for each in result.batches] == [2, 8]
    # Where others have the CPUs meanwhile none of it is to be relied upon.
    assert result.interference is not None or not any(batch.stable for batch in result.batches)
    assert result.environment.threads == len(os.sched_getaffinity(0)) - 1


def test_a_model_of_a_fixed_batch_size_is_measured_at_that_one_alone(profiler: Profiler, tmp_path: Path) -> None:
    file = tmp_path / "fixed.onnx"
    file.write_bytes(small_model((1, 3, 8, 8)).SerializeToString())
    status, document = profiler(
        "profile", *_file(file), "--max-seconds", 3, "--min-seconds", 0.3, "--batch-sizes", "2,8"
    )
    assert (status, document.get("batches", [])) == (0, [])


def test_run_performs_the_task(profiler: Profiler, model_file: Path) -> None:
    status, document = profiler("run", *_file(model_file), "--inferences", 25, "--input", "3,8,8")
    result = parse(json.dumps(document).encode())
    assert status == 0
    assert isinstance(result, RunResult)
    assert result.inferences == 25


def test_a_sequence_of_any_length_runs_in_int8_as_in_float(profiler: Profiler, tmp_path: Path) -> None:
    files = make_onnx.build(tmp_path)
    for name, length, precision in (
        ("token-lstm", 5, "int8"),
        ("token-encoder", 77, "int8"),
        ("token-lstm", 9, "fp32"),
    ):
        arguments = ["--input", length, "--data-type", "int64", "--precision", precision, "--batch-size", 3]
        status, document = profiler("run", *_file(files[name]), *arguments, "--inferences", 2)
        assert (status, document.get("inferences")) == (0, 2), document


def test_int8_writes_nothing_beside_the_file_whose_volume_is_read_only(profiler: Profiler, tmp_path: Path) -> None:
    file = make_onnx.build(tmp_path)["token-encoder"]
    # Permissions do not keep root from writing, a folder in the way of the file does.
    (tmp_path / f"{file.stem}-inferred.onnx").mkdir()
    before = sorted(tmp_path.iterdir())
    arguments = ["--input", 4, "--data-type", "int64", "--precision", "int8", "--inferences", 1]
    status, document = profiler("run", *_file(file), *arguments)
    assert (status, document.get("inferences")) == (0, 1), document
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("command", ["inspect", "run"])
def test_int8_of_a_model_without_a_weight_to_quantise_is_refused(
    profiler: Profiler, tmp_path: Path, command: str
) -> None:
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 4]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "relu", value[:1], value[1:])
    file = tmp_path / "relu.onnx"
    file.write_bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    )
    task = ["--inferences", 1] if command == "run" else []
    status, document = profiler(command, *_file(file), "--precision", "int8", *task)
    assert (status, document["reason"], document["field"]) == (1, "PrecisionUnsupported", "precision")
    assert document["message"].endswith("choose fp32")


def test_run_imports_neither_onnx_nor_torch(model_file: Path) -> None:
    done = _start("-X", "importtime", "-m", "foretide_profiler", "run", *_file(model_file), "--inferences", 1)
    _, progress = done.communicate(timeout=60)
    imported = {line.rpartition("|")[2].strip() for line in progress.splitlines()}
    assert "onnxruntime" in imported
    assert not imported & {"onnx", "torch", "google.protobuf", "pynvml", "asyncio"}


def test_probe_describes_the_machine_in_time(profiler: Profiler) -> None:
    status, document = profiler("probe", "--max-seconds", 4)
    result = parse(json.dumps(document).encode())
    assert status == 0
    assert isinstance(result, ProbeResult)
    assert set(result.model_microseconds) == {"dense-convolution", "depthwise-convolution", "linear", "elementwise"}
    assert result.gemm_flops_per_second > 0


@pytest.mark.parametrize("command", ["inspect", "profile", "run"])
def test_a_model_that_cannot_be_used_has_its_reason(
    profiler: Profiler, model_file: Path, tmp_path: Path, command: str
) -> None:
    whole = model_file.read_bytes()
    truncated, garbage = tmp_path / "truncated.onnx", tmp_path / "garbage.onnx"
    truncated.write_bytes(whole[: len(whole) // 2])
    garbage.write_bytes(b"not a model at all")
    empty = tmp_path / "empty.onnx"
    empty.write_bytes(b"")
    task = ["--inferences", 1] if command == "run" else []
    for arguments, reason, field, message in (
        (_file(tmp_path / "absent.onnx"), "ModelFileMissing", "model.file.path", "mount"),
        (_file(tmp_path), "ModelFileMissing", "model.file.path", "directory"),
        (_file(truncated), "ModelFileInvalid", "model.file.path", ""),
        (_file(garbage), "ModelFileInvalid", "model.file.path", ""),
        (_file(empty), "ModelFileInvalid", "model.file.path", ""),
        ([*_file(model_file), "--sha256", "0" * 64], "ModelDigestMismatch", "model.file.sha256", "0" * 64),
        ([*_file(model_file), "--input", "3,9,9"], "InputRefused", "input.shape", "any,3,8,8"),
        ([*_file(model_file), "--data-type", "int64"], "InputRefused", "input.dataType", "float32"),
        ([*_file(model_file), "--precision", "bf16"], "PrecisionUnsupported", "precision", "choose fp32 or int8"),
    ):
        status, document = profiler(command, *arguments, *task)
        assert (status, document["kind"]) == (1, "Failure")
        assert (document["reason"], document["field"]) == (reason, field)
        assert message in document["message"]


@pytest.mark.parametrize(("batch_size", "size"), [(65_536, 2**20), (1, -3)])
def test_a_model_that_asks_for_more_than_a_result_can_tell_is_at_fault_itself(
    profiler: Profiler, tmp_path: Path, batch_size: int, size: int
) -> None:
    value = helper.make_tensor_value_info
    nodes = [helper.make_node("Mul", ["x", "w"], ["z"]), helper.make_node("MatMul", ["z", "v"], ["y"])]
    weights = [TensorProto(name="w", data_type=1, dims=[size, 1]), TensorProto(name="v", data_type=1, dims=[4, 2**30])]
    graph = helper.make_graph(nodes, "huge", [value("x", 1, ["n", 1, 4])], [value("y", 1, None)], weights)
    file = tmp_path / "huge.onnx"
    file.write_bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    )
    status, document = profiler("inspect", *_file(file), "--input", "1,4", "--batch-size", batch_size)
    assert (status, document["reason"], document["field"]) == (1, "ModelFileInvalid", "model.file.path")


@pytest.mark.parametrize("command", ["inspect", "run"])
@pytest.mark.parametrize(
    ("data_type", "way"),
    [
        (TensorProto.INT32, "set input.dataType to int32"),
        (TensorProto.DOUBLE, "only float32, float16, int64, int32, uint8 can be fed"),
    ],
)
def test_a_model_of_another_data_type_says_what_to_set_only_where_that_can_be_set(
    profiler: Profiler, tmp_path: Path, command: str, data_type: int, way: str
) -> None:
    node = helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [node], "cast", [value("x", data_type, ["n", 4])], [value("y", TensorProto.FLOAT, ["n", 4])]
    )
    file = tmp_path / "cast.onnx"
    file.write_bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    )
    task = ["--inferences", 1] if command == "run" else []
    status, document = profiler(command, *_file(file), "--input", "4", *task)
    assert (status, document["reason"], document["field"]) == (1, "InputRefused", "input.dataType")
    assert document["message"].endswith(way)
    if data_type == TensorProto.INT32:
        assert profiler(command, *_file(file), "--input", "4", "--data-type", "int32", *task)[0] == 0


def test_a_source_whose_runtime_this_image_lacks_says_so(profiler: Profiler) -> None:
    if find_spec("torch") is not None:
        pytest.skip("torch is installed here")
    status, document = profiler("inspect", "--source", "TorchVision", "--name", "resnet18", "--input", "3,224,224")
    assert (status, document["reason"], document["field"]) == (1, "RuntimeMissing", "model.source")


def test_a_wrong_call_is_a_failure_with_status_2(profiler: Profiler) -> None:
    status, document = profiler("run", "--source", "ONNX", "--file", "/m", "--inferences", "-3")
    assert (status, document["reason"], document["field"]) == (2, "InvalidArgument", "inferences")


def test_a_task_that_is_stopped_early_says_how_far_it_came(model_file: Path) -> None:
    process = _start("-m", "foretide_profiler", "run", *_file(model_file), "--inferences", 10**12)
    while "libonnxruntime" not in Path(f"/proc/{process.pid}/maps").read_text() and process.poll() is None:
        pass
    process.send_signal(signal.SIGTERM)
    document = json.loads(process.communicate(timeout=30)[0])
    assert (process.returncode, document["reason"]) == (1, "TimedOut")


def test_a_measurement_that_is_stopped_reports_what_it_has(model_file: Path) -> None:
    process = _start(
        *("-m", "foretide_profiler", "profile", *_file(model_file), "--max-seconds", 15, "--min-seconds", 3600)
    )
    assert process.stderr is not None
    assert "loaded on onnxruntime" in process.stderr.readline()
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=8)  # warming up takes a third of the time at most
    process.send_signal(signal.SIGTERM)
    result = parse(process.communicate(timeout=30)[0].encode())
    assert process.returncode == 0
    assert isinstance(result, ProfileResult)
    assert not result.stable
    assert result.unstable_reason.startswith("TimedOut:")


def _start(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": f"{ROOT}/src:{ROOT}/profiler-job/src"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
