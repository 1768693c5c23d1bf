"""How tasks arrive: by chance, in bursts, by day and night, or as they were recorded."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import Annotated

import msgspec

from foretide.simulate.parts import Count, Part, Positive, ScenarioError


class Poisson(Part, frozen=True, kw_only=True, tag_field="process", tag="Poisson"):
    """One by one, at random."""


class Bursts(Part, frozen=True, kw_only=True, tag_field="process", tag="Bursts"):
    """So many at once, the bursts at random."""

    size: Count


class Diurnal(Part, frozen=True, kw_only=True, tag_field="process", tag="Diurnal"):
    """Poisson, its rate a sine of this period between 1 - ``swing`` and 1 + ``swing`` times the mean."""

    period_seconds: Positive = 86_400.0
    swing: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.8


class Replay(Part, frozen=True, kw_only=True, tag_field="process", tag="Replay"):
    """As recorded: ``seconds`` are the times of all arrivals, or ``file`` names the file that has them."""

    seconds: list[float] = msgspec.field(default_factory=list)
    file: str = ""

    def __post_init__(self) -> None:
        if bool(self.seconds) == bool(self.file):
            raise ScenarioError("arrivals: Replay takes either seconds, a list that is not empty, or file")
        odd = next((each for each in self.seconds if not 0.0 <= each < math.inf), None)
        if odd is not None:
            raise ScenarioError(f"arrivals: nothing arrives at {odd} seconds; give times from 0 on")

    @property
    def tasks_per_second(self) -> float:
        """How many came per second on average."""
        return len(self.seconds) / max(max(self.seconds) - min(self.seconds), 1.0)


Arrivals = Poisson | Bursts | Diurnal | Replay


def arrival_times(arrivals: Arrivals, tasks_per_second: float, chance: random.Random) -> Iterator[float]:
    """The seconds at which tasks arrive, in order; so many per second on average, and without end unless recorded.

    Recorded times are stretched to that rate.
    """
    now = 0.0
    match arrivals:
        case Replay():
            stretch = arrivals.tasks_per_second / tasks_per_second
            yield from (seconds * stretch for seconds in sorted(arrivals.seconds))
        case Bursts(size=size):
            while True:
                now += chance.expovariate(tasks_per_second / size)
                yield from [now] * size
        case Diurnal(period_seconds=period, swing=swing):
            while True:
                now += chance.expovariate(tasks_per_second * (1.0 + swing))
                if chance.random() * (1.0 + swing) <= 1.0 + swing * math.sin(2.0 * math.pi * now / period):
                    yield now
        case Poisson():
            while True:
                now += chance.expovariate(tasks_per_second)
                yield now
