"""Learns how much longer tasks take beside others: a coefficient per node class and kind of workload, or none.

Within a *group*, a workload on a class at one CPU limit, a run takes ``a × (1 + c × exposure)``, so that ``c`` needs no
model of what the workload takes alone: ``a`` is the median over the group's runs of what is left of their times. Of
all ``c`` on a grid that is taken which makes the Huber loss of the logarithm least. Each kind is drawn to what both
together say, and that to 0. Profiles are left out: a run differs from a profile by more than its company.

A coefficient is used where it foretells runs that were held back better than none does, by more than chance explains.
Runs of one *occasion*, a minute, are held back together and count as one for what chance explains: a machine that is
slow for a while is slow for all of them, and at times all of them have much company, or little. A namespace's runs
weigh no more than `MOST_SAY` of them, and the coefficient must be better than none for most namespaces, one vote each:
whatever one reports can bend it only so far that it still serves the others.
"""

from __future__ import annotations

import math
import zlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from foretide.contention import MAX_COEFFICIENT, WORKLOAD_KINDS, Contention, WorkloadKind, kind_of
from foretide.observation import Observation, namespace_of

FOLDS: Final = 5
"""In so many turns every run is held back once, together with all others of its occasion."""
MIN_PAIRS: Final = 20
"""Of held-back runs of a kind on a class; with fewer nothing is decided …"""
MIN_OCCASIONS: Final = 5
"""… nor where they are of fewer occasions."""
SURE: Final = 2.0
"""The mean improvement must be more than so many standard errors: where there is no contention, few coefficients of a
hundred are then used all the same, mostly small ones (`tests/foretide/test_contention_fit.py` counts them)."""
OCCASION_MILLISECONDS: Final = 60_000
"""Runs that were observed in the same minute are of one occasion."""
MOST_SAY: Final = 64
"""A namespace's runs weigh at most as much as so many, however many there are."""
STEP: Final = 0.02
"""Of the grid of coefficients."""
PRIOR_DEVIATION: Final = 0.5
"""Of a class's coefficient about 0, and of a kind's about its class's."""
LEAST_SCATTER: Final = 0.02
"""Of log times within a group: fewer runs than it takes to tell scatter may agree by chance."""

_GRID: Final = np.arange(0.0, MAX_COEFFICIENT + STEP / 2, STEP)
_HUBER: Final = 1.345
_MAD_TO_DEVIATION: Final = 1.4826

Array = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def learn(observations: Iterable[Observation]) -> dict[str, tuple[Contention, ...]]:
    """What was learned of each kind of workload on each node class that there are rows of; deterministic."""
    by_class: dict[str, list[Observation]] = defaultdict(list)
    for row in observations:
        by_class[row.node_class].append(row)
    return {name: _learn_class(rows) for name, rows in sorted(by_class.items())}


def _learn_class(rows: Sequence[Observation]) -> tuple[Contention, ...]:
    kinds = {kind_of(row.signature) for row in rows}
    runs = _Runs.of([row for row in rows if row.origin == "Run" and row.exposure_permille is not None])
    held = _held_back(runs)
    found = _fit(runs, runs.everyone)
    return tuple(_judge(kind, found[kind], runs, held) for kind in WORKLOAD_KINDS if kind in kinds)


