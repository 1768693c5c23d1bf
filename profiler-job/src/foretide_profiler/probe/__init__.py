"""Describes a node by its behaviour: the times of small fixed models, of a matrix product, and of moving memory.

Where a quota throttles the process a short burst runs at full speed and the bill comes later, so every task is
repeated for a slice of the time and its mean is taken, stalls included.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from foretide.results import ProbeResult
from foretide_profiler.cgroups import Limits
from foretide_profiler.commands import Process
from foretide_profiler.environment import describe
from foretide_profiler.measuring import SECOND, Clock
from foretide_profiler.nvidia import GpuState
from foretide_profiler.output import progress
from foretide_profiler.probe.models import GEMM_FLOPS, MODELS, Model, gemm
from foretide_profiler.probe.onnx_writer import INPUT
from foretide_profiler.requests import ProbeCall
from foretide_profiler.runtimes.onnx_runtime import open_session, random_batch, runtime_name

Call = Callable[[], object]
"""One execution of a task."""

COPY_BYTES = 32 * 2**20
"""Larger than the caches of edge processors, small enough for a node of 256 MiB."""

LONGEST_SLICE_SECONDS = 1.0
LONGEST_THROTTLED_SLICE_SECONDS = 3.0
RESERVE_SECONDS = 1.0
"""Kept for writing the result and ending the process."""


def probe(call: ProbeCall, process: Process) -> ProbeResult:
    """Measure every task for its share of the time that is left of ``call.max_seconds`` since the process started."""
    limits = process.limits
    tasks: dict[str, Callable[[], Call]] = {"memory": _copy_call}
    tasks |= {name: partial(_model_call, build, limits) for name, build in MODELS.items()}
    product = _model_call(gemm, limits)
    ready = process.now()
    end = time.perf_counter_ns() + int((call.max_seconds - RESERVE_SECONDS - (ready - process.start) / 1000) * SECOND)
    longest = LONGEST_THROTTLED_SLICE_SECONDS if limits.is_throttled else LONGEST_SLICE_SECONDS
    seconds = {"gemm": _measured(product, end, 1 + len(tasks), longest)}
    for position, (name, prepare) in enumerate(tasks.items()):
        seconds[name] = _measured(prepare(), end, len(tasks) - position, longest)
        progress(f"{name}: {1e6 * seconds[name]:.0f} us")
    return ProbeResult(
        process_start=process.start,
        work_end=process.now(),
        startup_milliseconds=ready - process.start,
        gemm_flops_per_second=round(GEMM_FLOPS / seconds.pop("gemm")),
        memory_bandwidth_bytes_per_second=round(2 * COPY_BYTES / seconds.pop("memory")),
        model_microseconds={name: math.ceil(1e6 * value) for name, value in seconds.items()},
        environment=describe(limits, runtime_name("CPUExecutionProvider"), None, GpuState()),
    )


def mean_seconds(task: Call, slice_nanoseconds: int, clock: Clock) -> float:
    """The mean duration of `task` over as many calls as fit into the slice, one at least, after one that warms up.

    The first call is within the slice: a call as long as the slice is measured once more and no more.
    """
    opened = clock()
    task()
    begin = now = clock()
    calls = 0
    while calls == 0 or now - opened < slice_nanoseconds:
        task()
        calls += 1
        now = clock()
    return (now - begin) / calls / SECOND


def _measured(task: Call, end_nanoseconds: int, tasks_left: int, longest_seconds: float) -> float:
    """The task's mean seconds, taken from its equal share of the time that is left."""
    share = max(0, end_nanoseconds - time.perf_counter_ns()) // tasks_left
    return mean_seconds(task, min(share, int(longest_seconds * SECOND)), time.perf_counter_ns)


def _model_call(build: Callable[[], Model], limits: Limits) -> Call:
    data, shape = build()
    session = open_session(data, limits)
    feeds = {INPUT: random_batch(shape, "float32")}
    return lambda: session.run(None, feeds)


def _copy_call() -> Call:
    source = np.ones(COPY_BYTES // 8)
    target = np.zeros_like(source)
    return lambda: np.copyto(target, source)
