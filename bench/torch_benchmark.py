"""The time of one inference by `torch.utils.benchmark`, of the same module, batch and threads as the profiler takes.

    python -m bench.torch_benchmark --source TorchVision --name resnet18 --input 3,224,224 --seconds 5

Takes the profiler's arguments of `run`; prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import sys

from foretide_profiler.arguments import parse
from foretide_profiler.cgroups import read_limits
from foretide_profiler.requests import RunCall
from foretide_profiler.threads import variables


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

    import torch  # noqa: PLC0415 - after the threads are set
    from torch.utils.benchmark import Timer  # noqa: PLC0415

    from foretide_profiler.runtimes import torch_runtime  # noqa: PLC0415

    model = torch_runtime.load(call.model, limits)
    for _ in range(3):
        model.infer()
    timer = Timer("infer()", globals={"infer": model.infer}, num_threads=limits.threads)
    measured = timer.blocked_autorange(min_run_time=options.seconds)
    print(json.dumps({"medianMicroseconds": 1e6 * measured.median, "torch": torch.__version__}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
