"""The long run: ``python -m tests.chaos [--faults 200] [--seed 1] [--only KIND,…]``; run by ``make chaos``.

Prints a line for each fault, a table by kind, what is wrong, and as its last line one JSON object, also written to
``bench/results/chaos.json``. Exit status 1 where anything is wrong; the logs of the cluster are then kept in
``bench/results/chaos-logs``. The same seed draws the same faults; what they meet is never quite the same.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from bench.machine import machine
from demo.scenario import ROOT
from devcluster import DevclusterError
from devcluster.cluster import Cluster
from examples.models import make_onnx
from tests.chaos.arena import arena
from tests.chaos.kinds import KINDS
from tests.chaos.running import Outcome, run

CLUSTER: Final = "chaos"
RESULTS: Final = ROOT / "bench" / "results"
_LOGS: Final = RESULTS / "chaos-logs"


def say(line: str) -> None:
    """One line, at once."""
    print(line, flush=True)


def main(arguments: list[str]) -> int:
    """Run, tell, and say by the exit status whether all was right."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="kinds of faults, separated by commas; all where none is named")
    parser.add_argument("--cluster", default=CLUSTER, help="the cluster's name")
    options = parser.parse_args(arguments)
    names = {kind.name for kind in KINDS}
    wanted = set(filter(None, options.only.split(","))) or names
    if unknown := wanted - names:
        parser.error(f"--only: {', '.join(sorted(unknown))}: no such kind; there are {', '.join(sorted(names))}")
    kinds = [kind for kind in KINDS if kind.name in wanted]
    say(f"{options.faults} faults of {len(kinds)} kinds, seed {options.seed}; {machine()}")
    with tempfile.TemporaryDirectory() as directory, arena(options.cluster, options.seed) as found:
        model = make_onnx.build(Path(directory))["edge-cnn"].read_bytes()
        try:
            outcome = run(found, model, kinds=kinds, faults=options.faults, seed=options.seed, say=say)
        except BaseException:
            keep_logs(found.cluster, found.installed.describe())
            raise
        if not outcome.is_sound:
            keep_logs(found.cluster, found.installed.describe())
    return tell(outcome)


def tell(outcome: Outcome) -> int:
    """Print and store what came of it; the exit status."""
    failed = sum(bool(each.failure) for each in outcome.inflicted)
    say(f"\n{'kind':<26}faults")
    for name, times in outcome.by_kind.items():
        say(f"{name:<26}{times:6d}")
    say(f"{'(nothing there to be hurt)':<26}{failed:6d}\n")
    for check, lines in outcome.wrong.items():
        for line in lines:
            say(f"WRONG {check}: {line}")
    figures = summary(outcome)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "chaos.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    say(json.dumps(figures))
    return 0 if outcome.is_sound else 1


def summary(outcome: Outcome) -> dict[str, Any]:
    """The figures."""
    return {
        "machine": machine(),
        "seed": outcome.seed,
        "faults": outcome.faults,
        "tasks": outcome.tasks,
        **{check: len(lines) for check, lines in outcome.wrong.items()},
        "jobs": outcome.runs,
        "evicted_by_hand": outcome.evicted,
        "done_though_given_up": outcome.given_up,
        "actions": dict(sorted(outcome.actions.items())),
        "fault_seconds": round(outcome.fault_seconds),
        "heal_seconds": round(outcome.heal_seconds),
        "by_kind": outcome.by_kind,
        "wrong": [f"{check}: {line}" for check, lines in outcome.wrong.items() for line in lines][:50],
    }


def keep_logs(cluster: Cluster, described: str) -> None:
    """Copy what the processes of the cluster wrote, and what its API says, to where it outlives the cluster."""
    shutil.rmtree(_LOGS, ignore_errors=True)
    shutil.copytree(cluster.paths.logs, _LOGS)
    (_LOGS / "described.txt").write_text(described, encoding="utf-8")
    for node in cluster.nodes:
        for pod in (node.place.disk / "log" / "pods").glob("foretide-system_*"):
            shutil.copytree(pod, _LOGS / node.name / pod.name, ignore_dangling_symlinks=True)
    everything = cluster.kubectl("get", "aiw,nclass,wprof,ctmodel,jobs,pods,leases,events", "-A", "-o", "json")
    (_LOGS / "objects.json").write_text(everything, encoding="utf-8")
    say(f"logs: {_LOGS.relative_to(ROOT)}")


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except DevclusterError as error:
        sys.exit(f"{error.reason}: {error}")
