"""What a workload's own tasks took on a node class, as an estimate to be held beside its profile.

Taken are the runs that the training table keeps, a bounded number of the latest, by what they would have taken alone; a
run that had to share cores tells nothing. Their median counts, so that a hiccup does not, and their scatter, drawn to
the usual one where they are few.

A machine that has changed is measured again. Runs count as far back as profiles agree with the latest one: where it
disagrees with the one before, older runs are of a machine that is no more; where it agrees, and tasks take other times,
that is how tasks are there, and measuring tells nothing of it. Where there are so many profiles that the table may have
dropped the one that disagrees, runs count no further back than the profiles go.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Final

from foretide.contention import Coefficients, alone
from foretide.evidence import Estimate
from foretide.observation import Observation, Subject
from foretide.observation_table import PROFILES_FIRST

LEAST_RUNS: Final = 3
"""Fewer say nothing yet: the median of three outlives one that is off."""
USUAL_SCATTER: Final = 0.06
"""Deviation of log seconds between one run and the next, as long as a workload's own runs do not tell."""
USUAL_WEIGHT: Final = 3
"""The usual scatter weighs as much as that of so many runs."""
MOST_SCATTER: Final = 1.5
"""More is not believed: it would be a factor of twelve to either side."""
CIRCUMSTANCE: Final = 0.02
"""How far the mean of the latest runs is from that of the next ones: they are of the same circumstances, not the same
day."""
AGREEMENT: Final = 1.15
"""Two profiles agree that differ by no more than this factor: nine of ten of the same machine do."""
_MAD_TO_DEVIATION: Final = 1.4826


class Runs:
    """Runs by workload and node class, grouped once to answer many questions."""

    def __init__(self, observations: Iterable[Observation], coefficients: Coefficients) -> None:
        self._coefficients = coefficients
        runs: defaultdict[tuple[str, str], list[Observation]] = defaultdict(list)
        profiles: defaultdict[tuple[str, str], list[Observation]] = defaultdict(list)
        for row in observations:
            if row.origin == "Run" and row.exposure_permille is not None:
                runs[row.workload, row.node_class].append(row)
            elif row.origin == "Profile":
                profiles[row.workload, row.node_class].append(row)
        self._runs = {pair: rows for pair, rows in runs.items() if len(rows) >= LEAST_RUNS}
        self._since = {pair: _since(profiles[pair]) for pair in self._runs if pair in profiles}

    def estimate(self, subject: Subject) -> Estimate | None:
        """The time of one inference by the runs under the same CPU limit; None where there are too few."""
        pair = subject.workload, subject.node_class
        since = self._since.get(pair, -math.inf)
        rows = [
            row
            for row in self._runs.get(pair, ())
            if row.cpu_millis == subject.cpu_millis and row.observed_milliseconds >= since
        ]
        if len(rows) < LEAST_RUNS:
            return None
        logs = [math.log(row.inference_microseconds / 1e6) for row in alone(rows, self._coefficients)]
        middle = median(logs)
        off = _MAD_TO_DEVIATION * median(abs(each - middle) for each in logs)
        scatter = math.sqrt((USUAL_WEIGHT * USUAL_SCATTER**2 + len(logs) * off**2) / (USUAL_WEIGHT + len(logs)))
        return Estimate(
            seconds=math.exp(middle),
            samples=len(logs),
            scatter=min(scatter, MOST_SCATTER),
            circumstance=CIRCUMSTANCE,
        )


def _since(profiles: Sequence[Observation]) -> float:
    """From when on runs are of the machine that the latest profile speaks of, in milliseconds since the epoch."""
    ordered = sorted(profiles, key=lambda row: -row.observed_milliseconds)
    latest = ordered[0].inference_microseconds
    since = math.inf
    for row in ordered:
        if abs(math.log(row.inference_microseconds / latest)) > math.log(AGREEMENT):
            return since
        since = row.observed_milliseconds
    return -math.inf if len(ordered) < PROFILES_FIRST else since
