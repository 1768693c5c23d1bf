"""Where a result goes: to stdout always, and to the file from which Kubernetes takes the termination message."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from foretide.results import Result
from foretide.termination_message import encode

TERMINATION_LOG = Path("/dev/termination-log")


def write(result: Result, path: Path | None) -> None:
    """Write `result` to stdout and to `path`, or to the termination log where `path` is None and there is one."""
    put(encode(result), path)


def put(data: bytes, path: Path | None) -> None:
    """As `write`, for a document that is written already."""
    print(data.decode(), flush=True)
    if path is None and TERMINATION_LOG.is_file() and os.access(TERMINATION_LOG, os.W_OK):
        path = TERMINATION_LOG
    if path is not None:
        path.write_bytes(data)


def progress(text: str) -> None:
    """Tell a person who watches what is going on."""
    print(text, file=sys.stderr, flush=True)
