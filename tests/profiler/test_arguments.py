"""Every wrong call names its field, the value, and the way out."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from foretide import results
from foretide_kube.kinds import aiworkload
from foretide_profiler import arguments
from foretide_profiler.arguments import parse
from foretide_profiler.failures import ProfilerError
from foretide_profiler.requests import (
    DataType,
    InspectCall,
    ModelRequest,
    ProbeCall,
    ProfileCall,
    RunCall,
    ServeCall,
    Source,
)

VISION = ["--source", "TorchVision", "--name", "resnet18", "--input", "3,224,224"]
FILE = ["--source", "ONNX", "--file", "/model/m.onnx"]
VISION_REQUEST = ModelRequest("TorchVision", "resnet18", None, None, (3, 224, 224), "float32", 1, "fp32")


def test_the_calls_of_the_contract() -> None:
    assert parse(["inspect", *VISION]).call == InspectCall(VISION_REQUEST)
    assert parse(["profile", *VISION]).call == ProfileCall(VISION_REQUEST, 30.0, 64, 5.0)
    sweep = parse(["profile", *VISION, "--batch-size", "4", "--batch-sizes", "2,4,8,2", "--co-runner"]).call
    assert isinstance(sweep, ProfileCall)
    assert (sweep.batch_sizes, sweep.co_runner) == ((2, 8), True)
    assert parse(["run", *VISION, "--inferences", "500"]).call == RunCall(VISION_REQUEST, 500)
    assert parse(["serve", *VISION]).call == ServeCall(VISION_REQUEST, port=8080, queue=16)
    assert parse(["serve", *VISION, "--port", "80", "--queue", "3"]).call == ServeCall(VISION_REQUEST, port=80, queue=3)
    assert parse(["probe", "--max-seconds", "7.5", "--result", "/r"]).call == ProbeCall(7.5)
    request = parse(["inspect", *FILE, "--sha256", "AB" * 32, "--batch-size", "4", "--data-type", "uint8"])
    assert request.call == InspectCall(
        ModelRequest("ONNX", "", Path("/model/m.onnx"), "ab" * 32, None, "uint8", 4, "fp32")
    )


def test_no_more_batch_sizes_are_measured_than_a_result_has_room_for() -> None:
    assert arguments.MAX_BATCHES == results.MAX_BATCHES


def test_what_the_profiler_takes_is_what_an_aiworkload_may_say() -> None:
    assert get_args(DataType) == get_args(aiworkload.DataType)
    assert get_args(Source) == get_args(aiworkload.ModelSource)


@pytest.mark.parametrize(
    ("argv", "field", "message"),
    [
        ([], "", "command"),
        (["predict"], "", "predict"),
        (["inspect"], "model.source", "--source"),
        (["inspect", "--source", "Pickle"], "model.source", "'Pickle'"),
        (["inspect", "--source", "TorchVision", "--input", "3,8,8"], "model.name", "mobilenet_v3_small"),
        (["inspect", "--source", "TorchVision", "--name", "", "--input", "3,8,8"], "model.name", "missing"),
        (["inspect", "--source", "TorchVision", "--name", "resnet18"], "input.shape", "3,224,224"),
        (["inspect", *VISION, "--file", "/m"], "model.file.path", "drop"),
        (["inspect", "--source", "ONNX"], "model.file.path", "/model/model.onnx"),
        (["inspect", *FILE, "--name", "resnet18"], "model.name", "drop"),
        (["inspect", *FILE, "--sha256", "abc"], "model.file.sha256", "64 hexadecimal"),
        (["inspect", *FILE, "--input", "3x224"], "input.shape", "'3x224'"),
        (["inspect", *FILE, "--input", ""], "input.shape", "''"),
        (["inspect", *FILE, "--input", "3,0"], "input.shape", "0 elements"),
        (["inspect", *FILE, "--input", "99999,99999"], "input.shape", "9999800001 elements"),
        (["inspect", *FILE, "--data-type", "string"], "input.dataType", "'string'"),
        (["inspect", *FILE, "--batch-size", "0"], "batchSize", "'0'"),
        (["inspect", *FILE, "--batch-size", "-1"], "batchSize", "-1"),
        (["inspect", *FILE, "--precision", "fp64"], "precision", "'fp64'"),
        (["run", *FILE], "inferences", "--inferences"),
        (["run", *FILE, "--inferences", "many"], "inferences", "'many'"),
        (["profile", *FILE, "--max-seconds", "nan"], "maxSeconds", "'nan'"),
        (["profile", *FILE, "--min-samples", "2"], "minSamples", "'2'"),
        (["profile", *FILE, "--batch-sizes", "1,0"], "batchSizes", "'0'"),
        (["profile", *FILE, "--batch-sizes", ""], "batchSizes", "''"),
        (["profile", *FILE, "--batch-sizes", "1,2,3,4,5,6,7,8,9"], "batchSizes", "at most 8"),
        (["probe", "--max-seconds", "0"], "maxSeconds", "'0'"),
        (["probe", "--inferences", "5"], "inferences", "--inferences"),
    ],
)
def test_a_wrong_call_names_its_field(argv: list[str], field: str, message: str) -> None:
    with pytest.raises(ProfilerError) as caught:
        parse(argv)
    assert (caught.value.reason, caught.value.field) == ("InvalidArgument", field)
    assert message in caught.value.message
