"""Whether the profiler says the same twice, and the same as `torch.utils.benchmark`.

    python -m bench.profile_repeat [--seconds 5] [--precision fp32] [--batch-size N] [--model NAME …]

Runs in the profiler's image, or here where torch is installed (`bench.where_torch_is`). Each model is profiled twice by
`foretide_profiler` in processes of their own, with `torch.utils.benchmark` between the two on the same module, batch
and threads, each call ended on the GPU if there is one. Prints medians in microseconds and, as its last line, one JSON
object, also written to `bench/results/profile-repeat.json`. On a machine that does nothing else the medians over models
are to stay within 5 % from one profile to the next, and within 3 % of `torch.utils.benchmark`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any, Final, NamedTuple

from bench.machine import machine
from bench.where_torch_is import Run, torch_python

RESULT: Final = Path(__file__).parent / "results" / "profile-repeat.json"


class Case(NamedTuple):
    """A torchvision model, the shape of one item, and how many at once."""

    name: str
    shape: str
    batch_size: int


CASES: Final = (
    Case("mobilenet_v3_small", "3,224,224", 1),
    Case("mobilenet_v3_small", "3,224,224", 32),
    Case("resnet18", "3,224,224", 1),
    Case("resnet50", "3,224,224", 8),
    Case("efficientnet_b0", "3,224,224", 1),
    Case("vit_b_16", "3,224,224", 1),
    Case("swin_v2_t", "3,256,256", 4),
)


def main(arguments: list[str]) -> int:
    """Measure all cases; 0 when each was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="at least so long for each measurement (5)")
    parser.add_argument("--precision", default="fp32", choices=("fp32", "fp16", "bf16", "int8"))
    parser.add_argument("--batch-size", type=int, help="in place of each case's own; a GPU is busy from 32 or so on")
    parser.add_argument("--model", action="append", choices=sorted({case.name for case in CASES}), help="only this one")
    options = parser.parse_args(arguments)
    print(machine())
    rows = []
    with torch_python() as run:
        for case in _cases(options.model, options.batch_size):
            row = _measure(run, case, options.precision, options.seconds)
            rows.append(row)
            print(_line(row), flush=True)
    found = {
        "machine": machine(),
        "precision": options.precision,
        "between_profiles_percent": statistics.median(row["between_profiles_percent"] for row in rows),
        "to_torch_benchmark_percent": statistics.median(abs(row["to_torch_benchmark_percent"]) for row in rows),
        "models": rows,
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found))
    return 0


def _cases(models: list[str] | None, batch_size: int | None) -> list[Case]:
    cases = [case for case in CASES if models is None or case.name in models]
    return cases if batch_size is None else sorted({case._replace(batch_size=batch_size) for case in cases})


def _measure(run: Run, case: Case, precision: str, seconds: float) -> dict[str, Any]:
    model = ["--source", "TorchVision", "--name", case.name, "--input", case.shape]
    model += ["--batch-size", str(case.batch_size), "--precision", precision]
    times = ["--min-seconds", str(seconds), "--max-seconds", str(4 * seconds)]
    first = _document(run, "foretide_profiler", "profile", *model, *times)
    reference = _document(run, "bench.torch_benchmark", *model, "--seconds", str(seconds))
    second = _document(run, "foretide_profiler", "profile", *model, *times)
    one, other = first["inference"]["median"], second["inference"]["median"]
    return {
        "model": case.name,
        "batch_size": case.batch_size,
        "median_microseconds": [one, other],
        "torch_benchmark_microseconds": reference["medianMicroseconds"],
        "between_profiles_percent": 100.0 * abs(one - other) / min(one, other),
        "to_torch_benchmark_percent": 100.0 * ((one + other) / 2 / reference["medianMicroseconds"] - 1.0),
        "stable": [first["stable"], second["stable"]],
        "unstable_reason": [first["unstableReason"], second["unstableReason"]],
        "energy_microjoules_per_inference": [each.get("energyMicrojoulesPerInference") for each in (first, second)],
        "accelerator_memory_peak_bytes": second.get("acceleratorMemoryPeakBytes"),
        "environment": second["environment"],
    }


def _document(run: Run, module: str, *arguments: str) -> dict[str, Any]:
    done = run(module, *arguments)
    if done.returncode != 0:
        sys.exit(f"{module} {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _line(row: dict[str, Any]) -> str:
    one, other = row["median_microseconds"]
    return (
        f"{row['model']:20} x {row['batch_size']:<3} {one:9,} {other:9,} us, "
        f"apart {row['between_profiles_percent']:4.1f} %, "
        f"to torch.utils.benchmark {row['to_torch_benchmark_percent']:+5.1f} %"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
