"""Learns workloads' deviations by expectation-maximisation: a covariance of devices, and each workload's posterior.

Workloads are independent draws from N(0, Ω), seen on some devices with noise. Ω is drawn towards one variance and one
common covariance, which is what few workloads can support (Ledoit and Wolf 2004, with a fixed number of pseudo-draws).
A finished model is told of further workloads, by what was learned without them, in `with_workloads`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from foretide.model.deviations import Deviations, WorkloadDeviation
from foretide.model.table import Array, Indices, Table

ROUNDS: Final = 10
PRIOR_WORKLOADS: Final = 10.0
"""How many workloads the shrunken covariance is worth."""
PRIOR_DEVIATION: Final = 0.3
"""Prior deviation of one workload, log seconds; how many workloads it is worth: `PRIOR_UNITS`."""
PRIOR_UNITS: Final = 6.0
COMMON_SHARE: Final = 0.7
"""Prior share of the variance that all devices have in common."""
PRIOR_NOISE: Final = 0.05
"""Prior deviation of one row about its workload's deviation on that device."""
MOST_ROWS_TOLD: Final = 9
"""More rows of one pair make its interval no narrower: what one occasion differs from the next remains."""
MOST_OFF: Final = 4.0
"""Squared, in variances of the next time: how far a pair's own rows may lie from its prediction."""


def learn_deviations(table: Table, left: Array, trust: Array, devices: list[str]) -> Deviations:
    """From what features leave of log seconds, how much each row is trusted, and the devices with rows enough."""
    seen = _Seen.of(table, left, trust, devices)
    covariance = _prior(PRIOR_DEVIATION**2, COMMON_SHARE * PRIOR_DEVIATION**2, len(devices))
    noise = PRIOR_NOISE**2
    rows = float(seen.count.sum())
    for _ in range(ROUNDS):
        means, gathered, left_open, misfit = _expect(covariance, seen.value, seen.weight, noise)
        covariance = _maximise(gathered, len(seen.names), len(devices))
        noise = ((misfit + seen.within).sum() + PRIOR_UNITS * PRIOR_NOISE**2) / (rows + PRIOR_UNITS)
    by_device = (misfit + seen.within + PRIOR_UNITS * noise) / (seen.count.sum(axis=0) + PRIOR_UNITS)
    return Deviations(
        devices=devices,
        workloads=_told(seen, means, left_open + noise, by_device),
        unknown_variance=_rounded(np.trace(covariance) / max(len(devices), 1)),
        noise=[_rounded(each) for each in by_device],
    )


def with_workloads(known: Deviations, table: Table, left: Array) -> Deviations:
    """Also the deviations of workloads that nothing was learned from, by what features leave of their log seconds.

    What devices have in common is taken to be the usual share; nothing that was learned before changes.
    """
    seen = _Seen.of(table, left, np.ones(len(table)), known.devices)
    covariance = _prior(known.unknown_variance, COMMON_SHARE * known.unknown_variance, len(known.devices))
    noise = float(np.median(known.noise)) if known.noise else PRIOR_NOISE**2
    means, _, left_open, _ = _expect(covariance, seen.value, seen.weight, noise)
    told = _told(seen, means, left_open + noise, np.array(known.noise))
    return msgspec.structs.replace(known, workloads=told | known.workloads)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is left of log seconds by workload and device: trust, its weighted mean, number of rows.

    ``within`` is per device the squares about these means.
    """

    names: list[str]
    weight: Array
    value: Array
    count: Indices
    within: Array

    @classmethod
    def of(cls, table: Table, left: Array, trust: Array, devices: list[str]) -> _Seen:
        place = {name: index for index, name in enumerate(devices)}
        names = sorted(set(table.workload) - {""})
        row_of = {name: index for index, name in enumerate(names)}
        shape = len(names), len(devices)
        weight, total, squares = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        count = np.zeros(shape, dtype=np.int64)
        for row, (workload, device) in enumerate(zip(table.workload, table.device, strict=True)):
            if workload in row_of and device in place:
                at = row_of[workload], place[device]
                weight[at] += trust[row]
                total[at] += trust[row] * left[row]
                squares[at] += trust[row] * left[row] ** 2
                count[at] += 1
        value = np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)
        within = np.maximum(squares - weight * value**2, 0.0).sum(axis=0)
        return cls(names, weight, value, count, within)


def _told(seen: _Seen, means: Array, variance: Array, by_device: Array) -> dict[str, WorkloadDeviation]:
    # a pair whose own rows are not where it is predicted is no surer than one that was never measured
    is_met = (seen.value - means) ** 2 <= (MOST_OFF * (1.0 + 1.0 / np.maximum(seen.count, 1))) * by_device
    rows_told = np.where(is_met, np.minimum(seen.count, MOST_ROWS_TOLD), 0)
    return {
        name: WorkloadDeviation(
            common=_rounded(means[index].mean() if means.shape[1] else 0.0),
            by_device=[_rounded(each) for each in means[index]],
            variance=_rounded(variance[index]),
            rows="".join(map(str, rows_told[index])),
        )
        for index, name in enumerate(seen.names)
        if (seen.weight[index] > 0).any()
    }


def _expect(covariance: Array, value: Array, weight: Array, noise: float) -> tuple[Array, Array, Array, Array]:
    """Posterior means, summed second moments, mean variance per workload, summed squared misfit per device."""
    means = np.zeros_like(value)
    gathered = np.zeros_like(covariance)
    left_open = np.full(len(value), float(np.trace(covariance)) / max(len(covariance), 1))
    misfit = np.zeros(len(covariance))
    for index in range(len(value)):
        at = np.flatnonzero(weight[index])
        posterior = covariance
        if len(at):
            trust = weight[index, at]
            gain = covariance[:, at] @ np.linalg.inv(covariance[np.ix_(at, at)] + np.diag(noise / trust))
            means[index] = gain @ value[index, at]
            posterior = covariance - gain @ covariance[at]
            left_open[index] = max(float(np.trace(posterior)) / len(covariance), 0.0)
            misfit[at] += trust * ((value[index, at] - means[index, at]) ** 2 + posterior[at, at])
        gathered += np.outer(means[index], means[index]) + posterior
    return means, gathered, left_open, misfit


def _maximise(gathered: Array, workloads: int, devices: int) -> Array:
    if devices == 0 or workloads == 0:
        return gathered
    mean = gathered / workloads
    variance = float(np.trace(mean)) / devices
    shared = (float(mean.sum()) - float(np.trace(mean))) / (devices * (devices - 1)) if devices > 1 else 0.0
    units = PRIOR_UNITS / (PRIOR_UNITS + workloads)
    variance += units * (PRIOR_DEVIATION**2 - variance)
    shared += units * (COMMON_SHARE * PRIOR_DEVIATION**2 - shared)
    return (gathered + PRIOR_WORKLOADS * _prior(variance, shared, devices)) / (workloads + PRIOR_WORKLOADS)


def _prior(variance: float, shared: float, devices: int) -> Array:
    shared = min(max(shared, 0.0), 0.99 * variance)
    return shared * np.ones((devices, devices)) + (variance - shared) * np.eye(devices)


def _rounded(value: float) -> float:
    return float(f"{value:.5g}")
