"""Clusters out of measured tables: devices are node classes, workloads arrive a few architectures at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from bench.predict.table import Measured, read
from foretide.model.table import Texts

CLASSES = 10
"""Node classes of a cluster."""
FEWEST_WORKLOADS = 40
"""Devices with fewer results than these make no class."""
ARRIVALS = 7
"""Architectures arrive in so many groups, each with all its workloads."""


def of_boards(measured: Measured, seed: int) -> Measured:
    """The results of ten devices, each of another board."""
    random = np.random.default_rng(seed)
    devices = []
    for board in sorted(set(measured.board)):
        names, counts = np.unique(measured.table.device[measured.board == board].astype(str), return_counts=True)
        usable = names[counts >= FEWEST_WORKLOADS]
        if len(usable):
            devices.append(str(random.choice(usable)))
    chosen = set(random.permutation(devices)[:CLASSES])
    return measured.take(np.array([name in chosen for name in measured.table.device]))


def of_profiles(path: Path) -> Measured:
    """The project's own profiles: all classes, and the models that were measured on each in the same way."""
    is_grid = pd.read_csv(path, usecols=["grid"])["grid"].to_numpy() == 1
    return read(path).take(is_grid)


def arrivals(cluster: Measured, seed: int) -> list[Texts]:
    """The architectures in the order in which they arrive, by group."""
    names = np.array(sorted(set(cluster.architecture)), dtype=object)
    np.random.default_rng(seed).shuffle(names)
    return np.array_split(names, ARRIVALS)


def pairs(cluster: Measured, groups: Sequence[Texts]) -> list[int]:
    """How many pairs there are after each arrival."""
    return [int(count) for count in np.cumsum([np.isin(cluster.architecture, names).sum() for names in groups])]
