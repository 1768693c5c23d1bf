import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide.model.base import AnalyticBase
from foretide.model.table import Table
from foretide.model.training.base import learn_base
from tests.model.fleet import fleet


def test_costs_are_recovered_where_rows_determine_them() -> None:
    table, seconds = fleet(devices=10, workloads=80, seed=1, noise=0.0, peculiarity=0.0)
    costs = learn_base(table, seconds).costs
    assert 2.0 < costs["x_depthwise_macs"] / costs["macs"] < 4.5
    assert min(costs.values()) >= 0


def test_one_row_gives_the_priors_shape_at_the_rows_scale() -> None:
    table = Table.of({"device": ["a"], "macs": [1e9], "activation_bytes": [1e7]})
    base = learn_base(table, np.array([0.2]))
    assert np.isclose(base.seconds(table)[0], 0.2, rtol=0.05)


@given(
    amounts=st.lists(st.floats(0, 1e15), min_size=4, max_size=4),
    which=st.integers(0, 3),
    more=st.floats(0, 1e15),
)
def test_the_base_never_falls_when_an_amount_rises(amounts: list[float], which: int, more: float) -> None:
    names = ["macs", "parameter_bytes", "activation_bytes", "op_count"]
    low = dict(zip(names, amounts, strict=True))
    high = {**low, names[which]: low[names[which]] + more}
    base = AnalyticBase(costs={"macs": 1e-10, "parameter_bytes": 0.0})
    table = Table.of({"device": ["a", "a"], **{name: [low[name], high[name]] for name in names}})
    first, second = base.seconds(table)
    assert second >= first > 0


def test_costs_stay_as_they_were_where_the_solver_does_not_converge(monkeypatch: pytest.MonkeyPatch) -> None:
    def cycles(*_: object, **__: object) -> None:
        raise RuntimeError("Maximum number of iterations reached.")

    monkeypatch.setattr("foretide.model.training.base.nnls", cycles)
    table = Table.of({"device": ["a"], "macs": [1e9]})
    assert np.isclose(learn_base(table, np.array([0.2])).seconds(table)[0], 0.2)


def test_half_the_cpus_take_twice_the_time() -> None:
    table = Table.of({"device": ["a", "a"], "macs": [1e9, 1e9], "x_cpu_millis": [2000, 1000]})
    first, second = AnalyticBase(costs={}).seconds(table)
    assert np.isclose(second, 2 * first)
