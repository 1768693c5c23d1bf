"""A page as a strict parser sees it: what is not well-formed is refused, and all text is told as a reader has it."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element

from foretide_cli.export.document import Export
from foretide_cli.report.page import page


def parsed(export: Export) -> Element:
    """The page of ``export``; ParseError where it is not well-formed."""
    return ET.fromstring(page(export))  # noqa: S314 - it is our own, and what tests are about


def section(export: Export, name: str) -> Element:
    """One section of the page."""
    return named(parsed(export), name)


def named(root: Element, name: str) -> Element:
    found = [each for each in root.iter() if each.get("id") == name]
    assert len(found) == 1, (name, len(found))
    return found[0]


def words(element: Element) -> str:
    """All text within, with single spaces."""
    return " ".join("".join(element.itertext()).split())


def rows(table: Element) -> list[list[str]]:
    """The cells of a table's body, row by row."""
    return [[words(cell) for cell in row] for row in table.iter("tr")][1:]


def tables(element: Element) -> Iterator[tuple[str, Element]]:
    """The tables within, each with its caption."""
    for table in element.iter("table"):
        caption = table.find("caption")
        assert caption is not None
        yield words(caption), table
