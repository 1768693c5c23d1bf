"""The column table that the model learns and predicts from, checked once so that no part meets a bad value.

A *row* is one workload on one device (node class). Columns: `device`, `workload`, `family` (text), and numbers, each
optional or NaN where unknown: the sizes in `SIZES`; workload features whose names start with `x_`; device features
whose names start with `device_`. Other columns are ignored.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Texts = npt.NDArray[np.object_]

SIZES: Final = ("macs", "parameter_bytes", "activation_bytes", "op_count", "batch_size", "input_pixels")
"""Sizes of one inference; never negative."""
MAX_MAGNITUDE: Final = 1e18
"""No count of an inference and no speed of a machine exceeds this."""
MAX_SECONDS: Final = 86_400.0
"""The longest time of one inference that is believed: a day."""


class Columns(Protocol):
    """Any mapping of column name to a one-dimensional sequence: a dict of lists or arrays, a DataFrame."""

    def __getitem__(self, name: str, /) -> Any: ...  # noqa: ANN401  list, array, Series
    def keys(self) -> Iterable[Any]:
        """The names of the columns."""
        ...


class TableError(ValueError):
    """A table that cannot be used; `column` and `row` (None: the whole column) say where."""

    reason: Final = "TableInvalid"

    def __init__(self, message: str, *, column: str, row: int | None = None) -> None:
        super().__init__(message)
        self.column = column
        self.row = row


@dataclass(frozen=True, slots=True)
class Table:
    """Checked columns, all of one length: texts as objects, numbers as float64 with NaN where unknown."""

    device: Texts
    workload: Texts
    family: Texts
    numbers: dict[str, Array]

    @classmethod
    def of(cls, columns: Columns | Table) -> Table:
        """Check `columns`; TableError names the column, the row, the value and what would be accepted."""
        if isinstance(columns, Table):
            return columns
        names = [str(name) for name in columns.keys()]  # noqa: SIM118  a DataFrame iterates the same, a Mapping need not
        if "device" not in names:
            raise TableError("column 'device' is missing: it names each row's node class", column="device")
        device = _texts("device", columns["device"])
        rows = len(device)
        text = {
            name: _texts(name, columns[name]) if name in names else np.full(rows, "", dtype=np.object_)
            for name in ("workload", "family")
        }
        numbers = {name: _numbers(name, columns[name]) for name in names if _is_numeric(name)}
        for name, column in (*text.items(), *numbers.items()):
            if len(column) != rows:
                raise TableError(
                    f"column {name!r} has {len(column)} rows, column 'device' {rows}: give all the same length",
                    column=name,
                )
        return cls(device, text["workload"], text["family"], numbers)

    def __len__(self) -> int:
        return len(self.device)

    def take(self, rows: Sequence[int] | Indices | Mask) -> Table:
        """The table of these rows, in this order."""
        return Table(
            self.device[rows],
            self.workload[rows],
            self.family[rows],
            {name: column[rows] for name, column in self.numbers.items()},
        )

    def number(self, name: str) -> Array:
        """The column `name`, NaN throughout where the table has none."""
        column = self.numbers.get(name)
        return np.full(len(self), np.nan) if column is None else column


def rows_by(names: Texts) -> dict[str, Indices]:
    """Each name and its rows, in order of first appearance; numpy's own comparison drops trailing NULs of names."""
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        rows.setdefault(name, []).append(row)
    return {name: np.array(found, dtype=np.int64) for name, found in rows.items()}


def _is_numeric(name: str) -> bool:
    return name in SIZES or name.startswith(("x_", "device_"))


def _texts(name: str, column: object) -> Texts:
    values = np.empty(len(column), dtype=np.object_)  # type: ignore[arg-type]
    for row, value in enumerate(column):  # type: ignore[arg-type, var-annotated]
        if not isinstance(value, str):
            raise TableError(f"row {row}: {name} is {value!r}; it must be text", column=name, row=row)
        values[row] = str(value)
    return values


def floats(name: str, column: object) -> Array:
    """A column as float64, NaN where it is None; TableError names the row of what is no number."""
    try:
        raw = np.asarray(column)
    except ValueError:
        raise TableError(f"column {name!r} is ragged: give one number a row", column=name) from None
    if raw.ndim != 1:
        raise TableError(f"column {name!r} has {raw.ndim} dimensions: it must have one", column=name)
    try:
        return raw.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        pass
    values = np.empty(len(raw))
    for row, value in enumerate(raw.tolist()):
        try:
            values[row] = np.nan if value is None else float(value)
        except (TypeError, ValueError, OverflowError):
            message = f"row {row}: {name} is {value!r}; it must be a number, or NaN where unknown"
            raise TableError(message, column=name, row=row) from None
    return values


def _numbers(name: str, column: object) -> Array:
    values = floats(name, column)
    lowest = 0.0 if name in SIZES else -MAX_MAGNITUDE
    bad = ~np.isnan(values) & ~((values >= lowest) & (values <= MAX_MAGNITUDE))
    if bad.any():
        row = int(np.argmax(bad))
        raise TableError(
            f"row {row}: {name} is {values[row]}; it must lie between {lowest:.0f} and {MAX_MAGNITUDE:.0e}, "
            "or be NaN where unknown",
            column=name,
            row=row,
        )
    return values
