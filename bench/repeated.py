"""Rounds of a trial in one cluster: cluster and profiles are made once, then each scheduler's tasks so many times.

The order of the schedulers goes round, so that a drift of the machine favours none; each round is quoted, and the
medians. `bench.burst` and `bench.waves` say which tasks.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from bench.machine import machine
from demo import figures, install, marks, report
from demo.console import Console
from demo.scenario import ROOT, Scenario
from demo.slots import SlotWaits
from demo.stage import prepare
from devcluster import Cluster, ClusterSpec, DevclusterError
from foretide.placement.order import OBJECTIVES
from foretide.simulate.trace import Trace
from foretide_kube.client import ApiError


def main(arguments: list[str], *, description: str, scenario: Path, result: Path) -> int:
    """Run a bench and return its exit status: 0 when every task of every round finished and was paired."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--runs", type=int, default=1, help="rounds of all schedulers (1)")
    parser.add_argument(
        "--order", choices=tuple(OBJECTIVES), default="Balanced", help="what the planner goes by (Balanced)"
    )
    options = parser.parse_args(arguments)
    if options.runs < 1:
        parser.error(f"--runs is {options.runs}; give at least 1")
    try:
        found, traces = measure(msgspec.structs.replace(Scenario.load(scenario), order=options.order), options.runs)
    except KeyboardInterrupt:
        return 130
    except (ApiError, DevclusterError, TimeoutError) as error:
        sys.exit(f"the bench ended early: {error}")
    if options.order != "Balanced":
        result = result.with_stem(f"{result.stem}-{options.order}")
    result.parent.mkdir(exist_ok=True)
    result.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    folder = result.with_suffix("")
    folder.mkdir(exist_ok=True)
    for number, of_round in enumerate(traces, 1):
        for label, each in of_round.items():
            each.write(folder / f"{number}-{label}.json")
    print(json.dumps(found))
    return 0 if figures.is_complete(found) else 1


def measure(scenario: Scenario, runs: int) -> tuple[dict[str, Any], list[Mapping[str, Trace]]]:
    """Bring the cluster up, profile once, run all rounds, take it down; the figures, and each round's traces."""
    console = Console()
    spec = dataclasses.replace(ClusterSpec.load(ROOT / scenario.cluster), name="bench")
    console.heading(f"a real cluster of {len(spec.nodes)} nodes; {machine()}")
    with Cluster.up(spec, images=install.IMAGES, progress=console.say, replace=True) as cluster:
        trial = prepare(cluster, scenario, console).trial()
        every, traces, waits = list[dict[str, Any]](), list[Mapping[str, Trace]](), list[SlotWaits]()
        for number in range(runs):
            done = trial.round(number)
            found = done.figures()
            every.append(found)
            waits.append(done.waits)
            traces.append(done.traces)
            console.heading(f"round {number + 1} of {runs}")
            console.write(report.accuracy(found))
            console.write(report.comparison(found, done.tasks))
            trial.clear()
    together = {"machine": machine(), "order": scenario.order, **figures.medians(every, SlotWaits.together(waits))}
    together["marks"] = marks.held(together, scenario.marks)
    console.heading(f"{scenario.describe()}: all rounds")
    console.write(report.rounds(together))
    console.write(report.ratios(together))
    console.write(report.agreement(together))
    console.write(marks.marks_table(together["marks"]))
    console.write(f"\n  {console.elapsed_seconds():.0f} s in all")
    return together, traces
