"""Starts the profiler: notes the time, sets the threads before any library reads them, and reports whatever happens."""

from __future__ import annotations

import time

START_MILLISECONDS, START_NANOSECONDS = time.time_ns() // 1_000_000, time.monotonic_ns()
"""The first statement of this process: since the epoch, and on the monotonic clock."""

import os  # noqa: E402 - the time comes first
import sys  # noqa: E402
from collections.abc import Sequence  # noqa: E402
from pathlib import Path  # noqa: E402

from foretide.results import Failure  # noqa: E402
from foretide_profiler import output, stopping  # noqa: E402 - before a signal may need them
from foretide_profiler.arguments import Arguments, parse  # noqa: E402
from foretide_profiler.cgroups import Limits, read_limits  # noqa: E402
from foretide_profiler.failures import ProfilerError  # noqa: E402
from foretide_profiler.requests import Call, InspectCall, ProbeCall, ProfileCall, ServeCall  # noqa: E402
from foretide_profiler.threads import variables  # noqa: E402


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out the command line; return 0 with a result, 1 with a Failure, 2 for a wrong call."""
    result: Path | None = None
    try:
        arguments = parse(sys.argv[1:] if argv is None else argv)
        result = arguments.result
        limits = _limits(arguments.call)
        os.environ.update(variables(limits))
        stopped = ProfilerError("TimedOut", "stopped before there was anything to report")
        stopping.end_with(lambda: _report(stopped, result))
        return _carry_out(arguments, limits)
    except ProfilerError as error:
        return _report(error, result)
    except MemoryError:
        return _report(ProfilerError("OutOfMemory", "out of memory", "resources.limits.memory"), result)
    except Exception as error:  # noqa: BLE001 - the last resort: a result is written whatever happens
        return _report(ProfilerError("InternalError", f"{type(error).__name__}: {error}"), result)


def _limits(call: Call) -> Limits:
    """What the model may use: all that is granted, less the CPU of a co-runner."""
    granted = read_limits()
    if not isinstance(call, ProfileCall) or not call.co_runner:
        return granted
    left = granted.less_one_cpu()
    if left.cpus < 1 or (left.cpu_millis is not None and left.cpu_millis < 1000):
        millis = 1000 * granted.cpus if granted.cpu_millis is None else granted.cpu_millis
        message = f"--co-runner needs a CPU of its own beside the model's, and {millis}m are granted; grant 2 or more"
        raise ProfilerError("InvalidArgument", message, "resources.limits.cpu")
    return left


def _carry_out(arguments: Arguments, limits: Limits) -> int:
    from foretide_profiler import commands  # noqa: PLC0415 - after the threads are set

    process = commands.Process(START_MILLISECONDS, START_NANOSECONDS, limits)
    match arguments.call:
        case InspectCall() as call:
            output.write(commands.inspect(call), arguments.result)
        case ProfileCall() as call:
            output.write(commands.profile(call, process), arguments.result)
        case ProbeCall() as call:
            from foretide_profiler import probe  # noqa: PLC0415 - needs onnxruntime

            output.write(probe.probe(call, process), arguments.result)
        case ServeCall() as call:
            from foretide_profiler.serving import service  # noqa: PLC0415 - others need no HTTP

            output.put(service.serve(call, process), arguments.result)
        case call:
            output.write(commands.run(call, process), arguments.result)
    return 0


def _report(error: ProfilerError, result: Path | None) -> int:
    """Write the failure wherever a result would have gone."""
    stopping.ignore()
    output.progress(str(error))
    failure = Failure(reason=error.reason, message=error.message, field=error.field)
    output.write(failure, result)
    return 2 if error.reason == "InvalidArgument" else 1


if __name__ == "__main__":
    sys.exit(main())
