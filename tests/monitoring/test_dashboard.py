"""The dashboard: three rows whose every expression parses and speaks of what there is."""

from __future__ import annotations

import pytest

from monitoring import __main__ as monitoring
from monitoring.catalogue import components, series
from tests.monitoring.expressions import DASHBOARD, RECORDED, as_asked, queries, spoken


@pytest.mark.parametrize(("title", "expression"), list(queries()), ids=lambda word: str(word)[:40])
def test_a_panel_asks_for_series_and_labels_that_there_are(title: str, expression: str) -> None:
    labels = {name: {*each.labels, "le"} for found in components().values() for each in found for name in each.series}
    found = spoken(as_asked(expression))
    assert found, title
    for each in found:
        assert each.name in series() | RECORDED
        if each.name in labels:
            assert each.labels <= labels[each.name]


def test_the_chart_has_the_dashboard_that_the_code_makes(capsys: pytest.CaptureFixture[str]) -> None:
    assert monitoring.main(["--check"]) == 0, capsys.readouterr().err


def test_there_are_three_rows_of_questions_and_each_panel_says_what_it_shows() -> None:
    rows = [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"]
    assert rows == ["Are predictions right?", "Are they used?", "Is Foretide healthy?"]
    for panel in DASHBOARD["panels"]:
        assert panel["type"] == "row" or (panel["targets"] and panel["description"].endswith("."))


def test_whoever_looks_chooses_the_prometheus_and_the_classes() -> None:
    assert [each["name"] for each in DASHBOARD["templating"]["list"]] == ["datasource", "node_class"]
    sources = {panel["datasource"]["uid"] for panel in DASHBOARD["panels"] if panel["type"] != "row"}
    assert sources == {"$datasource"}


def test_no_two_panels_lie_over_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
