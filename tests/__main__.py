"""Runs all tests in two lanes beside each other, for a cluster mostly waits.

    python -m tests

Run by ``make test``. The first lane tells as it goes, the second once both are over. Ctrl-C and SIGTERM end both, and
each run puts away what it made. The status is 0 only if all passed.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from tempfile import TemporaryFile
from types import FrameType
from typing import IO, Final

PYTEST: Final = (sys.executable, "-m", "pytest")
_BESIDE: Final = ("tests/faults", "tests/chaos")
"""What has a cluster of its own, and takes as long as evens the lanes out."""
LANES: Final = (
    (("-m", "cluster", *(f"--ignore={folder}" for folder in _BESIDE)),),
    (("-q", "-m", "not cluster"), ("-q", "-m", "cluster", *_BESIDE)),
)
"""Options of the runs of each lane, one run after the other."""
_LOOK_SECONDS: Final = 0.1


class Lane:
    """Runs one after the other, whether or not one fails; ``told`` is where they write, None for this terminal."""

    def __init__(self, runs: Sequence[Sequence[str]], told: IO[bytes] | None) -> None:
        self._left = list(runs)
        self._told = told
        self._running: subprocess.Popen[bytes] | None = None
        self.status = 0

    def go_on(self) -> bool:
        """Begin the next run where the last has ended; whether one is under way."""
        status = self._running.poll() if self._running else 0
        if status is None:
            return True
        self.status = self.status or status
        if not self._left:
            return False
        self._running = subprocess.Popen(self._left.pop(0), stdout=self._told, stderr=self._told)
        return True

    def drop(self) -> None:
        """Begin no further run."""
        self._left.clear()

    def end(self) -> None:
        """End the run that is under way as Ctrl-C does: of SIGTERM pytest dies, or takes it for a test's failure."""
        if self._running:
            self._running.send_signal(signal.SIGINT)


def main(lanes: Sequence[Sequence[Sequence[str]]] = LANES, pytest: Sequence[str] = PYTEST) -> int:
    asked: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        asked.append(number)

    signal.signal(signal.SIGINT, note)  # a terminal tells the runs itself
    signal.signal(signal.SIGTERM, note)
    with TemporaryFile() as told:
        first, beside = (
            Lane([[*pytest, *run] for run in lane], where) for lane, where in zip(lanes, (None, told), strict=True)
        )
        is_ended = False
        while first.go_on() | beside.go_on():
            time.sleep(_LOOK_SECONDS)
            for lane in (first, beside) if asked else ():
                lane.drop()
                if signal.SIGTERM in asked and not is_ended:
                    lane.end()
            is_ended = signal.SIGTERM in asked
        told.seek(0)
        print(f"\n==> what was tested beside\n{told.read().decode(errors='replace')}", flush=True)
    return first.status or beside.status


if __name__ == "__main__":
    sys.exit(main())
