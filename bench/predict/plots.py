"""Four pictures of how well times are predicted: PNG files, for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np

from bench.predict.figures import Answers, accuracy
from bench.predict.splits import ANCHORS

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

TENTHS = 10


def draw(folder: Path, answers: Mapping[str, Sequence[Answers]]) -> Iterator[Path]:
    """Draw what the given splits allow into ``folder``; the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {
        "predicted-actual": (_scatter, "family"),
        "calibration": (_calibration, "family"),
        "anchors": (_anchors, "board_10"),
        "distance": (_distance, "random"),
    }
    for name, (paint, needs) in pictures.items():
        if needs not in answers:
            continue
        figure, axes = plt.subplots(figsize=(6, 5), layout="constrained")
        paint(axes, answers)
        path = folder / f"{name}.png"
        figure.savefig(path, dpi=120)
        plt.close(figure)
        yield path


def _scatter(axes: Axes, answers: Mapping[str, Sequence[Answers]]) -> None:
    for split in ("family", "random"):
        if split in answers:
            one = answers[split][0]
            axes.loglog(one.asked.seconds, one.median, ".", markersize=2, label=split)
    ends = axes.get_xlim()
    axes.loglog(ends, ends, color="black", linewidth=0.8)
    axes.set(xlabel="measured seconds", ylabel="predicted seconds", title="Predicted against measured")
    axes.legend(markerscale=5)


def _calibration(axes: Axes, answers: Mapping[str, Sequence[Answers]]) -> None:
    """Coverage reached if the 90 % interval is scaled: where the curve of a split crosses its own 90 %."""
    factors = np.linspace(0.2, 2.0, 37)
    for split, every in answers.items():
        one = every[0]
        if one.upper is None or one.lower is None:
            continue
        half = np.log(one.upper / one.lower) / 2
        miss = np.abs(np.log(one.asked.seconds / one.median))
        axes.plot(factors, [(miss <= factor * half).mean() * 100 for factor in factors], label=split)
    axes.axhline(90, color="black", linewidth=0.8)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set(xlabel="share of the 90 % interval's half-width", ylabel="covered %", title="Calibration")
    axes.legend()


def _anchors(axes: Axes, answers: Mapping[str, Sequence[Answers]]) -> None:
    known = [(k, accuracy(answers[f"board_{k}"])) for k in ANCHORS if f"board_{k}" in answers]
    axes.plot([k for k, _ in known], [found["mape"] or 0.0 for _, found in known], "o-", label="mean")
    axes.plot([k for k, _ in known], [found["median"] or 0.0 for _, found in known], "o-", label="median")
    axes.set(xlabel="rows of the new device", ylabel="error %", title="Error on new boards", yscale="log")
    axes.legend()


def _distance(axes: Axes, answers: Mapping[str, Sequence[Answers]]) -> None:
    """Per split the median error of a tenth of its rows, in order of their distance from what was learned from."""
    for split in ("random", "configuration", "family", "board_10", "board_0"):
        if split not in answers:
            continue
        one = answers[split][0]
        error = np.abs(one.median / one.asked.seconds - 1.0) * 100
        tenths = np.array_split(np.argsort(one.distance, kind="stable"), TENTHS)
        axes.plot(
            [np.median(one.distance[rows]) for rows in tenths],
            [np.median(error[rows]) for rows in tenths],
            "o-",
            markersize=3,
            label=split,
        )
    axes.set(
        xlabel="distance from the nearest row learned from (deviations, root mean square)",
        ylabel="median error %",
        title="Error against distance from training",
        yscale="log",
    )
    axes.legend()
