import numpy as np

from foretide.model.design import Design
from foretide.model.residual import MAX_LOG, Residual, residual_features
from foretide.model.roofline import Work
from foretide.model.table import Array, Table
from foretide.model.target import SECONDS
from foretide.model.training.residual import assign_folds, learn_residual
from foretide.model.trees import Trees
from tests.model.fleet import fleet


def learned(table: Table, left: Array, *, trees: int = 60) -> Residual:
    work = Work.of(Design.learn(table, SECONDS), table)
    base = np.log(work.amounts.sum(axis=1))
    return learn_residual(table, left, work, base, {}, trees=trees, depth=3, learning_rate=0.1, seed=0, threads=1)


def told(residual: Residual, table: Table) -> Array:
    work = Work.of(Design.learn(table, SECONDS), table)
    return residual.predict(work, np.log(work.amounts.sum(axis=1)), table)


def test_what_features_explain_is_learned_and_believed() -> None:
    table, _ = fleet(devices=6, workloads=60, seed=1)
    left = 0.4 * np.sign(np.log(table.number("macs") / np.median(table.number("macs"))))
    residual = learned(table, left)
    assert residual.belief > 0.8
    assert np.mean((told(residual, table) - left) ** 2) < 0.3 * np.mean(left**2)


def test_what_no_feature_explains_is_hardly_ever_believed() -> None:
    beliefs = []
    for seed in range(7):
        table, _ = fleet(devices=6, workloads=60, seed=seed)
        peculiar = dict(zip(sorted(set(table.workload)), np.random.default_rng(seed).normal(0, 0.3, 60), strict=True))
        residual = learned(table, np.array([peculiar[name] for name in table.workload]))
        assert bool(residual.ensembles) == told(residual, table).any()
        beliefs.append(residual.belief)
    assert np.median(beliefs) == 0.0
    assert max(beliefs) < 0.3


def test_few_rows_or_few_workloads_grow_no_trees() -> None:
    for devices, workloads in ((5, 11), (20, 9)):
        table, seconds = fleet(devices=devices, workloads=workloads, seed=3)
        assert learned(table, np.log(seconds)).ensembles == []
    table, seconds = fleet(devices=6, workloads=60, seed=3)
    assert learned(table, np.log(seconds), trees=0).ensembles == []


def test_precisions_of_one_architecture_share_a_fold() -> None:
    table = Table.of(
        {
            "device": ["a"] * 6,
            "workload": ["x", "x-int8", "y", "y-int8", "z", "nameless"],
            "macs": [1e9, 1e9, 2e9, 2e9, 3e9, float("nan")],
        }
    )
    folds = assign_folds(table, seed=0)
    assert folds["x"] == folds["x-int8"]
    assert folds["y"] == folds["y-int8"]
    assert len(set(folds.values())) > 1


def test_a_known_workload_is_answered_by_the_trees_that_never_saw_it_and_a_new_one_by_all() -> None:
    constant = [Trees(bias=bias, roots=[], feature=[], value=[], left=[], right=[]) for bias in (0.0, 0.2, 0.4, 9.0)]
    residual = Residual(ensembles=constant, belief=0.5, folds={"known": 1}, traits={})
    table = Table.of({"device": ["a", "a"], "workload": ["known", "new"], "macs": [1e9, 1e9]})
    known, new = told(residual, table)
    assert known == 0.5 * 0.2
    assert new == 0.5 * MAX_LOG  # the mean of all is further off than is believed


def test_what_rises_with_a_size_comes_first_among_the_features() -> None:
    table, _ = fleet(devices=2, workloads=4, seed=4)
    work = Work.of(Design.learn(table, SECONDS), table)
    base = np.log(work.amounts.sum(axis=1))
    features = residual_features(work, base, np.zeros((len(table), 2)))
    count = work.amounts.shape[1]
    np.testing.assert_allclose(np.exp(features[:, :count]), np.maximum(work.amounts, 1e-12))
    np.testing.assert_array_equal(features[:, count], base)
