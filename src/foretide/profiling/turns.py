"""Whose turn it is to be measured on a node class, what a measurement costs, and what a class has spent on them.

Within a namespace the pair comes first that gains most for a second of node time. Namespaces take turns: the one with
the fewest measurements on the class in the last day comes first, so that nobody's claims of much work keep others from
being measured.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

DAY_SECONDS: Final = 86_400.0
"""The time that a budget is for: any 24 hours."""
WARM_UP_WINDOWS: Final = 3
"""So many windows have to agree before a measurement begins."""
WARM_UP_WINDOW_SECONDS: Final = 1.0
"""A window under a CPU quota."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When a measurement ends: with so many samples and seconds, or at the latest after ``max_seconds``."""

    max_seconds: float
    min_samples: int
    min_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A workload that waits to be measured on a class; ``worth`` is seconds gained per second of node time."""

    namespace: str
    name: str
    worth: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """A measurement that was made, or is being made: whose, where, when (seconds since the epoch), node seconds."""

    namespace: str
    node_class: str
    ended_seconds: float
    node_seconds: float


@dataclass(frozen=True, slots=True)
class Spent:
    """What a day's measurements took: node seconds by class, and how many there were by class and namespace."""

    node_seconds: dict[str, float] = field(default_factory=dict)
    measurements: Counter[tuple[str, str]] = field(default_factory=Counter)


def measuring_seconds(*, startup_seconds: float, inference_seconds: float, limits: Limits) -> float:
    """Node seconds that a measurement takes: starting, warming up, and sampling."""
    warm_up = WARM_UP_WINDOWS * max(WARM_UP_WINDOW_SECONDS, inference_seconds)
    sampling = max(limits.min_seconds, limits.min_samples * inference_seconds)
    return startup_seconds + min(warm_up + sampling, limits.max_seconds)


def spent(measurements: Iterable[Measurement], *, now_seconds: float) -> Spent:
    """What was spent in the day before ``now_seconds``.

    What ended more than a day later was told by a clock that has been put back, and does not count.
    """
    out = Spent()
    for each in measurements:
        if abs(now_seconds - each.ended_seconds) < DAY_SECONDS:
            out.node_seconds[each.node_class] = out.node_seconds.get(each.node_class, 0.0) + each.node_seconds
            out.measurements[each.node_class, each.namespace] += 1
    return out


def together(one: Spent, other: Spent) -> Spent:
    """What was spent in both."""
    classes = one.node_seconds.keys() | other.node_seconds.keys()
    return Spent(
        {name: one.node_seconds.get(name, 0.0) + other.node_seconds.get(name, 0.0) for name in classes},
        one.measurements + other.measurements,
    )


def rank(candidate: Candidate, *, measurements: int) -> tuple[int, float, str, str]:
    """What candidates for a class are ordered by, the next one first; no two are equal.

    ``measurements`` is how many the candidate's namespace had on the class in the last day.
    """
    return measurements, -candidate.worth, candidate.namespace, candidate.name
