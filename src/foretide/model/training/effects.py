"""Learns the log-linear effects: a mixed model fitted by blocks, with variances by expectation-maximisation.

Each block (one device, what is shared, known workloads) is a small ridge regression given the others; its penalty is
the ratio of the noise to the block's own variance, which is re-estimated with a prior worth a few units, so that two
rows and five thousand are the same code. Rows far off weigh less (Student's t with 4 degrees of freedom).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from foretide.model.effects import DeviceEffect, Effects, WorkloadEffect
from foretide.model.features import DeviceView, Shape, first_rows
from foretide.model.table import Array, Table

ROUNDS: Final = 15
PRIOR_UNITS: Final = 6.0
"""How many devices, workloads or rows the prior variances are worth."""
RESPONSE_DEVIATION: Final = 0.08
"""Prior deviation of a device's own response to one standardised feature, log seconds."""
SHARED_DEVIATION: Final = 0.15
"""Prior deviation of the shared response to one standardised feature."""
WORKLOAD_DEVIATION: Final = 0.3
"""Prior deviation of a workload's own time: base and shape miss by this factor's logarithm."""
SCALE_DEVIATION: Final = 0.5
"""Prior deviation of a device's scale about what its description says."""
BLIND_DEVIATION: Final = 1.5
"""Further deviation for a device of which nothing is known."""
NOISE_DEVIATION: Final = 0.08
"""Prior deviation of one row."""
DESCRIPTION_RIDGE: Final = 4.0
"""How many devices the prior of no effect is worth for each described feature."""
_FREEDOM: Final = 4.0


class _Fit:
    """The blocks while they are fitted."""

    def __init__(self, table: Table, target: Array) -> None:
        self.target = target
        self.shape = Shape.learn(table)
        self.view = DeviceView.learn(table)
        self.first = first_rows(table)
        self.design = np.column_stack([np.ones(len(table)), self.shape.of(table)])
        width = self.design.shape[1]
        self.device_rows = _groups(table.device, list(self.first))
        self.workload_names = sorted(set(table.workload) - {""})
        self.workload_rows = _groups(table.workload, self.workload_names)
        guess, founded = self.view.guess(table)
        first = list(self.first.values())
        self.guess, self.founded = guess[first], founded[first] > 0
        self.described = self.view.of(table)[first]
        self.shared = np.zeros(width)
        self.device = np.zeros((len(self.first), width))
        self.covariance = np.zeros((len(self.first), width, width))
        self.workload = np.zeros(len(self.workload_names))
        self.workload_var = np.zeros(len(self.workload_names))
        self.deviation = np.zeros(len(table))
        self.scale_mean = np.zeros(len(self.first))
        self.scale = float(np.mean(target))
        self.description = np.zeros(self.described.shape[1])
        self.noise = np.full(len(self.first), NOISE_DEVIATION**2)
        self.row_noise = np.full(len(table), NOISE_DEVIATION**2)
        self.common_noise = NOISE_DEVIATION**2
        self.variance = np.full(width, RESPONSE_DEVIATION**2)
        self.variance[0] = SCALE_DEVIATION**2
        self.workload_variance = WORKLOAD_DEVIATION**2
        self.weight = np.ones(len(table))

    def residual(self) -> Array:
        """Target less everything learned."""
        out: Array = self.target - self.deviation - self.design @ self.shared
        for index, rows in enumerate(self.device_rows):
            out[rows] -= self.design[rows] @ self.device[index]
        return out

    def round(self) -> None:
        """One pass over all blocks, then the variances."""
        self.fit_description()
        self.fit_devices()
        self.fit_shared()
        self.fit_workloads()
        self.fit_variances()

    def fit_description(self) -> None:
        scales = self.device[:, 0] if self.device[:, 0].any() else self._first_scales()
        offset = scales - np.where(self.founded, self.guess, 0.0)
        self.scale = float(np.mean(offset))
        if self.described.shape[1] and len(offset) > 2:
            centred = self.described - self.described.mean(axis=0)
            ridge = DESCRIPTION_RIDGE * self.described.shape[1] * np.eye(self.described.shape[1])
            self.description = np.linalg.solve(centred.T @ centred + ridge, centred.T @ (offset - self.scale))
            self.scale = float(np.mean(offset - self.described @ self.description))
        self.scale_mean = self.scale + self.guess + self.described @ self.description

    def _first_scales(self) -> Array:
        return np.array([np.median(self.target[rows]) for rows in self.device_rows])

    def fit_devices(self) -> None:
        left = self.residual()
        for index, rows in enumerate(self.device_rows):
            prior = np.zeros(self.design.shape[1])
            prior[0] = self.scale_mean[index]
            variance = self.variance.copy()
            if not self.founded[index]:
                variance[0] += BLIND_DEVIATION**2
            own = left[rows] + self.design[rows] @ self.device[index]
            weighted = self.design[rows] * (self.weight[rows] / self.row_noise[rows])[:, None]
            precision = np.diag(1.0 / variance) + weighted.T @ self.design[rows]
            self.covariance[index] = np.linalg.inv(precision)
            self.device[index] = self.covariance[index] @ (prior / variance + weighted.T @ own)

    def fit_shared(self) -> None:
        if self.design.shape[1] == 1:
            return
        left = self.residual() + self.design @ self.shared
        columns = self.design[:, 1:]
        # rows of one workload are no independent witnesses of how shape matters: they share its deviation
        per_workload = np.ones(len(left))
        for rows in self.workload_rows:
            per_workload[rows] = 1.0 + len(rows) * 0.1
        weighted = columns * (self.weight / self.row_noise / per_workload)[:, None]
        ridge = np.eye(columns.shape[1]) / SHARED_DEVIATION**2
        self.shared[1:] = np.linalg.solve(weighted.T @ columns + ridge, weighted.T @ left)

    def fit_workloads(self) -> None:
        left = self.residual() + self.deviation
        self.deviation[:] = 0.0
        for index, rows in enumerate(self.workload_rows):
            precision = 1.0 / self.workload_variance + (self.weight[rows] / self.row_noise[rows]).sum()
            self.workload[index] = (self.weight[rows] / self.row_noise[rows] * left[rows]).sum() / precision
            self.workload_var[index] = 1.0 / precision
            self.deviation[rows] = self.workload[index]

    def fit_variances(self) -> None:
        left = self.residual()
        second = np.zeros(len(self.device_rows))
        for index, rows in enumerate(self.device_rows):
            uncertain = np.einsum("ij,jk,ik->i", self.design[rows], self.covariance[index], self.design[rows])
            # a row cannot be less certain than noise itself allows: what it explains alone it does not test
            second[index] = (self.weight[rows] * left[rows] ** 2 + np.minimum(uncertain, self.noise[index])).sum()
        counts = np.array([len(rows) for rows in self.device_rows])
        prior = PRIOR_UNITS * NOISE_DEVIATION**2
        self.common_noise = float((second.sum() + prior) / (counts.sum() + PRIOR_UNITS))
        self.noise = (second + PRIOR_UNITS * self.common_noise) / (counts + PRIOR_UNITS)
        for index, rows in enumerate(self.device_rows):
            self.row_noise[rows] = self.noise[index]
        self.weight = (_FREEDOM + 1) / (_FREEDOM + left**2 / self.row_noise)
        from_mean = self.device.copy()
        from_mean[:, 0] -= self.scale_mean
        seen = from_mean**2 + np.einsum("ijj->ij", self.covariance)
        start = np.full(len(self.variance), RESPONSE_DEVIATION**2)
        start[0] = SCALE_DEVIATION**2
        self.variance = (seen.sum(axis=0) + PRIOR_UNITS * start) / (len(seen) + PRIOR_UNITS)
        self.workload_variance = float(
            ((self.workload**2 + self.workload_var).sum() + PRIOR_UNITS * WORKLOAD_DEVIATION**2)
            / (len(self.workload) + PRIOR_UNITS)
        )

    def effects(self, folds: dict[str, int]) -> Effects:
        """What was learned, as a value."""
        return Effects(
            shape=self.shape,
            view=self.view,
            scale=self.scale,
            description=self.description.tolist(),
            shared=self.shared[1:].tolist(),
            devices={
                name: DeviceEffect(
                    coefficients=self.device[index].tolist(),
                    covariance=self.covariance[index].tolist(),
                    noise=float(self.noise[index]),
                    rows=len(self.device_rows[index]),
                )
                for index, name in enumerate(self.first)
            },
            workloads={
                name: WorkloadEffect(
                    deviation=float(self.workload[index]),
                    variance=float(self.workload_var[index]),
                    rows=len(self.workload_rows[index]),
                    fold=folds[name],
                )
                for index, name in enumerate(self.workload_names)
            },
            prior_variance=self.variance.tolist(),
            blind_variance=BLIND_DEVIATION**2,
            workload_variance=self.workload_variance,
            noise=self.common_noise,
        )


