"""Whether the planner lives, told from its Lease by our own monotonic clock; pure.

Silence is counted only between two readings that both succeeded: a Lease that could not be read is not a silent
planner, for who cannot read may be the one who is cut off. After our own start, and after the API server (or we) were
away, the planner gets time to find its feet.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Final

from foretide_kube.client import Object
from foretide_operator.planner.leadership import Seen, look

SILENT_SECONDS: Final = 10.0
"""A planner whose Lease was seen unchanged, or without holder, for so long is silent; it renews every 2 s."""
GRACE_SECONDS: Final = 30.0
"""Nothing is opened so soon after our start or after the API server came back."""
AWAY_SECONDS: Final = 10.0
"""Between two readings so far apart anything may have happened: they begin a new grace."""


@dataclass(frozen=True, slots=True)
class Vigil:
    """What is known of the planner's life; times are of our monotonic clock.

    ``silent_seconds`` is how long silence was watched. ``is_away`` says that the API server did not answer when last
    asked, ``is_unread`` that for this or another reason there is no Lease to judge by just now.
    """

    grace_until_seconds: float
    seen: Seen | None = None
    read_at_seconds: float | None = None
    silent_seconds: float = 0.0
    is_unread: bool = False
    is_away: bool = False

    @classmethod
    def begin(cls, now_seconds: float) -> Vigil:
        """The state at our own start."""
        return cls(grace_until_seconds=now_seconds + GRACE_SECONDS)

    def after_reading(self, lease: Object | None, now_seconds: float) -> Vigil:
        """What is known after the Lease was read; None: there is none."""
        seen = look(lease or {}, self.seen, now_seconds)
        passed_seconds = 0.0 if self.read_at_seconds is None else now_seconds - self.read_at_seconds
        grace_until_seconds, silent_seconds = self.grace_until_seconds, self.silent_seconds
        is_renewed = bool(seen.holder) and seen.since_seconds == now_seconds
        if passed_seconds >= AWAY_SECONDS:
            grace_until_seconds, silent_seconds = now_seconds + GRACE_SECONDS, 0.0
        elif is_renewed:
            silent_seconds = 0.0
        elif not self.is_unread:
            silent_seconds += passed_seconds
        return Vigil(grace_until_seconds, seen, now_seconds, silent_seconds)

    def after_failure(self, *, is_away: bool) -> Vigil:
        """What is known after the Lease could not be read; ``is_away`` where the API server did not answer at all."""
        return dataclasses.replace(self, is_unread=True, is_away=is_away)

    def may_open(self, now_seconds: float) -> bool:
        """Whether gates may be opened at all: neither in a grace nor while the API server is away."""
        return now_seconds >= self.grace_until_seconds and not self.is_away

    def is_silent(self) -> bool:
        """Whether the planner is silent."""
        return not self.is_unread and self.silent_seconds >= SILENT_SECONDS
