"""The order of faults, from a seed alone: all kinds in a shuffled round, then all in another."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from tests.chaos.kinds import Fault, Kind

GAP_SECONDS = (1.0, 6.0)


def draw(kinds: Sequence[Kind], seed: int) -> Iterator[Fault]:
    """Faults without end: of any two kinds one is never drawn twice more often than the other."""
    chances = random.Random(seed)
    while True:
        for kind in chances.sample(kinds, len(kinds)):
            yield Fault(
                kind=kind,
                target=chances.choice(kind.targets),
                seconds=chances.uniform(*kind.seconds),
                size=chances.random(),
                gap_seconds=chances.uniform(*GAP_SECONDS),
            )
