"""What a command tells in words: paragraphs and tables, which fold into a terminal's width and stand out there.

What others wrote commands no terminal and hides nothing: control characters, and those that cannot be seen, are told
as in JSON, before anything is styled.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

_MOST_NAMES: Final = 3
_GAP: Final = "  "
UNSEEN: Final = (
    r"\xad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f"
)
"""What turns the direction of text or cannot be seen, as a set of a regular expression holds it: names that look alike
may be two. Joiners of letters (U+200C, U+200D) are left to the languages that are written with them."""
_CONTROL: Final = re.compile(rf"[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f{UNSEEN}]")
"""What commands a terminal; ends of lines and tabs do not, and would only misalign a table."""
_IN_A_CELL: Final = re.compile(rf"[\x00-\x1f\x7f-\x9f\u2028\u2029{UNSEEN}]")


class Heading(str):
    """The name of a column."""

    __slots__ = ()


class Wrong(str):
    """What does not work."""

    __slots__ = ()


class Doubtful(str):
    """What works worse than it could, or is not to be relied on."""

    __slots__ = ()


_STYLES: Final[dict[type[str], str]] = {Heading: "1", Wrong: "31", Doubtful: "33"}
"""How they stand out: bold, red, yellow."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows, of which the first is the header if it is ``headed``; so many columns from the ``left`` hold words.

    ``notes`` are lines beneath it.
    """

    rows: Sequence[Sequence[str]]
    left: int = 1
    headed: bool = True
    notes: Sequence[str] = ()


Part = str | tuple[str, ...] | Table
"""A paragraph, one of several lines, or a table."""


def in_words(parts: Sequence[Part], *, width: int | None = None, is_styled: bool = False) -> str:
    """The parts with an empty line between them.

    Tables are no wider than ``width`` if that can be: where not all columns have room in it, one comes in several. What
    a person may want to copy out of a paragraph is not folded.
    """
    return "\n\n".join("\n".join(_lines(part, width, is_styled=is_styled)) for part in parts)


def harmless(words: str) -> str:
    """The words without anything that commands a terminal or hides there."""
    return _CONTROL.sub(_escaped, words)


def some(names: Sequence[str]) -> str:
    """Some of the names, and how many there are besides."""
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def _escaped(found: re.Match[str]) -> str:
    return re.sub("(....)", r"\\u\1", found[0].encode("utf-16-be").hex())


def _lines(part: Part, width: int | None, *, is_styled: bool) -> Iterator[str]:
    if isinstance(part, Table):
        yield from _table(part, width, is_styled=is_styled)
        part = tuple(part.notes)
    for line in (part,) if isinstance(part, str) else part:
        yield _styled(line, harmless(line), is_styled=is_styled)


def _table(table: Table, width: int | None, *, is_styled: bool) -> Iterator[str]:
    rows = [[type(cell)(_IN_A_CELL.sub(_escaped, cell)) for cell in row] for row in table.rows]
    if table.headed:
        rows[0] = [Heading(cell) for cell in rows[0]]
    together = [list(range(len(rows[0])))]
    if width is not None and table.headed:
        together = list(_apart(_longest_words(rows), width))
    for number, columns in enumerate(together):
        if number:
            yield ""
        left = sum(column < table.left for column in columns)
        yield from _aligned([[row[each] for each in columns] for row in rows], left, width, is_styled=is_styled)


def _apart(least: Sequence[int], width: int) -> Iterator[list[int]]:
    """The columns that have room beside each other, always with the first: so rows can be told from each other."""
    columns = [0]
    for column in range(1, len(least)):
        wide = sum(least[each] + len(_GAP) for each in columns) + least[column]
        if wide > width and len(columns) > 1:
            yield columns
            columns = [0]
        columns.append(column)
    yield columns


def _aligned(rows: Sequence[Sequence[str]], left: int, width: int | None, *, is_styled: bool) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    if width is not None:
        widths = _narrowed(rows, widths, width - len(_GAP) * (len(widths) - 1))
    for row in rows:
        folded = [_folded(cell, room) for cell, room in zip(row, widths, strict=True)]
        for line in zip_longest(*folded, fillvalue=""):
            cells = []
            for column, (words, cell, room) in enumerate(zip(line, row, widths, strict=True)):
                styled, padding = _styled(cell, words, is_styled=is_styled), " " * (room - len(words))
                cells.append(styled + padding if column < left else padding + styled)
            yield _GAP.join(cells).rstrip()


def _narrowed(rows: Sequence[Sequence[str]], widths: Sequence[int], room: int) -> list[int]:
    """The widths of columns for ``room`` in all, no column narrower than its longest word."""
    least = _longest_words(rows)
    narrowed = list(widths)
    while sum(narrowed) > room:
        foldable = [column for column, wide in enumerate(narrowed) if wide > least[column]]
        if not foldable:
            break
        narrowed[max(foldable, key=narrowed.__getitem__)] -= 1
    return narrowed


def _longest_words(rows: Sequence[Sequence[str]]) -> list[int]:
    """Of each column."""
    return [
        max((len(word) for cell in column for word in cell.split()), default=0) for column in zip(*rows, strict=True)
    ]


def _folded(cell: str, room: int) -> list[str]:
    if len(cell) <= room:
        return [cell]
    return textwrap.wrap(cell, room, break_long_words=False, break_on_hyphens=False) or [""]


def _styled(kind: str, words: str, *, is_styled: bool) -> str:
    style = _STYLES.get(type(kind))
    return f"\x1b[{style}m{words}\x1b[0m" if is_styled and style and words else words
