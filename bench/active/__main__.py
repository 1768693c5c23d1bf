"""Measures 30 % of the pairs of clusters made of measured tables, by gain and at random: `make bench-active`.

    python -m bench.active [--seeds 5] [--share 0.3]

Clusters are made of public results, ten devices each, and of the project's own profiles (`make measure`), all classes,
in which only the order of arrival differs from seed to seed. Prints a line per cluster and arrival, and as its last
line one JSON object, also written to `bench/results/active.json`: the share of pairs measured, and per cent of median
error on the others and of regret, means over the clusters when all workloads have arrived; by cluster, and as medians
over the arrivals (`…_arriving`), too; of the own profiles under `own`. With `--share 1` nothing but the rule of what is
sure enough bounds what is measured.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from bench.active.fleets import arrivals, of_boards, of_profiles, pairs
from bench.active.replay import Figures, at_random, by_gain, replay
from bench.machine import machine
from bench.predict.table import Measured, read

HERE = Path(__file__).parents[1]
DATA = HERE / "data" / "mlperf_edge.csv"
PROFILES = HERE / "data" / "measured_profiles.csv"
RESULT = HERE / "results" / "active.json"
FIRST_SEED = 100
"""Of the clusters reported: on those of seeds below the constants of `foretide.profiling.gain` were chosen."""
SEEDS = 5
SHARE = 0.3
MARKS = {"median_error": 12.0, "regret": 3.0, "measured_share": 0.3}


def main() -> int:
    """Replay, print, write; 0."""
    parser = argparse.ArgumentParser(prog="python -m bench.active", description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--share", type=float, default=SHARE, help="the most of the pairs that are measured")
    options = parser.parse_args()
    seeds = range(FIRST_SEED, FIRST_SEED + options.seeds)
    measured, profiles = read(DATA), of_profiles(PROFILES)
    print(f"{DATA.name}: {len(measured)} rows; {machine()}", flush=True)
    found = _replayed({seed: of_boards(measured, seed) for seed in seeds}, options.share)
    print(f"{PROFILES.name}: {len(profiles)} rows", flush=True)
    found["own"] = _replayed(dict.fromkeys(seeds, profiles), options.share)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    for label, figures in ((DATA.name, found), (PROFILES.name, found["own"])):
        for name, bound in MARKS.items():
            word = "met" if figures[name] <= bound else "MISSED"
            print(f"{label}: {name}: {figures[name]:.3g}, asked for at most {bound:g}: {word}")
    print(json.dumps(found))
    return 0


def _replayed(clusters: Mapping[int, Measured], share: float) -> dict[str, Any]:
    """The figures of clusters by seed, by gain and at random; a line is printed for each arrival."""
    chosen, random = list[list[Figures]](), list[list[Figures]]()
    for seed, cluster in clusters.items():
        print(f"cluster {seed}: {len(set(cluster.table.device))} classes, {len(cluster)} pairs", flush=True)
        groups = arrivals(cluster, seed)
        most = [int(share * count) for count in pairs(cluster, groups)]
        chosen.append(replay(cluster, groups, by_gain, most=most, intervals=True))
        as_many = [figures.measured for figures in chosen[-1]]
        random.append(replay(cluster, groups, at_random(seed), most=as_many, intervals=False))
        for gain, any_ in zip(chosen[-1], random[-1], strict=True):
            print(f"  measured {gain.measured_share:.1%}: {_told(gain)}; at random: {_told(any_)}", flush=True)
    return _summary(chosen, random)


def _told(figures: Figures) -> str:
    return f"median error {figures.median_error:5.2f} %, regret {figures.regret:5.2f} %"


def _summary(chosen: Sequence[Sequence[Figures]], random: Sequence[Sequence[Figures]]) -> dict[str, Any]:
    last = [run[-1] for run in chosen]
    found: dict[str, Any] = {"measured_share": round(float(np.mean([each.measured_share for each in last])), 4)}
    for prefix, runs in (("", chosen), ("random_", random)):
        ends = [run[-1] for run in runs]
        every = [figures for run in runs for figures in run]
        for name in ("median_error", "regret"):
            found[f"{prefix}{name}"] = round(float(np.mean([getattr(each, name) for each in ends])), 3)
            found[f"{prefix}{name}_arriving"] = round(float(np.median([getattr(each, name) for each in every])), 3)
        found[f"{prefix}clusters"] = [asdict(each) for each in ends]
    return found


if __name__ == "__main__":
    sys.exit(main())
