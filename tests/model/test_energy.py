import numpy as np
import pytest

from foretide.model.estimator import EnergyModel
from foretide.model.predictor import CompletionTimePredictor
from foretide.model.table import TableError
from tests.model.fleet import fleet


def test_energy_is_learned_like_time() -> None:
    table, seconds = fleet(devices=4, workloads=30, seed=32)
    model = EnergyModel(calibrate=False).fit(table, 4.0 * seconds)
    assert np.median(np.abs(model.predict(table) / (4.0 * seconds) - 1)) < 0.1


def test_an_artefact_says_what_it_predicts() -> None:
    table, seconds = fleet(devices=3, workloads=8, seed=33)
    model = EnergyModel().fit(table, 4.0 * seconds)
    loaded = CompletionTimePredictor.load(model.predictor_.save())
    np.testing.assert_array_equal(loaded.predict(table), model.predict(table))


def test_a_value_that_cannot_be_is_named_in_its_unit() -> None:
    with pytest.raises(TableError, match="row 1: joules is -1"):
        EnergyModel().fit({"device": ["a", "b"]}, [1.0, -1])
