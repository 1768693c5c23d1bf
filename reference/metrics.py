"""Metrics of operator, planner, extender and services, with their labels and meanings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from monitoring.catalogue import Described, components
from reference.markdown import code, table

_HEAD: Final = """\
# Metrics

Made from the code by `make references`. Labels are bounded, and never names of Pods, nodes or workloads. A prediction
counts once, when its task has ended; sums of predicted and of actual seconds are over the same tasks. How to have them
scraped, and example queries: [monitoring](../monitoring.md).
"""
_TITLES: Final[Mapping[str, str]] = {
    "operator": "Operator, port 8080",
    "planner": "Planner, port 8081 of the operator's Pod",
    "extender": "Extender, port 8082",
    "service": "Each Pod of a service, port 8080",
}


def page(_: Path) -> str:
    """The page's text."""
    sections = [f"## {_TITLES[name]}\n\n{_table(found)}" for name, found in components().items()]
    return "\n\n".join([_HEAD.strip(), *sections]) + "\n"


def _table(metrics: Iterable[Described]) -> str:
    rows = [[code(each.name), each.kind, ", ".join(map(code, each.labels)), each.words] for each in metrics]
    return table(["Metric", "Type", "Labels", "Meaning"], rows)
