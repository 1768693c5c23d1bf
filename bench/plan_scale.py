"""How long a plan takes: 500 waiting tasks on 1,000 nodes of 20 classes, in cases from usual to hard.

Run by ``make bench-plan``. One thread, pure Python; the best of several runs, since the machine may be busy, and the
median beside it. Each case is planned in a process of its own, whose greatest resident memory is given.
"""

from __future__ import annotations

import json
import platform
import random
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from foretide.placement.plan import Expected, NodeState, Running, Waiting, plan
from foretide.placement.resources import Resources

NODES = 1000
CLASSES = 20
TASKS = 500
RUNS = 7
MIB = 2**20
RESULT = Path(__file__).parent / "results" / "plan.json"


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """What makes a case hard: what runs already, how many shapes of request, times of each task's own, limits."""

    running_per_node: int = 0
    shapes: int = 20
    own_times: bool = False
    limit_over_request: int = 1


CASES = {
    "idle nodes": Case(),
    "busy nodes": Case(running_per_node=3),
    "busy, times of their own": Case(running_per_node=3, own_times=True),
    "busy, 500 shapes": Case(running_per_node=3, shapes=TASKS, own_times=True),
    "full nodes": Case(running_per_node=4, own_times=True),
    "full, limits twice requests": Case(running_per_node=4, own_times=True, limit_over_request=2),
}


def make(case: Case) -> tuple[list[Waiting], list[Running], list[NodeState]]:
    """The same tasks and nodes each time."""
    rng = random.Random(1)
    classes = [f"class-{index:02d}" for index in range(CLASSES)]
    slowness = [10 ** rng.uniform(0, 1.5) for _ in classes]
    system = Resources(200, 512 * MIB, 5)
    nodes = [
        NodeState(f"node-{index:04d}", classes[index % CLASSES], Resources(4200, 8192 * MIB, 110), system, 200)
        for index in range(NODES)
    ]
    running = []
    for node in nodes:
        for place in range(case.running_per_node):
            seconds = rng.uniform(5, 60)
            running.append(
                Running(
                    f"running-{node.name}-{place}",
                    node.name,
                    Resources(1000, 512 * MIB),
                    1000 * case.limit_over_request,
                    -rng.uniform(0, seconds),
                    Expected(seconds, seconds * 1.3),
                )
            )
    kinds = []
    for index in range(case.shapes):
        work = rng.uniform(1, 8)
        millis = 500 * rng.randint(1, 4) if case.shapes < TASKS else 200 + 3 * index
        requests = Resources(millis, 256 * MIB * rng.randint(1, 4))
        kinds.append((requests, [work * factor * rng.lognormvariate(0, 0.3) for factor in slowness]))
    waiting = []
    for index in range(TASKS):
        requests, times = kinds[index % case.shapes]
        size = rng.uniform(0.5, 2) if case.own_times else 1.0
        expected = {name: Expected(each * size, each * size * 1.3) for name, each in zip(classes, times, strict=True)}
        limit = requests.cpu_millis * case.limit_over_request
        waiting.append(Waiting(f"task-{index:03d}", requests, limit, expected, 1e9))
    return waiting, running, nodes


def timed(work: Callable[[], object]) -> list[float]:
    """Milliseconds of each run."""
    times = []
    for _ in range(RUNS):
        begin = time.perf_counter()
        work()
        times.append((time.perf_counter() - begin) * 1e3)
    return times


def measure(name: str) -> dict[str, Any]:
    """Figures of one case."""
    waiting, running, nodes = make(CASES[name])
    times = timed(lambda: plan(waiting, running, nodes, now_seconds=0.0))
    made = plan(waiting, running, nodes, now_seconds=0.0)
    return {
        "milliseconds_best": round(min(times), 1),
        "milliseconds_median": round(statistics.median(times), 1),
        "due_now": len(made.due()),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }


def main() -> None:
    result: dict[str, Any] = {
        "tasks": TASKS,
        "nodes": NODES,
        "classes": CLASSES,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cases": {},
    }
    print(f"{TASKS} tasks on {NODES} nodes of {CLASSES} classes, {RUNS} runs each\n")
    print(f"{'case':<30}{'best ms':>9}{'median ms':>11}{'due now':>9}{'peak MiB':>10}")
    for name in CASES:
        done = subprocess.run([sys.executable, __file__, name], check=True, capture_output=True, text=True)
        figures = result["cases"][name] = json.loads(done.stdout)
        print(
            f"{name:<30}{figures['milliseconds_best']:>9.1f}{figures['milliseconds_median']:>11.1f}"
            f"{figures['due_now']:>9}{figures['peak_mib']:>10.1f}"
        )
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result) + "\n")
    print(f"\n{json.dumps(result)}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1])))
    else:
        main()
