"""What the demo says while it works: one line per thing that happened, with the seconds since it began."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence


class Console:
    """Prints timed lines and plain tables to standard output."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def say(self, text: str) -> None:
        """One thing that happened."""
        sys.stdout.write(f"[{time.monotonic() - self._start:5.0f} s] {text}\n")
        sys.stdout.flush()

    def heading(self, text: str) -> None:
        """Begin a part."""
        sys.stdout.write(f"\n== {text}\n")
        sys.stdout.flush()

    def write(self, text: str) -> None:
        """Lines as they are."""
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def elapsed_seconds(self) -> float:
        """Seconds since the demo began."""
        return time.monotonic() - self._start


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in plain text: the first column to the left, all others to the right."""
    widths = [max(len(str(row[column])) for row in [header, *rows]) for column in range(len(header))]

    def line(row: Sequence[str]) -> str:
        cells = [
            str(cell).ljust(width) if index == 0 else str(cell).rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return "  " + "  ".join(cells).rstrip()

    return "\n".join([line(header), "  " + "  ".join("-" * width for width in widths), *map(line, rows)])
