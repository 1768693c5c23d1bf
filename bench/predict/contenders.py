"""The model, the model without each of its parts, and how a contender answers a split."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.predict.baselines import Predictor
from bench.predict.figures import Answers, distance_from
from bench.predict.splits import folds
from bench.predict.table import Measured
from foretide.model import CompletionTimeModel
from foretide.model.table import Array, Table

ABLATION: dict[str, dict[str, Any]] = {
    "without trees": {"trees": 0},
    "without deviations": {"deviations": False},
    "without transfer": {"transfer": False},
    "without companions": {"companions": False},
    "without families": {},
}
"""What is left out, and the model's parameters that do so; families are left out of the table instead."""
COVERAGE = 0.9


@dataclass(frozen=True, slots=True)
class Answered:
    """The answers of all folds of one seed, and the mean seconds of a fit."""

    answers: Answers
    fit_seconds: float


def ours(split: str, measured: Measured, seed: int, *, intervals: bool, without: str = "") -> Answered:
    """The model's answers; ``without`` names a part of `ABLATION`."""
    parameters = ABLATION.get(without, {})

    def ask(train: Measured, question: Measured) -> tuple[Array, Array | None, Array | None]:
        learned, asked = train.table, question.table
        if without == "without families":
            learned, asked = _without_family(learned), _without_family(asked)
        model = CompletionTimeModel(calibrate=intervals, threads=2, **parameters)
        model.fit(learned, train.seconds)
        if not intervals:
            return model.predict(asked), None, None
        return model.predict(asked), *model.predict_interval(asked, COVERAGE)

    return _answer(folds(split, measured, seed), measured, ask)


def theirs(make: Callable[[], Predictor], split: str, measured: Measured, seed: int) -> Answered:
    """A baseline's answers."""

    def ask(train: Measured, question: Measured) -> tuple[Array, None, None]:
        return make().fit(train.table, train.seconds).predict(question.table), None, None

    return _answer(folds(split, measured, seed), measured, ask)


def _answer(
    parts: Iterator[tuple[np.ndarray, np.ndarray]],
    measured: Measured,
    ask: Callable[[Measured, Measured], tuple[Array, Array | None, Array | None]],
) -> Answered:
    rows, far = list[np.ndarray](), list[Array]()
    told = list[tuple[Array, Array | None, Array | None]]()
    spent = 0.0
    for train, asked in parts:
        began = time.perf_counter()
        told.append(ask(measured.take(train), measured.take(asked)))
        spent += time.perf_counter() - began
        rows.append(asked)
        far.append(distance_from(measured.table.take(train), measured.table.take(asked)))
    median, lower, upper = zip(*told, strict=True)
    return Answered(
        Answers(
            measured.take(np.concatenate(rows)),
            np.concatenate(median),
            np.concatenate(far),
            _joined(lower),
            _joined(upper),
        ),
        spent / len(rows),
    )


def _joined(columns: tuple[Array | None, ...]) -> Array | None:
    known = [column for column in columns if column is not None]
    return np.concatenate(known) if known else None


def _without_family(table: Table) -> Table:
    return Table(table.device, table.workload, np.full(len(table), "", dtype=object), table.numbers)
