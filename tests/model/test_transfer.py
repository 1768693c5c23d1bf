import numpy as np
import pytest

from foretide.model import CompletionTimeModel
from foretide.model.table import Table
from foretide.model.training.transfer import UNJUDGED, learn_likeness
from foretide.model.transfer import Likeness, blended
from tests.model.fleet import fleet


def test_a_twin_of_a_known_device_is_told_from_it() -> None:
    random = np.random.default_rng(2)
    known = random.normal(-3, 1, (12, 4))
    own = known[:, 2] + 0.4
    likeness = learn_likeness(np.full(12, 0.5), known[:8], np.ones((8, 2)), own[:8], distance=np.zeros(4))
    told = blended(np.full(4, -3.0), known[8:], np.ones((4, 2)), likeness)
    assert np.abs(told - own[8:]).max() < 0.15


def test_the_guess_that_errs_least_weighs_most_and_all_weigh_one() -> None:
    random = np.random.default_rng(3)
    known = random.normal(-3, 1, (10, 5))
    own = random.normal(-3, 1, 10)
    likeness = learn_likeness(np.full(10, 0.01), known, np.ones((10, 2)), own, distance=np.zeros(5))
    assert np.argmax(likeness.blend) == 0
    assert sum(likeness.blend) == pytest.approx(1.0, abs=1e-4)


def test_three_rows_are_too_few_to_judge_by() -> None:
    known = np.random.default_rng(4).normal(-3, 1, (3, 4))
    likeness = learn_likeness(np.zeros(3), known, np.ones((3, 1)), known[:, 0], distance=np.zeros(4))
    assert likeness.blend == list(UNJUDGED)


def test_a_blend_is_the_weighted_mean_of_log_seconds() -> None:
    likeness = Likeness(
        blend=[0.5, 0.5, 0.0, 0.0],
        mixture=[1.0],
        level=1.0,
        in_seconds=[1.0],
        work=[0.0],
        nearest=[1.0],
        shift=0.0,
    )
    assert blended(np.array([-1.0]), np.array([[-4.0]]), np.array([[1.0]]), likeness)[0] == pytest.approx(-2.0)


def test_a_new_device_of_a_kind_is_told_from_its_kind() -> None:
    """Every other device takes some workloads hard, for no reason that a feature tells."""
    errors: dict[bool, list[float]] = {True: [], False: []}
    for seed in range(3):
        table, seconds = fleet(devices=14, workloads=40, seed=seed, peculiarity=0.1)
        bare = Table(
            table.device,
            table.workload,
            table.family,
            {name: column for name, column in table.numbers.items() if not name.startswith("device_")},
        )
        device, workload = (np.array([int(name[-3:]) for name in names]) for names in (table.device, table.workload))
        seconds = seconds * np.where((device % 2 == 0) & (workload % 3 == 0), 2.5, 1.0)
        kept = device != 0
        kept[np.random.default_rng(seed).permutation(np.flatnonzero(device == 0))[:8]] = True
        for transfer, found in errors.items():
            model = CompletionTimeModel(calibrate=False, transfer=transfer).fit(bare.take(kept), seconds[kept])
            found.append(float(np.mean(np.abs(model.predict(bare.take(~kept)) / seconds[~kept] - 1))))
    assert np.mean(errors[True]) < 0.6 * np.mean(errors[False])
