"""Measures the workloads of `bench/data/memory_peaks.csv` anew, and prints the lines of that table.

    python -m bench.memory.collect DEVICE [WORKLOAD …]      all of the table, or those named, as cnn-w16-d2-r48-b1-fp32

A device is `one` CPU, `two`, or `older`: one that is believed to have no instructions beyond SSE4.2. ONNX networks are
those of `bench.measure.networks`; architectures of torchvision run where torch is. What fails is told on stderr and
left out.
"""

from __future__ import annotations

import csv
import json
import os
import re
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess
from typing import Final

import msgspec

from bench.measure import networks, processor
from bench.memory.peaks import DATA, Subject, read, row
from bench.where_torch_is import here, torch_python
from foretide.observation import Observation
from foretide.signature import Signature

_INFERENCES: Final = 3
_CPUS: Final = {"one": 1, "two": 2, "older": 1}
_LEVEL: Final = "sse42"
_OLDER_TORCH: Final = {"ATEN_CPU_CAPABILITY": "default"}

Run = Callable[..., "CompletedProcess[str]"]
Asked = list[tuple[str, Observation]]
"""Architectures, and rows of the table as they are."""


def main(device: str, workloads: list[str]) -> int:
    """Measure and print; 2 for what the table has not."""
    every = {known.workload.split("/")[1]: (architecture, known) for architecture, known in read(DATA)}
    unknown = [name for name in workloads if name not in every]
    if device not in _CPUS or unknown:
        print(f"no such device, or no such workload: {device} {' '.join(unknown)}", file=sys.stderr)
        return 2
    asked = [every[name] for name in workloads or every]
    lines = csv.writer(sys.stdout, lineterminator="\n")
    cpus = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, sorted(cpus)[: _CPUS[device]])
        lines.writerows(_of_onnx(device, [each for each in asked if each[1].runtime == "onnx"]))
        lines.writerows(_of_torch(device, [each for each in asked if each[1].runtime == "torch"]))
    finally:
        os.sched_setaffinity(0, cpus)
    return 0


def _of_onnx(device: str, asked: Asked) -> Iterator[list[str]]:
    with tempfile.TemporaryDirectory() as directory:
        variables: Mapping[str, str] = {}
        if device == "older" and asked:
            library = processor.make_library(Path(directory), _libraries())
            variables = processor.variables(library, _LEVEL)
        for architecture, known in asked:
            file = networks.write(_network(architecture), Path(directory))
            run = partial(here, variables=variables)
            yield from _measured(run, Subject(device, architecture, "onnx", known.precision), known, _file(file))
            file.unlink()


def _of_torch(device: str, asked: Asked) -> Iterator[list[str]]:
    if not asked:
        return
    with torch_python(_OLDER_TORCH if device == "older" else {}) as run:
        for architecture, known in asked:
            name, _, size = architecture.rpartition("-r")
            model = ["--source", "TorchVision", "--name", name, "--input", f"3,{size},{size}"]
            yield from _measured(run, Subject(device, architecture, "torch", known.precision), known, model)


def _file(file: Path) -> list[str]:
    return ["--source", "ONNX", "--file", str(file)]


def _network(name: str) -> networks.Network:
    """A network by its name."""
    found = re.fullmatch(r"(\w+)-w(\d+)-d(\d+)-r(\d+)", name)
    if found is None:
        raise ValueError(f"{name} names no network")
    kind, *sizes = found.groups()
    return networks.Network(kind, *map(int, sizes))


def _libraries() -> Iterable[tuple[str, bytes]]:
    """Names and contents of what this Python's packages may load."""
    for file in Path(sysconfig.get_paths()["platlib"]).rglob("*.so*"):
        yield file.name, file.read_bytes()


def _measured(run: Run, subject: Subject, known: Observation, model: list[str]) -> Iterator[list[str]]:
    options = [*model, "--batch-size", str(known.signature.batch_size), "--precision", subject.precision]
    inspected = run("foretide_profiler", "inspect", *options)
    performed = run("foretide_profiler", "run", *options, "--inferences", str(_INFERENCES))
    if inspected.returncode or performed.returncode:
        said = f"{inspected.stderr[-200:]}{performed.stderr[-200:]}"
        print(f"{subject.architecture}, {subject.precision}: {said}", file=sys.stderr)
        return
    signature = msgspec.convert(json.loads(inspected.stdout.splitlines()[-1])["signature"], Signature)
    yield row(subject, signature, json.loads(performed.stdout.splitlines()[-1])["memoryPeakBytes"])


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2:]))
