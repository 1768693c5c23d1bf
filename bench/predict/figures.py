"""Errors, coverage and regret of predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree
from scipy.stats import rankdata

from bench.predict.table import Measured
from foretide.model.table import Array, Table

CHOICES = 6
SIMILAR_DEVICES = 24
DRAWS = 20
SMALLEST_DEVIATION = 1e-9


@dataclass(frozen=True, slots=True)
class Answers:
    """What was asked of one seed of a split, all folds together, and what was answered; bounds may be missing.

    ``distance`` is that of each row's features from the nearest row that was learned from (`distance_from`).
    """

    asked: Measured
    median: Array
    distance: Array
    lower: Array | None = None
    upper: Array | None = None


def accuracy(every: Sequence[Answers]) -> dict[str, float | None]:
    """Means over seeds. Errors and coverage in per cent; ``width`` the mean half-width of the interval as a factor."""
    each = [_of_seed(answers) for answers in every]
    return {
        key: None if any(row[key] is None for row in each) else round(float(np.mean([row[key] for row in each])), 3)
        for key in each[0]
    }


def _of_seed(answers: Answers) -> dict[str, float | None]:
    actual = answers.asked.seconds
    error = np.abs(answers.median / actual - 1.0)
    coverage = width = None
    if answers.lower is not None and answers.upper is not None:
        coverage = float(((actual >= answers.lower) & (actual <= answers.upper)).mean() * 100)
        width = float(np.exp(np.mean(np.log(answers.upper / answers.lower)) / 2))
    return {
        "mape": float(error.mean() * 100),
        "median": float(np.median(error) * 100),
        "within_10": float((error <= 0.1).mean() * 100),
        "spearman": float(np.corrcoef(rankdata(actual), rankdata(answers.median))[0, 1]),
        "coverage": coverage,
        "width": width,
    }


def decisions(every: Sequence[Answers], overall: dict[str, float], *, similar: bool) -> dict[str, float | None]:
    """Choosing among six devices by prediction: share of right choices (per cent), mean time against the best's.

    Both are None where no workload ran on six devices.
    ``overall`` gives each device's mean log seconds; ``similar`` draws from the 24 around the middle of these.
    """
    ranked = sorted(overall, key=overall.__getitem__)
    start = max((len(ranked) - SIMILAR_DEVICES) // 2, 0)
    allowed = set(ranked[start : start + SIMILAR_DEVICES] if similar else ranked)
    right, slowdown = list[bool](), list[float]()
    for seed, answers in enumerate(every):
        random = np.random.default_rng(seed)
        table = answers.asked.table
        for workload in sorted(set(table.workload)):
            rows = np.array([row for row in np.flatnonzero(table.workload == workload) if table.device[row] in allowed])
            if len(rows) < CHOICES:
                continue
            for _ in range(DRAWS):
                choice = random.choice(rows, CHOICES, replace=False)
                taken = choice[np.argmin(answers.median[choice])]
                best = answers.asked.seconds[choice].min()
                slowdown.append(float(answers.asked.seconds[taken] / best))
                right.append(bool(answers.asked.seconds[taken] == best))
    if not right:
        return {"right": None, "slowdown": None}
    return {"right": round(float(np.mean(right)) * 100, 2), "slowdown": round(float(np.mean(slowdown)), 4)}


def distance_from(learned: Table, asked: Table) -> Array:
    """Root mean square over the numeric columns, each in deviations of what was learned from, to the nearest row."""
    names = sorted(learned.numbers)
    known, question = (
        np.column_stack([np.arcsinh(np.nan_to_num(table.number(name))) for name in names]) for table in (learned, asked)
    )
    deviation = known.std(axis=0)
    varies = deviation > SMALLEST_DEVIATION
    if not varies.any():
        return np.zeros(len(asked))
    tree = cKDTree(known[:, varies] / deviation[varies])
    found, _ = tree.query(question[:, varies] / deviation[varies])
    return np.asarray(found / np.sqrt(varies.sum()), dtype=np.float64)
