"""How the planner collects garbage: seldom, since a plan makes many objects and no cycles."""

from __future__ import annotations

import gc
from typing import Final

OBJECTS_BETWEEN: Final = 50_000
"""So many more objects than were freed before the youngest are looked through (by default 700)."""


def collect_seldom() -> None:
    """To be called once, when the program's modules are loaded: those stay, and are not looked through any more."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(OBJECTS_BETWEEN)
