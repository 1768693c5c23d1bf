"""Two pictures of the comparison: PNG files, for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np

from foretide.model.table import Array

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

Told = Mapping[str, Mapping[str, tuple[Array, Array]]]
"""Actual and told times, by contender and split."""


def draw(folder: Path, told: Told, labels: Sequence[str]) -> Iterator[Path]:
    """Draw into `folder`; the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    yield _bars(folder / "experiment-errors.png", told)
    yield _scatter(folder / "experiment-families.png", told, labels)


def _bars(path: Path, told: Told) -> Path:
    """Median error of the time, by contender, one bar a split: what a random split hides."""
    figure, axes = plt.subplots(figsize=(9, 5), layout="constrained")
    names, splits = list(told), list(next(iter(told.values())))
    for number, split in enumerate(splits):
        heights = [np.median(np.abs(told[name][split][1] / told[name][split][0] - 1)) * 100 for name in names]
        axes.bar(np.arange(len(names)) + 0.16 * number, heights, 0.16, label=split)
    axes.set_xticks(np.arange(len(names)) + 0.16 * (len(splits) - 1) / 2, names, rotation=30, ha="right")
    axes.set(ylabel="median error of total time %", yscale="log", title="What is held out decides")
    axes.legend()
    return _saved(figure, path)


def _scatter(path: Path, told: Told, labels: Sequence[str]) -> Path:
    figure, axes = plt.subplots(figsize=(6, 5), layout="constrained")
    for label in labels:
        actual, predicted = told[label]["family"]
        axes.loglog(actual, np.maximum(predicted, 1e-3), ".", markersize=2, label=label)
    ends = axes.get_xlim()
    axes.loglog(ends, ends, color="black", linewidth=0.8)
    axes.set(xlabel="measured seconds", ylabel="predicted seconds", title="Total time, families never seen")
    axes.legend(markerscale=5)
    return _saved(figure, path)


def _saved(figure: Figure, path: Path) -> Path:
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path
