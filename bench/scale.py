"""A fleet as large as they come, simulated: `make bench-scale`.

    python -m bench.scale [--nodes 10000] [--tasks 200000] [--load 1.0]

50 classes of nodes with two, four or eight cores, whose speeds spread over two orders of magnitude; 60 workloads of
four sizes, which take some 20 seconds on the fastest class and half an hour on the slowest, each more on some classes
than on others. Predictions are off by 15 %, tasks come one by one, as many as the fleet can do if every workload goes
everywhere equally often. kube-scheduler's default and Foretide's plan run at once, in a process each. A turn of the
planner takes as long as may be expected in a cluster of that size (`TURN_SECONDS`); what planning really took is told
beside. Then what planner and extender need in one cluster of 5,000 nodes (`bench.cluster_limits`). Prints tables and,
as its last line, one JSON object, which is also written to `bench/results/scale.json`.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import resource
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final, Generic, ParamSpec

from bench.cluster_limits import measure
from bench.machine import machine
from demo.console import table
from demo.marks import held, marks_table
from foretide.placement.plan import Plan
from foretide.placement.together import plan_together
from foretide.simulate.arrivals import Poisson
from foretide.simulate.engine import simulate
from foretide.simulate.fleet import NodeGroup
from foretide.simulate.policies import DEFAULT, FORETIDE
from foretide.simulate.scenario import Scenario
from foretide.simulate.summary import summarise
from foretide.simulate.workloads import WorkloadSpec
from foretide_operator.planner.garbage import collect_seldom

CLASSES: Final = 50
WORKLOADS: Final = 60
SPREAD: Final = 100.0
"""The slowest class takes so many times as long as the fastest."""
MIDDLING_SECONDS: Final = 200.0
"""What a middling task takes on a middling class."""
SIZES: Final = ((500, 256), (1000, 512), (1000, 1024), (2000, 1536))
"""Milli-CPU and MiB that tasks request."""
TURN_SECONDS: Final = 2.0
"""To read Pods and nodes, to plan, and to open the gates of those that are due."""
RESULT: Final = Path(__file__).parent / "results" / "scale.json"
MARKS: Final = {"wall_seconds": 900.0}

Asked = ParamSpec("Asked")


def main() -> int:
    """Run, print, write; 0."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--tasks", type=int, default=200_000)
    parser.add_argument("--load", type=float, default=1.0)
    options = parser.parse_args()
    scenario = scenario_of(options.nodes, options.tasks, options.load)
    print(f"{options.tasks} tasks on {options.nodes} nodes of {CLASSES} classes, load {options.load:g}; {machine()}")
    begin = time.perf_counter()
    apart = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=apart, initializer=collect_seldom) as pool:
        found = dict(pool.map(partial(run, scenario), ("default", "foretide")))
    result: dict[str, Any] = {
        "machine": machine(),
        "nodes": options.nodes,
        "classes": CLASSES,
        "tasks": options.tasks,
        "load": options.load,
        "wall_seconds": round(time.perf_counter() - begin, 1),
        "policies": found,
    }
    result["marks"] = held(result, MARKS)
    rows = [
        [name.replace("_", " "), *(f"{each[name]:g}" if name in each else "-" for each in found.values())]
        for name in found["foretide"]
    ]
    print(f"\n{table(['', *found], rows)}\n\n{marks_table(result['marks'])}", flush=True)
    result["one_cluster"] = measure()
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))
    return 0


def scenario_of(nodes: int, tasks: int, load: float) -> Scenario:
    """The same each time; nodes are shared out evenly among classes."""
    chance = random.Random(1)
    slowness = {f"class-{number:02d}": SPREAD ** (number / (CLASSES - 1) - 0.5) for number in range(CLASSES)}
    groups = []
    for name in slowness:
        cores = chance.choice([2, 4, 4, 8])
        groups.append(
            NodeGroup(node_class=name, count=nodes // CLASSES, cpu_millis=1000 * cores, memory_mebibytes=2048 * cores)
        )
    workloads = []
    for number in range(WORKLOADS):
        middling = MIDDLING_SECONDS * chance.lognormvariate(0.0, 0.5)
        cpu_millis, memory_mebibytes = chance.choice(SIZES)
        workloads.append(
            WorkloadSpec(
                name=f"net-{number:02d}",
                seconds={name: middling * each * chance.lognormvariate(0.0, 0.3) for name, each in slowness.items()},
                cpu_millis=cpu_millis,
                memory_mebibytes=memory_mebibytes,
                weight=chance.uniform(0.2, 1.0),
            )
        )
    return Scenario(name="scale", nodes=groups, workloads=workloads, arrivals=Poisson(), load=load, tasks=tasks)


class Timed(Generic[Asked]):
    """A plan whose CPU time is taken."""

    def __init__(self, plan: Callable[Asked, Plan]) -> None:
        self._plan = plan
        self.seconds: list[float] = []
        self.waiting: list[int] = []

    def __call__(self, *args: Asked.args, **kwargs: Asked.kwargs) -> Plan:
        """Plan."""
        begin = time.process_time()
        made = self._plan(*args, **kwargs)
        self.seconds.append(time.process_time() - begin)
        self.waiting.append(len(made.assignments))
        return made

    def figures(self) -> dict[str, float]:
        """How many turns, what planning took of the CPU, and how many tasks waited then."""
        return {
            "turns": len(self.seconds),
            "plan_cpu_seconds_median": round(statistics.median(self.seconds), 3),
            "plan_cpu_seconds_max": round(max(self.seconds), 3),
            "waiting_median": statistics.median(self.waiting),
            "waiting_max": max(self.waiting),
        }


def run(scenario: Scenario, name: str) -> tuple[str, dict[str, float]]:
    """One policy's name and figures."""
    timed = Timed(plan_together)
    policy = {"default": DEFAULT, "foretide": replace(FORETIDE, plan=timed)}[name]
    begin = time.perf_counter()
    tasks, nodes = scenario.sim_tasks(), scenario.node_states()
    outcomes = simulate(tasks, nodes, policy, lags=scenario.lags(), seed=scenario.seed, turn_seconds=TURN_SECONDS)
    wall = time.perf_counter() - begin
    found = summarise(tasks, outcomes, {node.name: node.node_class or "" for node in nodes})
    figures = {
        "wall_seconds": round(wall, 1),
        "cpu_seconds": round(time.process_time(), 1),
        "tasks_per_second": round(len(tasks) / wall, 1),
        "mean_turnaround_seconds": round(found.mean_turnaround_seconds, 1),
        "p95_turnaround_seconds": round(found.p95_turnaround_seconds, 1),
        "simulated_seconds": round(max(each.finish_seconds for each in outcomes), 1),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }
    return name, figures | (timed.figures() if timed.seconds else {})


if __name__ == "__main__":
    sys.exit(main())
