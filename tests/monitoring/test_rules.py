"""The rules: promtool has each of them at work, and what they speak of is there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from demo.scenario import ROOT
from monitoring.catalogue import components, series
from tests.docs.pages import anchors
from tests.monitoring.expressions import ALERTS, FOLDER, RECORDED, RULES, spoken

CASES = Path(__file__).with_name("rules.test.yaml")


def promtool(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *words], capture_output=True, text=True, check=False)


@pytest.mark.prometheus
def test_rules_compute_fire_and_are_silent_as_they_should() -> None:
    done = promtool("test", "rules", CASES)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.prometheus
def test_promtool_finds_nothing_amiss_in_the_rules() -> None:
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", FOLDER / "rules.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_rule_has_a_case_and_every_alert_fires_in_one() -> None:
    tests = yaml.safe_load(CASES.read_text())["tests"]
    asked = " ".join(case["expr"] for test in tests for case in test.get("promql_expr_test", []))
    assert {name for name in RECORDED if not re.search(rf"\b{name}\b", asked)} == set()
    fired = {case["alertname"] for test in tests for case in test.get("alert_rule_test", []) if case["exp_alerts"]}
    assert fired == {alert["alert"] for alert in ALERTS}


def test_the_healthy_day_has_something_to_say_to_every_alert() -> None:
    (healthy,) = [test for test in yaml.safe_load(CASES.read_text())["tests"] if test["name"] == "a healthy day"]
    there = {re.split(r"\{", each["series"])[0] for each in healthy["input_series"]}
    for alert in ALERTS:
        assert {each.name for each in spoken(alert["expr"])} <= there | RECORDED, alert["alert"]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule.get("alert") or rule["record"]))
def test_a_rule_speaks_of_series_and_labels_that_there_are(rule: dict[str, str]) -> None:
    labels = {name: {*each.labels, "le"} for found in components().values() for each in found for name in each.series}
    for each in spoken(rule["expr"]):
        assert each.name in series() | RECORDED
        if each.name in labels:
            assert each.labels <= labels[each.name]


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: str(alert["alert"]))
def test_an_alert_says_what_is_amiss_how_bad_it_is_and_what_to_do(alert: dict[str, dict[str, str]]) -> None:
    path, _, anchor = alert["annotations"]["runbook"].partition("#")
    assert anchor in anchors(ROOT / path)
    assert alert["labels"]["severity"] in {"warning", "critical"}
    assert alert["annotations"]["summary"].endswith(".")


def test_the_runbook_is_about_alerts_that_there_are() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "docs" / "runbook.md").read_text(), re.MULTILINE)
    assert headings == [alert["alert"] for alert in ALERTS]
