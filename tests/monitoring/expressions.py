"""What expressions speak of: the series by name, with the labels that they select by."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import promql_parser
import yaml

from demo.scenario import ROOT

FOLDER = ROOT / "charts" / "foretide" / "monitoring"
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((FOLDER / "rules.yaml").read_text())["groups"] for rule in group["rules"]
]
ALERTS = [rule for rule in RULES if "alert" in rule]
RECORDED = {rule["record"] for rule in RULES if "record" in rule}
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "dashboard.json").read_text())


class Spoken(NamedTuple):
    """A series that an expression selects."""

    name: str
    labels: frozenset[str]


def spoken(expression: str) -> set[Spoken]:
    """The series in an expression; ValueError where it is none."""
    found = set()

    def visit(part: promql_parser.Expr) -> None:
        if isinstance(part, promql_parser.VectorSelector):
            found.add(Spoken(part.name or "", frozenset(each.name for each in part.matchers.matchers)))

    promql_parser.walk(promql_parser.parse(expression), visit)
    return found


def as_asked(expression: str, window: str = "5m") -> str:
    """An expression of the dashboard as Grafana asks Prometheus for it, of all classes."""
    return expression.replace("$__rate_interval", window).replace("$node_class", ".*")


def queries() -> Iterator[tuple[str, str]]:
    """Every expression of the dashboard, with the title of its panel."""
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
