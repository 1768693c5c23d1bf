import numpy as np
import pytest

from foretide.model.estimator import EnergyModel, MemoryModel
from foretide.model.predictor import CompletionTimePredictor
from foretide.model.table import Table, TableError
from tests.model.fleet import fleet


def peaks(table: Table, seed: int) -> np.ndarray:
    """Bytes: a runtime, weights once and a half, a fifth of the activations, 5 % scatter."""
    random = np.random.default_rng(seed)
    weights, activations = table.number("parameter_bytes"), table.number("activation_bytes")
    return (80e6 + 1.5 * weights + 0.2 * activations) * np.exp(random.normal(0, 0.05, len(table)))


def test_memory_of_unseen_workloads_is_predicted_and_its_quantile_is_seldom_exceeded() -> None:
    errors, exceeded, spare = [], [], []
    for seed in range(4):
        table, _ = fleet(devices=5, workloads=60, seed=seed)
        actual = peaks(table, seed)
        held = np.isin(table.workload.astype(str), [f"workload-{index:03d}" for index in range(0, 60, 3)])
        model = MemoryModel().fit(table.take(~held), actual[~held])
        enough = model.predict_quantile(table.take(held), 0.95)
        errors.append(np.median(np.abs(model.predict(table.take(held)) / actual[held] - 1)))
        exceeded.append((actual[held] > enough).mean())
        spare.append(np.median(enough / actual[held]))
    assert np.mean(errors) < 0.08
    assert np.mean(exceeded) < 0.08
    assert np.mean(spare) < 1.2


def test_memory_does_not_shrink_with_the_cpu_limit() -> None:
    columns = {"device": ["a"] * 4, "parameter_bytes": [1e8, 2e8, 1e8, 2e8], "x_cpu_millis": [500, 500, 2000, 2000]}
    model = MemoryModel(calibrate=False).fit(columns, [2e8, 3.2e8, 2e8, 3.2e8])
    small, _, large, _ = model.predict(columns)
    assert large == pytest.approx(small, rel=0.1)


def test_energy_is_learned_like_time() -> None:
    table, seconds = fleet(devices=4, workloads=30, seed=32)
    model = EnergyModel(calibrate=False).fit(table, 4.0 * seconds)
    assert np.median(np.abs(model.predict(table) / (4.0 * seconds) - 1)) < 0.1


def test_an_artefact_says_what_it_predicts() -> None:
    table, _ = fleet(devices=3, workloads=8, seed=33)
    model = MemoryModel().fit(table, peaks(table, 2))
    loaded = CompletionTimePredictor.load(model.predictor_.save())
    np.testing.assert_array_equal(loaded.predict(table), model.predict(table))


def test_a_value_that_cannot_be_is_named_in_its_unit() -> None:
    with pytest.raises(TableError, match="row 1: bytes is -1"):
        MemoryModel().fit({"device": ["a", "b"]}, [1e6, -1])
