"""Learns interval scores by training again without whole workloads, families or devices, and asking for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from foretide.model.intervals import Intervals, Regime
from foretide.model.predictor import CompletionTimePredictor
from foretide.model.table import Array, Mask, Table, Texts

MIN_ROWS: Final = 24
MIN_GROUPS: Final[dict[Regime, int]] = {"pair": 8, "workload": 8, "family": 3, "device": 6}
"""Fewer groups of a kind are not left out to learn from: the default interval stands."""
SURE_GROUPS: Final = 8
"""With fewer groups, the one asked for may be further off than any that was seen: scores count from the worst one."""
FOLDS: Final = 4
MAX_SCORES: Final = 400
"""Scores kept per regime, as evenly spaced order statistics: the artefact stays small."""

Train = Callable[[Table, Array], CompletionTimePredictor]


def learn_intervals(table: Table, seconds: Array, train: Train, *, seed: int) -> Intervals:
    """Scores per regime for which `table` has groups enough; `train` fits without intervals."""
    pairs = np.array([f"{d}\n{w}" for d, w in zip(table.device, table.workload, strict=True)], dtype=object)
    keys: dict[Regime, Texts] = {
        "pair": pairs,
        "workload": table.workload,
        "family": table.family,
        "device": table.device,
    }
    scores: dict[Regime, list[float]] = {}
    if len(table) < MIN_ROWS:
        return Intervals(scores=scores)
    for regime, groups in keys.items():
        names = sorted(set(groups))
        if len(names) < MIN_GROUPS[regime]:
            continue
        order = np.random.default_rng(seed).permutation(len(names))
        fold_of = {name: int(place) % FOLDS for name, place in zip(names, order, strict=True)}
        fold = np.array([fold_of[name] for name in groups])
        taken = np.empty(len(table))
        for index in range(min(FOLDS, len(names))):
            held = fold == index
            taken[held] = _scores(table, seconds, held, train)
        if len(names) < SURE_GROUPS:
            each = [_at_ranks(taken[groups == name]) for name in names]
            scores[regime] = _rounded(np.max(each, axis=0))
        else:
            scores[regime] = _rounded(np.sort(taken) if len(taken) <= MAX_SCORES else _at_ranks(taken))
    return Intervals(scores=scores)


def _scores(table: Table, seconds: Array, held: Mask, train: Train) -> Array:
    predictor = train(table.take(~held), seconds[~held])
    asked = table.take(held)
    miss = np.abs(np.log(seconds[held] / predictor.predict(asked)))
    return np.asarray(miss / predictor.spread(asked), dtype=np.float64)


def _at_ranks(scores: Array) -> Array:
    """MAX_SCORES order statistics: the k-th answers rank k / (MAX_SCORES + 1), as in the full list."""
    rank = np.ceil(np.arange(1, MAX_SCORES + 1) / (MAX_SCORES + 1) * (len(scores) + 1)).astype(int)
    ordered: Array = np.sort(scores)
    return np.asarray(ordered[np.minimum(rank, len(scores)) - 1], dtype=np.float64)


def _rounded(scores: Array) -> list[float]:
    return [float(f"{score:.6g}") for score in scores]
