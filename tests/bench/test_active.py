"""The replay of measurements on public results: whose turn it is, how many there are, and none that is sure enough."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from bench.active.__main__ import DATA, PROFILES
from bench.active.fleets import CLASSES, arrivals, of_boards, of_profiles, pairs
from bench.active.replay import State, Told, at_random, by_gain
from bench.predict.table import Measured, read


@pytest.fixture(scope="module")
def cluster() -> Measured:
    return of_boards(read(DATA), 0)


def state(cluster: Measured, factor: float, *, measured: float = 0.0) -> State:
    """Everything has arrived, and is told right, within a factor to either side; a share of it was measured."""
    is_measured = np.random.default_rng(0).random(len(cluster)) < measured
    factors = np.where(is_measured, 1.0, factor)
    told = Told(cluster.seconds, cluster.seconds / factors, cluster.seconds * factors)
    return State(cluster, np.ones(len(cluster), dtype=bool), is_measured, told)


def test_a_cluster_has_a_class_of_each_board_and_every_workload_arrives_once(cluster: Measured) -> None:
    assert len(set(cluster.table.device)) == len(set(cluster.board)) == CLASSES
    groups = arrivals(cluster, 1)
    assert sorted(name for names in groups for name in names) == sorted(set(cluster.architecture))
    assert pairs(cluster, groups)[-1] == len(cluster)


@pytest.mark.parametrize("room", [3, 100])
def test_by_gain_each_class_measures_one_pair_and_no_workload_is_measured_twice_at_once(
    cluster: Measured, room: int
) -> None:
    given = state(cluster, 2.0, measured=0.2)
    taken = by_gain(given, room)
    assert len(taken) == min(room, CLASSES)
    assert not given.measured[taken].any()
    for names in (cluster.table.device, cluster.table.workload):
        assert max(Counter(names[taken]).values()) == 1


def test_by_gain_nothing_is_measured_that_is_sure_enough(cluster: Measured) -> None:
    assert by_gain(state(cluster, 1.1), 100) == []


def test_at_random_only_what_was_not_measured_is_and_differently_by_seed(cluster: Measured) -> None:
    given = state(cluster, 2.0, measured=0.5)
    first, again, other = (at_random(seed)(given, 7) for seed in (1, 1, 2))
    assert first == again != other
    assert len(set(first)) == 7
    assert not given.measured[first].any()


def test_the_own_profiles_make_a_cluster_of_every_class_and_of_models_measured_in_one_way() -> None:
    cluster = of_profiles(PROFILES)
    models_of = {
        device: set(cluster.table.workload[cluster.table.device == device]) for device in set(cluster.table.device)
    }
    assert len(models_of) >= 5
    assert all(len(models) >= 30 for models in models_of.values())
    assert set(cluster.table.number("batch_size")) == {1.0}
    assert len(cluster) == sum(len(models) for models in models_of.values()), "no pair comes twice"
