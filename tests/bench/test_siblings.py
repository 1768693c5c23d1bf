"""What batch sizes tell of each other: what is asked and known, and what a measurement takes in passing."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from bench.active.replay import State, Told, by_gain
from bench.regressors.dataset import read
from bench.siblings.__main__ import DATA
from bench.siblings.passing import Choosing, Cluster, cluster_of
from bench.siblings.questions import WHOLE_CPU, Differing, Siblings, errors, folds, siblings


@pytest.fixture(scope="module")
def sizes() -> Siblings:
    return siblings(read(DATA), "batch_size")


@pytest.fixture(scope="module")
def cluster(sizes: Siblings) -> Cluster:
    return cluster_of(sizes, seed=0, models=6)


def unsure(cluster: Cluster, factor: float = 2.0) -> State:
    """Everything has arrived, nothing was measured, and all is told right within a factor to either side."""
    seconds, none = cluster.measured.seconds, np.zeros(len(cluster.measured), dtype=bool)
    return State(cluster.measured, ~none, none, Told(seconds, seconds / factor, seconds * factor))


def test_batch_sizes_are_compared_under_one_limit_and_limits_where_there_are_several(sizes: Siblings) -> None:
    assert set(sizes.measured.table.number("x_cpu_millis")) == {float(WHOLE_CPU)}
    assert len(sizes.classes) >= 5
    limits = siblings(read(DATA), "x_cpu_millis")
    assert limits.classes == {"measure-server"}
    assert {500.0, 1000.0, 2000.0} <= set(limits.setting)


@pytest.mark.parametrize("differing", ["batch_size", "x_cpu_millis"])
def test_of_a_model_one_setting_on_a_class_is_asked_for_and_another_there_is_its_sibling(differing: Differing) -> None:
    given = siblings(read(DATA), differing)
    for others, drawn in folds(given, np.random.default_rng(0)):
        known = set(given.measured.architecture[others])
        assert known.isdisjoint(given.measured.architecture[drawn.asked | drawn.itself | drawn.sibling])
        asked, there = (
            {given.model[row]: (given.measured.table.device[row], given.setting[row]) for row in np.flatnonzero(mask)}
            for mask in (drawn.asked, drawn.there)
        )
        assert asked.keys() == there.keys()
        for model, (device, setting) in asked.items():
            assert there[model][0] == device
            assert there[model][1] != setting


def test_what_was_measured_elsewhere_of_the_very_setting_makes_errors_smaller(sizes: Siblings) -> None:
    some = set(sorted(set(sizes.measured.architecture))[::9])
    rows = np.array([name in some for name in sizes.measured.architecture])
    few = Siblings(sizes.measured.take(rows), sizes.model[rows], sizes.setting[rows], sizes.classes)
    wrong = errors(few, seeds=1)
    assert len({len(each) for each in wrong.values()}) == 1, "the same questions each"
    assert np.median(wrong["itself elsewhere"]) < np.median(wrong["nothing"])


def test_every_model_of_a_cluster_has_several_batch_sizes(cluster: Cluster) -> None:
    found = defaultdict(set)
    for model, size in zip(cluster.model, cluster.measured.table.number("batch_size"), strict=True):
        found[model].add(size)
    assert len(found) == 6
    assert all(len(each) > 1 for each in found.values())


def test_in_passing_other_batch_sizes_of_what_is_measured_are_taken_on_the_same_class(cluster: Cluster) -> None:
    state = unsure(cluster)
    alone, passing = (Choosing(cluster=cluster, share=1.0, in_passing=each) for each in (False, True))
    device, workload = cluster.measured.table.device, cluster.measured.table.workload
    own, taken = alone(state, len(cluster.measured)), passing(state, len(cluster.measured))
    assert own == by_gain(state, len(cluster.measured)) == taken[: len(own)]
    beside = taken[len(own) :]
    assert len(beside) == passing.passed > 0
    assert len(set(taken)) == len(taken)
    mains = {(cluster.model[row], device[row]): workload[row] for row in own}
    assert all(mains[cluster.model[row], device[row]] != workload[row] for row in beside)
    assert 0 < passing.spent_seconds - alone.spent_seconds < alone.spent_seconds / len(own) * len(beside)


def test_what_is_sure_enough_is_not_taken_in_passing(cluster: Cluster) -> None:
    choosing = Choosing(cluster=cluster, share=1.0, in_passing=True)
    assert choosing(unsure(cluster, 1.1), len(cluster.measured)) == []


def test_nothing_is_measured_when_the_seconds_are_spent(cluster: Cluster) -> None:
    choosing = Choosing(cluster=cluster, share=0.01, in_passing=True)
    state = unsure(cluster)
    assert choosing(state, len(cluster.measured))
    assert choosing(state, len(cluster.measured)) == []
