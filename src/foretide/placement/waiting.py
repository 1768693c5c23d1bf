"""How long a task may be held back for a better node: the bound that everybody who opens gates goes by."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

BEST_COMPLETIONS: Final = 10.0
"""Without a bound of its own a task waits at most so many times what it would take on its best class, or as long as on
its slowest if that is longer: who waits no longer than that for a better node, and in vain, has lost at most as much
again as going there at once would have cost …"""
SHORTEST_SECONDS: Final = 60.0
"""… but never less than this is allowed, so that short tasks can outwait long ones …"""
LONGEST_SECONDS: Final = 3600.0
"""… and never more than this."""


def wait_bound_seconds(max_wait_seconds: float | None, completions_seconds: Collection[float]) -> float:
    """The longest that a task waits behind its gate, from its creation.

    ``max_wait_seconds`` is what the AIWorkload asks for, None if nothing; ``completions_seconds`` are the predicted
    completions on the node classes.
    """
    if max_wait_seconds is not None:
        return max_wait_seconds
    if not completions_seconds:
        return SHORTEST_SECONDS
    longest = max(BEST_COMPLETIONS * min(completions_seconds), SHORTEST_SECONDS, *completions_seconds)
    return min(longest, LONGEST_SECONDS)
