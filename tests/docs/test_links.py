"""What documents, code, chart and examples point to is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from foretide_cli.doctor import finding
from tests.docs.pages import PAGES, ROOT, anchors, code, commands, links

POINTING = ("src", "operator", "extender", "profiler-job", "charts", "crds", "examples", "demo", "devcluster", "bench")
READ = {".py", ".yaml", ".tpl", ".txt", ".sh", ".cnf"}


def names(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_every_link_of_a_page_resolves(page: Path) -> None:
    broken = [
        f"{names(page)}:{line}: {target}"
        for line, target in links(page)
        if not re.match(r"https?:|mailto:", target) and not resolves(page.parent, page, target)
    ]
    assert broken == []


def resolves(folder: Path, page: Path, target: str) -> bool:
    path, _, anchor = target.partition("#")
    file = (folder / path).resolve() if path else page
    if not file.is_relative_to(ROOT) or not file.exists():
        return False
    return not anchor or (file.suffix == ".md" and anchor in anchors(file))


@pytest.mark.parametrize("target", ["nowhere.md", "install.md#nothing", "../../outside.md", "#nothing", "images#part"])
def test_a_link_to_what_is_not_there_is_found(target: str) -> None:
    docs = ROOT / "docs"
    assert not resolves(docs, docs / "README.md", target)


def test_every_document_can_be_reached_from_the_table_of_contents() -> None:
    reached, waiting = set[Path](), [ROOT / "docs" / "README.md"]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        for _, target in links(page):
            file = (page.parent / target.partition("#")[0]).resolve()
            if file.suffix == ".md" and file.is_file() and file not in reached:
                waiting.append(file)
    assert [names(page) for page in PAGES if page not in reached] == []


def test_the_map_of_the_code_names_every_package() -> None:
    page = ROOT / "docs" / "contributing.md"
    told = {each.text for each in code(page) if not each.is_block}
    packages = [file.parent.relative_to(ROOT) for file in ROOT.glob("[!.]*/**/__init__.py")]
    own = [path for path in packages if path.parts[0] not in {"bench", "build", "tests"}]
    assert len(own) > 25
    assert [str(path) for path in own if not told & {str(path), "/".join(path.parts[-2:]), path.name}] == []


def test_every_document_that_code_and_chart_name_is_there() -> None:
    assert [f"{names(file)}: {target}" for file, target in named() if not resolves(ROOT, file, target)] == []


def named() -> Iterator[tuple[Path, str]]:
    for folder in POINTING:
        for file in (ROOT / folder).rglob("*"):
            if file.suffix in READ and file.is_file():
                text = re.sub(
                    r"\{(INSTALL|LIMITS)\}",
                    lambda found: str(getattr(finding, found[1])),
                    file.read_text(encoding="utf-8"),
                )
                for target in re.findall(r"docs/[\w./-]+\.md(?:#[\w-]+)?", text):
                    yield file, target


def test_every_target_of_make_that_a_page_names_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    asked = [
        (place, target)
        for page in PAGES
        for place, text in commands(page)
        for call in re.findall(r"\bmake((?: [a-z][a-z-]*)+)", text)
        for target in call.split()
    ]
    assert len(asked) > 30
    assert [f"{place}: make {target}" for place, target in asked if target not in targets] == []
