"""All that is known when a NodeClass is looked at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from foretide_operator.attempts import Attempt
from foretide_operator.fleet import ClassMembers
from foretide_operator.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of one node class; ``measuring`` counts the unfinished measuring Jobs on it."""

    members: ClassMembers
    attempts: tuple[Attempt, ...] = ()
    measuring: int = 0
    settings: Settings
    now: datetime
