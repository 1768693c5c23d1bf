"""Order policies of the plan, each at what it is for, beside the usual one: `make bench-orders`.

    python -m bench.orders [--tasks 400] [--processes 2]

All scenarios of `bench.placement`, planned by every order. *Overtaken* are tasks that waited while one that came later
began on the node where they then ran. For fair shares two teams run at load 1 with as much work each: the same
workloads, or one the short and one the long ones; and one that floods (bursts of 100, nine tenths of the work) beside
one whose tasks come one by one. Prints tables and, as its last line, one JSON object, which is also written to
`bench/results/orders.json`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from bench.machine import machine
from bench.placement import BURST, LOADS, TEAMS, Fleet, known_of, out_of_fold, scenarios
from bench.predict.__main__ import DATA
from bench.predict.table import read
from demo.console import table
from foretide.simulate.arrivals import Bursts, Poisson
from foretide.simulate.cluster import SimTask
from foretide.simulate.engine import simulate
from foretide.simulate.outcome import Outcome
from foretide.simulate.policies import FORETIDE, orders
from foretide.simulate.scenario import Scenario
from foretide.simulate.summary import summarise

RESULT: Final = Path(__file__).parent / "results" / "orders.json"
POLICIES: Final = {FORETIDE.name: FORETIDE} | {policy.name: policy for policy in orders()}
AIMS: Final = {"Arrival": "overtaken_share", "DeadlineSlack": "missed_share", "ShortestFirst": "mean_seconds"}
FAIR: Final = "FairShare"
FLOOD: Final = "one floods"
FLOOD_SHARE: Final = 0.9
"""Of the work."""
LEAST_TOLD: Final = 0.01
"""A share or ratio of less says nothing."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a scenario's tasks; seconds are of turnarounds, ``slowdown_by_team`` is as in `Summary`."""

    mean_seconds: float
    p95_seconds: float
    longest_wait_seconds: float
    missed_share: float
    overtaken_share: float
    slowdown_by_team: dict[str, float]


Found = dict[str, dict[str, Figures]]
"""By scenario, by order."""
Job = tuple[str, Scenario, str, str]
"""A scenario by name, how its tasks are shared between teams (empty: not at all), and the order that plans them."""


def main() -> int:
    """Run, print, write; 0."""
    parser = argparse.ArgumentParser(prog="python -m bench.orders", description=__doc__)
    parser.add_argument("--tasks", type=int, default=400)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    measured = read(DATA)
    told = out_of_fold(measured)
    made = [
        each
        for fleet in Fleet.read_all()
        for each in scenarios(fleet, known_of(fleet, measured, told), options.tasks, LOADS)
    ]
    print(f"{len(made)} scenarios of {options.tasks} tasks; {machine()}", flush=True)
    alone = run_all([(name, each, "", order) for name, each in made for order in POLICIES], options.processes)
    print(f"\n{overview(alone)}", flush=True)
    at_one = [(name, each) for name, each in made if each.load == 1.0]
    shared = run_all(
        [
            (f"{name}, {kind}", each, kind, order)
            for kind in (*TEAMS, FLOOD)
            for name, each in at_one
            if kind != FLOOD or isinstance(each.arrivals, Bursts)
            for order in (FORETIDE.name, FAIR)
        ],
        options.processes,
    )
    print(f"\n{fairness(shared)}")
    result: dict[str, Any] = {"machine": machine(), "tasks": options.tasks, **msgspec.to_builtins(alone | shared)}
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))
    return 0


def run_all(jobs: Sequence[Job], processes: int) -> Found:
    """The figures of each job."""
    found: Found = defaultdict(dict)
    with ProcessPoolExecutor(processes) as pool:
        for (name, _, _, order), figures in zip(jobs, pool.map(_run, jobs), strict=True):
            found[name][order] = figures
    return dict(found)


