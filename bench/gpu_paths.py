"""Whether the profiler does on a GPU what docs/profiling.md says of GPUs: what no test without one can tell.

    python -m bench.gpu_paths

Needs a machine with one NVIDIA GPU that nothing else uses, torch, torchvision, numpy, msgspec and nvidia-ml-py; takes
two to three minutes. Prints what was checked, and as its last line one JSON object with the figures, also written to
`bench/results/gpu-paths.json`. Exit status 1 where something was not as it should be.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from bench.machine import machine
from bench.where_torch_is import ROOT, Run, torch_python

RESULT: Final = Path(__file__).parent / "results" / "gpu-paths.json"
RESNET: Final = ("--source", "TorchVision", "--name", "resnet50", "--input", "3,224,224")
BATCHES: Final = (1, 16, 256)


class Checks:
    """What was looked at, and what was found wrong."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.figures: dict[str, Any] = {}

    def expect(self, what: str, *, holds: bool) -> None:
        """Tell a person, and remember what does not hold."""
        print(f"  {'ok   ' if holds else 'WRONG'} {what}", flush=True)
        if not holds:
            self.wrong.append(what)


def main() -> int:
    """Check all; 0 when all is well."""
    print(machine())
    checks = Checks()
    with torch_python() as run, tempfile.TemporaryDirectory() as directory:
        _vision(run, checks)
        _precisions(run, checks)
        _sequences(run, checks, Path(directory))
        _refusals(run, checks)
    found = {"machine": machine(), "wrong": checks.wrong, **checks.figures}
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found))
    return 1 if checks.wrong else 0


def _vision(run: Run, checks: Checks) -> None:
    print("resnet50, fp32, batches of 64, others, and beside a co-runner")
    others = ",".join(map(str, BATCHES))
    result = _profile(run, *RESNET, "--batch-size", "64", "--batch-sizes", others, "--co-runner", seconds=16)
    checks.figures["resnet50_fp32"] = result
    environment = result.get("environment", {})
    checks.expect("the GPU is named", holds=bool(environment.get("accelerator")))
    for key in ("driver", "acceleratorMegahertz", "acceleratorMilliwatts"):
        checks.expect(f"environment.{key} is told", holds=environment.get(key) is not None)
    checks.expect("energy is told", holds=result.get("energyMicrojoulesPerInference", 0) > 0)
    checks.expect("the allocator's peak is told", holds=result.get("acceleratorMemoryPeakBytes", 0) > 10**8)
    batches = {each["batchSize"]: each["mean"] for each in result.get("batches", [])}
    checks.expect(f"batches {others} were measured", holds=tuple(batches) == BATCHES)
    checks.expect("a batch of 256 takes longer than one of 16", holds=batches.get(256, 0) > batches.get(16, 0) > 0)
    checks.expect("the co-runner was measured", holds=result.get("interference") is not None)


def _precisions(run: Run, checks: Checks) -> None:
    for precision in ("fp16", "bf16"):
        print(f"resnet50, {precision}, batches of 64")
        result = _profile(run, *RESNET, "--batch-size", "64", "--precision", precision)
        checks.figures[f"resnet50_{precision}"] = result
        whole = checks.figures["resnet50_fp32"].get("inference", {}).get("median", 0)
        checks.expect(
            f"{precision} takes less than fp32", holds=0 < result.get("inference", {}).get("median", 0) < whole
        )


def _sequences(run: Run, checks: Checks, directory: Path) -> None:
    print("sequence models as files of torch.export, made on the CPU")
    program = ROOT / "examples" / "models" / "make_export.py"
    done = subprocess.run([sys.executable, str(program), str(directory)], capture_output=True, text=True, check=False)
    checks.expect("they are exported", holds=done.returncode == 0)
    for name in ("token-lstm", "token-encoder"):
        file = ("--source", "TorchExport", "--file", str(directory / f"{name}.pt2"), "--data-type", "int64")
        result = _profile(run, *file, "--input", "64", "--batch-size", "8", "--batch-sizes", "32")
        checks.figures[name] = result
        checks.expect(f"{name} runs on the GPU", holds=bool(result.get("environment", {}).get("accelerator")))
        checks.expect(f"{name} runs at another batch size", holds=len(result.get("batches", [])) == 1)


def _refusals(run: Run, checks: Checks) -> None:
    print("what cannot be")
    for what, arguments, expected in (
        ("int8", ("--precision", "int8"), ("PrecisionUnsupported", "precision")),
        ("more than fits", ("--batch-size", "32768"), ("OutOfMemory", "batchSize")),
    ):
        result = _document(run, "run", *RESNET, *arguments, "--inferences", "1")
        checks.figures[f"refused {what}"] = result
        seen = (result.get("reason"), result.get("field"))
        checks.expect(f"{what} is refused as {expected[0]} of {expected[1]}", holds=seen == expected)


def _profile(run: Run, *arguments: str, seconds: int = 6) -> dict[str, Any]:
    return _document(run, "profile", *arguments, "--min-seconds", "2", "--max-seconds", str(seconds))


def _document(run: Run, *arguments: str) -> dict[str, Any]:
    done = run("foretide_profiler", *arguments)
    lines = done.stdout.splitlines()
    if not lines:
        print(done.stderr[-2000:])
        return {}
    document: dict[str, Any] = json.loads(lines[-1])
    if document.get("kind") == "Failure":
        print(f"  {document['reason']} {document.get('field', '')}: {document['message'][:300]}")
    return document


if __name__ == "__main__":
    sys.exit(main())
