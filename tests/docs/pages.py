"""The documents as the tests read them: their code, links and headings, by a real Markdown parser."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
)
SHELL = ("", "console", "sh", "bash")
"""Languages of blocks that hold commands; an indented block has none."""


@dataclass(frozen=True)
class Code:
    """A block of code, or with ``is_block`` false a span in the text."""

    page: Path
    line: int
    language: str
    text: str
    is_block: bool

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@cache
def tokens(page: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))


def code(page: Path) -> Iterator[Code]:
    for token in tokens(page):
        line = token.map[0] + 1 if token.map else 0
        if token.type in {"fence", "code_block"}:
            yield Code(page, line, token.info.strip(), token.content, is_block=True)
        for child in token.children or ():
            if child.type == "code_inline":
                yield Code(page, line, "", child.content, is_block=False)


def commands(page: Path) -> Iterator[tuple[str, str]]:
    """Place and text of each line of shell, without prompt and comment, and of each span."""
    for each in code(page):
        if each.is_block and each.language not in SHELL:
            continue
        for number, line in enumerate(each.text.replace("\\\n", " ").splitlines()):
            shown = re.sub(r"(^|\s)#.*$", "", line.strip()).removeprefix("$ ").strip()
            if shown:
                yield f"{page.relative_to(ROOT)}:{each.line + number}", shown


def links(page: Path) -> Iterator[tuple[int, str]]:
    for token in tokens(page):
        for child in token.children or ():
            target = child.attrGet("href") or child.attrGet("src")
            if target is not None:
                yield (token.map[0] + 1 if token.map else 0), str(target)


@cache
def anchors(page: Path) -> frozenset[str]:
    """What headings are called in links: in lower case, with hyphens for spaces; the second of a name has a number."""
    seen: Counter[str] = Counter()
    found = set()
    for token, content in pairwise(tokens(page)):
        if token.type == "heading_open":
            words = "".join(child.content for child in content.children or ())
            name = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
            found.add(f"{name}-{seen[name]}" if seen[name] else name)
            seen[name] += 1
    return frozenset(found)
