"""`foretide profile`: what AIWorkloads take on this machine, measured by the profiler itself, without a cluster.

The profiler is another distribution and must be a process of its own: it notes the time by its first statement, and
sets threads before any library is loaded.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from foretide.results import Failure, ProfileResult, ResultError
from foretide.termination_message import parse
from foretide_cli.tables import Doubtful, Part, Table
from foretide_cli.terminal import Show
from foretide_kube.kinds.aiworkload import AIWorkload
from foretide_kube.profiler_call import workload_arguments

_HEADER: Final = ("workload", "mean ms", "median ms", "p90 ms", "load s", "task s", "memory MiB", "stable")


def profile(
    workloads: Sequence[AIWorkload],
    *,
    models: Path,
    max_seconds: float,
    show: Show,
    progress: Callable[[str], None],
    complain: Callable[[str], object],
) -> int:
    """Measure one after the other and print what came of it; 1 if one could not be measured.

    ``models`` is the folder of their files, as ``spec.model.file.path`` names them; no measurement lasts longer than
    ``max_seconds``. ``progress`` says which is under way, ``complain`` why one failed.
    """
    if find_spec("foretide_profiler") is None:
        complain("the profiler is missing: pip install '.[kube]' './profiler-job[onnx,torch]' in Foretide's checkout")
        return 2
    measured: list[tuple[AIWorkload, ProfileResult]] = []
    for number, workload in enumerate(workloads, 1):
        which = f"{number} of {len(workloads)}: {workload.metadata.name}"
        progress(f"measuring workload {which}, for {max_seconds:g} s at most")
        arguments = [*workload_arguments(workload.spec, models), "--max-seconds", str(max_seconds)]
        result = _measured(arguments)
        if isinstance(result, ProfileResult):
            measured.append((workload, result))
        else:
            complain(f"{workload.metadata.name}: {result}")
    show([{"name": each.metadata.name, "measurement": result} for each, result in measured], _told(measured))
    return 0 if len(measured) == len(workloads) else 1


def _measured(arguments: Sequence[str]) -> ProfileResult | str:
    """What the profiler measured, or why it did not."""
    with _ended_as_interrupted():
        done = subprocess.run(
            [sys.executable, "-P", "-m", "foretide_profiler", "profile", *arguments],
            capture_output=True,
            check=False,
            start_new_session=True,  # an interruption is ours: we end it
        )
    try:
        result: Any = parse(done.stdout)
    except ResultError as error:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        return ": ".join([str(error), *last])
    return f"{result.reason}: {result.message}" if isinstance(result, Failure) else result


@contextmanager
def _ended_as_interrupted() -> Iterator[None]:
    """Have whoever ends this process, or closes its terminal, end what it waits for as well, as Ctrl-C does."""
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)}
    for each, handler in before.items():
        if handler != signal.SIG_IGN:  # as of nohup
            signal.signal(each, signal.default_int_handler)
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _told(measured: Sequence[tuple[AIWorkload, ProfileResult]]) -> list[Part]:
    if not measured:
        return []
    rows = [_HEADER, *(_row(workload, result) for workload, result in measured)]
    here = dict.fromkeys(
        f"on {each.cpu_model or each.architecture}, threads: {each.threads}, {each.runtime}"
        for each in (result.environment for _, result in measured)
    )
    doubts = [
        Doubtful(f"{workload.metadata.name}: do not rely on it ({result.unstable_reason})")
        for workload, result in measured
        if not result.stable
    ]
    return [Table(rows), (*here, *doubts)]


def _row(workload: AIWorkload, result: ProfileResult) -> tuple[str, ...]:
    times = result.inference
    return (
        workload.metadata.name,
        f"{times.mean / 1e3:.2f}",
        f"{times.median / 1e3:.2f}",
        "-" if times.p90 is None else f"{times.p90 / 1e3:.2f}",
        f"{result.load_milliseconds / 1e3:.1f}",
        f"{workload.spec.inferences * times.mean / 1e6:.1f}",
        f"{result.memory_peak_bytes / 2**20:.0f}",
        "yes" if result.stable else Doubtful("no"),
    )
