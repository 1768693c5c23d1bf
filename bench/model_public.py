"""Evaluates the completion-time model on a table of measured times, as unseen rows, families and devices.

    python bench/model_public.py TABLE.csv [--splits random,family,device_0,device_10] [--seed 0]

The table has the columns of `foretide.model.table` and `seconds`; `board`, where present, groups devices of one board.
Prints a table, and as its last line one JSON object, also written to `bench/results/model.json`.
"""

from __future__ import annotations

import argparse
import csv
import json
import platform
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from foretide.model import CompletionTimeModel
from foretide.model.table import SIZES, Array, Table

Rows = npt.NDArray[np.int64]
Fold = tuple[Rows, Rows]
FOLDS = 5
RESULT = Path(__file__).parent / "results" / "model.json"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Evaluate the completion-time model on a table of measured times.")
    parser.add_argument("table", type=Path)
    parser.add_argument("--splits", default="random,family,device_0,device_10")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--trees", type=int, default=CompletionTimeModel().trees)
    options = parser.parse_args(arguments)
    columns, seconds = read(options.table)
    table = Table.of(columns)
    boards = np.asarray(columns.get("board", columns["device"]), dtype=object)
    print(f"{options.table.name}: {len(table)} rows; {platform.machine()}, Python {platform.python_version()}")
    figures: dict[str, dict[str, float]] = {}
    print(
        f"{'split':12}{'rows':>7}{'MAPE %':>8}{'median %':>9}{'in 10 %':>8}"
        f"{'rho':>7}{'cover %':>8}{'width':>7}{'fit s':>7}"
    )
    for split in options.splits.split(","):
        actual, median, low, high, fit_seconds = run(
            table, seconds, list(folds(split, table, boards, options.seed)), seed=options.seed, trees=options.trees
        )
        row = figures[split] = marks(actual, median, low, high)
        row["fit_seconds"] = fit_seconds
        print(
            f"{split:12}{len(actual):7d}{row['mape']:8.1f}{row['median']:9.1f}{row['within_10']:8.1f}"
            f"{row['spearman']:7.3f}{row['coverage']:8.1f}{row['width']:7.2f}{fit_seconds:7.1f}"
        )
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(figures))
    return 0


def read(path: Path) -> tuple[dict[str, list[str] | list[float]], Array]:
    """Columns and seconds of a CSV file; an empty number is unknown."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows or "seconds" not in rows[0]:
        raise SystemExit(f"{path} has no rows or no column 'seconds': give a table as documented")
    columns: dict[str, list[str] | list[float]] = {}
    for name in rows[0]:
        if name in SIZES or name.startswith(("x_", "device_")):
            columns[name] = [float(row[name] or "nan") for row in rows]
        else:
            columns[name] = [row[name] for row in rows]
    seconds = np.array([float(row["seconds"]) for row in rows])
    del columns["seconds"]
    return columns, seconds


def folds(split: str, table: Table, boards: npt.NDArray[np.object_], seed: int) -> Iterator[Fold]:
    """Training and test rows: `random` (a fifth), `family` (each in turn), `device_K` (boards, all but K rows)."""
    random = np.random.default_rng(seed)
    every = np.arange(len(table))
    if split == "random":
        order = random.permutation(len(table))
        cut = len(order) // 5
        yield order[cut:], order[:cut]
    elif split == "family":
        for family in sorted(set(table.family)):
            held = table.family == family
            yield every[~held], every[held]
    elif split.startswith("device_"):
        anchors = int(split.removeprefix("device_"))
        names = sorted(set(boards))
        place = dict(zip(names, random.permutation(len(names)), strict=True))
        fold = np.array([place[board] % FOLDS for board in boards])
        for index in range(FOLDS):
            train, test = [every[fold != index]], []
            for device in sorted(set(table.device[fold == index])):
                rows = random.permutation(every[(fold == index) & (table.device == device)])
                train.append(rows[:anchors])
                test.append(rows[10:])
            yield np.concatenate(train), np.concatenate(test)
    else:
        raise SystemExit(f"split {split!r}: give random, family or device_K")


def run(
    table: Table, seconds: Array, parts: list[Fold], *, seed: int, trees: int
) -> tuple[Array, Array, Array, Array, float]:
    """Actual, median, lower and upper seconds of all test rows, and the mean time of a fit."""
    out: list[tuple[Array, Array, Array, Array]] = []
    spent = 0.0
    for train, test in parts:
        begin = time.perf_counter()
        model = CompletionTimeModel(seed=seed, trees=trees).fit(table.take(train), seconds[train])
        spent += time.perf_counter() - begin
        asked = table.take(test)
        low, high = model.predict_interval(asked)
        out.append((seconds[test], model.predict(asked), low, high))
    actual, median, low, high = (np.concatenate(column) for column in zip(*out, strict=True))
    return actual, median, low, high, spent / len(parts)


def marks(actual: Array, median: Array, low: Array, high: Array) -> dict[str, float]:
    """Errors in per cent, rank correlation, coverage in per cent, and the mean half-width as a factor."""
    error = np.abs(median / actual - 1.0)
    ranks = [np.argsort(np.argsort(values)).astype(np.float64) for values in (actual, median)]
    return {
        "mape": float(error.mean() * 100),
        "median": float(np.median(error) * 100),
        "within_10": float((error <= 0.1).mean() * 100),
        "spearman": float(np.corrcoef(ranks[0], ranks[1])[0, 1]),
        "coverage": float(((actual >= low) & (actual <= high)).mean() * 100),
        "width": float(np.exp(np.mean(np.log(high / low)) / 2)),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
