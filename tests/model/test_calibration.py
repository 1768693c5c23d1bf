from types import SimpleNamespace

import numpy as np
import pytest

from foretide.model.table import Array, Table
from foretide.model.training.calibration import (
    MAX_SCORES,
    at_ranks,
    learn_intervals,
    without_devices,
    without_groups,
)
from foretide.model.training.groups import architectures
from tests.model.fleet import fleet


class Constant:
    """Predicts 1 s with a spread of 1, and has seen no device."""

    parts = SimpleNamespace(transfer=SimpleNamespace(devices={}), roofline=SimpleNamespace(devices={}))

    def predict(self, table: Table) -> Array:
        return np.ones(len(table))

    def spread(self, table: Table) -> Array:
        return np.ones(len(table))


def constant(_table: Table, _seconds: Array) -> Constant:
    return Constant()


def test_every_group_is_left_out_once_and_whole() -> None:
    groups = np.array([f"g{index % 9}" for index in range(90)], dtype=object)
    asked = np.zeros(90, dtype=int)
    for train, question in without_groups(groups, seed=1):
        assert not (train & question).any()
        assert not set(groups[train]) & set(groups[question])
        asked += question
    assert (asked == 1).all()


@pytest.mark.parametrize("rows", [0, 4])
def test_devices_are_left_out_with_their_cluster_but_for_their_anchors(rows: int) -> None:
    table, _ = fleet(devices=12, workloads=10, seed=1)
    clusters = {name: index // 3 for index, name in enumerate(sorted(set(table.device)))}
    asked = np.zeros(len(table), dtype=int)
    for train, question in without_devices(table, clusters, rows, seed=2):
        held = {clusters[name] for name in table.device[question]}
        for name, cluster in clusters.items():
            kept = int((train & (table.device == name)).sum())
            assert kept == (rows if cluster in held else 10)
        asked += question
    assert asked.sum() == 12 * (10 - rows)
    assert asked.max() == 1


def test_order_statistics_answer_their_weighted_ranks() -> None:
    scores = np.arange(99.0)
    np.testing.assert_array_equal(at_ranks(scores, np.ones(99)), scores)
    weights = np.where(scores < 50, 9.0, 1.0)  # what weighs more takes more of the ranks
    assert np.median(at_ranks(scores, weights)) < 35
    assert len(at_ranks(np.random.default_rng(0).normal(size=5000), np.ones(5000))) == MAX_SCORES


def test_scores_hold_what_they_say_of_rows_like_those_left_out() -> None:
    """A predictor that says 1 s, with times that scatter by a factor: the scores must be of that factor's size."""
    table, _ = fleet(devices=6, workloads=30, seed=3)
    random = np.random.default_rng(3)
    seconds = np.exp(random.normal(0, 0.4, len(table)))
    intervals = learn_intervals(table, seconds, constant, Constant(), seed=0)  # type: ignore[arg-type]
    for regime in ("pair", "workload", "family"):
        again = np.exp(random.normal(0, 0.4, 4000))
        half = intervals.half_width(np.ones(4000), [(regime,)] * 4000, 0.9)
        assert 0.85 < np.mean(np.abs(np.log(again)) <= half) < 0.95


def test_few_rows_and_few_groups_are_not_calibrated_from() -> None:
    table, seconds = fleet(devices=3, workloads=7, seed=4)
    assert learn_intervals(table, seconds, constant, Constant(), seed=0).scores == {}  # type: ignore[arg-type]
    table, seconds = fleet(devices=5, workloads=7, seed=4)
    found = learn_intervals(table, seconds, constant, Constant(), seed=0).scores  # type: ignore[arg-type]
    assert set(found) == {"pair", "family"}


def test_precisions_of_one_architecture_are_one_group() -> None:
    table = Table.of(
        {"device": ["a"] * 5, "workload": ["x", "x-int8", "y", "z", ""], "macs": [1e9, 1e9, 2e9, float("nan"), 1e9]}
    )
    assert architectures(table).tolist() == ["x", "x", "y", "z", ""]
