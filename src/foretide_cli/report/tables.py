"""What sections are made of: headings, tables that scroll by themselves, words in the place of what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from foretide_cli.report.markup import Child, Markup, tag

NAME, WORDS, FIGURES, PICTURE = "name", "words", "figures", "picture"
"""Kinds of columns: a name on one line, a text, figures to the right, or a picture as wide as there is room."""

Columns = Sequence[tuple[Child, str]]
"""Titles with their kinds."""


def section(name: str, title: str, *children: Child) -> Markup:
    """A section that a table of contents can lead to."""
    return tag("section", tag("h2", title, id=f"{name}-title"), *children, id=name, aria_labelledby=f"{name}-title")


def table(caption: str, columns: Columns, rows: Iterable[Sequence[Child]], *, class_: str = "data") -> Markup:
    """Rows under ``columns``, each a title and a kind; the first names the rows. It scrolls where it is too wide."""
    head = tag("tr", [tag("th", title, scope="col", class_=kind) for title, kind in columns])
    body = [
        tag(
            "tr",
            tag("th", row[0], scope="row", class_=columns[0][1]),
            [tag("td", cell, class_=kind) for cell, (_, kind) in zip(row[1:], columns[1:], strict=True)],
        )
        for row in rows
    ]
    made = tag("table", titled(caption), tag("thead", head), tag("tbody", body), class_=class_)
    return scrolling(made, caption)


def titled(caption: str) -> Markup:
    """The caption of a table: it stays in sight while that is scrolled."""
    return tag("caption", tag("span", caption))


def scrolling(made: Markup, label: str) -> Markup:
    """Something wide, in a region of its own that can be reached and scrolled by keyboard."""
    return tag("div", made, class_="scroll", role="region", tabindex="0", aria_label=label)


def behind(summary: str, *children: Child) -> Markup:
    """Something that is shown when it is asked for."""
    return tag("details", tag("summary", summary), *children)


def absent(what: str, how: Child) -> Markup:
    """Words in the place of what is not there: what is missing, and how to get it."""
    return tag("p", tag("strong", what), " ", how, class_="absent")


def code(words: str) -> Markup:
    """A command or a name out of the API."""
    return tag("code", words)
