"""Learns how devices with few rows are told from those that are known well; see `foretide.model.transfer`."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.optimize import nnls

from foretide.model.roofline import Work, cost, student_weight
from foretide.model.table import Array, Indices
from foretide.model.training.roofline import RooflineFit, gauss_newton
from foretide.model.transfer import MIN_SECONDS, Likeness

MIN_REFERENCES: Final = 3
MIN_ROWS_TO_JUDGE: Final = 4
"""With fewer rows leaving one out leaves too little: the blend is `UNJUDGED`."""
UNJUDGED: Final = (0.9, 0.0, 0.0, 0.1)
OWN_SHARE: Final = 0.4
"""Of its squared error that counts against the first guess: unlike the others it follows what all devices taught of
features, and errs less on workloads that are unlike the device's rows.
"""
MOST_ROWS_LEFT_OUT: Final = 10
MIXTURE_RIDGE: Final = 0.05
SECONDS_RIDGE: Final = 0.02
"""Pull towards equal shares of the known devices, in rows."""
LARGEST_ERROR: Final = 1.5
"""One row that is further off, in log seconds, judges no harder."""
LIKENESS_DEVIATION: Final = 0.25
"""By how much, in log seconds, the times of a like device differ on one row beyond its level."""
LEVEL_DEVIATION: Final = 1.5
DESCRIPTION_DEVIATION: Final = 0.6
"""Distance of standardised descriptions (root mean square over columns) at which devices are little alike."""
_STEPS: Final = 8


def refit(fit: RooflineFit, place: int, log_seconds: Array, *, prior: tuple[Array, Array]) -> Array:
    """The device's coefficients anew, from its rows less their workloads' deviations; its leave-one-out errors.

    ``prior`` is their mean and precision. Changes ``fit``. The errors are those of the model linearised at the mode
    (Rasmussen and Williams 2006, 5.4.2).
    """
    rows = fit.rows[place]
    work = fit.work.take(rows)
    mean, precision = prior
    theta, weight = mean.copy(), np.ones(len(rows))
    for _ in range(_STEPS):
        theta, covariance = gauss_newton(
            work, log_seconds, weight / fit.noise[place], theta, mean=mean, precision=precision
        )
        left = log_seconds - cost(work, theta).log_seconds
        weight = student_weight(left**2 / fit.noise[place])
    fit.theta[place], fit.posterior[place] = theta, covariance
    costed = cost(work, theta)
    from_mean = log_seconds - costed.log_seconds + costed.gradient @ (theta - mean)
    spread = costed.gradient @ np.linalg.inv(precision) @ costed.gradient.T + fit.noise[place] * np.eye(len(rows))
    inverse = np.linalg.inv(spread)
    return np.asarray(inverse @ from_mean / np.diag(inverse), dtype=np.float64)


def alone(references: int, amounts: int) -> Likeness:
    """A device that is told by its own coefficients only."""
    none = [0.0] * references
    blend = [1.0, 0.0, 0.0, 0.0]
    return Likeness(
        blend=blend, mixture=none, level=0.0, in_seconds=none, work=[0.0] * amounts, nearest=none, shift=0.0
    )


def learn_likeness(own_errors: Array, known: Array, amounts: Array, log_seconds: Array, distance: Array) -> Likeness:
    """From a device's rows: ``known`` log seconds (rows × references), work, its own, and distances of descriptions."""
    every = np.arange(len(log_seconds))

    def mixed(rows: Indices) -> tuple[Array, float]:
        return _mixture(known[rows], log_seconds[rows])

    def timed(rows: Indices) -> Array:
        return _seconds(known[rows], amounts[rows], log_seconds[rows])

    def near(rows: Indices) -> tuple[Array, float]:
        return _nearest(known[rows], log_seconds[rows], distance)

    blend = np.array(UNJUDGED)
    if len(every) >= MIN_ROWS_TO_JUDGE:
        judges = every[np.unique(np.linspace(0, len(every) - 1, MOST_ROWS_LEFT_OUT).astype(int))]
        errors: list[list[float]] = [list(own_errors[judges]), [], [], []]
        for row in judges:
            rest = np.delete(every, row)
            shares, level = mixed(rest)
            errors[1].append(known[row] @ shares + level - log_seconds[row])
            told = max(float(np.concatenate([np.exp(known[row]), amounts[row]]) @ timed(rest)), MIN_SECONDS)
            errors[2].append(np.log(told) - log_seconds[row])
            likely, shift = near(rest)
            errors[3].append(known[row] @ likely + shift - log_seconds[row])
        squared = np.array([np.mean(np.minimum(np.abs(each), LARGEST_ERROR) ** 2) for each in errors]) + 1e-4
        squared[0] *= OWN_SHARE
        blend = (1.0 / squared) / (1.0 / squared).sum()
    shares, level = mixed(every)
    in_seconds = timed(every)
    likely, shift = near(every)
    return Likeness(
        blend=_digits(blend),
        mixture=_digits(shares),
        level=float(level),
        in_seconds=_digits(in_seconds[: known.shape[1]]),
        work=_digits(in_seconds[known.shape[1] :]),
        nearest=_digits(likely),
        shift=float(shift),
    )


