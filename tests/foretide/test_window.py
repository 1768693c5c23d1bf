from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide.window import Stratum, window


class Row(NamedTuple):
    device: str
    time: float


def kept(rows: list[Row], limit: int) -> list[Row]:
    return window(rows, limit, stratum=lambda row: row.device, time=lambda row: row.time)


def test_a_rare_regime_is_not_forgotten() -> None:
    rows = [Row("rare", 0.0), *(Row("often", float(time)) for time in range(1, 100))]
    found = kept(rows, 10)
    assert Row("rare", 0.0) in found
    assert [row.time for row in found if row.device == "often"] == [float(time) for time in range(99, 90, -1)]


@given(
    rows=st.lists(st.builds(Row, st.sampled_from("abc"), st.integers(0, 50).map(float)), max_size=40),
    limit=st.integers(0, 50),
)
def test_as_many_as_there_is_room_for_every_stratum_before_any_has_two_more(rows: list[Row], limit: int) -> None:
    found = kept(rows, limit)
    assert len(found) == min(limit, len(rows))
    counts = {name: sum(row.device == name for row in found) for name in "abc"}
    for name in "abc":
        have = sum(row.device == name for row in rows)
        if counts[name] < have:
            assert max(counts.values()) <= counts[name] + 1


def test_loads_are_told_apart() -> None:
    assert [Stratum.of("d", "f", load).load for load in (0.0, 0.3, 0.5, 0.9, 1.0, 7.0)] == [0, 1, 1, 2, 2, 3]


@pytest.mark.parametrize("load", [-0.1, float("nan")])
def test_a_load_that_cannot_be_is_refused(load: float) -> None:
    with pytest.raises(ValueError, match="load"):
        Stratum.of("d", "f", load)
