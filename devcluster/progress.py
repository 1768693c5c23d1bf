"""Tell a person what happens, one line a step, with the seconds since the start."""

from __future__ import annotations

import time
from collections.abc import Callable

Progress = Callable[[str], None]


def timed(write: Progress, clock: Callable[[], float] = time.monotonic) -> Progress:
    """Return a progress function that puts the elapsed seconds before each line."""
    start = clock()

    def line(text: str) -> None:
        write(f"{clock() - start:6.1f} s  {text}")

    return line