def learn_effects(table: Table, target: Array, folds: dict[str, int]) -> Effects:
    """Effects from log(seconds / base) per row; `folds` gives each workload the ensemble that will answer it."""
    fit = _Fit(table, target)
    for _ in range(ROUNDS):
        fit.round()
    return fit.effects(folds)


def with_deviations(effects: Effects, table: Table, left: Array) -> Effects:
    """The same effects with the workloads' own deviations learned anew from what is `left` of the log seconds."""
    noise = np.array([effects.devices[name].noise for name in table.device])
    weight = (_FREEDOM + 1) / (_FREEDOM + left**2 / (noise + effects.workload_variance)) / noise
    workloads = {}
    total = 0.0
    for name, rows in zip(effects.workloads, _groups(table.workload, list(effects.workloads)), strict=True):
        old = effects.workloads[name]
        precision = 1.0 / effects.workload_variance + weight[rows].sum()
        mean = float((weight[rows] * left[rows]).sum() / precision)
        total += mean**2 + 1.0 / precision
        workloads[name] = WorkloadEffect(deviation=mean, variance=float(1.0 / precision), rows=old.rows, fold=old.fold)
    variance = (total + PRIOR_UNITS * effects.workload_variance) / (len(workloads) + PRIOR_UNITS)
    return Effects(
        **{
            **{name: getattr(effects, name) for name in effects.__struct_fields__},
            "workloads": workloads,
            "workload_variance": float(variance),
        }
    )


def _groups(values: npt.NDArray[np.object_], names: list[str]) -> list[npt.NDArray[np.int64]]:
    rows: dict[str, list[int]] = {name: [] for name in names}
    for row, value in enumerate(values):
        if value in rows:
            rows[value].append(row)
    return [np.array(rows[name], dtype=np.int64) for name in names]
