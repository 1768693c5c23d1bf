"""Simpler predictors that the model is held against; each fits and predicts seconds like an estimator.

* `xgboost_seconds`: boosting on raw seconds with the device as a category, as PEPPER (IoT 2025) does.
* `xgboost_log`: the same on log seconds.
* `linear_macs`: per device a line in multiply-adds, by least relative error.
* `peak`: multiply-adds over cores × clock, one constant for all.
* `scale`: a workload's mean time over devices times one factor per device.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import xgboost
from scipy.optimize import nnls

from foretide.model.table import Array, Table

TREES, DEPTH, LEARNING_RATE = 300, 8, 0.1
SMALLEST_SECONDS = 1e-6


class Predictor(Protocol):
    """What the bench asks of a model."""

    def fit(self, table: Table, seconds: Array) -> Predictor:
        """Learn."""

    def predict(self, table: Table) -> Array:
        """Seconds per row."""


class Boosted:
    """Trees over all columns, device and family as categories."""

    def __init__(self, *, log: bool) -> None:
        self._log = log

    def fit(self, table: Table, seconds: Array) -> Boosted:
        """Learn."""
        self._devices = {name: code for code, name in enumerate(sorted(set(table.device)))}
        self._families = {name: code for code, name in enumerate(sorted(set(table.family)))}
        self._columns = sorted(table.numbers)
        data = self._matrix(table, np.log(seconds) if self._log else seconds)
        settings = {"max_depth": DEPTH, "eta": LEARNING_RATE, "subsample": 0.8, "tree_method": "hist", "nthread": 2}
        self._booster = xgboost.train(settings, data, num_boost_round=TREES)
        return self

    def predict(self, table: Table) -> Array:
        """Seconds per row."""
        told = np.asarray(self._booster.predict(self._matrix(table, None)), dtype=np.float64)
        return np.exp(told) if self._log else np.maximum(told, SMALLEST_SECONDS)

    def _matrix(self, table: Table, target: Array | None) -> xgboost.DMatrix:
        device = np.array([self._devices.get(name, np.nan) for name in table.device], dtype=np.float64)
        family = np.array([self._families.get(name, np.nan) for name in table.family], dtype=np.float64)
        columns = np.column_stack([device, family, *(table.number(name) for name in self._columns)])
        types = ["c", "c", *("float" for _ in self._columns)]
        return xgboost.DMatrix(columns, target, feature_types=types, enable_categorical=True)


class LinearMacs:
    """A line per device; devices with fewer than two rows take that of all."""

    def fit(self, table: Table, seconds: Array) -> LinearMacs:
        """Learn."""
        macs = _macs(table)
        self._lines = {"": _line(macs, seconds)}
        for name in set(table.device):
            rows = table.device == name
            if rows.sum() >= 2:
                self._lines[name] = _line(macs[rows], seconds[rows])
        return self

    def predict(self, table: Table) -> Array:
        """Seconds per row."""
        lines = np.array([self._lines.get(name, self._lines[""]) for name in table.device])
        return np.asarray(np.maximum(lines[:, 0] + lines[:, 1] * _macs(table), SMALLEST_SECONDS))


class Peak:
    """Multiply-adds over what the data sheet promises."""

    def fit(self, table: Table, seconds: Array) -> Peak:
        """Learn."""
        self._factor = 1.0
        self._factor = float(np.exp(np.median(np.log(seconds / self.predict(table)))))
        return self

    def predict(self, table: Table) -> Array:
        """Seconds per row."""
        speed = np.nan_to_num(table.number("device_cores") * table.number("device_ghz"), nan=4.0)
        return np.asarray(self._factor * _macs(table) / (np.maximum(speed, 0.1) * 1e9))


class Scale:
    """One factor per device on each workload's usual time; unknown workloads by their multiply-adds."""

    def fit(self, table: Table, seconds: Array) -> Scale:
        """Learn."""
        logs = np.log(seconds)
        self._device = dict.fromkeys(set(table.device), 0.0)
        self._workload: dict[str, float] = {}
        for _ in range(5):
            self._workload = _means(table.workload, logs - self._of(self._device, table.device))
            usual = np.array([self._workload[name] for name in table.workload])
            self._device = _means(table.device, logs - usual)
        levels = np.array([self._workload[name] for name in table.workload])
        self._slope = np.polyfit(np.log(_macs(table)), levels, 1)
        return self

    def predict(self, table: Table) -> Array:
        """Seconds per row."""
        usual = np.polyval(self._slope, np.log(_macs(table)))
        usual = np.array([self._workload.get(n, u) for n, u in zip(table.workload, usual, strict=True)])
        return np.asarray(np.exp(usual + self._of(self._device, table.device)))

    @staticmethod
    def _of(values: dict[str, float], names: np.ndarray) -> Array:
        return np.array([values.get(name, 0.0) for name in names])


def baselines() -> dict[str, Predictor]:
    """All of them by name, unfitted."""
    return {
        "xgboost_seconds": Boosted(log=False),
        "xgboost_log": Boosted(log=True),
        "linear_macs": LinearMacs(),
        "peak": Peak(),
        "scale": Scale(),
    }


def baseline(name: str) -> Predictor:
    """One of them, unfitted."""
    return baselines()[name]


def _macs(table: Table) -> Array:
    """Multiply-adds, the median where they are unknown, at least one."""
    macs = table.number("macs")
    middle = np.median(macs[np.isfinite(macs)]) if np.isfinite(macs).any() else 1.0
    return np.asarray(np.maximum(np.where(np.isfinite(macs), macs, middle), 1.0))


def _line(macs: Array, seconds: Array) -> tuple[float, float]:
    design = np.column_stack([np.ones(len(macs)), macs / 1e9]) / seconds[:, None]
    (base, slope), _ = nnls(design, np.ones(len(macs)))
    return float(base), float(slope) / 1e9


def _means(names: np.ndarray, values: Array) -> dict[str, float]:
    distinct, place = np.unique(names.astype(str), return_inverse=True)
    sums, counts = np.bincount(place, values), np.bincount(place)
    return dict(zip(distinct, sums / counts, strict=True))