def overview(found: Found) -> str:
    """Each order at its own aim and what it costs, over all scenarios beside the usual one."""
    rows = []
    for order, aim in AIMS.items():
        own = np.array([getattr(each[order], aim) for each in found.values()])
        usual = np.array([getattr(each[FORETIDE.name], aim) for each in found.values()])
        share = f"{(own < usual).sum()} of {len(own)}, worse in {(own > usual).sum()}"
        rows.append([order, aim.replace("_", " "), f"{usual.mean():.2f}", f"{own.mean():.2f}", share])
    rows.append([FAIR, "(below)", "", "", ""])
    costs = ("mean_seconds", "p95_seconds", "longest_wait_seconds", "missed_share", "overtaken_share")
    for row in rows:
        for cost in costs:
            ratios = [
                getattr(each[row[0]], cost) / getattr(each[FORETIDE.name], cost)
                for each in found.values()
                if getattr(each[FORETIDE.name], cost) >= LEAST_TOLD
            ]
            logs = np.log(np.maximum(ratios, LEAST_TOLD))
            row.append(f"{np.exp(logs.mean()):.2f}" if ratios else "-")
    header = ["order", "aim", "usual", "own", "better in"]
    return table([*header, "mean to usual", "p95", "longest wait", "missed", "overtaken"], rows)


def fairness(found: Found) -> str:
    """Mean slow-downs of both teams by either order, and of the worse-off."""
    rows = [
        [
            name,
            *(
                ", ".join(f"{team} {slowed:.2f}" for team, slowed in each[order].slowdown_by_team.items())
                for order in (FORETIDE.name, FAIR)
            ),
            f"{each[FAIR].mean_seconds / each[FORETIDE.name].mean_seconds:.2f}",
        ]
        for name, each in found.items()
    ]
    usual, fair = (
        np.array([max(each[order].slowdown_by_team.values()) for each in found.values()])
        for order in (FORETIDE.name, FAIR)
    )
    rows.append(["mean of the worse-off", f"{usual.mean():.2f}", f"{fair.mean():.2f}", ""])
    told = table(["mean slow-down of each team", "usual", FAIR, "mean turnaround to usual"], rows)
    return f"{told}\n\nthe worse-off is better off in {(fair < usual).sum()} of {len(fair)}"


def overtaken_share(outcomes: Sequence[Outcome]) -> float:
    """The share of tasks that waited while one that came later began on the node where they then ran."""
    on: dict[str, list[Outcome]] = defaultdict(list)
    for each in outcomes:
        on[each.node].append(each)
    overtaken = sum(
        any(one.arrival_seconds < other.arrival_seconds and other.start_seconds < one.start_seconds for other in there)
        for there in on.values()
        for one in there
    )
    return overtaken / len(outcomes)


def flood(scenario: Scenario) -> list[SimTask]:
    """Tasks of one team in bursts, and of another that come one by one as long as those do."""
    tasks: list[SimTask] = []
    for team, arrivals, share in (("flood", Bursts(size=BURST), FLOOD_SHARE), ("trickle", Poisson(), 1 - FLOOD_SHARE)):
        own = msgspec.structs.replace(scenario, arrivals=arrivals, load=(scenario.load or 1.0) * share)
        last_seconds = max((task.arrival_seconds for task in tasks), default=float("inf"))
        made = [replace(task, key=f"{team}-{task.key}", team=team) for task in own.sim_tasks()]
        tasks += [task for task in made if task.arrival_seconds <= last_seconds]
    return sorted(tasks, key=lambda task: task.arrival_seconds)


def _run(job: Job) -> Figures:
    _, scenario, kind, order = job
    tasks = flood(scenario) if kind == FLOOD else (TEAMS[kind](scenario) if kind else scenario).sim_tasks()
    nodes = scenario.node_states()
    outcomes = simulate(tasks, nodes, POLICIES[order], lags=scenario.lags(), seed=scenario.seed)
    found = summarise(tasks, outcomes, {node.name: node.node_class or "" for node in nodes})
    return Figures(
        mean_seconds=found.mean_turnaround_seconds,
        p95_seconds=found.p95_turnaround_seconds,
        longest_wait_seconds=max(each.start_seconds - each.arrival_seconds for each in outcomes),
        missed_share=found.deadline_miss_share or 0.0,
        overtaken_share=overtaken_share(outcomes),
        slowdown_by_team=found.slowdown_by_team,
    )


if __name__ == "__main__":
    sys.exit(main())
