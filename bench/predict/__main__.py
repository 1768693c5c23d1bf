"""Evaluates the completion-time model and simpler ones on measured times: `make bench-predict`.

    python -m bench.predict [TABLE.csv] [--splits random,family,…] [--plots FOLDER] [--quick]

Prints a table per split and, as its last line, one JSON object, also written to `bench/results/predict.json`. `--quick`
takes one seed and leaves out ablation and plots. TABLE.csv has the columns of `foretide.model.table` and `seconds`;
`board` and `architecture` tell which devices and workloads belong together.
"""

from __future__ import annotations

import argparse
import json
import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench.machine import machine
from bench.predict import splits
from bench.predict.baselines import Predictor, baseline, baselines
from bench.predict.contenders import ABLATION, ours, theirs
from bench.predict.figures import Answers, accuracy, decisions
from bench.predict.table import Measured, read
from demo.console import table as text_table
from foretide.model import CompletionTimeModel
from foretide.model.table import Table, rows_by

HERE = Path(__file__).parents[1]
DATA = HERE / "data" / "mlperf_edge.csv"
RESULT = HERE / "results" / "predict.json"
WITH_INTERVALS = frozenset({"random", "family", "board_0", "board_10"})
ASKED = 1000
REPEATS = 5
_PREDICTING = """
import json, sys
from foretide.model.predictor import CompletionTimePredictor
size, given = int(sys.argv[1]), sys.stdin.buffer.read()
CompletionTimePredictor.load(given[:size]).predict_interval(json.loads(given[size:]))
"""
_PREDICTING_SIMPLY = """
import json, pickle, sys
from foretide.model.table import Table
size, given = int(sys.argv[1]), sys.stdin.buffer.read()
pickle.loads(given[:size]).predict(Table.of(json.loads(given[size:])))
"""
_RESIDENT = 'print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))\n'
"""What a process does whose resident memory is told: the peak of its own, which `ru_maxrss` is not after an exec."""
KEYS = ("mape", "median", "within_10", "spearman", "coverage", "width")


def main() -> int:
    """Run, print, write; 0."""
    parser = argparse.ArgumentParser(prog="python -m bench.predict", description=__doc__)
    parser.add_argument("table", type=Path, nargs="?", default=DATA)
    parser.add_argument("--splits", default="", help="without it all that the table allows")
    parser.add_argument("--plots", type=Path, default=HERE / "results" / "predict")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    measured = read(options.table)
    print(f"{options.table.name}: {len(measured)} rows; {machine()}", flush=True)
    names = options.splits.split(",") if options.splits else splits.possible(measured)
    answers = {name: _ours(name, measured, quick=options.quick) for name in names}
    found: dict[str, Any] = {name: accuracy(each) for name, each in answers.items()}
    if "configuration" in answers:
        found |= _decisions(answers["configuration"], measured)
    found |= _costs(measured)
    _print("the model", found, names)
    for label in baselines():
        make = partial(baseline, label)
        told = {name: [theirs(make, name, measured, 0).answers] for name in names}
        found[label] = {name: accuracy(each) for name, each in told.items()}
        if "configuration" in told:
            found[label] |= _decisions(told["configuration"], measured)
        found[label] |= _simple_costs(make(), measured)
        _print(label, found[label], names)
    found["extrapolation"] = _extrapolation(measured)
    print(f"larger models than any seen: MAPE % {found['extrapolation']}")
    _write(found)
    if not options.quick:
        found["ablation"] = _ablation(measured, names)
        _plot(options.plots, answers)
    _write(found)
    print(json.dumps(found))
    return 0


def _write(found: dict[str, Any]) -> None:
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _ours(split: str, measured: Measured, *, quick: bool) -> list[Answers]:
    out = []
    for seed in list(splits.seeds(split))[: 1 if quick else None]:
        answered = ours(split, measured, seed, intervals=split in WITH_INTERVALS)
        out.append(answered.answers)
        print(f"  {split} seed {seed}: {answered.fit_seconds:.1f} s a fold", file=sys.stderr, flush=True)
    return out


def _decisions(every: list[Answers], measured: Measured) -> dict[str, Any]:
    logs = np.log(measured.seconds)
    overall = {name: float(logs[measured.table.device == name].mean()) for name in set(measured.table.device)}
    return {
        "decision_random": decisions(every, overall, similar=False),
        "decision_similar": decisions(every, overall, similar=True),
    }


