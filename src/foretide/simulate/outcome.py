"""What became of a task."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outcome:
    """A task that was bound to ``node`` at ``start_seconds``; its container ended at ``finish_seconds``.

    Before that it was made anew ``restarts`` times, its node being lost.
    """

    key: str
    node: str
    arrival_seconds: float
    start_seconds: float
    finish_seconds: float
    restarts: int = 0

    @property
    def turnaround_seconds(self) -> float:
        """From arrival to the container's end."""
        return self.finish_seconds - self.arrival_seconds
