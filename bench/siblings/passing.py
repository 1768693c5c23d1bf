"""Clusters in which every model runs at several batch sizes, measured for so many node seconds, in passing or not.

As `bench.active.replay`, but that seconds are what is bounded, not pairs: a batch size in passing takes a part of what
a measurement by itself does, since the model is loaded already.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from bench.active.fleets import ARRIVALS, arrivals
from bench.active.replay import LIMITS, STARTUP_SECONDS, Figures, State, by_gain, replay, worths
from bench.predict.table import Measured
from bench.siblings.questions import Siblings
from foretide.model.table import Array, Texts, rows_by
from foretide.profiling.turns import WARM_UP_WINDOW_SECONDS, WARM_UP_WINDOWS, measuring_seconds
from foretide_profiler.exploring import SAMPLES, SECONDS

FEWEST_CLASSES: Final = 4
"""A setting that was measured on fewer classes has no choice of them."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Pairs of workloads and classes, and the model of each."""

    measured: Measured
    model: Texts


@dataclass(slots=True, kw_only=True)
class Choosing:
    """Chooses by gain for a share of the node seconds that measuring every pair that has arrived would take.

    With ``in_passing`` a measurement takes what other batch sizes of its model are worth measuring there with it, as
    far as time is left of its Job.
    """

    cluster: Cluster
    share: float
    in_passing: bool
    spent_seconds: float = 0.0
    passed: int = 0
    _alone_seconds: Array = field(init=False)

    def __post_init__(self) -> None:
        self._alone_seconds = np.array([_alone_seconds(seconds) for seconds in self.cluster.measured.seconds])

    def __call__(self, state: State, room: int) -> list[int]:
        """The next pairs to measure; none when the seconds are spent, or nothing is worth it."""
        if self.spent_seconds >= self.share * self._alone_seconds[state.arrived].sum():
            return []
        taken = by_gain(state, room)
        self.spent_seconds += float(self._alone_seconds[taken].sum())
        passing = self._passing(state, taken) if self.in_passing else []
        self.passed += len(passing)
        return taken + passing

    def _passing(self, state: State, taken: list[int]) -> list[int]:
        wanted = sorted(worths(state).keys() - set(taken))
        device, model, found = self.cluster.measured.table.device, self.cluster.model, list[int]()
        for row in taken:
            left_seconds = STARTUP_SECONDS + LIMITS.max_seconds - self._alone_seconds[row]
            for other in wanted:
                more_seconds = _passing_seconds(self.cluster.measured.seconds[other])
                is_sibling = device[other] == device[row] and model[other] == model[row]
                if is_sibling and other not in found and more_seconds <= left_seconds:
                    left_seconds -= more_seconds
                    self.spent_seconds += more_seconds
                    found.append(other)
        return found


def cluster_of(given: Siblings, seed: int, models: int) -> Cluster:
    """So many models at all their batch sizes, on all classes."""
    classes = {name: len(rows) for name, rows in rows_by(given.measured.table.workload).items()}
    is_usable = np.array([classes[name] >= FEWEST_CLASSES for name in given.measured.table.workload])
    sizes = {name: set(given.setting[rows[is_usable[rows]]]) for name, rows in rows_by(given.model).items()}
    several = sorted(name for name, found in sizes.items() if len(found) > 1)
    chosen = set(np.random.default_rng(seed).permutation(several)[:models])
    rows = is_usable & np.array([name in chosen for name in given.model])
    return Cluster(given.measured.take(rows), given.model[rows])


def run(cluster: Cluster, seed: int, *, share: float, in_passing: bool) -> tuple[list[Figures], Choosing]:
    """Figures after each arrival of some architectures, all batch sizes of which arrive at once."""
    choosing = Choosing(cluster=cluster, share=share, in_passing=in_passing)
    most = [len(cluster.measured)] * ARRIVALS
    return replay(cluster.measured, arrivals(cluster.measured, seed), choosing, most=most, intervals=True), choosing


def _alone_seconds(inference_seconds: float) -> float:
    return measuring_seconds(startup_seconds=STARTUP_SECONDS, inference_seconds=inference_seconds, limits=LIMITS)


def _passing_seconds(inference_seconds: float) -> float:
    """What one more batch size takes: its own warming up, and the few samples of a sweep."""
    warm_up = WARM_UP_WINDOWS * max(WARM_UP_WINDOW_SECONDS, inference_seconds)
    return warm_up + max(SECONDS, SAMPLES * inference_seconds)
