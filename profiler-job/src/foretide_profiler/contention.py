"""How long this process's threads were ready to run and had no CPU, by the scheduler's own account.

https://docs.kernel.org/scheduler/sched-stats.html: the second figure of a task's ``schedstat``. Under a quota the time
until the next period counts there too, so it tells of other processes only where no quota throttles.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

LARGEST_SHARE: Final = 0.1
"""Of the time, beyond which a thread, and all that wait for it, were held up by something else on the node."""


class ContentionMeter:
    """What the threads wait from now on."""

    def __init__(self, process: Path = Path("/proc/self")) -> None:
        self._process = process
        self._start = self._read()

    def longest_wait_nanoseconds(self) -> int | None:
        """Of the thread that waited longest, whom others wait for; None where the kernel keeps no account."""
        waits = [waited - self._start.get(thread, 0) for thread, waited in self._read().items()]
        return max(waits, default=None)

    def _read(self) -> dict[str, int]:
        waited = {}
        for thread in (self._process / "task").glob("*/schedstat"):
            try:
                waited[thread.parent.name] = int(thread.read_text().split()[1])
            except (OSError, IndexError):  # the thread has ended, or the kernel was built without
                continue
        return waited


def why_contended(waited_nanoseconds: int | None, elapsed_nanoseconds: int) -> str:
    """Why durations say more of the node's company than of the model, as `Reason: what was seen`; else empty."""
    share = (waited_nanoseconds or 0) / max(1, elapsed_nanoseconds)
    if share <= LARGEST_SHARE:
        return ""
    return f"CpuContended: a thread waited {share:.2f} of the time for a CPU that something else on the node had"
