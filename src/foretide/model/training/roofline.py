"""Learns the hierarchical roofline: Gauss-Newton steps per device, the population by expectation-maximisation.

Each device's coefficients are the mode of their posterior under the population's Gaussian, with the curvature there as
covariance (Laplace's approximation); the population's mean, slopes and covariance follow from devices with rows enough,
under an inverse-Wishart prior worth a few devices. So two rows and five thousand are the same code. Rows far off weigh
less (Student's t).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from foretide.model.design import Design
from foretide.model.features import DeviceView, devices_of
from foretide.model.roofline import DeviceCosts, Roofline, Work, compact, cost, student_weight
from foretide.model.table import Array, Indices, Mask, Table, rows_by
from foretide.model.target import SECONDS, Target

ROUNDS: Final = 20
FIRST_ROUNDS: Final = 3
"""Rounds in which a device takes several steps: it begins far from its mode."""
LONGEST_STEP: Final = 1.5
PRIOR_DEVICES: Final = 6.0
"""How many devices the prior covariance is worth, and how many rows the prior noise."""
NOISE_ROWS: Final = 10.0
SCALE_DEVIATION: Final = 1.0
"""Prior deviation, log seconds, of a device's scale; what is learned from probes narrows it."""
COST_DEVIATION: Final = 0.5
"""Of the cost of one amount against the others."""
MODIFIER_DEVIATION: Final = 0.6
"""Of a modifier's effect on the cost of one amount."""
FACTOR_DEVIATION: Final = 0.1
"""Of a factor's effect."""
MEAN_COST_DEVIATION: Final = 3.0
"""Of the population's mean cost of an amount against the prior one, and of a modifier's mean effect on it: wide, since
the fewer devices there are the more a narrow one would hold a device without rows away from what all of them showed.
"""
MEAN_FACTOR_DEVIATION: Final = 0.6
"""Of a factor's mean effect."""
MEAN_FAMILY_DEVIATION: Final = 0.1
"""Of what a family has in common on all devices: more would not carry over to the next family."""
BLIND_DEVIATION: Final = 1.5
"""Further deviation of the scale of a device of which nothing is known, where something is known of others."""
NOISE_DEVIATION: Final = 0.08
DESCRIPTION_RIDGE: Final = 1.3
"""Prior of no effect for each described column, in devices as a share of all: it is more than all of them, since
settings of one board are no independent evidence of what its data sheet means."""
MIN_DEVICES_FOR_SLOPES: Final = 3
FULL_ROWS: Final = 20
"""A device with so many rows, or with 30 % of the most that any has, tells what devices are like."""


