"""The versions of Kubernetes that the chart calls tested are those that the suites can be run on."""

from __future__ import annotations

import pytest

from devcluster import versions
from tests.chart.rendering import CHART, render


def test_the_chart_calls_tested_what_devcluster_builds() -> None:
    helpers = (CHART / "templates" / "_helpers.tpl").read_text()
    _, _, after = helpers.partition('define "foretide.testedVersions"')
    assert sorted(version.rpartition(".")[0] for version in versions.MODULES) == after.splitlines()[1].split()


@pytest.mark.parametrize("version", versions.MODULES)
def test_the_chart_goes_onto_every_tested_version_with_the_scheduler_of_that_version(version: str) -> None:
    image = render(version=version).container("foretide-scheduler", "kube-scheduler")["image"]
    assert image == f"registry.k8s.io/kube-scheduler:v{version}"
