"""What devices of the same data sheet with few rows say of each other: the prior of one, sharpened by the others'.

They are taken to be one machine with other software, and to differ from what their description suggests in
like ways: θ_i - mean_i is a Gaussian process with covariance k_ij·Σ over them, k = likeness·exp(-distance / reach)
(Bonilla, Chai and Williams 2008, multi-task Gaussian processes), and independent of all other devices'. Both numbers
are learned from devices with rows enough. So four settings of a new board with a row each tell together what none of
them tells alone.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from foretide.model.design import is_flag
from foretide.model.roofline import cost
from foretide.model.table import Array, Mask, Table
from foretide.model.training.roofline import RooflineFit, described_slopes

REACHES: Final = (0.5, 1.0, 2.0, 5.0)
"""Mean squared difference of standardised descriptions at which the correlation has fallen to a third."""
PRIOR_PAIRS: Final = 3.0
"""Pairs of unlike devices that the evidence for likeness is held against."""
MOST_LIKENESS: Final = 0.98
MOST_ROWS_COMPARED: Final = 200
"""Rows, evenly spaced, by whose times devices are compared."""
MOST_COMPANIONS: Final = 12
LEAST_CORRELATION: Final = 0.15


class Kernel(NamedTuple):
    """How correlated two devices are: ``likeness`` where they are described alike, falling with the distance."""

    likeness: float
    reach: float

    def of(self, distance: Array) -> Array:
        """The correlation of different devices at these distances."""
        return np.asarray(self.likeness * np.exp(-distance / self.reach), dtype=np.float64)


class Said(NamedTuple):
    """What a device's rows say of its coefficients less their mean, as pseudo rows with noise of variance 1."""

    gradient: Array
    value: Array


class Companions:
    """Takes a fit as it stands; `prior_of` then gives a device's prior given what its companions' rows say.

    Companions have few rows themselves: devices with rows enough speak by mean, slopes and transfer, and where two of
    them share a data sheet they need not be one machine.
    """

    def __init__(self, fit: RooflineFit) -> None:
        self._fit = fit
        self._distance = distances(fit.described, fit.described)
        self._is_same = same_hardware(fit.devices)
        self.kernel = self._learn()
        few = np.flatnonzero(~fit.is_full) if self.kernel.likeness else ()
        self._said = {int(place): _said(fit, int(place)) for place in few}

    def prior_of(self, place: int) -> tuple[Array, Array]:
        """Mean and precision of a device's coefficients before its own rows are seen."""
        fit = self._fit
        near = self.of(place)
        if len(near) == 0:
            return fit.prior_of(place)
        correlation = self.kernel.of(self._distance[np.ix_(near, near)])
        np.fill_diagonal(correlation, 1.0)
        own = self.kernel.of(self._distance[place, near])
        gradients = [self._said[other].gradient for other in near]
        scaled = [gradient @ fit.covariance for gradient in gradients]
        cross = np.vstack([share * each for share, each in zip(own, scaled, strict=True)])
        spread = np.block(
            [[correlation[i, j] * scaled[i] @ gradients[j].T for j in range(len(near))] for i in range(len(near))]
        )
        values = np.concatenate([self._said[other].value for other in near])
        gain = np.linalg.solve(spread + np.eye(len(spread)), cross).T
        covariance = fit.covariance - gain @ cross
        return fit.means[place] + gain @ values, np.linalg.inv((covariance + covariance.T) / 2.0)

    def of(self, place: int) -> list[int]:
        """The places of a device's companions, the most like first."""
        if not self.kernel.likeness or self._fit.is_blind[place]:
            return []
        near = self._is_same[place] & ~self._fit.is_full
        correlation = np.where(near, self.kernel.of(self._distance[place]), 0.0)
        correlation[place] = 0.0
        order = np.argsort(-correlation, kind="stable")[:MOST_COMPANIONS]
        return [int(other) for other in order if correlation[other] >= LEAST_CORRELATION]

    def _learn(self) -> Kernel:
        """Least squares over pairs of devices with rows enough, of how far each one's times are from its mean's."""
        fit = self._fit
        full = np.flatnonzero(fit.is_full)
        first, second = np.triu_indices(len(full), 1)
        pairs = self._is_same[full[first], full[second]]
        first, second = first[pairs], second[pairs]
        if len(first) == 0:
            return Kernel(0.0, REACHES[0])
        rows = np.linspace(0, len(fit.log_seconds) - 1, MOST_ROWS_COMPARED).astype(int)
        work = fit.work.take(rows)
        means = {at: self._mean_without_own(int(at)) for at in full}
        off = np.array([cost(work, fit.theta[at]).log_seconds - cost(work, means[at]).log_seconds for at in full])
        product = (off[first] * off[second]).mean(axis=1)
        size = np.sqrt((off[first] ** 2).mean(axis=1) * (off[second] ** 2).mean(axis=1))
        distance = self._distance[full[first], full[second]]
        held = PRIOR_PAIRS * float((size**2).mean())
        best, least = Kernel(0.0, REACHES[0]), float((product**2).sum())
        for reach in REACHES:
            shape = np.exp(-distance / reach) * size
            likeness = float(np.clip((shape @ product) / (shape @ shape + held), 0.0, MOST_LIKENESS))
            misfit = float(((product - likeness * shape) ** 2).sum())
            if misfit < least:
                best, least = Kernel(likeness, reach), misfit
        return best

    def _mean_without_own(self, place: int) -> Array:
        """What would be expected of a device if its own hardware had not taught what descriptions mean."""
        fit = self._fit
        others = fit.is_full & ~self._is_same[place]
        count = len(fit.design.amounts)
        scaled = fit.theta[others].copy()
        scaled[:, :count] -= fit.guess[others][:, None]
        out = fit.mean + fit.described[place] @ described_slopes(fit.described[others], scaled - fit.mean)
        out[:count] += fit.guess[place]
        return np.asarray(out, dtype=np.float64)


def same_hardware(devices: Table) -> Mask:
    """Devices × devices: whether all facts but flags are known of both and equal."""
    facts = [column for column in devices.numbers.values() if not is_flag(column)]
    count = len(devices)
    if not facts:
        return np.eye(count, dtype=bool)
    table = np.column_stack(facts)
    equal: Mask = np.asarray(np.equal(table[:, None, :], table[None, :, :]).all(axis=2))
    np.fill_diagonal(equal, val=True)
    return equal


def distances(described: Array, others: Array) -> Array:
    """Devices × others: mean squared difference of their standardised descriptions, 0 without any."""
    if described.shape[1] == 0:
        return np.zeros((len(described), len(others)))
    return np.asarray(((described[:, None, :] - others[None, :, :]) ** 2).mean(axis=2), dtype=np.float64)


def _said(fit: RooflineFit, place: int) -> Said:
    """The device's likelihood, read from its posterior less its prior."""
    mean, precision = fit.prior_of(place)
    posterior = np.linalg.inv(fit.posterior[place])
    values, directions = np.linalg.eigh(posterior - precision)
    kept = values > 1e-9 * max(values[-1], 1e-12)
    root = np.sqrt(values[kept])
    told = directions[:, kept].T @ (posterior @ (fit.theta[place] - mean))
    return Said((root[:, None] * directions[:, kept].T), told / root)
