"""Whether the profiler says the same twice, and the same as `torch.utils.benchmark`; and whether the machine does.

    python -m bench.profile_repeat [--seconds 3] [--precision fp32] [--batch-size N] [--model NAME …]

Each model is measured four times, in processes of their own: by `foretide_profiler`, by a tool that is not ours
(`bench.benchmark_inference`: `torch.utils.benchmark`, or `timeit` for ONNX), and by both again in that order, on the
same model, batch and threads. So both see the machine's moods alike: how far the tool is from itself is what this
machine, at this time, does to anybody's figures. Beside it, before each of the four: arithmetic that is the same each
time, on each CPU, by its CPU time, which tells of the processor's speed alone.

Torch runs in the profiler's image, or here where it is installed (`bench.where_torch_is`); onnxruntime here. Prints
medians in microseconds and, as its last line, one JSON object, also written to `bench/results/profile-repeat.json`. On
a machine that does nothing else the medians over models are to stay within 5 % from one profile to the next, and within
3 % of `torch.utils.benchmark`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from bench.machine import machine
from bench.where_torch_is import Run, here, torch_python
from examples.models import make_onnx

RESULT: Final = Path(__file__).parent / "results" / "profile-repeat.json"
ARITHMETIC_STEPS: Final = 500_000
"""About 50 ms."""


class Case(NamedTuple):
    """A model (of torchvision by its name, or of `examples.models`), one item of its input, and how many at once."""

    name: str
    shape: str
    batch_size: int
    data_type: str = "float32"


VISION: Final = (
    Case("mobilenet_v3_small", "3,224,224", 1),
    Case("mobilenet_v3_small", "3,224,224", 32),
    Case("resnet18", "3,224,224", 1),
    Case("resnet50", "3,224,224", 8),
    Case("efficientnet_b0", "3,224,224", 1),
    Case("vit_b_16", "3,224,224", 1),
    Case("swin_v2_t", "3,256,256", 4),
)
ONNX: Final = (
    Case("edge-cnn", f"3,{make_onnx.CNN_IMAGE_SIZE},{make_onnx.CNN_IMAGE_SIZE}", 1),
    Case("sensor-mixer", f"{make_onnx.MIXER_TOKENS},{make_onnx.MIXER_CHANNELS}", 1),
    Case("token-lstm", "64", 8, "int64"),
    Case("token-encoder", "64", 8, "int64"),
)


class Medians(NamedTuple):
    """Medians of an inference in microseconds, in the order in which they were measured."""

    profiles: tuple[float, float]
    tool: tuple[float, float]

    @property
    def between_profiles_percent(self) -> float:
        """How far the profiler is from itself."""
        return _apart_percent(self.profiles)

    @property
    def between_tools_percent(self) -> float:
        """How far the tool is from itself: what the machine does to anybody's figures."""
        return _apart_percent(self.tool)

    @property
    def to_tool_percent(self) -> float:
        """How much more the profiler tells than the tool, each by the mean of its two."""
        return 100.0 * (sum(self.profiles) / sum(self.tool) - 1.0)


