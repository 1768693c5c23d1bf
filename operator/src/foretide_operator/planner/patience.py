"""Since when there has been room for tasks that no gate keeps, and that the scheduler has not bound all the same.

It is asked for by the floor: room is kept for them for a while only, since something that only the scheduler knows may
hold them, and then again after a longer pause each time, since it may have been the scheduler that was away. Nothing is
lost with it but a few seconds of such room.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from foretide.placement.plan import Plan
from foretide_kube.floor import RESERVED_SECONDS


class Patience:
    """Taken from one plan after the other. For one thread."""

    def __init__(self) -> None:
        self._since_seconds: dict[str, float] = {}
        self._tries: dict[str, int] = {}

    @property
    def since_seconds(self) -> Mapping[str, float]:
        """Since when each, by UID, has had room without a break."""
        return self._since_seconds

    @property
    def tries(self) -> Mapping[str, int]:
        """How often each, by UID, was given the time to take its room; a try that is under way counts."""
        return self._tries

    def saw(self, made: Plan) -> None:
        """Take note of who has room by a plan; who is not in it any more stays as it was."""
        for each in made.pending:
            since_seconds = self._since_seconds.get(each.key)
            if since_seconds is not None and made.made_seconds >= since_seconds + RESERVED_SECONDS:
                self._tries[each.key] += 1  # it was left out, and is back
                del self._since_seconds[each.key]
            if each.node is not None and each.open_seconds <= made.made_seconds:
                self._since_seconds.setdefault(each.key, made.made_seconds)
                self._tries.setdefault(each.key, 1)
            else:
                self._since_seconds.pop(each.key, None)

    def forget_all_but(self, uids: Collection[str]) -> None:
        """Drop what is kept of Pods that are no more."""
        for uid in self._tries.keys() - uids:
            del self._tries[uid]
            self._since_seconds.pop(uid, None)
