"""How good the model is on a fleet whose formula is known: bounds with a margin, to notice what breaks it."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest

from foretide.model import CompletionTimeModel
from foretide.model.table import Array, Mask, Table
from tests.model.fleet import fleet


def error(model: CompletionTimeModel, table: Table, seconds: Array) -> float:
    return float(np.mean(np.abs(model.predict(table) / seconds - 1)))


def covered(model: CompletionTimeModel, table: Table, seconds: Array) -> float:
    lower, upper = model.predict_interval(table)
    return float(np.mean((lower <= seconds) & (seconds <= upper)))


def folds(groups: npt.NDArray[np.object_], count: int) -> Iterator[Mask]:
    names = sorted(set(groups))
    for index in range(count):
        yield np.isin(groups, names[index::count])


def test_a_pair_left_out_of_three_classes_and_four_workloads_is_predicted_sensibly() -> None:
    errors, inside, widths = [], [], []
    for seed in range(6):
        table, seconds = fleet(devices=3, workloads=4, seed=seed, noise=0.08, peculiarity=0.3)
        for row in range(len(table)):
            keep = np.arange(len(table)) != row
            model = CompletionTimeModel().fit(table.take(keep), seconds[keep])
            errors.append(error(model, table.take(~keep), seconds[~keep]))
            inside.append(covered(model, table.take(~keep), seconds[~keep]))
            lower, upper = model.predict_interval(table.take(~keep))
            widths.append(float(np.sqrt(upper[0] / lower[0])))
    assert np.mean(errors) < 0.18
    assert np.mean(inside) > 0.85
    assert np.median(widths) < 2.2


def test_unseen_workloads_are_predicted_and_covered() -> None:
    table, seconds = fleet(devices=8, workloads=40, seed=11)
    errors, inside = [], []
    for held in folds(table.workload, 4):
        model = CompletionTimeModel(trees=20).fit(table.take(~held), seconds[~held])
        errors.append(error(model, table.take(held), seconds[held]))
        inside.append(covered(model, table.take(held), seconds[held]))
    assert np.mean(errors) < 0.14
    assert 0.8 < np.mean(inside) <= 1.0


@pytest.mark.parametrize(("anchors", "bound"), [(0, 0.18), (3, 0.12)])
def test_unseen_devices_are_predicted_from_their_probes_and_anchors(anchors: int, bound: float) -> None:
    table, seconds = fleet(devices=12, workloads=20, seed=12)
    errors, inside = [], []
    for held in folds(table.device, 4):
        train = ~held
        for device in sorted(set(table.device[held])):
            train[np.flatnonzero(table.device == device)[:anchors]] = True
        model = CompletionTimeModel(trees=20).fit(table.take(train), seconds[train])
        errors.append(error(model, table.take(~train), seconds[~train]))
        inside.append(covered(model, table.take(~train), seconds[~train]))
    assert np.mean(errors) < bound
    assert np.mean(inside) > 0.8


def test_larger_workloads_than_any_trained_on_are_extrapolated() -> None:
    table, seconds = fleet(devices=6, workloads=50, seed=13)
    large = table.number("macs") > np.quantile(table.number("macs"), 0.8)
    model = CompletionTimeModel(calibrate=False).fit(table.take(~large), seconds[~large])
    assert error(model, table.take(large), seconds[large]) < 0.2


def test_a_device_of_which_nothing_is_known_gets_a_wider_interval() -> None:
    table, seconds = fleet(devices=3, workloads=6, seed=14)
    model = CompletionTimeModel().fit(table, seconds)
    known, blind = table.take([0]), table.take([0])
    blind.device[0] = "never seen"
    bare = {name: column for name, column in blind.numbers.items() if not name.startswith("device_")}
    blind = Table(blind.device, blind.workload, blind.family, bare)
    widths = [np.log(upper / lower)[0] for lower, upper in map(model.predict_interval, (known, blind))]
    assert widths[1] > 3 * widths[0]


def test_a_measured_pair_has_an_interval_of_its_own_scatter() -> None:
    table, seconds = fleet(devices=8, workloads=30, seed=15, noise=0.05, peculiarity=0.3)
    random = np.random.default_rng(15)
    seen = random.random(len(table)) < 0.7
    again = seconds * np.exp(random.normal(0, 0.05, len(seconds)))
    model = CompletionTimeModel().fit(table.take(seen), seconds[seen])
    lower, upper = model.predict_interval(table)
    width = np.log(upper / lower)
    assert np.median(width[seen]) < 0.9 * np.median(width[~seen])
    assert 0.85 < np.mean((lower <= again) & (again <= upper), where=seen) <= 1.0