@dataclass(frozen=True, slots=True)
class _Runs:
    """Runs on one class, as columns. ``scatter`` is the deviation of log seconds within groups, without company."""

    log_seconds: Array
    exposure: Array
    kind: Places
    group: Places
    namespace: Places
    occasion: Places
    fold: Places
    weight: Array
    scatter: float

    @classmethod
    def of(cls, rows: Sequence[Observation]) -> _Runs:
        log_seconds = np.array([math.log(row.inference_microseconds / 1e6) for row in rows])
        occasions = [row.observed_milliseconds // OCCASION_MILLISECONDS for row in rows]
        group = _numbered([(row.workload, row.cpu_millis) for row in rows])
        namespace = _numbered([namespace_of(row.workload) for row in rows])
        said = np.bincount(namespace) if len(rows) else np.zeros(0)
        return cls(
            log_seconds=log_seconds,
            exposure=np.array([min(max(row.exposure_permille or 0, 0), 1000) / 1e3 for row in rows]),
            kind=np.array([WORKLOAD_KINDS.index(kind_of(row.signature)) for row in rows], dtype=np.int64),
            group=group,
            namespace=namespace,
            occasion=_numbered(occasions),
            fold=np.array([zlib.crc32(str(each).encode()) % FOLDS for each in occasions], dtype=np.int64),
            weight=np.minimum(1.0, MOST_SAY / np.maximum(said[namespace], 1)),
            scatter=_scatter(log_seconds, group),
        )

    @property
    def everyone(self) -> Mask:
        return np.ones(len(self.group), dtype=np.bool_)


def _numbered(names: Sequence[object]) -> Places:
    number_of = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return np.array([number_of[name] for name in names], dtype=np.int64)


def _scatter(log_seconds: Array, group: Places) -> float:
    parts = [log_seconds[group == number] for number in range(group.max(initial=-1) + 1)]
    off = [np.abs(part - np.median(part)) for part in parts if len(part) > 1]
    return max(_MAD_TO_DEVIATION * float(np.median(np.concatenate(off))), LEAST_SCATTER) if off else LEAST_SCATTER


def _left(runs: _Runs, chosen: Mask) -> Array:
    """Log seconds with each coefficient's share taken out (runs × grid)."""
    return runs.log_seconds[chosen, None] - np.log1p(runs.exposure[chosen, None] * _GRID)


def _alone(left: Array, group: Places, groups: int) -> Array:
    """The median of what is left, by group (groups × grid), NaN for a group without runs."""
    alone = np.full((groups, len(_GRID)), np.nan)
    order = np.argsort(group, kind="stable")
    for places in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
        if len(places):
            alone[group[places[0]]] = np.median(left[places], axis=0)
    return alone


def _fit(runs: _Runs, chosen: Mask) -> dict[WorkloadKind, int]:
    """The coefficient of each kind from the chosen runs, as its place on the grid."""
    left, group = _left(runs, chosen), runs.group[chosen]
    off = np.abs(left - _alone(left, group, runs.group.max(initial=-1) + 1)[group]) / runs.scatter
    loss = np.where(off <= _HUBER, off**2 / 2, _HUBER * (off - _HUBER / 2)) * runs.weight[chosen, None]
    curves = [loss[runs.kind[chosen] == number].sum(axis=0) for number in range(len(WORKLOAD_KINDS))]
    of_class = int(np.argmin(sum(curves) + (_GRID / PRIOR_DEVIATION) ** 2 / 2))
    prior = ((_GRID - _GRID[of_class]) / PRIOR_DEVIATION) ** 2 / 2
    return {kind: int(np.argmin(curve + prior)) for kind, curve in zip(WORKLOAD_KINDS, curves, strict=True)}


@dataclass(frozen=True, slots=True)
class _HeldBack:
    """Absolute relative errors of runs with the coefficient and without; NaN where a group was held back whole."""

    error: Array
    error_without: Array


def _held_back(runs: _Runs) -> _HeldBack:
    error, error_without = np.full(len(runs.group), np.nan), np.full(len(runs.group), np.nan)
    groups = runs.group.max(initial=-1) + 1
    for fold in range(FOLDS):
        held = runs.fold == fold
        if not held.any() or held.all():
            continue
        found = _fit(runs, ~held)
        at = np.array([found[kind] for kind in WORKLOAD_KINDS])[runs.kind[held]]
        alone = _alone(_left(runs, ~held), runs.group[~held], groups)[runs.group[held]]
        left = _left(runs, held)
        rows = np.arange(len(at))
        error[held] = _relative(left[rows, at] - alone[rows, at])
        error_without[held] = _relative(left[:, 0] - alone[:, 0])
    return _HeldBack(error, error_without)


def _relative(log_off: Array) -> Array:
    """Absolute errors relative to the actual time, ``log_off`` being the logarithm of actual over foretold."""
    return np.minimum(np.abs(np.expm1(-log_off)), 1.0)


def _judge(kind: WorkloadKind, at: int, runs: _Runs, held: _HeldBack) -> Contention:
    """Whether the coefficient at that place of the grid is used."""
    asked = (runs.kind == WORKLOAD_KINDS.index(kind)) & np.isfinite(held.error)
    pairs = int(asked.sum())
    if pairs < MIN_PAIRS or len(set(runs.occasion[asked])) < MIN_OCCASIONS:
        return Contention(kind=kind, coefficient_permille=0, pairs=pairs, reason="TooFewPairs")
    weight = runs.weight[asked]
    gain = held.error_without[asked] - held.error[asked]
    is_used = at > 0 and _is_sure(gain, weight, runs.occasion[asked]) and _is_for_most(gain, runs.namespace[asked])
    return Contention(
        kind=kind,
        coefficient_permille=round(1000 * _GRID[at]) if is_used else 0,
        pairs=pairs,
        error_permille=round(1000 * float(np.average(held.error[asked], weights=weight))),
        error_without_permille=round(1000 * float(np.average(held.error_without[asked], weights=weight))),
        reason="BetterThanNone" if is_used else "NotBetter",
    )


def _is_sure(gain: Array, weight: Array, occasion: Places) -> bool:
    """Whether the weighted mean gain is above 0 by more than `SURE` standard errors, of occasions as clusters."""
    mean = float(np.average(gain, weights=weight))
    of_occasion = np.bincount(occasion, weights=weight * (gain - mean))[np.unique(occasion)]
    count = len(of_occasion)
    error = math.sqrt(float((of_occasion**2).sum()) * count / (count - 1)) / float(weight.sum())
    return mean > SURE * error


def _is_for_most(gain: Array, namespace: Places) -> bool:
    votes = [float(gain[namespace == name].mean()) > 0.0 for name in np.unique(namespace)]
    return 2 * sum(votes) > len(votes)
