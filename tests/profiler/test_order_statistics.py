"""Durations keep exact totals in bounded memory, and quantiles near those of all of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretide_profiler import order_statistics
from foretide_profiler.order_statistics import Durations


def _of(values: list[int]) -> Durations:
    durations = Durations()
    for value in values:
        durations.add(value)
    return durations


@settings(deadline=None)
@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=300), st.floats(0, 1))
def test_quantiles_are_those_of_numpy(values: list[int], share: float) -> None:
    assert _of(values).quantiles(share)[0] == pytest.approx(np.quantile(values, share), rel=1e-9, abs=1e-6)


def test_beyond_its_capacity_it_keeps_an_even_selection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_statistics, "CAPACITY", 64)
    durations = _of(list(range(10_000)))
    kept = list(durations.in_order_of_time())
    assert (durations.count, durations.total_nanoseconds) == (10_000, sum(range(10_000)))
    assert 32 <= len(kept) <= 64
    assert len(set(np.diff(kept))) == 1
    assert durations.quantiles(0.5)[0] == pytest.approx(5000, rel=0.05)
