"""The page of queries and the examples: they speak of what there is."""

from __future__ import annotations

import re

import pytest
import yaml

from demo.scenario import ROOT
from foretide_kube.names import LABEL_ROLE, LABEL_WORKLOAD, ROLE_RUN
from monitoring.catalogue import components, series
from tests.monitoring.expressions import RECORDED, spoken

PAGE = (ROOT / "docs" / "monitoring.md").read_text()
EXAMPLES = ROOT / "examples" / "monitoring"


@pytest.mark.parametrize("query", re.findall(r"```promql\n(.*?)```", PAGE, re.DOTALL))
def test_a_query_of_the_page_asks_for_series_and_labels_that_there_are(query: str) -> None:
    labels = {name: {*each.labels, "le"} for found in components().values() for each in found for name in each.series}
    for each in spoken(query):
        assert each.name in series() | RECORDED
        if each.name in labels:
            assert each.labels <= labels[each.name]


@pytest.mark.parametrize(
    "path", ["operator.md", "services.md", "scheduling.md", "faults.md", "runbook.md", "install.md"]
)
def test_metrics_that_other_pages_name_are_there(path: str) -> None:
    written = re.findall(
        r"\bforetide_[a-z_]+_(?:total|seconds|observations|waiting|failed)\b", (ROOT / "docs" / path).read_text()
    )
    names = {each.name for found in components().values() for each in found}
    assert set(written) <= names


def test_the_pod_monitor_selects_pods_of_services_by_labels_that_they_have() -> None:
    spec = yaml.safe_load((EXAMPLES / "services.yaml").read_text())["spec"]
    assert spec["selector"]["matchLabels"] == {LABEL_ROLE: ROLE_RUN}
    assert spec["podTargetLabels"] == [LABEL_WORKLOAD]
