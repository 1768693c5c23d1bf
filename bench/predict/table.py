"""A table of measured times as a bench reads it: the model's columns, and who shares a board or an architecture."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from foretide.model.table import SIZES, Array, Indices, Mask, Table, Texts


@dataclass(frozen=True, slots=True)
class Measured:
    """Rows with their seconds; ``board`` is the physical machine of a device, ``architecture`` a workload's model."""

    table: Table
    seconds: Array
    board: Texts
    architecture: Texts

    def take(self, rows: Indices | Mask) -> Measured:
        """These rows."""
        return Measured(self.table.take(rows), self.seconds[rows], self.board[rows], self.architecture[rows])

    def __len__(self) -> int:
        return len(self.seconds)


def read(path: Path) -> Measured:
    """The table of a CSV file; an empty number is unknown. SystemExit says what it lacks."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows or "seconds" not in rows[0]:
        raise SystemExit(f"{path} has no rows or no column 'seconds': give a table as docs/model.md describes it")
    columns: dict[str, list[str] | list[float]] = {}
    for name in rows[0]:
        if name in SIZES or name.startswith(("x_", "device_")):
            columns[name] = [float(row[name] or "nan") for row in rows]
        elif name != "seconds":
            columns[name] = [row[name] for row in rows]
    table = Table.of(columns)
    return Measured(
        table,
        np.array([float(row["seconds"]) for row in rows]),
        np.array(columns.get("board", columns["device"]), dtype=object),
        np.array(columns.get("architecture", columns["workload"]), dtype=object),
    )
