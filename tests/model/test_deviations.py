import numpy as np
import pytest

from foretide.model.deviations import Deviations, WorkloadDeviation
from foretide.model.table import Table
from foretide.model.training.deviations import learn_deviations


def grid(devices: int, workloads: int) -> Table:
    d, w = (each.ravel() for each in np.meshgrid(np.arange(devices), np.arange(workloads), indexing="ij"))
    return Table.of({"device": [f"d{i}" for i in d], "workload": [f"w{i}" for i in w]})


def test_what_like_devices_show_of_a_workload_is_told_of_one_that_has_not_run_it() -> None:
    random = np.random.default_rng(1)
    groups = random.normal(0, 0.3, (60, 2))
    truth = np.concatenate([np.tile(groups[:, 0], (3, 1)), np.tile(groups[:, 1], (3, 1))])  # devices × workloads
    table = grid(6, 60)
    left = truth.ravel() + random.normal(0, 0.02, truth.size)
    seen = random.random(truth.size) < 0.7
    learned = learn_deviations(table.take(seen), left[seen], np.ones(int(seen.sum())), [f"d{i}" for i in range(6)])
    told, _ = learned.of(table)
    miss = np.abs(told - truth.ravel())[~seen]
    assert np.median(miss) < 0.1
    assert np.median(np.abs(truth.ravel())) > 0.15


def test_a_workload_seen_once_is_not_believed_whole() -> None:
    table = Table.of({"device": ["d0"], "workload": ["w0"]})
    learned = learn_deviations(table, np.array([0.5]), np.ones(1), ["d0", "d1"])
    own, _ = learned.of(table)
    other, _ = learned.of(Table.of({"device": ["d1"], "workload": ["w0"]}))
    assert 0.0 < other[0] < own[0] < 0.5


def test_an_unknown_workload_has_no_deviation_and_the_widest_variance() -> None:
    known = WorkloadDeviation(common=0.2, by_device=[0.3], variance=0.01, rows="2")
    deviations = Deviations(devices=["d0"], workloads={"w0": known}, unknown_variance=0.09, noise=[0.01])
    table = Table.of({"device": ["d0", "new", "d0"], "workload": ["w0", "w0", "new"]})
    told, variance = deviations.of(table)
    assert told.tolist() == [0.3, 0.2, 0.0]
    assert variance[0] < variance[1] < variance[2]


def test_rows_without_a_workload_teach_nothing() -> None:
    table = Table.of({"device": ["d0", "d0"]})
    assert learn_deviations(table, np.array([1.0, 2.0]), np.ones(2), ["d0"]).workloads == {}


def test_only_a_pair_with_rows_of_its_own_is_measured_and_more_rows_tell_more() -> None:
    workloads = {
        name: WorkloadDeviation(common=0.0, by_device=[0.0, 0.0], variance=0.1, rows=rows)
        for name, rows in (("once", "10"), ("often", "09"))
    }
    deviations = Deviations(devices=["d0", "d1"], workloads=workloads, unknown_variance=0.1, noise=[0.02, 0.02])
    asked = Table.of({"device": ["d0", "d1", "d1", "d2", "d0"], "workload": ["once", "once", "often", "once", "new"]})
    once, elsewhere, often, new_device, new_workload = deviations.measured(asked)
    assert once == 0.04
    assert 0.02 < often < once
    assert np.isnan([elsewhere, new_device, new_workload]).all()


def test_a_device_whose_times_scatter_has_more_noise_than_the_others() -> None:
    random = np.random.default_rng(5)
    table = grid(6, 60)
    left = np.where(table.device == "d3", random.normal(0, 0.4, len(table)), random.normal(0, 0.03, len(table)))
    learned = learn_deviations(table, left, np.ones(len(table)), [f"d{i}" for i in range(6)])
    assert np.argmax(learned.noise) == 3


@pytest.mark.parametrize("repeats", [3, 9])
def test_what_the_rows_of_one_pair_scatter_is_noise(repeats: int) -> None:
    random = np.random.default_rng(repeats)
    table = grid(6, 15).take(np.repeat(np.arange(90), repeats))
    peculiar = random.normal(0, 0.2, 15)
    workload = np.array([int(name[1:]) for name in table.workload])
    left = peculiar[workload] + random.normal(0, 0.3, len(table))
    learned = learn_deviations(table, left, np.ones(len(table)), [f"d{i}" for i in range(6)])
    assert np.sqrt(learned.noise) == pytest.approx(np.full(6, 0.3), rel=0.2)
    told, _ = learned.of(table)
    inside = np.abs(peculiar[workload] + random.normal(0, 0.3, len(table)) - told) <= 2.13 * np.sqrt(
        learned.measured(table)
    )
    assert np.mean(inside) > 0.88


def test_a_pair_that_is_not_as_predicted_is_not_sure_of_itself() -> None:
    table = grid(6, 40)
    left = np.where((table.device == "d2") & (table.workload == "w7"), 2.0, 0.0)
    left += np.random.default_rng(6).normal(0, 0.03, len(table))
    trust = np.where(left > 1.0, 0.01, 1.0)
    learned = learn_deviations(table, left, trust, [f"d{i}" for i in range(6)])
    measured = learned.measured(table)
    assert np.isnan(measured[left > 1.0]).all()
    assert np.isfinite(measured[left < 1.0]).mean() > 0.95


def test_a_workload_seen_on_devices_with_few_rows_alone_is_not_known_on_others() -> None:
    table = Table.of({"device": ["d0", "few"], "workload": ["w0", "w1"]})
    assert set(learn_deviations(table, np.array([0.1, 0.2]), np.ones(2), ["d0"]).workloads) == {"w0"}
