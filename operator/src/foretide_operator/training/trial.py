"""Holds versions of the model against each other on recent times that neither of them saw.

A version has seen nothing that was observed after its training began. A new version has seen all; so fits like it are
made, each without the recent times of half of the pairs, and asked for these. Only node classes that the older version
knows count: on others the newer cannot be worse.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from typing import Final, Literal

from foretide.comparison import Judged, compare
from foretide.contention import Coefficients, alone, coefficients_of
from foretide.model import CompletionTimeModel
from foretide.model.predictor import CompletionTimePredictor
from foretide.observation import DeviceFeatures, Observation, to_columns
from foretide_kube.kinds.completiontimemodel import Trial
from foretide_operator.training.protocol import Reference

FOLDS: Final = 2
MOST_HELD: Final = 0.25
"""Share of all rows that are held back, the newest; in each fold half of them."""


class Opponent:
    """A version as it would have foretold: its predictor, and what it took tasks to do to each other.

    Raises `foretide.model.artefact.ArtefactError` if it cannot be read.
    """

    def __init__(self, reference: Reference) -> None:
        self.version = reference.version
        self.trained_milliseconds = reference.trained_milliseconds
        self.predictor = CompletionTimePredictor.load(reference.artefact)
        self.coefficients = coefficients_of(reference.contention.items())

    def knows(self, row: Observation) -> bool:
        """Whether it was trained on rows of the node class."""
        return row.node_class in self.predictor.parts.roofline.devices

    def errors(self, rows: Sequence[Observation], devices: Mapping[str, DeviceFeatures]) -> list[float]:
        """Absolute logarithms of actual over foretold time."""
        return _errors(self.predictor, alone(rows, self.coefficients), devices)


def held_back(
    rows: Sequence[Observation], devices: Mapping[str, DeviceFeatures], coefficients: Coefficients, against: Opponent
) -> Trial | None:
    """A fit of these rows (as they were observed) against a version; None if there is nothing that it has not seen."""
    recent = [row for row in rows if row.observed_milliseconds > against.trained_milliseconds and against.knows(row)]
    recent.sort(key=lambda row: row.observed_milliseconds)
    held = recent[-math.ceil(MOST_HELD * len(rows)) :]
    judged: list[Judged] = []
    for fold in range(FOLDS):
        asked = [row for row in held if zlib.crc32(f"{row.workload} {row.node_class}".encode()) % FOLDS == fold]
        hidden = set(map(id, asked))
        rest = [row for row in rows if id(row) not in hidden]
        if asked and rest:
            model = CompletionTimeModel(calibrate=False).fit(*to_columns(alone(rest, coefficients), devices))
            errors = _errors(model.predictor_, alone(asked, coefficients), devices)
            judged += _judged(asked, errors, against.errors(asked, devices))
    return _trial("HeldBack", against.version, judged)


def served(
    rows: Sequence[Observation], devices: Mapping[str, DeviceFeatures], version: Opponent, against: Opponent
) -> Trial | None:
    """A version against an older one on what was observed since its training began; None if nothing was."""
    asked = [
        row
        for row in rows
        if row.observed_milliseconds > version.trained_milliseconds and version.knows(row) and against.knows(row)
    ]
    if not asked:
        return None
    judged = _judged(asked, version.errors(asked, devices), against.errors(asked, devices))
    return _trial("Served", against.version, judged)


def _errors(
    predictor: CompletionTimePredictor, rows: Sequence[Observation], devices: Mapping[str, DeviceFeatures]
) -> list[float]:
    columns, seconds = to_columns(rows, devices)
    foretold = predictor.predict(columns)
    return [abs(math.log(actual / each)) for actual, each in zip(seconds, foretold, strict=True)]


def _judged(rows: Sequence[Observation], errors: Sequence[float], against: Sequence[float]) -> list[Judged]:
    return [
        Judged(row.workload, row.node_class, error, other)
        for row, error, other in zip(rows, errors, against, strict=True)
    ]


def _trial(times: Literal["HeldBack", "Served"], against: str, judged: Sequence[Judged]) -> Trial | None:
    found = compare(judged)
    return None if found is None else Trial(times=times, against=against, **found._asdict())
