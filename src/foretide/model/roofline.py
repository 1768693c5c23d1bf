"""The hierarchical roofline: what each device takes for each kind of work, learned for all devices together.

    log seconds = log Σ_k exp(c_dk + Σ_j m_j(w)·b_dkj) · amount_k(w)  +  Σ_i f_i(w)·g_di

A roofline taken as a sum (Williams, Waterman, Patterson 2009), per device d: `c` the logarithm of what a unit of each
amount costs, `b` how each modifier changes that, `g` the factors on the whole. The coefficients of all devices are
drawn from one Gaussian, θ_d ~ N(mean + description_d · slopes, covariance): a device with many rows has its own, one
with few leans on what it has in common with others, one without rows has what its description suggests. Time never
falls when an amount rises, whatever was learned.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np

from foretide.model.design import Design
from foretide.model.features import DeviceView, State
from foretide.model.table import Array, Indices, Table, rows_by

MAX_LOG_COST: Final = 40.0
"""No cost departs from the prior one by more than this logarithm."""


class Work(NamedTuple):
    """A table as the roofline sees it: rows × amounts, modifiers, factors."""

    amounts: Array
    modifiers: Array
    factors: Array

    @classmethod
    def of(cls, design: Design, table: Table) -> Work:
        """The features of each row."""
        return cls(design.amounts_of(table), design.modifiers_of(table), design.factors_of(table))

    def take(self, rows: Indices) -> Work:
        """These rows."""
        return Work(self.amounts[rows], self.modifiers[rows], self.factors[rows])


class Costed(NamedTuple):
    """What work costs under given coefficients: log seconds, each amount's share of them, and their gradient."""

    log_seconds: Array
    shares: Array
    gradient: Array


def cost(work: Work, coefficients: Array) -> Costed:
    """Log seconds of each row under its own coefficients (rows × width, or one for all)."""
    amounts, modifiers, factors = work
    count, flags = amounts.shape[1], modifiers.shape[1]
    end = count * (1 + flags)
    theta = np.broadcast_to(coefficients, (len(amounts), end + factors.shape[1]))
    log_costs = theta[:, :count] + np.einsum(
        "ij,ikj->ik", modifiers, theta[:, count:end].reshape(len(amounts), count, flags)
    )
    parts = np.exp(np.clip(log_costs, -MAX_LOG_COST, MAX_LOG_COST)) * amounts
    total = parts.sum(axis=1)
    shares = parts / total[:, None]
    by_modifier = (shares[:, :, None] * modifiers[:, None, :]).reshape(len(amounts), count * flags)
    gradient = np.hstack([shares, by_modifier, factors])
    return Costed(np.log(total) + (factors * theta[:, end:]).sum(axis=1), shares, gradient)


class DeviceCosts(State, frozen=True, kw_only=True):
    """One device: coefficients, their posterior covariance (`compact`), its noise (variance), rows seen."""

    coefficients: list[float]
    covariance: list[float]
    noise: float
    rows: int


class Roofline(State, frozen=True, kw_only=True):
    """What was learned. ``slopes`` has a row of coefficients for each described column; variances are of log seconds.

    ``blind_variance`` comes on top, for the scale of a device of whose speed nothing is known where others' is.
    """

    design: Design
    view: DeviceView
    mean: list[float]
    slopes: list[list[float]]
    covariance: list[float]
    blind_variance: float
    noise: float
    devices: dict[str, DeviceCosts]

    def coefficients(self, table: Table) -> Array:
        """Rows × width: those of each row's device."""
        return with_devices(self.described(table), table, {n: d.coefficients for n, d in self.devices.items()})

    def described(self, table: Table) -> Array:
        """Rows × width: what each device's description suggests."""
        slopes = np.asarray(self.slopes, dtype=np.float64).reshape(len(self.view.names), len(self.mean))
        out: Array = np.asarray(self.mean) + self.view.of(table) @ slopes
        out[:, : len(self.design.amounts)] += self.view.guess(table)[0][:, None]
        return out

    def variance(self, table: Table, gradient: Array) -> Array:
        """Variance of log seconds per row that costs and noise leave open."""
        width = len(self.mean)
        out = _quadratic(gradient, expanded(self.covariance, self.design.block, width)) + self.noise
        scale = gradient[:, : len(self.design.amounts)].sum(axis=1)
        if any(self.view.sign):
            out += np.where(self.view.guess(table)[1] > 0, 0.0, self.blind_variance * scale**2)
        for name, rows in rows_by(table.device).items():
            known = self.devices.get(name)
            if known is None:
                continue
            out[rows] = _quadratic(gradient[rows], expanded(known.covariance, self.design.block, width)) + known.noise
        return out


def with_devices(base: Array, table: Table, known: Mapping[str, list[float]]) -> Array:
    """Coefficients per row: those known of its device, else those of ``base``."""
    out = base.copy()
    for name, rows in rows_by(table.device).items():
        if name in known:
            out[rows] = known[name]
    return out


def compact(covariance: Array, block: int) -> list[float]:
    """What an artefact keeps of a covariance: the upper triangle of its first ``block``, then the diagonal.

    Factors are many, and few of them apply to one row, so that what they have in common is left out. Four digits.
    """
    kept = [*covariance[:block, :block][np.triu_indices(block)], *np.diag(covariance)[block:]]
    return [float(f"{value:.4g}") for value in kept]


def expanded(values: list[float], block: int, width: int) -> Array:
    """The covariance of `compact`; ValueError if it has another size."""
    count = block * (block + 1) // 2
    if len(values) != count + width - block:
        raise ValueError(f"{len(values)} values do not make a covariance of {width} coefficients, {block} of them full")
    out = np.zeros((width, width))
    out[np.triu_indices(block)] = values[:count]
    out += np.triu(out, 1).T
    out[np.arange(block, width), np.arange(block, width)] = values[count:]
    return out


def _quadratic(gradient: Array, covariance: Array) -> Array:
    return np.asarray(np.maximum(((gradient @ covariance) * gradient).sum(axis=1), 0.0), dtype=np.float64)


def student_weight(squared: Array) -> Array:
    """Weight of a row by its squared standardised residual: Student's t with 4 degrees of freedom."""
    return 5.0 / (4.0 + squared)
