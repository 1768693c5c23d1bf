"""The child process that fits the model: the training table on stdin, a report and the artefact on stdout.

Before the fit, times are left out that others contradict (`foretide.vetting`); what tasks do to each other is learned,
and where that is used it is taken out of their times: the model is one of times alone. After it, the new version is
held against the one in use.

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

from foretide.contention import Coefficients, Contention, alone, coefficients_of
from foretide.contention_fit import learn
from foretide.model import CompletionTimeModel
from foretide.model.artefact import ArtefactError
from foretide.observation import DeviceFeatures, Observation, to_columns
from foretide.vetting import vet
from foretide_kube.kinds.completiontimemodel import MOST_CLASSES, Trial
from foretide_operator.training.protocol import ClassReport, Reference, TrainingReport, TrainingRequest
from foretide_operator.training.trial import Opponent, held_back, served

MEMORY_BYTES: Final = 768 * 1024 * 1024
FOLDS: Final = 5
COVERAGE_ROWS: Final = 400
"""Up to so many rows intervals are evaluated too; above, the extra fits would take minutes on a small node."""


def main() -> int:
    """Read, fit, evaluate, write."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=TrainingRequest)
    try:
        report, artefact = train(request)
    except ArtefactError as error:
        return _refuse(error.reason, error)
    except (ValueError, MemoryError) as error:
        return _refuse(type(error).__name__, error)
    sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n" + artefact)
    return 0


def train(request: TrainingRequest) -> tuple[TrainingReport, bytes]:
    """The report and the artefact; ArtefactError if it is too large, ValueError if the rows cannot be learned from."""
    vetted = vet(request.observations, request.devices)
    learned = learn_contention(vetted.kept)
    coefficients = coefficients_of(learned.items())
    rows, apart = alone(vetted.kept, coefficients), alone(vetted.apart, coefficients)
    model = CompletionTimeModel().fit(
        *to_columns(rows, request.devices), apart=to_columns(apart, request.devices) if apart else None
    )
    artefact = model.predictor_.save()  # before the folds, which take the longest: it may be too large
    trials, present_trial = try_versions(request, vetted.kept, coefficients)
    report = msgspec.structs.replace(
        evaluate(rows, request.devices, learned),
        input_rows=len(request.observations),
        input_classes=len({row.node_class for row in request.observations}),
        exclusions=vetted.exclusions,
        trials=trials,
        present_trial=present_trial,
    )
    return report, artefact


def _refuse(reason: str, error: Exception) -> int:
    """Say in one line why no model came out; the exit status."""
    sys.stderr.write(f"{reason}: {' '.join(str(error).split())}\n")
    return 1


def learn_contention(rows: Sequence[Observation]) -> dict[str, tuple[Contention, ...]]:
    """What tasks do to each other, by node class.

    Of classes that the status has no room for nothing is learned: what is not published is not added to a prediction,
    and so not to be taken out of times.
    """
    return dict(islice(learn(rows).items(), MOST_CLASSES))


def try_versions(
    request: TrainingRequest, rows: Sequence[Observation], coefficients: Coefficients
) -> tuple[tuple[Trial, ...], Trial | None]:
    """`TrainingReport.trials` and ``present_trial``, from believed rows as they were observed."""
    present, proven = _opponent(request.present), _opponent(request.proven)
    trials = [held_back(rows, request.devices, coefficients, each) for each in (present, proven) if each is not None]
    since = None
    if present is not None and proven is not None:
        since = served(rows, request.devices, present, proven)
    return tuple(trial for trial in trials if trial is not None), since


def _opponent(reference: Reference | None) -> Opponent | None:
    """The version that is referred to; None where it cannot be read: no reason to refuse a fit that came out."""
    try:
        return None if reference is None else Opponent(reference)
    except ArtefactError:
        return None


def evaluate(
    rows: Sequence[Observation],
    devices: Mapping[str, DeviceFeatures],
    learned: Mapping[str, tuple[Contention, ...]],
) -> TrainingReport:
    """Errors on rows held out, whole pairs of workload and class at a time; None where there are too few pairs.

    ``learned`` is what tasks do to each other, by node class, for the report.
    """
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
        columns, seconds = to_columns(rest, devices)
        model = CompletionTimeModel(calibrate=with_intervals).fit(columns, seconds)
        asked, actual = to_columns([rows[i] for i in held], devices)
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
