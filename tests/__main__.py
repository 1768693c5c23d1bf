"""Runs all tests: those that need a cluster, and beside them those that need none, for a cluster mostly waits.

    python -m tests

Run by ``make test``. The first half tells as it goes, the second once both are over. Ctrl-C and SIGTERM end both, and
each puts away what it made. The status is 0 only if both passed.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from tempfile import TemporaryFile
from types import FrameType
from typing import Final

PYTEST: Final = (sys.executable, "-m", "pytest")


def main(pytest: Sequence[str] = PYTEST) -> int:
    signal.signal(signal.SIGINT, lambda *_: None)  # a terminal tells both halves itself
    with TemporaryFile() as told:
        beside = subprocess.Popen([*pytest, "-q", "-m", "not cluster"], stdout=told, stderr=subprocess.STDOUT)
        halves = [subprocess.Popen([*pytest, "-m", "cluster"]), beside]

        def end(_number: int, _frame: FrameType | None) -> None:
            for half in halves:
                half.send_signal(signal.SIGINT)  # of SIGTERM pytest dies, or with a cluster up takes it for a failure

        signal.signal(signal.SIGTERM, end)
        statuses = [half.wait() for half in halves]
        told.seek(0)
        print(f"\n==> the tests without a cluster\n{told.read().decode(errors='replace')}", flush=True)
    return next(filter(None, statuses), 0)


if __name__ == "__main__":
    sys.exit(main())
