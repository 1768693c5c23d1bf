"""Tables as Markdown has them, and text that may stand in one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows of cells under their titles; a bar in a cell is escaped, also within code."""
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in [head, *rows]]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])


def one_line(text: str) -> str:
    """Text without its line breaks."""
    return " ".join(text.split())


def code(text: str) -> str:
    """Text as code, whatever backticks it has."""
    fence = "``" if "`" in text else "`"
    return f"{fence}{text}{fence}"
