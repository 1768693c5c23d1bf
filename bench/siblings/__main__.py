"""What a measurement tells of other batch sizes and CPU limits, and what they gain in passing: `make bench-siblings`.

    python -m bench.siblings [--seeds 10] [--models 18] [--share 0.3]

On the project's own profiles (`make measure`). Prints the errors by what was measured of the model, then clusters in
which every model runs at several batch sizes: each measured by itself, and those that wait taken in passing, for as
many seconds of the nodes. The last line is one JSON object, also written to `bench/results/siblings.json`: per cent of
median error and regret, means over the clusters when all have arrived, and over arrivals.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final, get_args

import numpy as np

from bench.machine import machine
from bench.regressors.dataset import DataSet, read
from bench.siblings.passing import cluster_of, run
from bench.siblings.questions import Differing, errors, siblings

HERE = Path(__file__).parents[1]
DATA = HERE / "data" / "measured_profiles.csv"
RESULT = HERE / "results" / "siblings.json"
FIRST_SEED: Final = 100
QUESTION_SEEDS: Final = 2


def main() -> int:
    """Ask, replay, print, write; 0."""
    parser = argparse.ArgumentParser(prog="python -m bench.siblings", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="clusters")
    parser.add_argument("--models", type=int, default=18, help="of a cluster, each at all its batch sizes")
    parser.add_argument("--share", type=float, default=0.3, help="of the seconds that measuring every pair would take")
    options = parser.parse_args()
    data = read(DATA)
    print(f"{DATA.name}: {len(data)} rows; {machine()}", flush=True)
    found: dict[str, Any] = {name: _asked(data, name) for name in get_args(Differing)}
    found |= _replayed(data, options.seeds, options.models, options.share)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found))
    return 0


def _asked(data: DataSet, differing: Differing) -> dict[str, float]:
    medians = {}
    for known, wrong in errors(siblings(data, differing), seeds=QUESTION_SEEDS).items():
        medians[known] = round(float(np.median(wrong)), 2)
        print(f"{differing}, measured {known}: median error {medians[known]} %, {len(wrong)} questions", flush=True)
    return medians


def _replayed(data: DataSet, seeds: int, models: int, share: float) -> dict[str, Any]:
    """Means over clusters, each line of one printed, by whether others are taken in passing."""
    given, told = siblings(data, "batch_size"), dict[str, list[dict[str, float]]]()
    for seed in range(FIRST_SEED, FIRST_SEED + seeds):
        cluster = cluster_of(given, seed, models)
        for name, in_passing in (("alone", False), ("in_passing", True)):
            figures, choosing = run(cluster, seed, share=share, in_passing=in_passing)
            last = figures[-1]
            row = {
                "seconds": choosing.spent_seconds,
                "measured_share": last.measured_share,
                "passed": choosing.passed,
                "median_error": last.median_error,
                "regret": last.regret,
                "regret_arriving": float(np.mean([each.regret for each in figures])),
            }
            told.setdefault(name, []).append(row)
            print(f"cluster {seed}, {name}:", *(f"{key} {value:.3g}" for key, value in row.items()), flush=True)
    return {
        name: {key: round(float(np.mean([row[key] for row in rows])), 3) for key in rows[0]}
        for name, rows in told.items()
    }


if __name__ == "__main__":
    sys.exit(main())