class RooflineFit:
    """The fit of one table of log seconds; `value` is what was learned."""

    def __init__(self, table: Table, log_seconds: Array, target: Target = SECONDS) -> None:
        self.design = Design.learn(table, target)
        self.view = DeviceView.learn(table)
        self.work = Work.of(self.design, table)
        self.log_seconds = log_seconds
        self.devices = devices_of(table)
        self.names = list(self.devices.device)
        self.place = {name: place for place, name in enumerate(self.names)}
        self.rows = device_rows(table, self.names)
        self.counts = np.array([len(rows) for rows in self.rows])
        self.is_full = full_devices(self.counts)
        self.described = self.view.of(self.devices)
        self.guess, founded = self.view.guess(self.devices)
        self.is_blind = (founded == 0) & any(self.view.sign)
        self.weight = np.ones(len(table))
        self._begin()
        for number in range(ROUNDS):
            self._round(steps=3 if number < FIRST_ROUNDS else 1)

    @property
    def width(self) -> int:
        """Coefficients of a device."""
        return self.design.width

    def value(self) -> Roofline:
        """What was learned."""
        return Roofline(
            design=self.design,
            view=self.view,
            mean=_digits(self.mean),
            slopes=[_digits(row) for row in self.slopes],
            covariance=compact(self.covariance, self.design.block),
            blind_variance=BLIND_DEVIATION**2,
            noise=float(self.common_noise),
            devices={
                name: DeviceCosts(
                    coefficients=_digits(self.theta[place]),
                    covariance=compact(self.posterior[place], self.design.block),
                    noise=float(self.noise[place]),
                    rows=int(self.counts[place]),
                )
                for place, name in enumerate(self.names)
            },
        )

    def coefficients(self) -> Array:
        """Rows × width: those of each row's device."""
        out = np.zeros((len(self.log_seconds), self.width))
        for place, rows in enumerate(self.rows):
            out[rows] = self.theta[place]
        return out

    def prior_of(self, place: int) -> tuple[Array, Array]:
        """Mean and precision of a device's coefficients before its rows were seen."""
        return self.means[place], self.blind_precision if self.is_blind[place] else self.precision

    def _begin(self) -> None:
        count = len(self.design.amounts)
        total = np.log(self.work.amounts.sum(axis=1))
        scale = np.array([np.median((self.log_seconds - total)[rows]) for rows in self.rows])
        self.prior_covariance = self._prior_covariance()
        self.covariance = self.prior_covariance.copy()
        self.theta = np.zeros((len(self.names), self.width))
        self.theta[:, :count] = scale[:, None]
        self.mean = np.zeros(self.width)
        self.mean[:count] = (scale - self.guess)[self.is_full].mean()
        self.slopes = np.zeros((self.described.shape[1], self.width))
        self.posterior = np.zeros((len(self.names), self.width, self.width))
        self.common_noise = 0.04
        self.noise = np.full(len(self.names), self.common_noise)
        self._invert()
        self._place_means()

    def _prior_covariance(self) -> Array:
        count, factors = len(self.design.amounts), self.design.factor_count
        deviations = np.full(self.width, MODIFIER_DEVIATION)
        deviations[:count] = COST_DEVIATION
        deviations[self.width - factors :] = FACTOR_DEVIATION
        return np.diag(deviations**2) + _scale_block(self.width, count, SCALE_DEVIATION)

    def _mean_precision(self) -> Array:
        """Of the population's mean; nothing is held of the common scale of all costs."""
        count = len(self.design.amounts)
        out = np.eye(self.width) / MEAN_COST_DEVIATION**2
        factors = slice(self.design.block, self.width)
        out[factors, factors] = np.eye(self.design.factor_count) / MEAN_FACTOR_DEVIATION**2
        centred = np.eye(count) - 1.0 / count
        out[:count, :count] = centred / MEAN_COST_DEVIATION**2 + 1e-6 * np.eye(count)
        family = self.design.family_columns
        out[family, family] = np.eye(self.width)[family, family] / MEAN_FAMILY_DEVIATION**2
        return out

    def _round(self, *, steps: int) -> None:
        squares, spreads = np.zeros(len(self.names)), np.zeros(len(self.names))
        for place, rows in enumerate(self.rows):
            for _ in range(steps):
                self._step(place)
            costed = cost(self.work.take(rows), self.theta[place])
            left = self.log_seconds[rows] - costed.log_seconds
            squares[place] = (self.weight[rows] * left**2).sum()
            open_ = ((costed.gradient @ self.posterior[place]) * costed.gradient).sum(axis=1)
            # a row cannot be less certain than noise itself allows: what it explains alone it does not test
            spreads[place] = (self.weight[rows] * np.minimum(open_, self.noise[place])).sum()
            self.weight[rows] = student_weight(left**2 / self.noise[place])
        full = self.is_full
        prior = NOISE_ROWS * NOISE_DEVIATION**2
        self.common_noise = ((squares + spreads)[full].sum() + prior) / (self.counts[full].sum() + NOISE_ROWS)
        self.noise = (squares + spreads + NOISE_ROWS * self.common_noise) / (self.counts + NOISE_ROWS)
        self._learn_population()

    def _step(self, place: int) -> None:
        rows = self.rows[place]
        mean, precision = self.prior_of(place)
        self.theta[place], self.posterior[place] = gauss_newton(
            self.work.take(rows),
            self.log_seconds[rows],
            self.weight[rows] / self.noise[place],
            self.theta[place],
            mean=mean,
            precision=precision,
        )

    def _learn_population(self) -> None:
        full = self.is_full
        scaled = self.theta[full].copy()
        scaled[:, : len(self.design.amounts)] -= self.guess[full][:, None]
        precision = np.linalg.inv(self.posterior[full] + self.covariance)
        self.mean = np.linalg.solve(
            precision.sum(axis=0) + self._mean_precision(), np.einsum("ijk,ik->j", precision, scaled)
        )
        self.slopes = described_slopes(self.described[full], scaled - self.mean)
        self._place_means()
        off = self.theta[full] - self.means[full]
        self.covariance = (PRIOR_DEVICES * self.prior_covariance + off.T @ off + self.posterior[full].sum(axis=0)) / (
            PRIOR_DEVICES + full.sum()
        )
        self._invert()

    def _invert(self) -> None:
        blind = _scale_block(self.width, len(self.design.amounts), BLIND_DEVIATION)
        self.precision: Array = np.asarray(np.linalg.inv(self.covariance), dtype=np.float64)
        self.blind_precision: Array = np.asarray(np.linalg.inv(self.covariance + blind), dtype=np.float64)

    def _place_means(self) -> None:
        self.means = self.mean + self.described @ self.slopes
        self.means[:, : len(self.design.amounts)] += self.guess[:, None]


def described_slopes(described: Array, off: Array) -> Array:
    """Descriptions × coefficients: how coefficients follow descriptions, by ridge regression; 0 by few devices."""
    count, columns = described.shape
    if columns == 0 or count <= MIN_DEVICES_FOR_SLOPES:
        return np.zeros((columns, off.shape[1]))
    ridge = DESCRIPTION_RIDGE * count * np.eye(columns)
    return np.asarray(np.linalg.solve(described.T @ described + ridge, described.T @ off), dtype=np.float64)


def gauss_newton(
    work: Work, log_seconds: Array, weight: Array, start: Array, *, mean: Array, precision: Array
) -> tuple[Array, Array]:
    """One step towards the mode of the posterior, and the covariance there; ``weight`` is each row's precision."""
    costed = cost(work, start)
    weighted = costed.gradient * weight[:, None]
    covariance = np.linalg.inv(precision + weighted.T @ costed.gradient)
    target = log_seconds - costed.log_seconds + costed.gradient @ start
    step = covariance @ (precision @ mean + weighted.T @ target) - start
    longest = float(np.abs(step).max())
    return start + step * min(1.0, LONGEST_STEP / max(longest, 1e-12)), (covariance + covariance.T) / 2.0


def device_rows(table: Table, names: list[str]) -> list[Indices]:
    """The rows of each device, in the order of ``names``."""
    found = rows_by(table.device)
    return [found[name] for name in names]


def full_devices(counts: Indices) -> Mask:
    """Which devices, by their rows, tell what devices are like; all where none has enough."""
    full = counts >= min(FULL_ROWS, max(0.3 * counts.max(), 3))
    return np.asarray(full if full.any() else np.ones(len(counts), dtype=bool))


def _scale_block(width: int, count: int, deviation: float) -> Array:
    out = np.zeros((width, width))
    out[:count, :count] = deviation**2
    return out


def _digits(values: Array) -> list[float]:
    return [float(f"{value:.7g}") for value in values]
