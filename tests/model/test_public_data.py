"""Guards the model's errors on public times, with wide margins; the full evaluation is `make bench-predict`."""

import numpy as np
import pytest

from bench.predict.__main__ import DATA
from bench.predict.splits import FOLDS, NAMES, folds, larger
from bench.predict.table import Measured, read
from foretide.model import CompletionTimeModel


@pytest.fixture(scope="module")
def measured() -> Measured:
    return read(DATA)


@pytest.mark.parametrize(
    ("split", "most_percent"),
    [("random", 8.0), ("configuration", 9.5), ("family", 25.0), ("board_1", 46.0), ("board_10", 16.0)],
)
def test_errors_stay_within_wide_bounds(measured: Measured, split: str, most_percent: float) -> None:
    errors = []
    for train, asked in folds(split, measured, 0):
        model = CompletionTimeModel(calibrate=False).fit(measured.table.take(train), measured.seconds[train])
        errors.append(np.abs(model.predict(measured.table.take(asked)) / measured.seconds[asked] - 1))
    assert np.concatenate(errors).mean() * 100 <= most_percent


@pytest.mark.parametrize(("split", "widest"), [("random", 1.25), ("family", 2.0)])
def test_nine_tenths_lie_within_their_intervals(measured: Measured, split: str, widest: float) -> None:
    inside, width = [], []
    for train, asked in folds(split, measured, 0):
        model = CompletionTimeModel().fit(measured.table.take(train), measured.seconds[train])
        lower, upper = model.predict_interval(measured.table.take(asked))
        inside.append((lower <= measured.seconds[asked]) & (measured.seconds[asked] <= upper))
        width.append(np.log(upper / lower) / 2)
    assert 0.85 <= np.concatenate(inside).mean() <= 0.96
    assert np.exp(np.concatenate(width).mean()) <= widest


@pytest.mark.parametrize("split", NAMES)
def test_no_row_is_both_learned_from_and_asked_for(measured: Measured, split: str) -> None:
    parts = list(folds(split, measured, 0))
    assert len(parts) in {1, 4, FOLDS}
    for train, asked in parts:
        assert not set(train) & set(asked)


@pytest.mark.parametrize(("split", "column"), [("configuration", "architecture"), ("board_0", "board")])
def test_what_is_held_out_is_held_out_whole(measured: Measured, split: str, column: str) -> None:
    names = getattr(measured, column)
    for train, asked in folds(split, measured, 1):
        assert not set(names[train]) & set(names[asked])


def test_anchors_of_fewer_are_among_those_of_more(measured: Measured) -> None:
    fewer, more = (next(folds(f"board_{anchors}", measured, 2))[0] for anchors in (3, 10))
    assert set(fewer) < set(more)


def test_extrapolation_asks_each_device_for_larger_models_only(measured: Measured) -> None:
    fold = larger(measured)
    assert fold is not None
    train, asked = fold
    macs, device = measured.table.number("macs"), measured.table.device
    for name in set(device[asked]):
        assert macs[train][device[train] == name].max() <= macs[asked][device[asked] == name].min()
