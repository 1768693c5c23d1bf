"""How long a task may be held back for a better node: the bound that everybody who opens gates goes by."""

from __future__ import annotations

from typing import Final

BEST_COMPLETIONS: Final = 10.0
"""Without a bound of its own a task waits at most so many times what it would take on its best class …"""
SHORTEST_SECONDS: Final = 60.0
"""… but never less than this is allowed, so that short tasks can outwait long ones …"""
LONGEST_SECONDS: Final = 3600.0
"""… and never more than this."""


def wait_bound_seconds(max_wait_seconds: float | None, best_completion_seconds: float | None) -> float:
    """The longest that a task waits behind its gate, from its creation.

    ``max_wait_seconds`` is what the AIWorkload asks for, ``best_completion_seconds`` the shortest predicted completion
    over the node classes; either may be None.
    """
    if max_wait_seconds is not None:
        return max_wait_seconds
    if best_completion_seconds is None:
        return SHORTEST_SECONDS
    return min(max(BEST_COMPLETIONS * best_completion_seconds, SHORTEST_SECONDS), LONGEST_SECONDS)
