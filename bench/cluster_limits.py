"""What the planner needs in one cluster as large as Kubernetes allows: 5,000 nodes and 150,000 Pods.

Part of `make bench-scale`. A turn of the planner is timed as `bench.plan_scale` does it, in a process of its own for
each case. All times are CPU time, so that a busy machine tells much the same. What the extender needs at such a size
`bench.extender.latency` measures.
"""

from __future__ import annotations

import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Final

from bench.plan_scale import Case, make, replanned
from demo.console import table
from foretide_kube.expectations import Expectations
from foretide_operator.planner.garbage import collect_seldom

NODES: Final = 5000
TURNS: Final = 3
CASES: Final = {
    "1,000 waiting": Case(nodes=NODES, classes=50, tasks=1000, running_per_node=4, own_times=True),
    "10,000 waiting": Case(nodes=NODES, classes=50, tasks=10_000, running_per_node=10, system_pods=18, own_times=True),
    "20,000 waiting": Case(nodes=NODES, classes=50, tasks=20_000, running_per_node=10, system_pods=16, own_times=True),
}

Figures = dict[str, dict[str, float]]


def measure() -> dict[str, Figures]:
    """Figures of every case, by part; the tables are printed."""
    apart = multiprocessing.get_context("spawn")
    turns: Figures = {}
    for name, case in CASES.items():
        with ProcessPoolExecutor(1, mp_context=apart, initializer=collect_seldom) as pool:
            turns[name] = pool.submit(_turn, case).result()
    columns = list(next(iter(turns.values())))
    rows = [[name, *(f"{each[column]:g}" for column in columns)] for name, each in turns.items()]
    print(f"\n{table([f'planner, {NODES} nodes', *(name.replace('_', ' ') for name in columns)], rows)}")
    return {"planner": turns}


def _turn(case: Case) -> dict[str, float]:
    cluster, expectations = make(case), Expectations()
    floor = cluster.read(expectations)
    again = replanned(floor)
    reading, planning = [], []
    for _ in range(TURNS):
        reading.append(_cpu_seconds(lambda: cluster.read(expectations)))
        planning.append(_cpu_seconds(again))
    return {
        "pods": len(cluster.pods),
        "running": len(floor.running),
        "read_seconds": round(statistics.median(reading), 2),
        "plan_seconds": round(statistics.median(planning), 2),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def _cpu_seconds(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin
