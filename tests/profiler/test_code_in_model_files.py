"""No code that a model file brings along is run: pickles are never loaded, names and expressions are read as such."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from tests.profiler.conftest import InImage, Profiler

TRAPPED_EXPORTS = """
import io, json, os, pickle, sys, zipfile
import torch

class Trap:
    def __reduce__(self):
        return os.mkdir, ("/tmp/sprung",)

linear = torch.nn.Linear(4, 4).eval()
torch.export.save(torch.export.export(linear, (torch.randn(1, 4),)), "/tmp/plain.pt2")
trap = io.BytesIO()
torch.save({"weight": Trap()}, trap)
names = []
with zipfile.ZipFile("/tmp/plain.pt2") as plain:
    entries = {entry.filename: plain.read(entry) for entry in plain.infolist()}
for number, (name, content) in enumerate(entries.items()):
    changed = {**entries, name: trap.getvalue()}
    if name.endswith("weights_config.json"):
        changed = {**entries, name: content.replace(b'"use_pickle": false', b'"use_pickle": true')}
        changed |= {weight: trap.getvalue() for weight in entries if "/weights/weight_" in weight}
    with zipfile.ZipFile(f"/tmp/trapped-{number}.pt2", "w") as trapped:
        for entry, data in changed.items():
            trapped.writestr(entry, data)
torch.save({"model": Trap()}, "/tmp/trapped-whole.pt2")

class Flatten(torch.nn.Module):
    def forward(self, x):
        return x.reshape(x.shape[0] * 4)

rows = torch.export.Dim("rows", max=64)
torch.export.save(torch.export.export(Flatten(), (torch.randn(3, 4),), dynamic_shapes=({0: rows},)), "/tmp/open.pt2")
spring = "__import__('os').mkdir('/tmp/sprung')"
with zipfile.ZipFile("/tmp/open.pt2") as plain:
    entries = {entry.filename: plain.read(entry) for entry in plain.infolist()}

def replaced(value, key, is_expression):
    if isinstance(value, dict):
        return {replaced(name, "", is_expression): replaced(item, name, is_expression) for name, item in value.items()}
    if isinstance(value, list):
        return [replaced(item, key, is_expression) for item in value]
    if is_expression:
        return spring if key == "expr_str" and "Mul" in value else value
    return f"x, y={spring}" if value == "x" else value

for name, is_expression in (("expression", True), ("name", False)):
    with zipfile.ZipFile(f"/tmp/trapped-{name}.pt2", "w") as trapped:
        for entry, data in entries.items():
            if entry.endswith(".json"):
                data = json.dumps(replaced(json.loads(data), "", is_expression)).encode()
            trapped.writestr(entry, data)
"""
"""A file of torch.export once for each of its entries, that entry replaced by a pickle that makes a directory; and two
with the same in place of an expression and of a name."""

LOAD_THEM = """
import glob, os
from foretide_profiler import torch_modules
from foretide_profiler.arguments import parse
from foretide_profiler.failures import ProfilerError

for file in sorted(glob.glob("/tmp/trapped-*.pt2")):
    try:
        torch_modules.build(parse(["inspect", "--source", "TorchExport", "--file", file]).call.model, "cpu")
        print("loaded")
    except ProfilerError as error:
        print(error.reason)
print(os.path.exists("/tmp/sprung"))
"""


class _Trap:
    """Makes a directory when it is unpickled."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.mkdir, (self._directory,)


@pytest.mark.parametrize("command", ["inspect", "run"])
def test_a_pickle_in_place_of_an_onnx_file_is_refused_unread(profiler: Profiler, tmp_path: Path, command: str) -> None:
    file, sprung = tmp_path / "model.onnx", tmp_path / "sprung"
    file.write_bytes(pickle.dumps(_Trap(sprung)))
    task = ["--inferences", 1] if command == "run" else []
    status, document = profiler(command, "--source", "ONNX", "--file", file, *task)
    assert (status, document["reason"], document["field"]) == (1, "ModelFileInvalid", "model.file.path")
    assert not sprung.exists()


@pytest.mark.cluster
@pytest.mark.timeout(900)
def test_code_anywhere_in_a_file_of_torch_export_is_refused_unread(in_torch_image: InImage) -> None:
    made = in_torch_image("python3", "-c", TRAPPED_EXPORTS)
    assert made.returncode == 0, made.stderr
    loaded = in_torch_image("python3", "-c", LOAD_THEM)
    *outcomes, is_sprung = loaded.stdout.splitlines()
    assert is_sprung == "False"
    # What no model needs, as its example input, may be passed over.
    assert outcomes.count("ModelFileInvalid") >= 5
    assert set(outcomes) <= {"ModelFileInvalid", "loaded"}
