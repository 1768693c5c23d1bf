"""Compares usual regressors and the completion-time model on measured profiles: `make bench-regressors`.

    python -m bench.regressors [bench/data/measured_profiles.csv] [--plots docs/images]

Splits are those of `bench.predict.splits`: random rows, architectures, families and node classes held out, the last
without a row and with ten. Prints a table per target and, as its last line, one JSON object, also written to
`bench/results/regressors.json`. The perceptron runs in the profiler's torch image (`bench.where_torch_is`).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from bench.machine import machine
from bench.predict.splits import Fold, folds
from bench.regressors.contenders import ON_HYPERPARAMETERS, ON_SIGNATURE, OURS, Answer
from bench.regressors.dataset import TARGETS, DataSet, read
from bench.regressors.figures import errors, noise
from bench.where_torch_is import torch_python
from demo.console import table as text_table
from foretide.model.table import Array

HERE: Final = Path(__file__).parents[1]
DATA: Final = HERE / "data" / "measured_profiles.csv"
RESULTS: Final = HERE / "results"
PLOTS: Final = HERE.parent / "docs" / "images"
SPLITS: Final = {
    "random": "random",
    "architecture": "configuration",
    "family": "family",
    "class": "board_0",
    "class, 10 rows": "board_10",
}
"""What is held out, and the split's name in `bench.predict.splits`."""
TIME: Final = "total_time_s"

Told = dict[str, dict[str, tuple[Array, Array]]]
"""Actual and told values, by contender and split."""


def main() -> int:
    """Compare, print, write; 0."""
    parser = argparse.ArgumentParser(prog="python -m bench.regressors", description=__doc__)
    parser.add_argument("table", type=Path, nargs="?", default=DATA)
    parser.add_argument("--plots", type=Path, default=PLOTS)
    options = parser.parse_args()
    data = read(options.table)
    print(f"{options.table.name}: {len(data)} rows; {machine()}", flush=True)
    parts = {name: list(folds(split, data.measured(TIME), 0)) for name, split in SPLITS.items()}
    told = {target: _told(data, target, parts) for target in TARGETS}
    for label, by_target in _by_perceptron(data, parts).items():
        for target, answers in by_target.items():
            told[target][label] = answers
    found: dict[str, Any] = {
        "machine": machine(),
        "rows": len(data),
        "noise": _noise(options.table),
        "errors": {
            target: {label: {split: errors(*pair) for split, pair in each.items()} for label, each in answers.items()}
            for target, answers in told.items()
        },
    }
    for target in TARGETS:
        _print(target, found["errors"][target])
    print(f"the same setting measured again: {found['noise']}")
    from bench.regressors.plots import draw  # noqa: PLC0415 - costs a second

    for path in draw(options.plots, told[TIME], ("xgboost", "xgboost log on signature", OURS)):
        print(f"drew {path}")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "regressors.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found))
    return 0


def _told(data: DataSet, target: str, parts: dict[str, list[Fold]]) -> Told:
    contenders = ON_HYPERPARAMETERS | (ON_SIGNATURE if target == TIME else {})
    return {label: _answers(label, answer, data, target, parts) for label, answer in contenders.items()}


def _answers(
    label: str, answer: Answer, data: DataSet, target: str, parts: dict[str, list[Fold]]
) -> dict[str, tuple[Array, Array]]:
    began, out = time.monotonic(), {}
    for split, every in parts.items():
        told = [answer(data, target, train, asked) for train, asked in every]
        out[split] = data.target(target)[np.concatenate([asked for _, asked in every])], np.concatenate(told)
    print(f"  {target} by {label}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return out


def _by_perceptron(data: DataSet, parts: dict[str, list[Fold]]) -> dict[str, Told]:
    """The perceptron's answers by label and target; SystemExit with what it said if it cannot be run."""
    every = [fold for folds_of_split in parts.values() for fold in folds_of_split]
    path = RESULTS / "regressors-folds.npz"
    RESULTS.mkdir(exist_ok=True)
    arrays: dict[str, Any] = {"inputs": data.hyperparameters}
    arrays |= {f"target {target}": data.target(target) for target in TARGETS}
    for number, (train, asked) in enumerate(every):
        arrays |= {f"train {number}": train, f"asked {number}": asked}
    np.savez(path, **arrays)
    with torch_python() as run:
        done = run("bench.regressors.torch_mlp", str(path.relative_to(HERE.parent)))
    if done.returncode != 0:
        sys.exit(
            f"the perceptron needs torch and ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
    told = json.loads(done.stdout.splitlines()[-1])
    found: dict[str, Told] = {"perceptron": {}, "perceptron log": {}}
    for target in TARGETS:
        for label, key in (("perceptron", target), ("perceptron log", f"log {target}")):
            answers, found[label][target] = iter(told[key]), {}
            for split, of_split in parts.items():
                asked = np.concatenate([rows for _, rows in of_split])
                predicted = np.concatenate([np.array(next(answers)) for _ in of_split])
                found[label][target][split] = data.target(target)[asked], predicted
    return found


def _noise(path: Path) -> dict[str, float]:
    """Of what was measured twice."""
    frame = pd.read_csv(path)
    both = frame[frame["repeat"] == 1].merge(
        frame[frame["repeat"] == 0], on=["device", "workload"], suffixes=("_again", "")
    )
    return noise(both["seconds"].to_numpy(float), both["seconds_again"].to_numpy(float)) if len(both) else {}


def _print(target: str, found: dict[str, dict[str, dict[str, float]]]) -> None:
    header = [target, *(f"{split}: NRMSE, MAPE, median %" for split in SPLITS)]
    rows = [
        [label, *("{nrmse:.2f} {mape:.1f} {median:.1f}".format(**each[split]) for split in SPLITS)]
        for label, each in found.items()
    ]
    print("\n" + text_table(header, rows), flush=True)


if __name__ == "__main__":
    sys.exit(main())
