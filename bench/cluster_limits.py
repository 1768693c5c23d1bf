"""What planner and extender need in one cluster as large as Kubernetes allows: 5,000 nodes and 150,000 Pods.

Part of `make bench-scale`. A turn of the planner is timed as `bench.plan_scale` does it, in a process of its own for
each case; the extender's verbs without the web server, on nodes whose cores suffice and on nodes whose cores are
shared by more. All times are CPU time, so that a busy machine tells much the same.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Final

from bench.extender_latency import make_cluster, request_body
from bench.plan_scale import NOW_SECONDS, Case, make
from demo.console import table
from foretide.placement.together import plan_together
from foretide_extender.metrics import Metrics
from foretide_extender.server import Answerer, Verb
from foretide_operator.planner.expectations import Expectations
from foretide_operator.planner.garbage import collect_seldom

NODES: Final = 5000
TURNS: Final = 3
REQUESTS: Final = 20
CASES: Final = {
    "1,000 waiting": Case(nodes=NODES, classes=50, tasks=1000, running_per_node=4, own_times=True),
    "10,000 waiting": Case(nodes=NODES, classes=50, tasks=10_000, running_per_node=10, system_pods=18, own_times=True),
    "20,000 waiting": Case(nodes=NODES, classes=50, tasks=20_000, running_per_node=10, system_pods=16, own_times=True),
}
TASKS_ON_NODE: Final = {"cores suffice": 2, "cores shared": 10}
VERBS: Final[tuple[Verb, ...]] = ("filter", "prioritize")

Figures = dict[str, dict[str, float]]


def measure() -> dict[str, Figures]:
    """Figures of every case, by part; the tables are printed."""
    apart = multiprocessing.get_context("spawn")
    turns: Figures = {}
    for name, case in CASES.items():
        with ProcessPoolExecutor(1, mp_context=apart, initializer=collect_seldom) as pool:
            turns[name] = pool.submit(_turn, case).result()
    extender = {name: _answers(NODES * tasks) for name, tasks in TASKS_ON_NODE.items()}
    for title, figures in (("planner", turns), ("extender", extender)):
        columns = list(next(iter(figures.values())))
        rows = [[name, *(f"{each[column]:g}" for column in columns)] for name, each in figures.items()]
        print(f"\n{table([f'{title}, {NODES} nodes', *(name.replace('_', ' ') for name in columns)], rows)}")
    return {"planner": turns, "extender": extender}


def _turn(case: Case) -> dict[str, float]:
    cluster, expectations = make(case), Expectations()
    floor = cluster.read(expectations)
    last = plan_together(floor.waiting, floor.running, floor.nodes, now_seconds=NOW_SECONDS - 1.0)
    reading, planning = [], []
    for _ in range(TURNS):
        reading.append(_cpu_seconds(lambda: cluster.read(expectations)))
        planning.append(
            _cpu_seconds(
                lambda: plan_together(
                    floor.waiting,
                    floor.running,
                    floor.nodes,
                    now_seconds=NOW_SECONDS,
                    groups=floor.groups,
                    coming=floor.coming,
                    previous=last,
                )
            )
        )
    return {
        "pods": len(cluster.pods),
        "running": len(floor.running),
        "read_seconds": round(statistics.median(reading), 2),
        "plan_seconds": round(statistics.median(planning), 2),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def _answers(tasks: int) -> dict[str, float]:
    body = request_body(NODES)
    answerer = Answerer(
        make_cluster(NODES, tasks).snapshot,
        Metrics(),
        deadline_seconds=5.0,
        now_seconds=time.time,
        clock_seconds=time.perf_counter,
    )
    found: dict[str, float] = {"tasks": tasks, "request_kilobytes": round(len(body) / 1e3)}
    for verb in VERBS:
        ask = partial(_ask, answerer, verb, body)
        times = [_cpu_seconds(ask) for _ in range(REQUESTS)]
        found[f"{verb}_milliseconds"] = round(1e3 * statistics.median(times), 1)
    answerer.close()
    return found


def _ask(answerer: Answerer, verb: Verb, body: bytes) -> bytes:
    return asyncio.run(answerer.answer(verb, body))


def _cpu_seconds(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin
