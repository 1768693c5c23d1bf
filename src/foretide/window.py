"""Which of many observed times to keep for learning: recent ones, and some of every regime, however rare.

A plain sliding window forgets what has not occurred for a while: the one slow board, the nightly batch, the node under
load. Here each *stratum* (device, family, load) has its own newest rows, and strata take turns until there is no room.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from typing import Final, NamedTuple, TypeVar

LOAD_BOUNDS: Final = (0.0, 0.5, 1.0)
"""Loads are told apart as idle, up to half, up to all, and beyond all CPUs of the node."""


class Stratum(NamedTuple):
    """A regime whose rows are alike: where, what kind of model, and how busy the node was."""

    device: str
    family: str
    load: int

    @classmethod
    def of(cls, device: str, family: str, load: float) -> Stratum:
        """``load`` is what others asked for of the node's CPUs, as a share; ValueError if it is negative or NaN."""
        if not load >= 0.0:
            raise ValueError(f"load is {load}; it must be 0 or more")
        return cls(device, family, sum(load > bound for bound in LOAD_BOUNDS))


Row = TypeVar("Row")


def window(
    rows: Iterable[Row], limit: int, *, stratum: Callable[[Row], Hashable], time: Callable[[Row], float]
) -> list[Row]:
    """At most ``limit`` rows: every stratum's newest, then every stratum's second newest, and so on; newest first.

    Where a turn has more strata than there is room, those with the newest rows are taken. Equal times keep their order.
    """
    strata: dict[Hashable, list[Row]] = defaultdict(list)
    for row in rows:
        strata[stratum(row)].append(row)
    turns = [
        (place, -time(row), row)
        for members in strata.values()
        for place, row in enumerate(sorted(members, key=lambda row: -time(row)))
    ]
    taken = sorted(turns, key=lambda turn: turn[:2])[: max(limit, 0)]
    return sorted((row for _, _, row in taken), key=lambda row: -time(row))
