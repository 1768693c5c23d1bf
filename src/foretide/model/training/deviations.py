"""Learns workloads' deviations by expectation-maximisation: a covariance of devices, and each workload's posterior.

Workloads are independent draws from N(0, Ω), seen on some devices with noise. Ω is drawn towards one variance and one
common covariance, which is what few workloads can support (Ledoit and Wolf 2004, with a fixed number of pseudo-draws).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from foretide.model.deviations import Deviations, WorkloadDeviation
from foretide.model.table import Array, Table

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
    place = {name: index for index, name in enumerate(devices)}
    names = sorted(set(table.workload) - {""})
    row_of = {name: index for index, name in enumerate(names)}
    shape = len(names), len(devices)
    weight, total, squares, count = np.zeros(shape), np.zeros(shape), np.zeros(shape), np.zeros(shape, dtype=np.int64)
    for row, (workload, device) in enumerate(zip(table.workload, table.device, strict=True)):
        if workload in row_of and device in place:
            at = row_of[workload], place[device]
            weight[at] += trust[row]
            total[at] += trust[row] * left[row]
            squares[at] += trust[row] * left[row] ** 2
            count[at] += 1
    seen = weight > 0
    value = np.divide(total, weight, out=np.zeros_like(total), where=seen)
    within = np.maximum(squares - weight * value**2, 0.0).sum(axis=0)
    covariance = _prior(PRIOR_DEVIATION**2, COMMON_SHARE * PRIOR_DEVIATION**2, len(devices))
    noise = PRIOR_NOISE**2
    for _ in range(ROUNDS):
        means, gathered, left_open, misfit = _expect(covariance, value, weight, noise)
        covariance = _maximise(gathered, len(names), len(devices))
        noise = ((misfit + within).sum() + PRIOR_UNITS * PRIOR_NOISE**2) / (float(count.sum()) + PRIOR_UNITS)
    by_device = (misfit + within + PRIOR_UNITS * noise) / (count.sum(axis=0) + PRIOR_UNITS)
    # a pair whose own rows are not where it is predicted is no surer than one that was never measured
    is_met = (value - means) ** 2 <= (MOST_OFF * (1.0 + 1.0 / np.maximum(count, 1))) * by_device
    rows_told = np.where(is_met, np.minimum(count, MOST_ROWS_TOLD), 0)
    return Deviations(
        devices=devices,
        workloads={
            name: WorkloadDeviation(
                common=_rounded(means[index].mean() if len(devices) else 0.0),
                by_device=[_rounded(each) for each in means[index]],
                variance=_rounded(left_open[index] + noise),
                rows="".join(map(str, rows_told[index])),
            )
            for index, name in enumerate(names)
            if seen[index].any()
        },
        unknown_variance=_rounded(np.trace(covariance) / max(len(devices), 1)),
        noise=[_rounded(each) for each in by_device],
    )


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
