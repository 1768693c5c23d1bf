"""The resident memory of Foretide's processes on this machine, watched while they work.

A process is known by the module that it runs, so that a restarted one counts on. Training is a child process that
lives for seconds: all are looked at twice a second, and a peak is the kernel's own figure as it was last seen.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

MODULES: Final = {
    "foretide_operator": "operator",
    "foretide_operator.train": "training",
    "foretide_operator.planner": "planner",
    "foretide_extender": "extender",
}
MARKS: Final = {
    "rss_mib.operator.peak": 256.0,
    "rss_mib.training.peak": 768.0,
    "rss_mib.planner.peak": 96.0,
    "rss_mib.extender.peak": 96.0,
}
"""What each may take at most (`demo.marks`)."""

_LOOK_SECONDS: Final = 0.5


class Resident(NamedTuple):
    """Resident memory of a process in MiB: what it has, and the most that it ever had."""

    now: float
    peak: float


def resident(process: int | str, proc: Path = Path("/proc")) -> Resident:
    """Resident memory of a process, as the kernel counts it; OSError or ValueError where it is gone."""
    fields = dict(line.split(":", 1) for line in (proc / str(process) / "status").read_text().splitlines())
    if "VmRSS" not in fields:
        raise ValueError(f"process {process} has ended")
    return Resident(*(round(int(fields[name].split()[0]) / 1024, 1) for name in ("VmRSS", "VmHWM")))


class MemoryWatch:
    """Looks at those of the processes ``pids`` that are Foretide's, from the beginning to the end of a `with` block."""

    def __init__(self, pids: Callable[[], Iterable[int]], proc: Path = Path("/proc")) -> None:
        self._pids = pids
        self._proc = proc
        self._now: dict[str, float] = {}
        self._peak: dict[str, float] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory", daemon=True)

    def look(self) -> None:
        """Look once."""
        now: dict[str, float] = {}
        for pid in self._pids():
            with suppress(OSError, ValueError):
                name = self._name(pid)
                if name is not None:
                    found = resident(pid, self._proc)
                    now[name] = max(found.now, now.get(name, 0.0))
                    self._peak[name] = max(found.peak, self._peak.get(name, 0.0))
        self._now = now

    def figures(self) -> dict[str, Any]:
        """Each process with its memory in MiB now and at its peak; None where it is not running, or was never seen."""
        with self._lock:
            self.look()
            return {name: {"now": self._now.get(name), "peak": self._peak.get(name)} for name in MODULES.values()}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(_LOOK_SECONDS):
            with self._lock:
                self.look()

    def _name(self, pid: int) -> str | None:
        words = (self._proc / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")
        return next((MODULES[module] for flag, module in pairwise(words) if flag == "-m" and module in MODULES), None)
