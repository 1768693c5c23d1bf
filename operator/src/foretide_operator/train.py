"""The child process that fits the model: the training table on stdin, a report and the artefact on stdout.

Before the fit, what tasks do to each other is learned, and where that is used it is taken out of their times: the
model is one of times alone.

It is a process of its own so that scikit-learn and xgboost cost memory only while they work, and so that whatever goes
wrong in them cannot harm the operator. Input: `TrainingRequest` as JSON. Output: one line of JSON,
`TrainingReport`, then the artefact. Exit status 0, or 1 with one line on stderr: a reason, and what to do.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Final

import msgspec
import numpy as np

from foretide.contention import Contention, alone, coefficients_of
from foretide.contention_fit import learn
from foretide.model import CompletionTimeModel
from foretide.model.artefact import ArtefactError
from foretide.observation import Observation, to_columns
from foretide_kube.kinds.completiontimemodel import MOST_CLASSES
from foretide_operator.training.protocol import ClassReport, TrainingReport, TrainingRequest

MEMORY_BYTES: Final = 768 * 1024 * 1024
FOLDS: Final = 5
COVERAGE_ROWS: Final = 400
"""Up to so many rows intervals are evaluated too; above, the extra fits would take minutes on a small node."""


def main() -> int:
    """Read, fit, evaluate, write."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=TrainingRequest)
    try:
        request, learned = without_company(request)
        columns, seconds = to_columns(request.observations, request.devices)
        model = CompletionTimeModel().fit(columns, seconds)
        artefact = model.predictor_.save()  # before the folds, which take the longest: it may be too large
        report = evaluate(request, learned)
    except ArtefactError as error:
        return _refuse(error.reason, error)
    except (ValueError, MemoryError) as error:
        return _refuse(type(error).__name__, error)
    sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n" + artefact)
    return 0


def _refuse(reason: str, error: Exception) -> int:
    """Say in one line why no model came out; the exit status."""
    sys.stderr.write(f"{reason}: {' '.join(str(error).split())}\n")
    return 1


def without_company(request: TrainingRequest) -> tuple[TrainingRequest, dict[str, tuple[Contention, ...]]]:
    """The request with times as if nobody had been beside, and what tasks do to each other, by node class.

    Of classes that the status has no room for nothing is learned: what is not published is not added to a prediction,
    and so not to be taken out of times.
    """
    learned = dict(islice(learn(request.observations).items(), MOST_CLASSES))
    rows = alone(request.observations, coefficients_of(learned.items()))
    return TrainingRequest(observations=tuple(rows), devices=request.devices), learned


def evaluate(request: TrainingRequest, learned: Mapping[str, tuple[Contention, ...]]) -> TrainingReport:
    """Errors on rows held out, whole pairs of workload and class at a time; None where there are too few pairs.

    ``learned`` is what tasks do to each other, by node class, for the report.
    """
    rows = request.observations
    pairs = sorted({(row.workload, row.node_class) for row in rows})
    folds = min(FOLDS, len(pairs))
    if folds < 2 or len(pairs) < 4:
        return TrainingReport(observations=len(rows), classes=_by_class(rows, {}, {}, learned))
    with_intervals = len(rows) <= COVERAGE_ROWS
    fold_of = {pair: number % folds for number, pair in enumerate(pairs)}
    errors: dict[int, float] = {}
    inside: dict[int, bool] = {}
    for fold in range(folds):
        held = [i for i, row in enumerate(rows) if fold_of[row.workload, row.node_class] == fold]
        rest = [row for row in rows if fold_of[row.workload, row.node_class] != fold]
        columns, seconds = to_columns(rest, request.devices)
        model = CompletionTimeModel(calibrate=with_intervals).fit(columns, seconds)
        asked, actual = to_columns([rows[i] for i in held], request.devices)
        predicted = model.predict(asked)
        errors.update({i: abs(p - a) / a for i, p, a in zip(held, predicted, actual, strict=True)})
        if with_intervals:
            lower, upper = model.predict_interval(asked)
            inside.update({i: bool(lo <= a <= up) for i, lo, up, a in zip(held, lower, upper, actual, strict=True)})
    return TrainingReport(
        observations=len(rows),
        median_absolute_permille=_permille(float(np.median(list(errors.values())))),
        mean_absolute_permille=_permille(float(np.mean(list(errors.values())))),
        coverage_permille=_permille(float(np.mean(list(inside.values())))) if inside else None,
        classes=_by_class(rows, errors, inside, learned),
    )


def _by_class(
    rows: Sequence[Observation],
    errors: dict[int, float],
    inside: dict[int, bool],
    learned: Mapping[str, tuple[Contention, ...]],
) -> tuple[ClassReport, ...]:
    reports = []
    for name in sorted({row.node_class for row in rows}):
        own = [i for i, row in enumerate(rows) if row.node_class == name]
        own_errors = [errors[i] for i in own if i in errors]
        own_inside = [inside[i] for i in own if i in inside]
        reports.append(
            ClassReport(
                node_class=name,
                observations=len(own),
                error_permille=_permille(float(np.median(own_errors))) if own_errors else None,
                coverage_permille=_permille(float(np.mean(own_inside))) if own_inside else None,
                contention=learned.get(name, ()),
            )
        )
    return tuple(reports)


def _permille(share: float) -> int:
    return min(1_000_000, round(1000 * share))


if __name__ == "__main__":
    sys.exit(main())