def main(arguments: list[str]) -> int:
    """Measure all cases; 0 when each was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="at least so long for each measurement (3)")
    parser.add_argument("--precision", default="fp32", choices=("fp32", "fp16", "bf16", "int8"))
    parser.add_argument("--batch-size", type=int, help="in place of each case's own; a GPU is busy from 32 or so on")
    names = sorted({case.name for case in (*VISION, *ONNX)})
    parser.add_argument("--model", action="append", choices=names, help="only this one")
    options = parser.parse_args(arguments)
    print(machine())
    rows: list[dict[str, Any]] = []
    vision, onnx = (_chosen(cases, options.model, options.batch_size) for cases in (VISION, ONNX))
    if vision:
        with torch_python() as run:
            for case in vision:
                call = ["--source", "TorchVision", "--name", case.name, "--precision", options.precision]
                rows.append(_measured(run, "torch.utils.benchmark", case, call, options.seconds))
    if onnx and options.precision in {"fp32", "int8"}:
        with tempfile.TemporaryDirectory() as directory:
            files = make_onnx.build(Path(directory))
            for case in onnx:
                call = ["--source", "ONNX", "--file", str(files[case.name]), "--precision", options.precision]
                rows.append(_measured(here, "timeit", case, call, options.seconds))
    found = {"machine": machine(), "precision": options.precision, **summary(rows), "models": rows}
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found))
    return 0


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, float | None]:
    """Medians over models; None where torch measured none."""
    by_torch = [abs(row["to_tool_percent"]) for row in rows if row["tool"] == "torch.utils.benchmark"]
    return {
        "between_profiles_percent": statistics.median(row["between_profiles_percent"] for row in rows),
        "between_tools_percent": statistics.median(row["between_tools_percent"] for row in rows),
        "to_torch_benchmark_percent": statistics.median(by_torch) if by_torch else None,
        "to_tool_percent": statistics.median(abs(row["to_tool_percent"]) for row in rows),
        "arithmetic_apart_percent": max(row["arithmetic_apart_percent"] for row in rows),
    }


def _chosen(cases: Sequence[Case], models: list[str] | None, batch_size: int | None) -> list[Case]:
    chosen = [case for case in cases if models is None or case.name in models]
    return chosen if batch_size is None else sorted({case._replace(batch_size=batch_size) for case in chosen})


def _measured(run: Run, tool: str, case: Case, call: list[str], seconds: float) -> dict[str, Any]:
    model = [*call, "--input", case.shape, "--data-type", case.data_type]
    model += ["--batch-size", str(case.batch_size)]
    times = ["--min-seconds", str(seconds), "--max-seconds", str(4 * seconds)]
    profiles, by_tool, speeds = [], [], []
    for _ in range(2):
        speeds.append(_arithmetic_seconds())
        profiles.append(_document(run, "foretide_profiler", "profile", *model, *times))
        speeds.append(_arithmetic_seconds())
        by_tool.append(_document(run, "bench.benchmark_inference", *model, "--seconds", str(seconds)))
    first, second = (profile["inference"]["median"] for profile in profiles)
    medians = Medians((first, second), (by_tool[0]["medianMicroseconds"], by_tool[1]["medianMicroseconds"]))
    row = {
        "model": case.name,
        "batch_size": case.batch_size,
        "tool": tool,
        "median_microseconds": medians.profiles,
        "tool_microseconds": medians.tool,
        "between_profiles_percent": medians.between_profiles_percent,
        "between_tools_percent": medians.between_tools_percent,
        "to_tool_percent": medians.to_tool_percent,
        "arithmetic_apart_percent": max(map(_apart_percent, zip(*speeds, strict=True))),
        "unstable_reason": [profile.get("unstableReason", "") for profile in profiles],
        "energy_microjoules_per_inference": [profile.get("energyMicrojoulesPerInference") for profile in profiles],
        "accelerator_memory_peak_bytes": profiles[1].get("acceleratorMemoryPeakBytes"),
        "environment": profiles[1]["environment"],
    }
    print(_line(row), flush=True)
    return row


def _arithmetic_seconds() -> list[float]:
    """CPU seconds that the same arithmetic takes on each CPU: who else runs there hardly shows, a slower clock does."""
    allowed = sorted(os.sched_getaffinity(0))
    seconds = []
    try:
        for cpu in allowed:
            os.sched_setaffinity(0, {cpu})
            begin, value = time.thread_time(), 1
            for _ in range(ARITHMETIC_STEPS):
                value = (value * 1_103_515_245 + 12_345) & 0x7FFFFFFF
            seconds.append(time.thread_time() - begin)
    finally:
        os.sched_setaffinity(0, allowed)
    return seconds


def _apart_percent(values: Sequence[float]) -> float:
    return 100.0 * (max(values) / min(values) - 1.0)


def _document(run: Run, module: str, *arguments: str) -> dict[str, Any]:
    done = run(module, *arguments)
    if done.returncode != 0:
        sys.exit(f"{module} {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _line(row: dict[str, Any]) -> str:
    one, other = row["median_microseconds"]
    return (
        f"{row['model']:18} x {row['batch_size']:<3} {one:9,} {other:9,} us, "
        f"apart {row['between_profiles_percent']:4.1f} % ({row['tool']} {row['between_tools_percent']:4.1f} %, "
        f"arithmetic {row['arithmetic_apart_percent']:4.1f} %), to {row['tool']} {row['to_tool_percent']:+5.1f} %"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
