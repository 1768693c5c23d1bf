"""Every metric of every component, as the code itself has them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import SimpleNamespace
from typing import Final, NamedTuple, cast

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.parser import text_string_to_metric_families

import foretide_extender.metrics
import foretide_operator.metrics
import foretide_operator.planner.metrics
from foretide_extender.certificates import Certificates
from foretide_profiler.serving.figures import Figures

PREFIX: Final = "foretide_"
_SUFFIXES: Final[Mapping[str, tuple[str, ...]]] = {
    "counter": ("_total",),
    "info": ("_info",),
    "histogram": ("_bucket", "_sum", "_count"),
}


class Described(NamedTuple):
    """One metric: what it is called where it is shown, its Prometheus type, its labels and what it means."""

    name: str
    kind: str
    labels: tuple[str, ...]
    words: str

    @property
    def series(self) -> tuple[str, ...]:
        """The names that an expression may use."""
        return (
            tuple(self.name + suffix for suffix in _SUFFIXES["histogram"]) if self.kind == "histogram" else (self.name,)
        )


def components() -> dict[str, list[Described]]:
    """The metrics of each component, by name."""
    extender = foretide_extender.metrics.Metrics()
    extender.show_certificates(cast("Certificates", SimpleNamespace(not_after_seconds={}, has_failed=False)))
    return {
        "operator": _of_registry(foretide_operator.metrics.Metrics().registry),
        "planner": _of_registry(foretide_operator.planner.metrics.Metrics().registry),
        "extender": _of_registry(extender.registry),
        "service": _of_service(),
    }


def series() -> set[str]:
    """Every name that an expression may use."""
    return {name for found in components().values() for each in found for name in each.series}


def _of_registry(registry: CollectorRegistry) -> list[Described]:
    by_name = registry._names_to_collectors  # noqa: SLF001 - the only place where labels without values are known
    return _sorted(
        _described(each, getattr(by_name.get(each.name, each), "_labelnames", ())) for each in registry.collect()
    )


def _of_service() -> list[Described]:
    """A service writes its text itself; what has no value yet is not shown."""
    figures = Figures()
    figures.refused("any")
    figures.failed("any")
    found = text_string_to_metric_families(figures.exposition(0))
    return _sorted(
        _described(each, dict.fromkeys(label for sample in each.samples for label in sample.labels if label != "le"))
        for each in found
    )


def _described(family: Metric, labels: Iterable[str]) -> Described:
    suffix = "" if family.type == "histogram" else "".join(_SUFFIXES.get(family.type, ()))
    return Described(family.name + suffix, family.type, tuple(labels), family.documentation)


def _sorted(found: Iterable[Described] | Iterator[Described]) -> list[Described]:
    return sorted(each for each in found if each.name.startswith(PREFIX))
