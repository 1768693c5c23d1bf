"""Errors of predictions as the experiment reports them, and as who places tasks needs them."""

from __future__ import annotations

import numpy as np

from foretide.model.table import Array


def errors(actual: Array, told: Array) -> dict[str, float]:
    """All in per cent: root mean square error over the range of what is asked for, mean and median of relative errors.

    The range, largest less smallest, makes the first small wherever a few values are large.
    """
    relative = np.abs(told / actual - 1.0) * 100
    root = np.sqrt(np.mean((told - actual) ** 2))
    return {
        "nrmse": _rounded(100 * root / (actual.max() - actual.min())),
        "mape": _rounded(relative.mean()),
        "median": _rounded(np.median(relative)),
    }


def noise(first: Array, again: Array) -> dict[str, float]:
    """How far the same measurement on another occasion is apart, in per cent: median, and what nine of ten keep."""
    apart = np.abs(np.log(again / first)) * 100
    return {"pairs": len(first), "median": _rounded(np.median(apart)), "p90": _rounded(np.quantile(apart, 0.9))}


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
