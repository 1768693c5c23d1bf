"""Another process that loads the machine: it keeps every CPU at work and writes to disk while a bench runs.

    with loaded(): ...

Its workers end with the block, and by themselves when the bench is killed.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

BLOCK_BYTES = 4 * 2**20
WRITE_EVERY_SECONDS = 1.0


@contextmanager
def loaded(workers: int | None = None) -> Iterator[None]:
    """Keep so many CPUs busy, all of them by default."""
    with ExitStack() as stack:
        for _ in range(workers or os.cpu_count() or 1):
            command = [sys.executable, "-m", "bench.machine_load", str(os.getpid())]
            process = stack.enter_context(subprocess.Popen(command, stdin=subprocess.DEVNULL))
            stack.callback(process.terminate)
        yield


def work(parent: int) -> None:
    """Reckon without end and write a block each second, for as long as the process ``parent`` is the parent."""
    block = os.urandom(BLOCK_BYTES)
    with tempfile.TemporaryFile() as file:
        written = time.monotonic()
        while os.getppid() == parent:
            hashlib.sha256(block).digest()
            if time.monotonic() - written >= WRITE_EVERY_SECONDS:
                file.seek(0)
                file.write(block)
                file.flush()
                os.fsync(file.fileno())
                written = time.monotonic()


if __name__ == "__main__":
    work(int(sys.argv[1]))
