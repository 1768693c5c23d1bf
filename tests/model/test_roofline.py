import numpy as np
import pytest

from foretide.model.design import Design
from foretide.model.roofline import Work, compact, cost, expanded
from foretide.model.table import Table
from foretide.model.target import BYTES, SECONDS
from foretide.model.training.roofline import RooflineFit, full_devices
from tests.model.fleet import fleet


def test_costs_are_recovered_where_rows_determine_them() -> None:
    table, seconds = fleet(devices=10, workloads=80, seed=1, noise=0.0, peculiarity=0.0)
    roofline = RooflineFit(table, np.log(seconds)).value()
    costs = dict(zip(roofline.design.amounts, np.exp(roofline.mean), strict=False))
    # the prior holds depthwise multiply-adds for four times as dear; the fleet's are three times
    assert 2.0 < 4.0 * costs["x_depthwise_macs"] / costs["macs"] < 4.5


def test_one_row_gives_the_priors_shape_at_the_rows_scale() -> None:
    table = Table.of({"device": ["a"], "macs": [1e9], "activation_bytes": [1e7]})
    fit = RooflineFit(table, np.log([0.2]))
    assert np.isclose(np.exp(cost(fit.work, fit.coefficients()).log_seconds[0]), 0.2, rtol=0.05)


def test_half_the_cpus_take_twice_the_time_until_rows_say_otherwise() -> None:
    table = Table.of({"device": ["a", "a"], "macs": [1e9, 1e9], "x_cpu_millis": [2000, 1000]})
    amounts = Design.learn(table, SECONDS).amounts_of(table)
    assert np.allclose(amounts[1], 2 * amounts[0])


def test_the_gradient_is_that_of_log_seconds() -> None:
    random = np.random.default_rng(3)
    work = Work(random.random((6, 3)) + 0.1, random.normal(size=(6, 2)), random.normal(size=(6, 2)))
    theta = random.normal(size=3 * 3 + 2)
    gradient = cost(work, theta).gradient
    for place in range(len(theta)):
        step = np.zeros_like(theta)
        step[place] = 1e-6
        slope = (cost(work, theta + step).log_seconds - cost(work, theta - step).log_seconds) / 2e-6
        np.testing.assert_allclose(gradient[:, place], slope, rtol=1e-4, atol=1e-7)


def test_a_covariance_comes_back_with_its_block_and_its_diagonal() -> None:
    random = np.random.default_rng(4)
    root = random.normal(size=(4, 4))
    covariance = root @ root.T
    back = expanded(compact(covariance, 2), 2, 4)
    np.testing.assert_allclose(back[:2, :2], covariance[:2, :2], rtol=1e-3)
    np.testing.assert_allclose(np.diag(back), np.diag(covariance), rtol=1e-3)
    assert (back[:2, 2:] == 0).all()


def test_a_covariance_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="covariance"):
        expanded([1.0, 2.0], 2, 2)


def test_a_device_like_the_others_but_for_its_speed_needs_one_row() -> None:
    table, seconds = fleet(devices=12, workloads=40, seed=5, noise=0.02, peculiarity=0.0)
    bare = Table(
        table.device,
        table.workload,
        table.family,
        {name: column for name, column in table.numbers.items() if not name.startswith("device_")},
    )
    own = table.device == "class-000"
    kept = ~own
    kept[np.flatnonzero(own)[0]] = True
    fit = RooflineFit(bare.take(kept), np.log(seconds[kept]))
    asked = bare.take(own)
    told = cost(Work.of(fit.design, asked), fit.theta[fit.place["class-000"]]).log_seconds
    assert np.median(np.abs(told - np.log(seconds[own]))) < 0.2


@pytest.mark.parametrize(
    ("counts", "full"),
    [
        ([4, 4, 4], [True, True, True]),
        ([90, 90, 10], [True, True, False]),
        ([20, 300], [True, True]),
        ([1, 1], [True, True]),
        ([1], [True]),
    ],
)
def test_devices_with_rows_enough_are_full(counts: list[int], full: list[bool]) -> None:
    assert full_devices(np.array(counts)).tolist() == full


def test_an_unknown_size_counts_as_the_middle_of_the_known_ones() -> None:
    table = Table.of({"device": ["a"] * 3, "macs": [1e9, 3e9, 2e9], "activation_bytes": [1e6, 1e6, 1e6]})
    design = Design.learn(table, SECONDS)
    asked = Table.of({"device": ["a", "a"], "macs": [float("nan"), 2e9], "activation_bytes": [1e6, 1e6]})
    unknown, middle = design.amounts_of(asked)
    np.testing.assert_array_equal(unknown, middle)


def test_a_kind_of_operator_never_seen_costs_as_the_whole_it_is_part_of() -> None:
    design = Design.learn(Table.of({"device": ["a"], "macs": [1e9]}), SECONDS)
    whole = design.amounts_of(Table.of({"device": ["a"], "macs": [2e9]}))
    split = design.amounts_of(Table.of({"device": ["a"], "macs": [2e9], "x_new_macs": [5e8]}))
    np.testing.assert_allclose(split, whole)


def test_a_size_that_was_never_known_in_training_changes_nothing() -> None:
    design = Design.learn(Table.of({"device": ["a"], "activation_bytes": [4e6]}), SECONDS)
    alone = design.amounts_of(Table.of({"device": ["a"], "activation_bytes": [4e6]}))
    more = design.amounts_of(Table.of({"device": ["a"], "activation_bytes": [4e6], "macs": [1e10]}))
    np.testing.assert_array_equal(alone, more)


def test_a_whole_that_is_unknown_is_the_sum_of_its_parts() -> None:
    design = Design.learn(Table.of({"device": ["a", "a"], "x_conv_macs": [1e8, 1e11]}), SECONDS)
    small, large = design.amounts_of(Table.of({"device": ["a", "a"], "x_conv_macs": [1e8, 1e11]})).sum(axis=1)
    assert large > 100 * small


def test_memory_is_the_same_however_activations_are_split() -> None:
    for split in (0.0, 0.8e9, 1.6e9):
        columns = {"device": ["a"], "activation_bytes": [1.6e9], "x_elementwise_bytes": [split]}
        design = Design.learn(Table.of(columns), BYTES)
        assert design.amounts_of(Table.of(columns)).sum() == pytest.approx(64e6 + 0.3 * 1.6e9)