def _costs(measured: Measured) -> dict[str, float]:
    """What the model costs, with intervals, and the size of its artefact."""
    began = time.perf_counter()
    model = CompletionTimeModel(threads=2).fit(measured.table, measured.seconds)
    fit_seconds = time.perf_counter() - began
    artefact = model.predictor_.save()
    asked = _question(measured)
    return {
        "fit_seconds": round(fit_seconds, 2),
        "predict_1000_ms": _milliseconds(lambda: model.predictor_.predict_interval(asked)),
        "rss_mib": _resident(_PREDICTING, artefact, asked),
        "artefact_bytes": len(artefact),
    }


def _simple_costs(model: Predictor, measured: Measured) -> dict[str, float]:
    """What a simpler model costs, which has no intervals."""
    began = time.perf_counter()
    model.fit(measured.table, measured.seconds)
    fit_seconds = time.perf_counter() - began
    asked = _question(measured)
    return {
        "fit_seconds": round(fit_seconds, 2),
        "predict_1000_ms": _milliseconds(lambda: model.predict(asked)),
        "rss_mib": _resident(_PREDICTING_SIMPLY, pickle.dumps(model), asked),
    }


def _question(measured: Measured) -> Table:
    return measured.table.take(np.random.default_rng(0).permutation(len(measured))[:ASKED])


def _milliseconds(ask: Callable[[], object]) -> float:
    """Median of a few times."""
    spent = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        ask()
        spent.append(time.perf_counter() - began)
    return round(float(np.median(spent)) * 1e3, 1)


def _resident(program: str, model: bytes, asked: Table) -> float:
    """Peak MiB of a process that only predicts."""
    question = json.dumps({name: list(column) for name, column in _columns(asked).items()}).encode()
    out = subprocess.run(
        [sys.executable, "-c", program + _RESIDENT, str(len(model))],
        input=model + question,
        check=True,
        capture_output=True,
    )
    return round(int(out.stdout) / 1024, 1)


def _columns(table: Table) -> dict[str, Any]:
    return {"device": table.device, "workload": table.workload, "family": table.family, **table.numbers}


def _extrapolation(measured: Measured) -> dict[str, float]:
    """Mean over devices of each one's MAPE on models larger than any that it was learned from; empty without any."""
    fold = splits.larger(measured)
    if fold is None:
        return {}
    train, asked = (measured.take(rows) for rows in fold)
    devices = rows_by(asked.table.device).values()
    told = {"foretide": CompletionTimeModel(calibrate=False).fit(train.table, train.seconds).predict(asked.table)}
    told |= {label: made.fit(train.table, train.seconds).predict(asked.table) for label, made in baselines().items()}
    errors = {label: np.abs(predicted / asked.seconds - 1.0) * 100 for label, predicted in told.items()}
    return {label: round(float(np.mean([each[rows].mean() for rows in devices])), 2) for label, each in errors.items()}


def _ablation(measured: Measured, names: list[str]) -> dict[str, Any]:
    found = {}
    for without in ABLATION:
        told = {
            name: [ours(name, measured, seed, intervals=False, without=without).answers for seed in splits.seeds(name)]
            for name in names
        }
        found[without] = {name: accuracy(each) for name, each in told.items()}
        _print(without, found[without], names)
    return found


def _plot(folder: Path, answers: dict[str, list[Answers]]) -> None:
    from bench.predict.plots import draw  # noqa: PLC0415  what a quick run does not need

    for path in draw(folder, answers):
        print(f"drew {path}")


def _print(label: str, found: dict[str, Any], names: list[str]) -> None:
    header = [label, "MAPE %", "median %", "within 10 %", "rho", "cover %", "× width"]
    rows = [[name, *("-" if found[name][key] is None else f"{found[name][key]:.2f}" for key in KEYS)] for name in names]
    print("\n" + text_table(header, rows))
    for key in ("decision_random", "decision_similar"):
        if key in found and found[key]["right"] is not None:
            print(f"  {key}: right {found[key]['right']:.1f} %, mean slowdown {found[key]['slowdown']:.3f}")
    if "fit_seconds" in found:
        print(
            f"  fit {found['fit_seconds']} s, 1,000 predictions {found['predict_1000_ms']} ms, {found['rss_mib']} MiB"
        )
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
