"""How long a slot stays taken after the work in it has ended, learned for each node class from what is seen."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Final

from foretide.placement.timeline import Lags

_WEIGHT: Final = 0.2
"""Of one more observation; so that some dozen of them outweigh what was before."""
_LONGEST_SECONDS: Final = 15.0
"""A longer lag is a clock that is off, or a watch that lagged behind, and is not learned from."""


class ReleaseLags:
    """Moving averages by node class; any thread may add and read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._release_seconds: dict[str, float] = {}

    def saw_release(self, node_class: str, lag_seconds: float) -> None:
        """Take note of the seconds from the end of a task's work to its Pod's terminal phase."""
        if not 0.0 <= lag_seconds <= _LONGEST_SECONDS:
            return
        with self._lock:
            before = self._release_seconds.get(node_class, Lags().release_seconds)
            self._release_seconds[node_class] = before + _WEIGHT * (lag_seconds - before)

    def by_class(self) -> Mapping[str, Lags]:
        """What is known now; a class that is missing has the defaults."""
        with self._lock:
            return {name: Lags(release_seconds=seconds) for name, seconds in self._release_seconds.items()}
