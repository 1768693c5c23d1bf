"""The page in a real browser: at a desk and on a phone, in light and in dark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from foretide_cli.export.document import Export
from foretide_cli.report.page import page
from tests.report.browser import Tab, browser
from tests.report.sample import ago, export, workload
from tests.report.test_page import HOSTILE, hostile

LOOKS = Path(__file__).with_name("looks.js").read_text(encoding="utf-8")
SIZES = pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (360, "light"), (360, "dark")])

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


def show(tab: Tab, of: Export, tmp_path: Path, *, width: int, scheme: str) -> None:
    """Open the page of an export with all that is folded shown."""
    file = tmp_path / "report.html"
    file.write_text(page(of), encoding="utf-8")
    tab.complaints.clear()
    tab.asked.clear()
    tab.show(file, width=width, scheme=scheme)
    tab.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert tab.asked == [file.as_uri()]


def wide() -> Export:
    """Names as long as Kubernetes lets them be, in many rows."""
    long = workload(f"{'n' * 63}/{'w' * 52}")
    return export(each=4, workloads=(*export(each=0).workloads, long))


@SIZES
@pytest.mark.parametrize("kind", ["whole", "empty", "hostile", "wide"])
def test_it_looks_as_it_should_and_nothing_is_amiss(
    kind: str, width: int, scheme: str, tab: Tab, tmp_path: Path
) -> None:
    empty = Export(taken_time=ago(), version="0.1.0", missing=("list pods in all namespaces", "list nodes"))
    of = {"whole": export, "empty": lambda: empty, "hostile": hostile, "wide": wide}[kind]()
    show(tab, of, tmp_path, width=width, scheme=scheme)
    assert tab.complaints == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.evaluate(LOOKS) == []


def test_markup_of_tenants_makes_no_element(tab: Tab, tmp_path: Path) -> None:
    show(tab, hostile(), tmp_path, width=1280, scheme="light")
    assert tab.evaluate("document.querySelectorAll('script, img').length") == 0
    told = tab.evaluate("document.querySelector('#misses h3').textContent")
    assert HOSTILE.split("\u202e")[0] in told


def test_its_colours_follow_the_scheme(tab: Tab, tmp_path: Path) -> None:
    grounds = []
    for scheme in ("light", "dark"):
        show(tab, export(each=1), tmp_path, width=1280, scheme=scheme)
        grounds.append(tab.evaluate("getComputedStyle(document.documentElement).backgroundColor"))
    assert grounds[0] != grounds[1]


def test_what_scrolls_can_be_reached_by_keyboard(tab: Tab, tmp_path: Path) -> None:
    show(tab, export(each=1), tmp_path, width=360, scheme="light")
    reached = "[...document.querySelectorAll('.scroll')].every((each) => each.tabIndex === 0 && each.ariaLabel)"
    assert tab.evaluate(reached) is True


def test_what_is_looked_for_is_found_where_it_is_amiss(tab: Tab, tmp_path: Path) -> None:
    file = tmp_path / "amiss.html"
    file.write_text(
        "<p style='color: #999; background: #fff'>pale</p><p style='font-size: 9px'>small</p>"
        "<p style='width: 3em; overflow: hidden; white-space: nowrap'>far too long</p>"
        "<p style='margin-left: 990px; white-space: nowrap'>beyond the edge</p>"
        "<table style='table-layout: fixed; width: 6em'><tr><td style='white-space: nowrap'>over its neighbour<td>x"
        "</table><svg class='axis'><text x='0' y='20'>one</text><text x='9' y='20'>two</text></svg>"
    )
    tab.show(file, width=1000, scheme="light")
    found = {problem.split()[0] for problem in tab.evaluate(LOOKS)}
    assert found == {"contrast", "too", "clipped:", "cut", "out", "on"}
