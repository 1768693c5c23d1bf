"""Which tasks may be expected to arrive soon: like those that came last, as often as they came one by one.

A node that is given away now is not free for who comes next, so a plan that knows of those waits less for the fastest
nodes. How often they come is counted per second over the last minute. Counts that vary more than chance would have
them are bursts, which tell little about when the next comes: the rate is divided by how much more they vary.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from foretide.placement.plan import Waiting

WINDOW_SECONDS: Final = 60.0
"""So far back arrivals count."""
MOST_TASKS: Final = 64


def expected_arrivals(
    recent: Sequence[Waiting], now_seconds: float, *, since_seconds: float = -math.inf
) -> list[Waiting]:
    """Tasks to expect within the time that one typically takes, in order of their ``arrival_seconds``.

    ``recent`` are all tasks that arrived within the window, whatever has become of them; ``since_seconds`` is from when
    on they are known. Equal arguments give equal tasks.
    """
    begin = max(now_seconds - WINDOW_SECONDS, since_seconds)
    known = [task for task in recent if task.expected and begin <= _arrival(task) <= now_seconds]
    horizon = _typical_seconds(known)
    span = max(now_seconds - begin, horizon)
    if not known or horizon <= 0.0:
        return []
    rate = len(known) / span / max(_dispersion(known, begin, span), 1.0)
    count = min(int(rate * horizon), MOST_TASKS)
    known.sort(key=lambda task: (_arrival(task), task.key), reverse=True)
    step = max(len(known) / max(count, 1), 1.0)
    return [
        replace(
            known[int(number * step)],
            key=f"expected-{number}",
            arrival_seconds=now_seconds + (number + 0.5) / count * horizon,
            latest_open_seconds=math.inf,
            due_seconds=math.inf,
        )
        for number in range(count)
        if int(number * step) < len(known)
    ]


def _arrival(task: Waiting) -> float:
    return -math.inf if task.arrival_seconds is None else task.arrival_seconds


def _typical_seconds(tasks: Sequence[Waiting]) -> float:
    """The geometric mean over tasks and classes."""
    logs = [math.log(max(each.median_seconds, 1e-3)) for task in tasks for each in task.expected.values()]
    return math.exp(statistics.fmean(logs)) if logs else 0.0


def _dispersion(tasks: Sequence[Waiting], begin: float, span: float) -> float:
    """Variance over mean of the arrivals per second: 1 if they come by chance, more in bursts."""
    seconds = max(math.ceil(span), 1)
    counts = Counter(min(int(_arrival(task) - begin), seconds - 1) for task in tasks)
    mean = len(tasks) / seconds
    squares = sum(count * count for count in counts.values()) / seconds
    return (squares - mean * mean) / mean
