"""Which namespaces every part watches, as the chart tells it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

VARIABLE: Final = "FORETIDE_WATCH_NAMESPACES"


def watched_namespaces(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The namespaces in ``environment``, separated by commas; none means all."""
    return tuple(filter(None, environment.get(VARIABLE, "").split(",")))
