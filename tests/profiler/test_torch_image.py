"""torch as it is in the image: architectures by name, exported files, and counts that agree with those of ONNX."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from examples.models import make_onnx
from foretide.results import ProfileResult, RunResult
from foretide.signature import OperatorCost, Signature
from foretide.termination_message import parse
from foretide_profiler.counting.onnx_graph import count
from foretide_profiler.requests import ModelRequest
from tests.profiler.conftest import ROOT, InImage, Profiler

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

SMALL_MODEL = """
import torch
from torch import nn

net = nn.Sequential(
    nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 6, 3, 2, 1, groups=6, bias=False), nn.Hardswish(),
    nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4), nn.Softmax(1),
).eval()
torch.export.save(torch.export.export(net, (torch.randn(1, 3, 8, 8),)), "/tmp/small.pt2")
open("/tmp/truncated.pt2", "wb").write(open("/tmp/small.pt2", "rb").read()[:2000])
"""


@pytest.fixture(scope="module")
def exported(in_torch_image: InImage) -> str:
    """The same small network as the ONNX file of these tests, exported by torch inside the image."""
    done = in_torch_image("python3", "-c", SMALL_MODEL)
    assert done.returncode == 0, done.stderr
    return "/tmp/small.pt2"


def _vision(name: str, shape: str = "3,224,224") -> list[str]:
    return ["--source", "TorchVision", "--name", name, "--input", shape]


def test_torch_and_onnx_count_the_same_network_alike(torch_profiler: Profiler, exported: str, model_file: Path) -> None:
    status, document = torch_profiler("inspect", "--source", "TorchExport", "--file", exported)
    assert status == 0, document
    by_torch = msgspec.convert(document["signature"], Signature)
    by_onnx = count(ModelRequest("ONNX", "", model_file, None, (3, 8, 8), "float32", 1, "fp32"))[0]
    assert by_torch == by_onnx


@pytest.mark.parametrize(
    ("name", "family", "million_macs", "kinds"),
    [
        ("mobilenet_v3_small", "mobilenet_v3", 56.5, {"denseConvolution", "depthwiseConvolution", "linear"}),
        ("resnet18", "resnet", 1814, {"denseConvolution", "linear"}),
        ("vit_b_16", "vit", 17_564, {"denseConvolution", "linear", "attention"}),
        ("swin_v2_t", "swin_v2", 4_938, {"denseConvolution", "linear", "attention"}),
    ],
)
def test_the_signature_of_known_architectures(
    torch_profiler: Profiler, name: str, family: str, million_macs: float, kinds: set[str]
) -> None:
    status, document = torch_profiler("inspect", *_vision(name))
    signature = document["signature"]
    assert status == 0
    assert signature["family"] == family
    assert signature["macs"] / 1e6 == pytest.approx(million_macs, rel=0.01)
    assert {kind for kind, cost in signature["byKind"].items() if cost["macs"]} == kinds


def test_half_precision_takes_half_the_bytes_for_the_same_operations(torch_profiler: Profiler) -> None:
    full, half = (
        torch_profiler("inspect", *_vision("resnet18"), "--precision", precision)[1]["signature"]
        for precision in ("fp32", "bf16")
    )
    assert half["macs"] == full["macs"]
    assert half["parameterBytes"] == pytest.approx(full["parameterBytes"] / 2, rel=0.01)
    assert half["activationBytes"] == pytest.approx(full["activationBytes"] / 2, rel=0.05)


def test_run_performs_an_architecture_in_half_precision(torch_profiler: Profiler) -> None:
    status, document = torch_profiler("run", *_vision("resnet18", "3,64,64"), "--inferences", 2, "--precision", "bf16")
    assert status == 0, document
    assert document["inferences"] == 2


def test_int8_keeps_a_byte_of_each_weight_of_a_linear_layer(torch_profiler: Profiler) -> None:
    whole, small = (
        torch_profiler("inspect", *_vision("resnet18"), "--precision", precision)[1]["signature"]
        for precision in ("fp32", "int8")
    )
    assert whole["parameterBytes"] - small["parameterBytes"] == 3 * 512 * 1000
    assert small["byKind"] == whole["byKind"]


@pytest.mark.parametrize("name", ["swin_t", "vit_b_16"])
def test_transformers_run_in_int8(torch_profiler: Profiler, name: str) -> None:
    status, document = torch_profiler("run", *_vision(name), "--inferences", 1, "--precision", "int8")
    assert status == 0, document


SAME_BY_INT8 = """
import sys
import torch
sys.path.insert(0, "/tmp")
from make_export import TokenEncoder
from foretide_profiler.torch_int8 import quantise

torch.manual_seed(0)
program = torch.export.export(TokenEncoder().eval(), (torch.zeros(2, 16, dtype=torch.int64),))
tokens = torch.randint(0, 256, (2, 16))
linear = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 8, bias=False)).eval()
batch = torch.randn(3, 5, 64)
with torch.inference_mode():
    for module, given in ((program.module(), tokens), (linear, batch)):
        before = module(given)
        after = quantise(module)(given)
        print(after.shape == before.shape, float((after - before).norm() / before.norm()))
