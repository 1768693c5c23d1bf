"""Order policies: whose turn comes first where not everybody's can.

All but ``Arrival`` are what the search over assignments (`foretide.placement.assign`) makes least. Priorities stand
above every policy, and no gate is kept beyond its task's wait bound under any. What each is worth at its own aim, and
what it costs the others, `bench.orders` measures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Order = Literal["Balanced", "Arrival", "DeadlineSlack", "ShortestFirst", "FairShare"]


@dataclass(frozen=True, slots=True)
class Objective:
    """What a plan makes least: a sum over its tasks.

    Each counts with its turnaround to ``power``: with 1 the mean is all that counts, with more nobody is left far
    behind. Where it will probably miss its deadline, that costs ``deadline_price`` turnarounds as long as it takes on
    its best class. In each of ``team_rounds`` a team whose tasks are slowed down twice as much as usual comes to count
    two to ``team_power`` times as much as it did. With ``is_shared`` each team counts as much as any other, however
    much work it has waiting, and of each task how many times as long as on its best class it takes.
    """

    power: float = 1.5
    deadline_price: float = 1.0
    team_rounds: int = 2
    team_power: float = 0.5
    is_shared: bool = False


BALANCED: Final = Objective()
OBJECTIVES: Final[Mapping[Order, Objective | None]] = {
    "Balanced": BALANCED,
    "Arrival": None,
    "DeadlineSlack": Objective(power=1.0, deadline_price=30.0),
    "ShortestFirst": Objective(power=1.0, deadline_price=0.0, team_rounds=0),
    "FairShare": Objective(team_rounds=0, is_shared=True),
}
"""None: nothing is searched for. Each task gets, in order of arrival, what is best for it beside those before it."""
