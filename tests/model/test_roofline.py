import numpy as np
import pytest

from foretide.model.roofline import Work, compact, cost, expanded
from foretide.model.table import Table
from foretide.model.target import SECONDS
from foretide.model.training.roofline import RooflineFit, full_devices
from tests.model.fleet import fleet


def test_costs_are_recovered_where_rows_determine_them() -> None:
    table, seconds = fleet(devices=10, workloads=80, seed=1, noise=0.0, peculiarity=0.0)
    roofline = RooflineFit(table, np.log(seconds)).value()
    costs = dict(zip(roofline.design.amounts, np.exp(roofline.mean), strict=False))
    prior = SECONDS.cost("x_depthwise_macs") / SECONDS.cost("macs")
    assert 2.0 < prior * costs["x_depthwise_macs"] / costs["macs"] < 4.5  # the fleet's are three times as dear


def test_one_row_gives_the_priors_shape_at_the_rows_scale() -> None:
    table = Table.of({"device": ["a"], "macs": [1e9], "activation_bytes": [1e7]})
    fit = RooflineFit(table, np.log([0.2]))
    assert np.isclose(np.exp(cost(fit.work, fit.coefficients()).log_seconds[0]), 0.2, rtol=0.05)


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
