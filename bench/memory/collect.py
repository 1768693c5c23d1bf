"""Measures peaks of memory and prints them as lines of `bench/data/memory_peaks.csv`.

    python -m bench.memory.collect DEVICE DIRECTORY          every ONNX file there
    python -m bench.memory.collect DEVICE NAME:SIZE:BATCH:PRECISION …    architectures of torchvision, where torch is

Each ONNX file is run with batches of one, and in one other way drawn by its name: a larger batch, or int8 where that
can be had. A device is what this program is given: one CPU by `taskset`, instructions by `LD_PRELOAD` or
`ATEN_CPU_CAPABILITY`. What fails is told on stderr and left out.
"""

from __future__ import annotations

import csv
import json
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess

import msgspec

from bench.memory.peaks import Subject, row
from bench.where_torch_is import here, torch_python
from foretide.signature import Signature

_INFERENCES = 3
_BATCHES = (2, 4, 8, 16)

Run = Callable[..., "CompletedProcess[str]"]


def main(device: str, asked: list[str]) -> int:
    """Measure and print."""
    lines = csv.writer(sys.stdout, lineterminator="\n")
    if len(asked) == 1 and Path(asked[0]).is_dir():
        for file in sorted(Path(asked[0]).glob("*.onnx")):
            for batch, precision in _ways(file.stem):
                model = ["--source", "ONNX", "--file", str(file), "--batch-size", str(batch)]
                lines.writerows(_measured(here, Subject(device, file.stem, "onnx", precision), model))
        return 0
    with torch_python() as run:
        for each in asked:
            name, size, items, kind = each.split(":")
            model = ["--source", "TorchVision", "--name", name, "--input", f"3,{size},{size}", "--batch-size", items]
            lines.writerows(_measured(run, Subject(device, f"{name}-r{size}", "torch", kind), model))
    return 0


def _ways(name: str) -> list[tuple[int, str]]:
    others = [*((batch, "fp32") for batch in _BATCHES), *((batch, "int8") for batch in (1, 4, 1, 4))]
    return [(1, "fp32"), random.Random(name).choice(others)]


def _measured(run: Run, subject: Subject, model: list[str]) -> Iterator[list[str]]:
    options = [*model, "--precision", subject.precision]
    inspected = run("foretide_profiler", "inspect", *options)
    performed = run("foretide_profiler", "run", *options, "--inferences", str(_INFERENCES))
    if inspected.returncode or performed.returncode:
        said = f"{inspected.stderr[-200:]}{performed.stderr[-200:]}"
        print(f"{subject.architecture}, {subject.precision}: {said}", file=sys.stderr)
        return
    signature = msgspec.convert(json.loads(inspected.stdout.splitlines()[-1])["signature"], Signature)
    yield row(subject, signature, json.loads(performed.stdout.splitlines()[-1])["memoryPeakBytes"])


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2:]))
