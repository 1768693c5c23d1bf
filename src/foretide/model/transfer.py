"""A device with few rows, told from those that are known well: four guesses, blended by how each did on its own rows.

1. its own coefficients (`foretide.model.roofline`);
2. a non-negative mixture of the known devices' log seconds, level with its rows;
3. a non-negative mixture of the known devices' seconds and of the raw amounts of work;
4. the known devices that are most like it by their times on its rows and by description, each moved to its level.

Weights follow from the error that each guess makes on a row when it is learned from the device's other rows. All four
are non-negative mixtures of functions that never fall when an amount rises, and so is their weighted geometric mean.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from foretide.model.features import State
from foretide.model.table import Array

GUESSES: Final = 4
MIN_SECONDS: Final = 1e-12
MAX_LOG: Final = 300.0
"""No time of a known device is believed beyond this logarithm, whatever an artefact says."""


class Likeness(State, frozen=True, kw_only=True):
    """How one device with few rows is told; weights are non-negative and in the order of `Transfer.references`.

    ``blend`` weighs the four guesses, in their order, and sums to 1. ``level`` and ``shift`` are log seconds,
    ``work`` are per second of prior cost and in the order of the design's amounts.
    """

    blend: list[float]
    mixture: list[float]
    level: float
    in_seconds: list[float]
    work: list[float]
    nearest: list[float]
    shift: float


class Transfer(State, frozen=True, kw_only=True):
    """The known devices that others are told from, and each device that is."""

    references: list[str]
    devices: dict[str, Likeness]


def blended(own: Array, known: Array, amounts: Array, likeness: Likeness) -> Array:
    """Log seconds of each row of a device: ``own`` guess, ``known`` (rows × references) and ``amounts`` of work."""
    first, second, third, fourth = likeness.blend
    seconds = np.exp(np.clip(known, -MAX_LOG, MAX_LOG)) @ np.asarray(likeness.in_seconds) + amounts @ np.asarray(
        likeness.work
    )
    return np.asarray(
        first * own
        + second * (known @ np.asarray(likeness.mixture) + likeness.level)
        + third * np.log(np.maximum(seconds, MIN_SECONDS))
        + fourth * (known @ np.asarray(likeness.nearest) + likeness.shift),
        dtype=np.float64,
    )
