"""Learns the analytic base: non-negative costs by least squares of log error, drawn towards the prior's shape.

Alternates between each device's scale (a robust mean of its log ratios) and the shared costs (a non-negative ridge
regression of relative error, reweighted so that it minimises Huber's loss of log error).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.optimize import nnls

from foretide.model.base import AnalyticBase, prior_cost
from foretide.model.features import amounts, cpus
from foretide.model.table import Array, Table

PRIOR_ROWS: Final = 1.0
"""How many rows the prior cost of each amount is worth."""
HUBER_LOG: Final = 0.3
"""Log error beyond which a row pulls no harder."""
_ROUNDS: Final = 8


def learn_base(table: Table, seconds: Array) -> AnalyticBase:
    """Costs on the mean device (geometric mean of the devices' scales) from times per row."""
    parts = amounts(table)
    names = sorted(parts)
    prior = np.array([prior_cost(name) for name in names])
    units = np.column_stack([parts[name] for name in names]) * prior / cpus(table)[:, None]
    _, device = np.unique(table.device.astype(str), return_inverse=True)
    log_seconds = np.log(seconds)
    relative = np.ones(len(names))
    for _ in range(_ROUNDS):
        scale = _device_scales(log_seconds - np.log(units @ relative), device)
        target = np.exp(log_seconds - scale[device])
        relative = _costs(units, target, relative)
    scale = _device_scales(log_seconds - np.log(units @ relative), device)
    costs = prior * relative * np.exp(scale.mean())
    return AnalyticBase(costs={name: float(cost) for name, cost in zip(names, costs, strict=True)})


def _device_scales(log_ratio: Array, device: np.typing.NDArray[np.intp]) -> Array:
    return np.array([np.median(log_ratio[device == index]) for index in range(device.max() + 1)])


def _costs(units: Array, target: Array, start: Array) -> Array:
    predicted = units @ start
    ratio = predicted / target
    log_error = np.log(ratio)
    # weights that turn squared relative error into squared log error, then into Huber's loss of it
    weight = np.where(np.abs(ratio - 1) < 1e-6, 1.0, log_error / np.where(ratio == 1, 1.0, ratio - 1)) ** 2
    weight *= np.minimum(1.0, HUBER_LOG / np.maximum(np.abs(log_error), 1e-12))
    root = np.sqrt(weight)[:, None]
    count = units.shape[1]
    # the prior keeps its shape and follows the overall scale, which the devices' scales hold
    design = np.vstack([root * units / target[:, None], np.sqrt(PRIOR_ROWS) * np.eye(count) * _share(units, start)])
    wanted = np.concatenate([root[:, 0], np.sqrt(PRIOR_ROWS) * _share(units, start)])
    try:
        costs, _ = nnls(design, wanted, maxiter=100 * count)
    except RuntimeError:  # it may cycle on nearly collinear amounts; the costs so far are sound
        return start
    return np.asarray(np.maximum(costs, 1e-6), dtype=np.float64)


def _share(units: Array, costs: Array) -> Array:
    parts = units * costs
    share: Array = (parts / parts.sum(axis=1, keepdims=True)).mean(axis=0)
    return np.maximum(share, 0.02)
