"""The least memory limit under which a task survives, beside the peak that the profiler reports of it.

    python -m bench.memory.least_limit [--precision int8] MODEL.onnx …

Runs three inferences of each model in a memory cgroup of its own (as root), halving between a limit that kills and one
that does not. Prints both figures in MiB, and how much longer than without a limit the task took at the least one.
Libraries' pages are whoever's read them first, here mostly other programs': on a node that has read nothing yet a task
at its very limit reads them anew all the time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Final, NamedTuple

from devcluster.cgroups import Hierarchies, hierarchies

_STEP_BYTES: Final = 2**20
_MIB: Final = 2**20
_INFERENCES: Final = 3
_PATIENCE: Final = 20.0
"""A task that takes so many times as long as without a limit counts as killed: it does nothing but read."""


class Outcome(NamedTuple):
    """How a task ended."""

    peak_bytes: int | None
    seconds: float


class Groups(NamedTuple):
    """Where cgroups with a memory limit are made, and which of their files holds it."""

    root: Path
    limit: str


def main(argv: list[str]) -> int:
    """Search for each file; 2 where this cannot be measured."""
    parser = argparse.ArgumentParser(prog="python -m bench.memory.least_limit")
    parser.add_argument("files", nargs="+", metavar="MODEL.onnx")
    parser.add_argument("--precision", choices=("fp32", "int8"), default="fp32")
    asked = parser.parse_args(argv)
    if os.geteuid() != 0:
        print("memory cgroups are made by root", file=sys.stderr)
        return 2
    print(f"{'model':24}{'reported':>10}{'least':>8}{'times as long':>15}")
    for file in asked.files:
        free = task(Path(file), None, 600, asked.precision)
        if free.peak_bytes is None:
            print(f"{Path(file).stem:24}  fails without a limit")
            continue
        low, high, seconds = free.peak_bytes * 3 // 4, free.peak_bytes + 32 * _MIB, free.seconds
        while high - low > _STEP_BYTES:
            middle = (low + high) // 2
            limited = task(Path(file), middle, _PATIENCE * free.seconds, asked.precision)
            if limited.peak_bytes is None:
                low = middle
            else:
                high, seconds = middle, limited.seconds
        shown = f"{free.peak_bytes / _MIB:10.1f}{high / _MIB:8.1f}{seconds / free.seconds:15.1f}"
        print(f"{Path(file).stem:24}{shown}", flush=True)
    return 0


def memory_groups(found: Hierarchies) -> Groups:
    """Of version 1 its hierarchy for memory, else version 2; OSError where neither has that controller."""
    for root, controllers in found.v1:
        if "memory" in controllers:
            return Groups(root, "memory.limit_in_bytes")
    if found.v2 is None or not found.has("memory"):
        raise OSError("no cgroups that limit memory are mounted here")
    (found.v2 / "cgroup.subtree_control").write_text("+memory")
    return Groups(found.v2, "memory.max")


def task(file: Path, limit_bytes: int | None, longest_seconds: float, precision: str = "fp32") -> Outcome:
    """Run it under a limit; no peak where it did not end well."""
    groups = memory_groups(hierarchies())
    group = groups.root / f"least-limit-{os.getpid()}"
    group.mkdir()
    try:
        if limit_bytes is not None:
            (group / groups.limit).write_text(str(limit_bytes))
        argv = [sys.executable, "-m", "foretide_profiler", "run", "--source", "ONNX", "--file", str(file)]
        argv += ["--precision", precision]
        # A shell enters the group and becomes the program: what is done between fork and exec must not need memory.
        enter = f'echo 0 > "{group}/cgroup.procs"; exec "$@"'
        began = time.monotonic()
        process = subprocess.Popen(
            ["sh", "-c", enter, "sh", *argv, "--inferences", str(_INFERENCES)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            said, _ = process.communicate(timeout=longest_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return Outcome(None, longest_seconds)
        seconds = time.monotonic() - began
        peak = json.loads(said.splitlines()[-1])["memoryPeakBytes"] if process.returncode == 0 else None
        return Outcome(peak, seconds)
    finally:
        _remove(group)


def _remove(group: Path) -> None:
    """A group can be removed once the kernel has done with its last process."""
    for _ in range(100):
        try:
            group.rmdir()
        except OSError:
            time.sleep(0.05)
        else:
            return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
