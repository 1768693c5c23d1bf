"""The page: well-formed, accessible, without network, all that tenants wrote as text; and what it says is missing."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any
from xml.etree.ElementTree import Element

import msgspec
import pytest

from foretide_cli.export.document import Export
from foretide_cli.report.page import CONTENTS, page
from tests.report.pages import named, parsed, rows, section, tables, words
from tests.report.sample import WORKLOADS, ago, export, workload

HOSTILE = "</p><script>a()</script>\"'&lt;\u202e\x00\u200b"
EMPTY = Export(taken_time=ago(), version="0.1.0")


@pytest.fixture(scope="module")
def whole() -> Element:
    return parsed(export())


def hostile() -> Export:
    """The sample, with free text of tenants and of the cluster in place of what they would write."""
    found = export(each=6)

    def marred(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: HOSTILE if key in _FREE and isinstance(item, str) else marred(item) for key, item in value.items()
            }
        return [marred(item) for item in value] if isinstance(value, list | tuple) else value

    return msgspec.convert(marred(msgspec.to_builtins(found)), Export)


_FREE = {"pod", "workload", "node", "nodeClass", "plannedNode", "message", "unstableReason"}


def test_every_section_of_the_contents_is_there_under_a_heading_of_its_own(whole: Element) -> None:
    links = [(link.get("href"), words(link)) for link in named(whole, "contents").iter("a")]
    assert links == [(f"#{name}", title) for name, title in CONTENTS]
    for name, title in CONTENTS:
        found = named(whole, name)
        heading = named(found, str(found.get("aria-labelledby")))
        assert (heading.tag, words(heading)) == ("h2", title)


def test_there_is_one_main_heading_and_the_landmarks_of_a_page(whole: Element) -> None:
    assert [words(each) for each in whole.iter("h1")] == ["Foretide report"]
    for landmark in ("header", "nav", "main", "footer"):
        assert len(list(whole.iter(landmark))) == 1
    assert whole.get("lang") == "en"


def test_no_address_of_any_network_stands_in_it_and_no_script(whole: Element) -> None:
    for element in whole.iter():
        assert element.tag not in {"script", "link", "img", "iframe", "object", "embed", "base", "form", "image", "use"}
        for name, value in element.attrib.items():
            assert not name.startswith("on")
            assert name not in {"src", "srcset", "style", "action", "data"}
            assert name != "href" or value.startswith("#")
    assert "://" not in page(export())
    assert "url(" not in page(export())
    assert "@import" not in page(export())


def test_its_policy_lets_nothing_be_fetched_and_its_own_style_alone_be_used(whole: Element) -> None:
    policy = next(each.get("content") for each in whole.iter("meta") if each.get("http-equiv"))
    style = next(whole.iter("style")).text or ""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def test_what_tenants_wrote_is_text_turns_no_direction_and_hides_nothing() -> None:
    made = page(hostile())
    root = parsed(hostile())
    assert "<script" not in made
    assert "</p><script>a()</script>\"'&lt;" in words(root)
    assert not list(root.iter("script"))
    assert not re.search(r"[\x00\u200b\u202e]", made)


def test_a_name_of_the_cluster_is_text_as_well() -> None:
    root = parsed(export(each=2, source=HOSTILE))
    assert "</p><script>a()</script>" in words(next(root.iter("header")))


def test_every_picture_says_what_it_shows_or_is_beside_words(whole: Element) -> None:
    for picture in whole.iter("svg"):
        if picture.get("role") == "img":
            assert picture.get("aria-label")
        else:
            assert picture.get("aria-hidden") == "true" or picture.get("overflow") == "visible"


def test_every_table_names_its_columns_and_rows_and_scrolls_by_itself(whole: Element) -> None:
    regions = {
        table for region in whole.iter("div") if region.get("role") == "region" for table in region.iter("table")
    }
    assert regions == set(whole.iter("table"))
    for caption, table in tables(whole):
        assert caption
        head, *body = table.iter("tr")
        assert all(cell.get("scope") == "col" for cell in head)
        assert all(row[0].get("scope") == "row" for row in body)
        assert {len(row) for row in body} <= {len(head)}


def test_each_workload_and_class_has_its_time_interval_and_source(whole: Element) -> None:
    (_, heat), *_ = tables(named(whole, "fastest"))
    named_so = [(*name.split("/"), size) for name, (_, size) in sorted(WORKLOADS.items())]
    assert [each[0] for each in rows(heat)] == [f"{name}{space}, {size:,} inferences" for space, name, size in named_so]
    resnet = rows(heat)[-1]
    assert resnet[0] == "resnet18vision, 500 inferences"
    assert resnet[1] == "Fallback 50.7 s16 ×13.5–199 s"
    assert resnet[4] == "Measured 3.2 sfastest3.0–3.4 s"


def test_a_pair_without_prediction_says_so(whole: Element) -> None:
    (_, heat), *_ = tables(named(whole, "fastest"))
    assert rows(heat)[1][1] == "–not predicted"


def test_the_fastest_class_of_each_row_is_marked_by_more_than_colour(whole: Element) -> None:
    (_, heat), *_ = tables(named(whole, "fastest"))
    for row in rows(heat):
        assert sum("fastest" in cell for cell in row) == 1


def test_a_workload_without_predictions_says_what_it_waits_for() -> None:
    condition = {
        "type": "Inspected",
        "status": "False",
        "reason": "ImageMissing",
        "message": "registry.example/profiler: not found",
        "lastTransitionTime": ago(),
    }
    waiting = workload("vision/late", predicted=False, status={"conditions": [condition]})
    found = section(export(each=1, workloads=(waiting,)), "fastest")
    assert "Nothing is predicted yet." in words(found)
    assert "vision/late: ImageMissing: registry.example/profiler: not found" in words(found)


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("fastest", "There is no AIWorkload. Apply one: kubectl apply -f workload.yaml"),
        ("errors", "No task that was predicted has ended. Apply an AIWorkload with run: {mode: Job}"),
        ("calibration", "Nothing to judge yet. It needs tasks that were compared with a prediction"),
        ("regret", "Nothing to compare yet. It needs a workload whose tasks ended on two node classes or more"),
        ("versions", "There is no CompletionTimeModel. The operator makes it: see kubectl get ctmodel"),
        ("misses", "Nothing to show yet. It needs tasks that were compared with a prediction"),
    ],
)
def test_each_section_says_what_is_missing_and_how_to_get_it(name: str, missing: str) -> None:
    assert missing in words(section(EMPTY, name))


@pytest.mark.parametrize(
    ("right", "name", "said"),
    [
        ("list aiworkloads.foretide.dev in namespace team", "fastest", "AIWorkloads could not be read."),
        ("list pods in all namespaces", "errors", "Pods could not be read."),
        ("list completiontimemodels.foretide.dev", "versions", "The model could not be read."),
    ],
)
def test_what_could_not_be_read_is_not_said_to_be_absent(right: str, name: str, said: str) -> None:
    found = parsed(msgspec.structs.replace(EMPTY, missing=(right,)))
    assert said in words(named(found, name))
    assert right in words(next(found.iter("footer")))


def test_pages_of_one_export_are_equal() -> None:
    assert page(export()) == page(export())
