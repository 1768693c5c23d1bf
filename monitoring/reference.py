"""The reference of metrics, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from monitoring.catalogue import Described

_HEAD: Final = """\
# Metrics

Made from the code by `make monitoring`. Labels are bounded, and never names of Pods, nodes or workloads. A prediction
counts once, when its task has ended; sums of predicted and of actual seconds are over the same tasks.
How to have them scraped, and what to ask: [monitoring](../monitoring.md).
"""
_WHERE: Final[Mapping[str, str]] = {
    "operator": "Operator, port 8080",
    "planner": "Planner, port 8081 of the operator's Pod",
    "extender": "Extender, port 8082",
    "service": "Each Pod of a service, port 8080",
}


def reference(components: Mapping[str, Sequence[Described]]) -> str:
    """The whole page."""
    return _HEAD + "".join(_section(_WHERE[name], found) for name, found in components.items())


def _section(title: str, metrics: Iterable[Described]) -> str:
    rows = [f"| `{each.name}` | {each.kind} | {_labels(each)} | {_cell(each.words)} |\n" for each in metrics]
    return f"\n## {title}\n\n| Metric | Type | Labels | Meaning |\n|---|---|---|---|\n{''.join(rows)}"


def _labels(metric: Described) -> str:
    return ", ".join(f"`{label}`" for label in metric.labels)


def _cell(words: str) -> str:
    return words.replace("|", "\\|")
