"""When tasks end that share a node's cores, each from a start of its own.

Cores are shared as `foretide.placement.completion` says: while the limits of all that run fit, each goes at its own
speed; beyond that all go on at ``cores / sum of limits`` of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from foretide.placement.completion import slowdown


@dataclass(frozen=True, slots=True)
class Share:
    """A task from ``start_seconds`` on, which takes ``alone_seconds`` (infinite if it never ends) undisturbed."""

    start_seconds: float
    alone_seconds: float
    cpu_millis: int


def shared_ends(shares: Sequence[Share], *, allocatable_millis: int, steady_millis: int = 0) -> list[float]:
    """The end of each task, in the order of ``shares``; infinite for one that never ends.

    ``steady_millis`` is the CPU of what runs there all the time.
    """
    ends = [math.inf] * len(shares)
    left = [share.alone_seconds for share in shares]
    coming = sorted(range(len(shares)), key=lambda index: (shares[index].start_seconds, index), reverse=True)
    active: list[int] = []
    demand = steady_millis
    clock = -math.inf
    while coming or active:
        factor = slowdown(demand, allocatable_millis)
        first = min(active, key=lambda index: (left[index], index)) if active else -1
        next_end = clock + left[first] * factor if active else math.inf
        next_start = shares[coming[-1]].start_seconds if coming else math.inf
        if next_end == next_start == math.inf:
            break
        if next_start < next_end:
            _proceed(active, left, (next_start - clock) / factor)
            clock = next_start
            index = coming.pop()
            active.append(index)
            demand += shares[index].cpu_millis
            continue
        _proceed(active, left, left[first])
        clock = ends[first] = next_end
        active.remove(first)
        demand -= shares[first].cpu_millis
    return ends


def _proceed(active: Sequence[int], left: list[float], done_seconds: float) -> None:
    for index in active:
        left[index] = max(left[index] - done_seconds, 0.0)
