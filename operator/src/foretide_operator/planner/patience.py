"""Since when there has been room for tasks that no gate keeps, and that the scheduler has not bound all the same.

It is asked for by the floor: room is kept for them for a while only, since something that only the scheduler knows may
hold them. Nothing is lost with it but a few seconds of such room.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from foretide.placement.plan import Plan


class Patience:
    """Taken from one plan after the other. For one thread."""

    def __init__(self) -> None:
        self._since_seconds: dict[str, float] = {}

    @property
    def since_seconds(self) -> Mapping[str, float]:
        """Since when each, by UID, has had room without a break."""
        return self._since_seconds

    def saw(self, made: Plan) -> None:
        """Take note of who has room by a plan; who is not in it any more stays as it was."""
        for each in made.pending:
            if each.node is not None and each.open_seconds <= made.made_seconds:
                self._since_seconds.setdefault(each.key, made.made_seconds)
            else:
                self._since_seconds.pop(each.key, None)

    def forget_all_but(self, uids: Collection[str]) -> None:
        """Drop what is kept of Pods that are no more."""
        for uid in self._since_seconds.keys() - uids:
            del self._since_seconds[uid]
