"""How long a task that could be bound and is not keeps its place, and how long it is left out of the plan then.

Something that only the scheduler knows may hold it (a volume, a quota, an affinity): its place is not kept idle for it.
It comes again after a longer pause each time, since it may have been the scheduler that was away.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

RESERVED_SECONDS: Final = 5.0
"""So long an opened task keeps the place that was planned for it, and a pending one room that it could have taken; the
scheduler needs a twentieth of a second."""
FIRST_PAUSE_SECONDS: Final = 10.0
"""So long it is left out after the first try, and then twice as long each time …"""
LONGEST_PAUSE_SECONDS: Final = 300.0
"""… up to this."""

Stand = Literal["reserved", "paused", "again"]
"""It has its place still; it is left out; it is to be planned."""


@dataclass(frozen=True, slots=True)
class Turns:
    """What is remembered of tasks that could be bound, by UID; who remembers nothing gives all their first turn.

    ``tries`` says how often each opened one was aimed and how often room was kept for each pending one,
    ``had_room_since`` since when there has been room for a pending one.
    """

    tries: Mapping[str, int] = field(default_factory=dict)
    had_room_since: Mapping[str, float] = field(default_factory=dict)

    def of_opened(self, key: str, opened_seconds: float, now_seconds: float) -> tuple[Stand, float | None]:
        """Where a task stands whose gate was opened then, and when that changes; None if it does not by itself."""
        reserved_until = opened_seconds + RESERVED_SECONDS
        if now_seconds < reserved_until:
            return "reserved", reserved_until
        doublings = min(self.tries.get(key, 1) - 1, 16)
        again = reserved_until + min(FIRST_PAUSE_SECONDS * 2.0**doublings, LONGEST_PAUSE_SECONDS)
        return ("paused", again) if now_seconds < again else ("again", None)

    def of_pending(self, key: str, now_seconds: float) -> tuple[Stand, float | None]:
        """The same of a task that no gate of ours kept."""
        since = self.had_room_since.get(key)
        return ("again", None) if since is None else self.of_opened(key, since, now_seconds)
