"""What `foretide doctor` holds a cluster against is what the chart asks of it."""

from __future__ import annotations

import re

import pytest
import yaml

from foretide_cli.doctor.asking import needs, read_metrics
from foretide_cli.doctor.calls import _FILE
from foretide_cli.doctor.classes import _LABELLING
from foretide_cli.doctor.finding import INSTALL, LIMITS
from foretide_cli.doctor.needed import OLDEST_KUBERNETES, TESTED_KUBERNETES
from foretide_cli.doctor.schema import known_fields, lacking_fields
from foretide_kube.kinds.aiworkload import AIWorkload
from tests.chart.rendering import CHART, NAMESPACE, ROOT, HelmError, render
from tests.cli.healthy_cluster import EXTERNAL, definitions


def test_the_table_of_tested_versions_is_the_charts() -> None:
    helpers = (CHART / "templates" / "_helpers.tpl").read_text()
    defined = re.search(r'define "foretide.testedVersions" -}}\s*([\d. ]+?)\s*{{- end', helpers)
    assert defined is not None
    assert tuple(f"{major}.{minor}" for major, minor in TESTED_KUBERNETES) == tuple(defined[1].split())


def test_the_oldest_version_is_the_charts() -> None:
    words = ".".join(map(str, OLDEST_KUBERNETES))
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["kubeVersion"] == f">={words}.0-0"
    older = f"{OLDEST_KUBERNETES[0]}.{OLDEST_KUBERNETES[1] - 1}.9"
    with pytest.raises(HelmError, match="incompatible with Kubernetes"):
        render(version=older)


@pytest.mark.parametrize(
    ("mode", "values"), [("secondary", ()), ("external", EXTERNAL), ("none", ("scheduler.mode=none",))]
)
def test_accounts_that_are_asked_about_are_those_of_the_chart(mode: str, values: tuple[str, ...]) -> None:
    objects = render(*values).objects
    accounts = {name for kind, name in objects if kind == "ServiceAccount"} - {"foretide-explain"}
    assert {account for account, _, _ in needs(mode, NAMESPACE)} == accounts


def test_the_definitions_of_this_version_lack_nothing() -> None:
    assert lacking_fields(definitions()) == dict.fromkeys(
        ("aiworkloads", "nodeclasses", "workloadprofiles", "completiontimemodels"), ()
    )
    assert {"spec.model.file.volume.configMap.name", "status.predictions.nodeClass"} <= known_fields(AIWorkload)


def test_metrics_are_read_by_name_and_labels() -> None:
    text = '# TYPE a counter\na{b="c,}\\"d",e="f"} 2.0\na 3\nnot a sample\nb{} NaN\nc{x="1"} 1e-3\nd word\n'
    found = read_metrics(text)
    assert found["a"] == {(("b", 'c,}\\"d'), ("e", "f")): 2.0, (): 3.0}
    assert found["c"] == {(("x", "1"),): 0.001}
    assert found.keys() == {"a", "b", "c"}


DOCTOR = ROOT / "src" / "foretide_cli" / "doctor"
PLACES = {"INSTALL": INSTALL, "LIMITS": LIMITS, "_FILE": _FILE, "_LABELLING": _LABELLING}


def source() -> str:
    """The text of all checks, with the names of documents in their places."""
    text = "\n".join(path.read_text() for path in sorted(DOCTOR.glob("*.py")))
    for _ in range(2):  # one may stand in another
        for name, place in PLACES.items():
            text = text.replace(f"{{{name}}}", place)
    return text


def anchors(page: str) -> set[str]:
    """The places of a page that a link can name, as GitHub makes them of its headings."""
    headings = re.findall(r"^#+ (.*)$", (ROOT / page).read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_section_that_a_remedy_names_is_there() -> None:
    named = set(re.findall(r"(docs/[\w-]+\.md)(?:#([\w-]+))?", source()))
    assert len(named) > 8
    missing = [f"{page}#{place}" for page, place in named if place and place not in anchors(page)]
    assert missing == []


def test_every_reason_is_told_by_its_symptom() -> None:
    reasons = set(re.findall(r'(?:reason=|Trouble\(\s*)"([A-Z]\w+)"', source()))
    reasons |= set(re.findall(r'"([A-Z]\w+)" if extender\.problem else "([A-Z]\w+)"', source())[0])
    assert {"PodStranded", "Crashing", "ExtenderNotReady"} <= reasons
    page = (ROOT / "docs" / "troubleshooting.md").read_text()
    assert [reason for reason in sorted(reasons) if f"`{reason}`" not in page] == []
