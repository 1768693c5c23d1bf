"""One cluster from the first workload to the last: what is measured, what the model makes of it, how wrong it is then.

As in the operator, every class measures one pair at a time, and the model is trained anew when the classes have had a
turn each. A workload is measured on one class per turn. A measurement gives the table's time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bench.predict.table import Measured
from foretide.model import CompletionTimeModel
from foretide.model.table import Array, Indices, Texts, rows_by
from foretide.observation import Question
from foretide.prediction import RUN_TO_RUN, fallback_interval
from foretide.profiling.gain import Option, gains, spread_of, sure_enough_seconds
from foretide.profiling.turns import Limits, measuring_seconds
from foretide.signature import Signature

FEWEST_ROWS = 4
"""The model is trained from so many measurements on, as in the cluster."""
TASK_SECONDS = 30.0
"""What a task takes on the class where it is fastest: that all workloads count alike."""
STARTUP_SECONDS = 5.0
LIMITS = Limits(max_seconds=30, min_samples=64, min_seconds=5)
CHOICES = 6
DRAWS = 40


@dataclass(frozen=True, slots=True)
class Told:
    """Seconds for every pair of a cluster, with the ends of the 90 % interval."""

    median: Array
    lower: Array
    upper: Array


@dataclass(frozen=True, slots=True)
class State:
    """A cluster at a moment; masks over its pairs."""

    cluster: Measured
    arrived: np.ndarray
    measured: np.ndarray
    told: Told


@dataclass(frozen=True, slots=True)
class Figures:
    """Pairs that have arrived and that were measured; the median error on the others, and the regret, in per cent."""

    arrived: int
    measured: int
    median_error: float
    regret: float

    @property
    def measured_share(self) -> float:
        """Of the pairs that have arrived."""
        return self.measured / self.arrived


Choose = Callable[[State, int], list[int]]
"""The next pairs to measure, no more than so many; none if nothing is worth it."""


def replay(
    cluster: Measured, groups: Sequence[Texts], choose: Choose, *, most: Sequence[int], intervals: bool
) -> list[Figures]:
    """Figures after each arrival of a group of architectures, by when no more than ``most`` pairs are measured.

    ``intervals`` says whether ``choose`` looks at them.
    """
    measured, arrived = np.zeros(len(cluster), dtype=bool), np.zeros(len(cluster), dtype=bool)
    state = State(cluster, arrived, measured, _guessed(cluster))
    figures = []
    for names, bound in zip(groups, most, strict=True):
        arrived = state.arrived | np.isin(cluster.architecture, names)
        state = State(cluster, arrived, state.measured, state.told)
        while (room := bound - int(state.measured.sum())) > 0:
            chosen = choose(state, room)
            if not chosen:
                break
            measured = state.measured.copy()
            measured[chosen] = True
            state = State(cluster, arrived, measured, _learned(cluster, measured, intervals=intervals))
        figures.append(_figures(state))
    return figures


def by_gain(state: State, room: int) -> list[int]:
    """What the classes measure next, as the operator chooses it: what is worth most first, one pair a class."""
    table = state.cluster.table
    worth = worths(state)
    taken: list[int] = []
    for row in sorted(worth, key=lambda row: (-worth[row], row)):
        if len(taken) == room:
            break
        busy = {*table.device[taken], *table.workload[taken]}
        if table.device[row] not in busy and table.workload[row] not in busy:
            taken.append(row)
    return taken


def at_random(seed: int) -> Choose:
    """As many pairs as there are classes, whichever."""
    random = np.random.default_rng(seed)

    def choose(state: State, room: int) -> list[int]:
        open_rows = np.flatnonzero(state.arrived & ~state.measured)
        return list(random.permutation(open_rows)[: min(room, len(set(state.cluster.table.device)))])

    return choose


def worths(state: State) -> dict[int, float]:
    """What is worth measuring, by row: seconds gained per second of node time; what is sure enough is left out."""
    out: dict[int, float] = {}
    told = state.told
    for rows in rows_by(state.cluster.table.workload).values():
        if not state.arrived[rows[0]] or state.measured[rows].all():
            continue
        scale = TASK_SECONDS / told.median[rows].min()
        options = [
            Option(
                startup_seconds=STARTUP_SECONDS,
                work_seconds=scale * told.median[row],
                spread=spread_of(lower=told.lower[row], upper=told.upper[row]),
            )
            for row in rows
        ]
        gained = gains(options, is_new=not state.measured[rows].any())
        for row, gain_seconds in zip(rows, gained, strict=True):
            if not state.measured[row] and gain_seconds >= sure_enough_seconds(options):
                cost_seconds = measuring_seconds(
                    startup_seconds=STARTUP_SECONDS, inference_seconds=told.median[row], limits=LIMITS
                )
                out[int(row)] = gain_seconds / cost_seconds
    return out


def _guessed(cluster: Measured) -> Told:
    """What is said of classes that were not probed, before there is a model."""
    intervals = [fallback_interval(_question(cluster, row), None) for row in range(len(cluster))]
    median, lower, upper = (
        np.array([getattr(interval, name) / 1e6 for interval in intervals]) for name in ("median", "lower", "upper")
    )
    return Told(median, lower, upper)


def _question(cluster: Measured, row: int) -> Question:
    table = cluster.table

    def number(name: str) -> int:
        return int(np.nan_to_num(table.number(name)[row]))

    signature = Signature(
        family=str(table.family[row]),
        macs=number("macs"),
        parameter_bytes=number("parameter_bytes"),
        activation_bytes=number("activation_bytes"),
        peak_activation_bytes=0,
        operator_count=number("op_count"),
        input_pixels=number("input_pixels"),
    )
    return Question(
        workload=str(table.workload[row]),
        node_class=str(table.device[row]),
        signature=signature,
        precision="fp32",
        cpu_millis=1000,
        runtime="onnx",
    )


def _learned(cluster: Measured, measured: np.ndarray, *, intervals: bool) -> Told:
    if measured.sum() < FEWEST_ROWS:
        told = _guessed(cluster)
    else:
        known = cluster.take(measured)
        model = CompletionTimeModel(calibrate=intervals).fit(known.table, known.seconds)
        told = Told(model.predict(cluster.table), *model.predict_interval(cluster.table))
    factors = np.array([1.0, 1.0 / RUN_TO_RUN, RUN_TO_RUN])
    median, lower, upper = (
        np.where(measured, factor * cluster.seconds, values)
        for factor, values in zip(factors, (told.median, told.lower, told.upper), strict=True)
    )
    return Told(median, lower, upper)


def _figures(state: State) -> Figures:
    rest = state.arrived & ~state.measured
    error = np.abs(state.told.median[rest] / state.cluster.seconds[rest] - 1.0)
    return Figures(
        arrived=int(state.arrived.sum()),
        measured=int(state.measured.sum()),
        median_error=float(np.median(error) * 100),
        regret=_regret(state) * 100,
    )


def _regret(state: State) -> float:
    """What tasks take longer, on average, where six of the classes are free and the predictions say which is best."""
    random = np.random.default_rng(0)
    lost = []
    for rows in rows_by(state.cluster.table.workload).values():
        if not state.arrived[rows[0]]:
            continue
        for _ in range(DRAWS):
            free: Indices = random.choice(rows, min(CHOICES, len(rows)), replace=False)
            taken = free[np.argmin(state.told.median[free])]
            lost.append(state.cluster.seconds[taken] / state.cluster.seconds[free].min() - 1.0)
    return float(np.mean(lost))
