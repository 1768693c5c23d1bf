"""Whether the planner is fit to lead, and whether only a restart can help it; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

HUNG_SECONDS: Final = 6.0
"""A planner that does not come round for so long lets its Lease go: another, or the operator, opens the gates."""
BLIND_SECONDS: Final = 120.0
"""So does one that heard nothing of a resource for so long, twice as long as a watch lasts: it plans by what was."""
STUCK_SECONDS: Final = 60.0
DEAF_SECONDS: Final = 900.0
"""A watch that is not heard of for so long does not come back by itself."""


@dataclass(frozen=True, slots=True)
class Health:
    """How long each part of the planner has been silent, and how long ago each resource was last heard of.

    ``is_synced`` says whether all of them were listed once.
    """

    is_synced: bool
    dispatcher_silent_seconds: float
    recorder_silent_seconds: float
    watch_ages_seconds: Mapping[str, float]

    def is_fit_to_lead(self) -> bool:
        """Whether this process makes plans, and by what it sees."""
        is_seeing = all(age_seconds < BLIND_SECONDS for age_seconds in self.watch_ages_seconds.values())
        return self.is_synced and is_seeing and self.dispatcher_silent_seconds < HUNG_SECONDS

    def problem(self) -> str:
        """What is so wrong that the process is better started anew; empty if nothing is."""
        silent_seconds = max(self.dispatcher_silent_seconds, self.recorder_silent_seconds)
        if silent_seconds > STUCK_SECONDS:
            return f"nothing was done for {silent_seconds:.0f} s"
        for resource, age_seconds in self.watch_ages_seconds.items():
            if age_seconds > DEAF_SECONDS:
                return f"nothing was received about {resource} for {age_seconds:.0f} s"
        return ""
