"""What the planner writes on a Pod of its plan: for people to read, and for the planner itself after a restart."""

from __future__ import annotations

import msgspec


class PodPlan(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True, gc=False):
    """The annotation ``foretide.dev/plan``. Times are RFC 3339.

    While the Pod waits: where and when it is expected to start and to finish, and what it waits for; ``reason`` says
    in one word what is not as it should be. ``opened_time`` is when its gate was opened.
    """

    node: str = ""
    expected_start_time: str = ""
    expected_finish_time: str = ""
    waits_for: str = ""
    reason: str = ""
    opened_time: str = ""
