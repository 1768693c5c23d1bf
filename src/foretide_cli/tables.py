"""Words for a terminal: tables, the first column to the left, the others to the right; and some of many names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_MOST_NAMES: Final = 3


def table(rows: Sequence[Sequence[str]], *, left: int = 1) -> str:
    """All rows as lines, of which the first is the header; so many columns from the ``left`` hold words."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def some(names: Sequence[str]) -> str:
    """Some of the names, and how many there are besides."""
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more