"""


def test_int8_gives_what_float_gives_within_a_few_per_cent(in_torch_image: InImage) -> None:
    source = (ROOT / "examples" / "models" / "make_export.py").read_text()
    done = in_torch_image("python3", "-c", f"open('/tmp/make_export.py', 'w').write({source!r})\n{SAME_BY_INT8}")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert len(lines) == 2, done.stderr
    for same_shape, apart in lines:
        assert same_shape == "True"
        assert 0.0 < float(apart) < 0.05


@pytest.fixture(scope="module")
def texts(in_torch_image: InImage) -> str:
    """The sequence models of the examples, exported inside the image; the folder where they lie."""
    source = (ROOT / "examples" / "models" / "make_export.py").read_text()
    program = f"{source.partition('if __name__')[0]}\nbuild(Path('/tmp/texts'), 48)"
    done = in_torch_image("python3", "-c", program)
    assert done.returncode == 0, done.stderr
    return "/tmp/texts"


@pytest.mark.parametrize("name", ["token-lstm", "token-encoder"])
def test_torch_and_onnx_count_the_products_of_a_sequence_model_alike(
    torch_profiler: Profiler, texts: str, tmp_path: Path, name: str
) -> None:
    arguments = ["--input", 48, "--data-type", "int64", "--batch-size", 3]
    status, document = torch_profiler("inspect", "--source", "TorchExport", "--file", f"{texts}/{name}.pt2", *arguments)
    assert status == 0, document
    by_torch = msgspec.convert(document["signature"], Signature)
    file = make_onnx.build(tmp_path)[name]
    by_onnx = count(ModelRequest("ONNX", "", file, None, (48,), "int64", 3, "fp32"))[0]
    assert by_torch.macs == by_onnx.macs
    for kind in ("linear", "attention"):
        ours, theirs = by_torch.by_kind.get(kind, OperatorCost()), by_onnx.by_kind.get(kind, OperatorCost())
        assert ours.macs == theirs.macs


def test_a_sequence_model_runs_at_any_batch_and_an_open_length_in_int8(torch_profiler: Profiler, texts: str) -> None:
    for name, length in (("token-lstm", 48), ("token-encoder", 21)):
        file = ["--source", "TorchExport", "--file", f"{texts}/{name}.pt2", "--data-type", "int64"]
        status, document = torch_profiler(
            "run", *file, "--input", length, "--batch-size", 4, "--precision", "int8", "--inferences", 2
        )
        assert status == 0, document


def test_profile_measures_an_architecture(torch_profiler: Profiler) -> None:
    status, document = torch_profiler(
        "profile", *_vision("mobilenet_v3_small", "3,64,64"), "--max-seconds", 4, "--min-seconds", 0.5
    )
    result = parse(json.dumps(document).encode())
    assert status == 0
    assert isinstance(result, ProfileResult)
    assert result.environment.runtime.startswith("torch 2.")


def test_run_performs_an_exported_model(torch_profiler: Profiler, exported: str) -> None:
    status, document = torch_profiler("run", "--source", "TorchExport", "--file", exported, "--inferences", 5)
    assert status == 0, document
    assert isinstance(parse(json.dumps(document).encode()), RunResult)


def test_detection_runs_though_torchs_compiler_was_not_imported_beforehand(torch_profiler: Profiler) -> None:
    status, document = torch_profiler(
        "run", *_vision("fasterrcnn_mobilenet_v3_large_320_fpn", "3,64,64"), "--inferences", 1
    )
    assert status == 0, document


def test_torchvision_is_imported_without_torchs_compiler(in_torch_image: InImage) -> None:
    done = in_torch_image(
        "python3",
        "-X",
        "importtime",
        "-m",
        "foretide_profiler",
        "run",
        *_vision("resnet18", "3,64,64"),
        "--inferences",
        1,
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "torchvision.models" in imported
    assert not imported & {"torch._dynamo", "sympy", "torchvision.datasets"}


def test_what_cannot_be_used_has_its_reason(torch_profiler: Profiler, exported: str) -> None:
    file = ["--source", "TorchExport", "--file"]
    for arguments, reason, field, message in (
        (_vision("resnet5"), "UnknownModel", "model.name", "did you mean resnet50"),
        (_vision("../../etc/passwd"), "UnknownModel", "model.name", "are known"),
        (_vision("resnet18", "4,64,64"), "InputRefused", "input.shape", "3 channels"),
        ([*file, exported, "--input", "3,9,9"], "InputRefused", "input.shape", "1,3,8,8"),
        ([*file, exported, "--data-type", "uint8"], "InputRefused", "input.dataType", "float32"),
        ([*file, "/tmp/truncated.pt2"], "ModelFileInvalid", "model.file.path", ""),
        ([*file, exported, "--precision", "fp16"], "PrecisionUnsupported", "precision", "choose fp32 or int8"),
        ([*_vision("squeezenet1_0"), "--precision", "int8"], "PrecisionUnsupported", "precision", "choose fp32"),
        ([*file, exported, "--sha256", "0" * 64], "ModelDigestMismatch", "model.file.sha256", ""),
    ):
        status, document = torch_profiler("run", *arguments, "--inferences", 1)
        assert (status, document["kind"]) == (1, "Failure")
        assert (document["reason"], document["field"]) == (reason, field)
        assert message in document["message"]


def test_the_image_runs_as_nobody_in_particular(in_torch_image: InImage) -> None:
    assert in_torch_image("id", "-u").stdout.strip() == "65532"
