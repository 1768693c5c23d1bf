import numpy as np
import pytest

from foretide.model.table import Table, TableError
from foretide.model.target import SECONDS


def test_unknown_columns_are_ignored_and_missing_numbers_are_unknown() -> None:
    table = Table.of({"device": ["a"], "board": [object()], "macs": [None]})
    assert list(table.numbers) == ["macs"]
    assert np.isnan(table.number("macs")).all()
    assert np.isnan(table.number("parameter_bytes")).all()
    assert table.family.tolist() == [""]


@pytest.mark.parametrize(
    ("columns", "column", "row"),
    [
        ({"macs": [1.0]}, "device", None),
        ({"device": ["a", 7]}, "device", 1),
        ({"device": ["a", "b"], "macs": [1.0]}, "macs", None),
        ({"device": ["a", "b"], "macs": [1.0, -1.0]}, "macs", 1),
        ({"device": ["a", "b"], "macs": [np.inf, 1.0]}, "macs", 0),
        ({"device": ["a", "b"], "macs": ["1", "many"]}, "macs", 1),
        ({"device": ["a"], "x_flag": [1e19]}, "x_flag", 0),
        ({"device": ["a"], "device_speed": [[1.0, 2.0]]}, "device_speed", None),
    ],
)
def test_a_bad_value_is_refused_by_column_and_row(columns: dict[str, list[object]], column: str, row: int) -> None:
    with pytest.raises(TableError) as caught:
        Table.of(columns)
    assert caught.value.column == column
    assert caught.value.row == row
    assert column in str(caught.value)


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf"), 1e6])
def test_a_time_that_cannot_be_is_refused_by_row(bad: float) -> None:
    with pytest.raises(TableError, match=r"row 1: seconds is"):
        SECONDS.checked([1.0, bad, 2.0], 3)


def test_times_must_match_the_rows() -> None:
    with pytest.raises(TableError, match="2 seconds for 3 rows"):
        SECONDS.checked([1.0, 2.0], 3)