def _mixture(known: Array, log_seconds: Array) -> tuple[Array, float]:
    count = known.shape[1]
    middle, level = known.mean(axis=0), float(log_seconds.mean())
    ridge = np.sqrt(MIXTURE_RIDGE)
    shares = _non_negative(
        np.vstack([known - middle, ridge * np.eye(count)]),
        np.concatenate([log_seconds - level, np.full(count, ridge / count)]),
        fallback=np.full(count, 1.0 / count),
    )
    return shares, level - float(middle @ shares)


def _seconds(known: Array, amounts: Array, log_seconds: Array) -> Array:
    """Least relative error; the pull is on each column's share of the time."""
    columns = np.hstack([np.exp(known), amounts]) / np.exp(log_seconds)[:, None]
    usual = np.median(columns, axis=0)
    scale = np.where(usual > 1e-12, 1.0 / np.maximum(usual, 1e-12), 0.0)
    width, count = columns.shape[1], known.shape[1]
    start = np.where(np.arange(width) < count, 1.0 / count, 0.0)
    ridge = np.sqrt(SECONDS_RIDGE)
    shares = _non_negative(
        np.vstack([columns * scale, ridge * np.eye(width)]),
        np.concatenate([np.ones(len(columns)), ridge * start]),
        fallback=start,
    )
    return shares * scale


def _nearest(known: Array, log_seconds: Array, distance: Array) -> tuple[Array, float]:
    """Posterior probability of being like each known device, and the mean level above them."""
    off = log_seconds[:, None] - known
    looseness = LIKENESS_DEVIATION**2
    shift = off.sum(axis=0) / looseness / (len(known) / looseness + 1.0 / LEVEL_DEVIATION**2)
    misfit = ((off - shift) ** 2).sum(axis=0) / looseness + shift**2 / LEVEL_DEVIATION**2
    log_likely = -0.5 * (misfit + distance / DESCRIPTION_DEVIATION**2)
    likely = np.exp(log_likely - log_likely.max())
    likely /= likely.sum()
    return likely, float(likely @ shift)


def _non_negative(design: Array, target: Array, *, fallback: Array) -> Array:
    try:
        found, _ = nnls(design, target, maxiter=50 * design.shape[1])
    except RuntimeError:  # it may cycle on nearly collinear columns
        return fallback
    return np.asarray(found, dtype=np.float64)


def _digits(values: Array) -> list[float]:
    return [float(f"{value:.6g}") for value in values]


def reference_work(fit: RooflineFit, rows: Indices, references: list[int]) -> Array:
    """Rows × references: log seconds of the fit's rows on each known device, without deviations."""
    work: Work = fit.work.take(rows)
    return np.column_stack([cost(work, fit.theta[place]).log_seconds for place in references])
