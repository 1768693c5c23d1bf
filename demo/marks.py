"""The marks: what figures are held against, each the most that its figure may be. They judge and stop nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from demo.console import table


def held(figures: Mapping[str, Any], marks: Mapping[str, float]) -> dict[str, dict[str, Any]]:
    """Each of ``marks`` (figure → the most it may be) with the figure's value, its bound, and whether it is met.

    A figure within others is named by its path, as in ``slot_free_to_bound.p95_seconds``. One that could not be
    measured has no value and meets no mark.
    """
    return {
        name: {"value": value, "bound": bound, "met": value is not None and value <= bound}
        for name, bound in marks.items()
        for value in (_figure(figures, name),)
    }


def marks_table(found: Mapping[str, Mapping[str, Any]]) -> str:
    """One line a mark."""
    rows = [
        [
            name,
            "-" if mark["value"] is None else f"{mark['value']:g}",
            f"{mark['bound']:g}",
            "yes" if mark["met"] else "NO",
        ]
        for name, mark in found.items()
    ]
    return table(["mark", "value", "at most", "met"], rows)


def _figure(figures: Mapping[str, Any], name: str) -> float | None:
    first, _, rest = name.partition(".")
    found: Any = figures.get(first)
    if rest:
        return _figure(found, rest) if isinstance(found, Mapping) else None
    return None if found is None else float(found)
