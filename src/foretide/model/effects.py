"""Log-linear effects on top of the base: what is peculiar to a device, to a shape, and to a known workload.

    log seconds = log base(w) + a_d + shape(w)·(m + s_d) + u_w

`a_d` the device's scale, `s_d` its own response to shape, `m` what all devices share, `u_w` a known workload's own
deviation. All but `a_d` are drawn towards zero as far as rows are few (partial pooling); a device without rows gets
`a_d` from its description alone. The spread of each prediction follows from the same Gaussian model.
"""

from __future__ import annotations

import numpy as np

from foretide.model.features import DeviceView, Shape, State
from foretide.model.table import Array, Mask, Table


class DeviceEffect(State, frozen=True, kw_only=True):
    """One device: [scale, response to shape…], its posterior covariance (rows of a square matrix), rows seen."""

    coefficients: list[float]
    covariance: list[list[float]]
    noise: float
    rows: int


class WorkloadEffect(State, frozen=True, kw_only=True):
    """One known workload: deviation in log seconds, its variance, rows seen, the fold that left it out."""

    deviation: float
    variance: float
    rows: int
    fold: int


class Effects(State, frozen=True, kw_only=True):
    """Everything learned in log space; `prior_variance` is that of a device never seen, [scale, response…]."""

    shape: Shape
    view: DeviceView
    scale: float
    description: list[float]
    shared: list[float]
    devices: dict[str, DeviceEffect]
    workloads: dict[str, WorkloadEffect]
    prior_variance: list[float]
    blind_variance: float
    workload_variance: float
    noise: float

    def design(self, table: Table) -> Array:
        """Rows × (1 + shape): the columns that a device's coefficients meet."""
        return np.column_stack([np.ones(len(table)), self.shape.of(table)])

    def described_scale(self, table: Table) -> tuple[Array, Mask]:
        """The scale that each row's device description suggests, and whether it was founded on anything (bool)."""
        guess, founded = self.view.guess(table)
        scale = self.scale + guess + self.view.of(table) @ np.asarray(self.description)
        return np.asarray(scale, dtype=np.float64), founded > 0

    def device_coefficients(self, table: Table) -> Array:
        """Rows × (1 + shape): the coefficients of each row's device, shared part included."""
        out = np.tile(np.concatenate([[0.0], self.shared]), (len(table), 1))
        described, _ = self.described_scale(table)
        for row, name in enumerate(table.device):
            known = self.devices.get(name)
            if known is None:
                out[row, 0] = described[row]
            else:
                out[row] += known.coefficients
        return out

    def log_factor(self, table: Table) -> Array:
        """Device's and shape's part of log(seconds / base); the workload's own deviation is not in it."""
        return np.asarray((self.design(table) * self.device_coefficients(table)).sum(axis=1), dtype=np.float64)

    def deviation(self, table: Table) -> Array:
        """Known workloads' own part; 0 for the others."""
        out = np.zeros(len(table))
        for row, name in enumerate(table.workload):
            known = self.workloads.get(name)
            if known is not None:
                out[row] = known.deviation
        return out

    def variance(self, table: Table) -> Array:
        """Variance of log seconds as the Gaussian model sees it: noise, device, workload."""
        design = self.design(table)
        out = np.empty(len(table))
        _, founded = self.described_scale(table)
        covariances = {name: np.asarray(effect.covariance) for name, effect in self.devices.items()}
        for row in range(len(table)):
            known = self.devices.get(table.device[row])
            x = design[row]
            if known is None:
                out[row] = self.noise + x**2 @ np.asarray(self.prior_variance)
                if not founded[row]:
                    out[row] += self.blind_variance
            else:
                out[row] = known.noise + x @ covariances[table.device[row]] @ x
            workload = self.workloads.get(table.workload[row])
            out[row] += self.workload_variance if workload is None else workload.variance
        return out
