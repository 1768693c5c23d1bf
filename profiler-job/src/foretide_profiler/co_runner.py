"""The standard co-runner: one thread that moves memory as fast as it can, and so takes its share from everybody else.

It copies a block that no cache of an edge processor holds onto another, over and over. The copying itself leaves Python
free, so that it delays the model by the memory that it moves and by nothing else. Its kind is fixed, so that figures of
different times and nodes compare.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import numpy as np

BLOCK_BYTES: Final = 64 * 2**20
MEMORY_BYTES: Final = 2 * BLOCK_BYTES
"""What it holds."""


class CoRunner:
    """What the co-runner has done so far."""

    def __init__(self) -> None:
        self.moved_bytes = 0
        self._is_over = False
        self._source = np.ones(BLOCK_BYTES // 8)
        self._target = np.zeros_like(self._source)

    def run(self) -> None:
        """Copy until told to stop."""
        while not self._is_over:
            np.copyto(self._target, self._source)
            self.moved_bytes += 2 * BLOCK_BYTES  # read and written

    def stop(self) -> None:
        """End after the copy under way."""
        self._is_over = True


@contextmanager
def beside() -> Iterator[CoRunner]:
    """Within, a co-runner is at work; raises MemoryError where it has no room."""
    runner = CoRunner()
    thread = threading.Thread(target=runner.run, name="co-runner", daemon=True)
    thread.start()
    try:
        yield runner
    finally:
        runner.stop()
        thread.join()
