"""The time of one inference by a tool that is not ours, of the same model, batch and threads as the profiler takes.

    python -m bench.benchmark_inference --source TorchVision --name resnet18 --input 3,224,224 --seconds 5

Takes the profiler's arguments of `run`. The tool is `torch.utils.benchmark` for torch, and `timeit` of the standard
library for ONNX, whose image has no torch: the median over blocks of calls by either. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import timeit
from collections.abc import Callable

from foretide_profiler.arguments import parse
from foretide_profiler.cgroups import read_limits
from foretide_profiler.requests import RunCall
from foretide_profiler.threads import variables

WARM_UP_CALLS = 3
BLOCKS = 100
"""Into so many is the time parted; a block has one call at least."""


def main(arguments: list[str]) -> int:
    """Measure for so many seconds at least."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, required=True)
    options, rest = parser.parse_known_args(arguments)
    call = parse(["run", *rest, "--inferences", "1"]).call
    if not isinstance(call, RunCall):
        raise TypeError(f"{call} is no call of run")
    limits = read_limits()
    os.environ.update(variables(limits))

    from foretide_profiler import runtimes  # noqa: PLC0415 - after the threads are set

    model = runtimes.load(call.model, limits)
    for _ in range(WARM_UP_CALLS):
        model.infer()
    by_tool = _by_timeit if call.model.source == "ONNX" else _by_torch
    seconds = by_tool(model.infer, options.seconds, limits.threads)
    print(json.dumps({"medianMicroseconds": 1e6 * seconds, "runtime": model.runtime}))
    return 0


def _by_torch(infer: Callable[[], object], seconds: float, threads: int) -> float:
    from torch.utils.benchmark import Timer  # noqa: PLC0415 - not where ONNX is measured

    timer = Timer("infer()", globals={"infer": infer}, num_threads=threads)
    return float(timer.blocked_autorange(min_run_time=seconds).median)


def _by_timeit(infer: Callable[[], object], seconds: float, _threads: int) -> float:
    timer = timeit.Timer(infer)
    calls = max(1, round(seconds / BLOCKS / timer.timeit(1)))
    return statistics.median(timer.repeat(BLOCKS, calls)) / calls


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
