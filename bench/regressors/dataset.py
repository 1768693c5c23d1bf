"""The measured profiles as regressors see them: inputs, targets and groups, one row per setting and node class."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from bench.predict.table import Measured
from foretide.model.table import SIZES, Array, Indices, Table

TARGETS: Final = ("flops", "macs", "total_time_s")
KINDS: Final = ("model_type", "precision", "runtime")
HYPERPARAMETERS: Final = ("width", "depth", "resolution", "batch_size")
LIMITS: Final = ("threads", "x_cpu_millis")


@dataclass(frozen=True, slots=True)
class DataSet:
    """Rows of the file, without those that repeat a measurement."""

    frame: pd.DataFrame

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def hyperparameters(self) -> Array:
        """Model type, precision and runtime (one column for each value), hyperparameters and hardware, as numbers."""
        kinds = pd.get_dummies(self.frame[list(KINDS)], dtype=float)
        numbers = self.frame[[*HYPERPARAMETERS, *LIMITS, *self._hardware]]
        return np.column_stack([kinds.to_numpy(float), numbers.to_numpy(float)])

    @property
    def signature(self) -> Array:
        """What the graph asks, as it is counted without being run, and hardware."""
        counted = [*SIZES, *(name for name in self.frame.columns if name.startswith("x_"))]
        return np.asarray(self.frame[[*counted, *self._hardware]].to_numpy(float))

    def target(self, name: str) -> Array:
        """One of `TARGETS`."""
        return np.asarray(self.frame[name].to_numpy(float))

    def measured(self, target: str) -> Measured:
        """The model's columns as the operator has them, with this target in place of the seconds."""
        return self._measured(target, [*SIZES, *(name for name in self.frame.columns if name.startswith("x_"))])

    def by_hyperparameters(self, target: str) -> Measured:
        """The model's columns made of hyperparameters alone: nothing is counted in the graph."""
        told = self._measured(target, ["batch_size", "x_cpu_millis", "x_torch", "x_int8", "x_half"])
        sizes = {f"x_{name}": self.frame[name].to_numpy(float) for name in ("width", "depth", "resolution")}
        table = Table(told.table.device, told.table.workload, told.table.family, {**told.table.numbers, **sizes})
        return Measured(table, told.seconds, told.board, told.architecture)

    def take(self, rows: Indices) -> DataSet:
        """These rows."""
        return DataSet(self.frame.iloc[rows])

    @property
    def _hardware(self) -> list[str]:
        return [name for name in self.frame.columns if name.startswith("device_")]

    def _measured(self, target: str, numeric: list[str]) -> Measured:
        texts = {name: self.frame[name].to_numpy(object) for name in ("device", "workload", "family", "architecture")}
        numbers = {name: self.frame[name].to_numpy(float) for name in (*numeric, *self._hardware)}
        table = Table.of({**numbers, **{name: texts[name] for name in ("device", "workload", "family")}})
        return Measured(table, self.target(target), texts["device"], texts["architecture"])


def read(path: Path) -> DataSet:
    """The data set of a file; SystemExit says how to make it where it is missing or has no rows."""
    if not path.exists():
        raise SystemExit(f"{path} is missing: make measure writes it")
    frame = pd.read_csv(path, dtype=dict.fromkeys(("device", "workload", "family", "architecture"), str))
    frame = frame[frame["repeat"] == 0].reset_index(drop=True)
    if frame.empty:
        raise SystemExit(f"{path} has no rows: make measure writes them")
    return DataSet(frame)
