"""Which rows are learned from and which are asked for: what the table has of each question that users ask.

`random`: pairs of known devices and workloads. `configuration`: architectures never seen, of seen families. `family`:
each family in turn. `board_K`: boards never seen, of whose devices K rows are known. `extrapolation`: larger models
than any seen.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bench.predict.table import Measured
from foretide.model.table import Indices, Texts, rows_by

Fold = tuple[Indices, Indices]
FOLDS = 5
ANCHORS = (0, 1, 3, 5, 10, 20)
NAMES = ("random", "configuration", "family", *(f"board_{k}" for k in ANCHORS))
SEEDS = {"random": 2, "configuration": 2, "family": 1}
BOARD_SEEDS = 3
FIRST_ASKED = 10
"""Of a device of a held-out board the first rows, in random order, are never asked for."""
LARGE_SHARE = 0.8
MIN_ROWS_TO_EXTRAPOLATE = 60


def seeds(split: str) -> range:
    """The seeds that a split is repeated with."""
    return range(SEEDS.get(split, BOARD_SEEDS))


def folds(split: str, measured: Measured, seed: int) -> Iterator[Fold]:
    """Rows to learn from and rows to ask for, fold by fold; ValueError for an unknown split."""
    random = np.random.default_rng(seed)
    every = np.arange(len(measured))
    if split == "random":
        order = random.permutation(len(measured))
        cut = len(order) // 5
        yield order[cut:], order[:cut]
    elif split == "configuration":
        for held in _shares(measured.architecture, random):
            yield every[~held], every[held]
    elif split == "family":
        for family in sorted(set(measured.table.family)):
            held = measured.table.family == family
            yield every[~held], every[held]
    elif split.startswith("board_"):
        yield from _boards(measured, int(split.removeprefix("board_")), random)
    else:
        raise ValueError(f"split {split!r}; known are {', '.join(NAMES)}")


def possible(measured: Measured) -> list[str]:
    """The splits that a table allows: two families, boards or architectures at least."""
    few = {
        "family": len(set(measured.table.family)) < 2,
        "configuration": len(set(measured.architecture)) < FOLDS,
        **{f"board_{k}": len(set(measured.board)) < FOLDS for k in ANCHORS},
    }
    return [name for name in NAMES if not few.get(name, False)]


def larger(measured: Measured) -> Fold | None:
    """Learn from the lower 80 % of each device's multiply-adds, ask above, on devices with rows enough, if any has."""
    macs = measured.table.number("macs")
    train, asked = list[Indices](), list[Indices]()
    for rows in rows_by(measured.table.device).values():
        if len(rows) >= MIN_ROWS_TO_EXTRAPOLATE:
            is_large = macs[rows] > np.quantile(macs[rows], LARGE_SHARE)
            train.append(rows[~is_large])
            asked.append(rows[is_large])
    return (np.concatenate(train), np.concatenate(asked)) if asked else None


def _shares(names: Texts, random: np.random.Generator) -> Iterator[np.ndarray]:
    distinct = sorted(set(names))
    fold = dict(zip(distinct, random.permutation(len(distinct)) % FOLDS, strict=True))
    of_row = np.array([fold[name] for name in names])
    for index in range(FOLDS):
        yield of_row == index


def _boards(measured: Measured, anchors: int, random: np.random.Generator) -> Iterator[Fold]:
    every = np.arange(len(measured))
    for held in list(_shares(measured.board, random)):
        train, asked = [every[~held]], []
        for device in sorted(set(measured.table.device[held])):
            rows = random.permutation(every[measured.table.device == device])
            train.append(rows[:anchors])
            asked.append(rows[max(anchors, FIRST_ASKED) :])
        if any(len(rows) for rows in asked):
            yield np.concatenate(train), np.concatenate(asked)
