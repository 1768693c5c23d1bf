"""How well a model is foretold at one batch size or CPU limit, by what was measured of it at that one or at another.

*Siblings* are settings that differ in that alone: the same network in the same precision and runtime. Of each model two
of them are drawn and a class: the time of the one there is asked for, the other is what may have been measured. Whole
architectures are held out at once, and learned from is everything else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from bench.predict.table import Measured
from bench.regressors.dataset import DataSet
from foretide.model import CompletionTimeModel
from foretide.model.table import Array, Mask, Table, Texts, rows_by

FOLDS: Final = 5
WHOLE_CPU: Final = 1000
"""Batch sizes are compared under this CPU limit: there are few rows under others."""

Differing = Literal["batch_size", "x_cpu_millis"]


@dataclass(frozen=True, slots=True)
class Siblings:
    """Rows, the model of each and in which setting it was measured; ``classes`` are those that are asked about."""

    measured: Measured
    model: Texts
    setting: Array
    classes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Drawn:
    """Masks over rows: what is asked for, its setting on all classes, the sibling there and on all classes."""

    asked: Mask
    itself: Mask
    there: Mask
    sibling: Mask


def siblings(data: DataSet, differing: Differing) -> Siblings:
    """The rows of a data set, told apart by batch size under one CPU limit, or by CPU limit where there are several."""
    frame = data.frame
    if differing == "batch_size":
        data = DataSet(frame[frame["x_cpu_millis"] == WHOLE_CPU].reset_index(drop=True))
    frame, names = data.frame, ["architecture", "precision", "runtime"]
    if differing == "x_cpu_millis":
        names.append("batch_size")
    limits = frame.groupby("device")[differing].nunique()
    return Siblings(
        measured=data.measured("seconds"),
        model=frame[names].astype(str).agg(" ".join, axis=1).to_numpy(object),
        setting=frame[differing].to_numpy(float),
        classes=frozenset(limits.index[limits > 1]),
    )


def errors(given: Siblings, *, seeds: int) -> dict[str, list[float]]:
    """Errors in per cent by what was measured of the model, of the same questions each.

    ``as one workload``: what is peculiar to a workload is taken to be the same in all settings of its model.
    """
    out: dict[str, list[float]] = {}
    own, seconds = given.measured.table, given.measured.seconds
    as_one = Table(own.device, given.model, own.family, own.numbers)
    for seed in range(seeds):
        random = np.random.default_rng(seed)
        for others, drawn in folds(given, random):
            elsewhere = drawn.itself & ~drawn.asked
            known = {
                "nothing": (others, own),
                "the sibling there": (others | drawn.there, own),
                "the sibling there, as one workload": (others | drawn.there, as_one),
                "the sibling everywhere": (others | drawn.sibling, own),
                "itself elsewhere": (others | elsewhere, own),
                "both elsewhere": (others | elsewhere | (drawn.sibling & ~drawn.there), own),
                "both elsewhere, as one workload": (others | elsewhere | (drawn.sibling & ~drawn.there), as_one),
            }
            for name, (rows, table) in known.items():
                model = CompletionTimeModel(calibrate=False).fit(table.take(rows), seconds[rows])
                wrong = np.abs(model.predict(table.take(drawn.asked)) / seconds[drawn.asked] - 1.0) * 100
                out.setdefault(name, []).extend(wrong)
    return out


def folds(given: Siblings, random: np.random.Generator) -> Iterator[tuple[Mask, Drawn]]:
    """What is known of other architectures, and what was drawn of those that are held out."""
    names = np.array(sorted(set(given.measured.architecture)), dtype=object)
    for held in np.array_split(random.permutation(names), FOLDS):
        is_held = np.isin(given.measured.architecture, held)
        drawn = _drawn(given, is_held, random)
        if drawn.asked.any():
            yield ~is_held, drawn


def _drawn(given: Siblings, is_held: Mask, random: np.random.Generator) -> Drawn:
    asked, itself, there, sibling = (np.zeros(len(given.measured), dtype=bool) for _ in range(4))
    device = given.measured.table.device
    for _, rows in sorted(rows_by(given.model).items()):
        if not is_held[rows[0]]:
            continue
        by_class = {name: rows[places] for name, places in rows_by(device[rows]).items() if name in given.classes}
        usable = [name for name, own in sorted(by_class.items()) if len(own) > 1]
        if not usable:
            continue
        one, other = random.permutation(by_class[str(random.choice(usable))])[:2]
        asked[one], there[other] = True, True
        itself[rows[given.setting[rows] == given.setting[one]]] = True
        sibling[rows[given.setting[rows] == given.setting[other]]] = True
    return Drawn(asked, itself, there, sibling)
