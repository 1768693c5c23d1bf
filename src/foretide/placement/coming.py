"""Which tasks may be expected to arrive soon: like those that came last, as often as they came one by one.

A node that is given away now is not free for who comes next, so a plan that knows of those waits less for the fastest
nodes. How often they come is counted per second over the last minute. Counts that vary more than chance would have
them are bursts, which tell little about when the next comes: the rate is divided by how much more they vary.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Final, TypeVar

from foretide.placement.plan import Waiting

WINDOW_SECONDS: Final = 60.0
"""So far back arrivals count."""
MOST_TASKS: Final = 64
"""So many of the latest tasks stand for all, and more are never expected."""

_Item = TypeVar("_Item")


def expected_arrivals(
    arrivals: Sequence[tuple[float, _Item]],
    read: Callable[[_Item], Waiting | None],
    now_seconds: float,
    *,
    since_seconds: float = -math.inf,
) -> list[Waiting]:
    """Tasks to expect within the time that one typically takes, in order of their ``arrival_seconds``.

    ``arrivals`` gives when each task arrived that did so within the window, whatever has become of it, and something
    from which ``read`` makes the task, or None if it does not count; ``since_seconds`` is from when on arrivals are
    known at all.
    """
    begin = max(now_seconds - WINDOW_SECONDS, since_seconds)
    known = [each for each in arrivals if begin <= each[0] <= now_seconds]
    known.sort(key=itemgetter(0), reverse=True)
    read_latest = [read(item) for _, item in known[:MOST_TASKS]]
    latest = [task for task in read_latest if task is not None and task.expected]
    horizon = _typical_seconds(latest)
    if not 0.0 < horizon < math.inf:
        return []
    span = max(now_seconds - begin, min(horizon, WINDOW_SECONDS))
    rate = len(known) / span / max(_dispersion([seconds for seconds, _ in known], begin, span), 1.0)
    rate *= len(latest) / len(read_latest)
    count = min(int(rate * horizon), MOST_TASKS)
    return [
        replace(
            latest[number * len(latest) // count],
            key=f"expected-{number}",
            arrival_seconds=now_seconds + (number + 0.5) / count * horizon,
            latest_open_seconds=math.inf,
            due_seconds=math.inf,
        )
        for number in range(count)
    ]


def _typical_seconds(tasks: Sequence[Waiting]) -> float:
    """The geometric mean over tasks and classes."""
    logs = [math.log(max(each.median_seconds, 1e-3)) for task in tasks for each in task.expected.values()]
    return math.exp(statistics.fmean(logs)) if logs else 0.0


def _dispersion(times: Sequence[float], begin: float, span: float) -> float:
    """Variance over mean of the arrivals per second: 1 if they come by chance, more in bursts."""
    seconds = max(math.ceil(span), 1)
    counts = Counter(min(int(time - begin), seconds - 1) for time in times)
    mean = len(times) / seconds
    squares = sum(count * count for count in counts.values()) / seconds
    return (squares - mean * mean) / mean
