"""How long the planner takes to plan: 500 waiting tasks on 1,000 nodes of 20 classes, in cases from usual to hard.

Run by ``make bench-plan``. One thread, pure Python; what is timed is what the planner does in each turn: ``read_floor``
(from what the API says of Pods and nodes to the inputs of the plan) and ``plan_together`` (the plan; so many tasks and
nodes are planned in one order). Of several runs the median, and of the plan the best too, since the machine may be
busy. The mark is held against the median of ``plan_together`` where all nodes are full, which is how it is while tasks
wait; what else a turn takes is shown beside it. Each case has a process of its own, whose peak of memory is given.
"""

from __future__ import annotations

import json
import random
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import msgspec

from bench.machine import machine
from demo.marks import held, marks_table
from foretide.placement.plan import Plan
from foretide.placement.resources import Resources
from foretide.placement.task import Task, WorkloadPredictions
from foretide.placement.together import plan_together
from foretide.prediction import Interval, Prediction
from foretide_kube.expectations import Expectations
from foretide_kube.floor import Floor, Node, read_floor
from foretide_kube.names import GATE_PLAN, LABEL_NODE_CLASS
from foretide_kube.reduced import NodeFacts
from foretide_kube.task_pods import TaskPod
from foretide_operator.planner.garbage import collect_seldom

NODES = 1000
CLASSES = 20
TASKS = 500
RUNS = 7
MIB = 2**20
NOW_SECONDS = 1_790_000_000.0
INFERENCES = 1000
MOST_WAIT_SECONDS = 604_800.0
SYSTEM_PODS = 5
"""On each node, with 40 milli-CPU and 100 MiB each."""
RESULT = Path(__file__).parent / "results" / "plan.json"


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """How large a case is, and what makes it hard: what runs already, shapes of request, own times of tasks, limits."""

    nodes: int = NODES
    classes: int = CLASSES
    tasks: int = TASKS
    system_pods: int = SYSTEM_PODS
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
MARKS = {"cases.full nodes.plan_milliseconds_median": 30.0}


class Cluster(msgspec.Struct, frozen=True):
    """What the planner's watches know."""

    pods: list[TaskPod]
    nodes: dict[str, Node]
    workloads: dict[str, WorkloadPredictions]

    def read(self, expectations: Expectations | None = None) -> Floor:
        """The inputs of the plan."""
        return read_floor(
            self.pods,
            self.nodes,
            lambda pod: self.workloads.get(pod.workload),
            tries={},
            had_room_since={},
            now_seconds=NOW_SECONDS,
            expectations=expectations,
        )


def make(case: Case) -> Cluster:
    """The same tasks and nodes each time."""
    rng = random.Random(1)

    def own_size() -> float:
        return rng.uniform(0.5, 2) if case.own_times else 1.0

    classes = [f"class-{index:02d}" for index in range(case.classes)]
    slowness = [10 ** rng.uniform(0, 1.5) for _ in classes]
    nodes = {
        name: Node(NodeFacts(name, {LABEL_NODE_CLASS: node_class}, Resources(4200, 8192 * MIB, 110)), node_class)
        for index in range(case.nodes)
        for name, node_class in ((f"node-{index:04d}", classes[index % case.classes]),)
    }
    pods = [
        pod(f"system-{name}-{place}", Resources(40, 100 * MIB), node=name)
        for name in nodes
        for place in range(case.system_pods)
    ]
    limit = 1000 * case.limit_over_request
    seconds = [rng.uniform(5, 60) for _ in range(case.shapes)]
    workloads = {f"ran-{n}": workload(limit, dict.fromkeys(classes, each)) for n, each in enumerate(seconds)}
    for number, (name, place) in enumerate(product(nodes, range(case.running_per_node))):
        shape, size = number % case.shapes, own_size()
        task = Task(round(INFERENCES * size), limit, 512 * MIB)
        passed = rng.uniform(0, seconds[shape] * size)
        requests = Resources(1000, 512 * MIB)
        pods.append(pod(f"running-{name}-{place}", requests, f"ran-{shape}", task, passed, node=name))
    shapes = []
    for index in range(case.shapes):
        work = rng.uniform(1, 8)
        millis = 500 * rng.randint(1, 4) if case.shapes < case.tasks else 200 + 3 * index
        shapes.append(Resources(millis, 256 * MIB * rng.randint(1, 4)))
        times = [work * factor * rng.lognormvariate(0, 0.3) for factor in slowness]
        workloads[f"net-{index}"] = workload(millis * case.limit_over_request, dict(zip(classes, times, strict=True)))
    for index in range(case.tasks):
        shape, requests = index % case.shapes, shapes[index % case.shapes]
        limit = workloads[f"net-{shape}"].cpu_millis
        task = Task(round(INFERENCES * own_size()), limit, requests.memory_bytes)
        ago = 60.0 * (index + 0.5) / case.tasks
        pods.append(pod(f"task-{index:03d}", requests, f"net-{shape}", task, ago))
    return Cluster(pods, nodes, workloads)


def workload(cpu_millis: int, seconds: dict[str, float]) -> WorkloadPredictions:
    """A workload whose task takes so many seconds on each class; its memory is within every limit."""
    predictions = {}
    for name, each in seconds.items():
        median = round(each * 1e6 / INFERENCES)
        work = Interval(lower=median * 8 // 10, median=median, upper=median * 13 // 10)
        predictions[name] = Prediction(
            node_class=name,
            work_microseconds_per_inference=work,
            startup_milliseconds=0,
            memory_bytes=64 * MIB,
            source="Measured",
        )
    return WorkloadPredictions(INFERENCES, cpu_millis, None, predictions, max_wait_seconds=MOST_WAIT_SECONDS)


def pod(
    name: str,
    requests: Resources,
    workload: str = "",
    task: Task | None = None,
    passed_seconds: float = 0.0,
    *,
    node: str | None = None,
) -> TaskPod:
    """A Pod on ``node`` since ``passed_seconds``, or behind the gate."""
    since = NOW_SECONDS - passed_seconds
    return TaskPod(
        namespace="team",
        name=name,
        uid=name,
        workload=workload,
        role="",
        node=node,
        is_finished=False,
        gates=() if node else (GATE_PLAN,),
        prediction=None,
        planned_node=None,
        task=task or Task(),
        requests=requests,
        created_seconds=since,
        bound_seconds=since if node else None,
        inferences_problem="",
    )


def timed(work: Callable[[], object]) -> float:
    """The milliseconds that it takes."""
    begin = time.perf_counter()
    work()
    return (time.perf_counter() - begin) * 1e3


def replanned(floor: Floor) -> Callable[[], Plan]:
    """Plan what stands on ``floor``, as the planner does a second after its last plan."""
    last = plan_together(
        floor.waiting, floor.running, floor.nodes, now_seconds=NOW_SECONDS - 1.0, pending=floor.pending
    )
    return partial(
        plan_together,
        floor.waiting,
        floor.running,
        floor.nodes,
        now_seconds=NOW_SECONDS,
        pending=floor.pending,
        groups=floor.groups,
        coming=floor.coming,
        previous=last,
    )


def measure(name: str) -> dict[str, Any]:
    """Figures of one case."""
    collect_seldom()
    cluster = make(CASES[name])
    expectations = Expectations()
    floor = cluster.read(expectations)
    again = replanned(floor)

    def planned() -> int:
        return len(again().due())

    times = [(timed(lambda: cluster.read(expectations)), timed(planned)) for _ in range(RUNS)]
    reading, planning = zip(*times, strict=True)
    return {
        "read_milliseconds_median": round(statistics.median(reading), 1),
        "plan_milliseconds_best": round(min(planning), 1),
        "plan_milliseconds_median": round(statistics.median(planning), 1),
        "turn_milliseconds_median": round(statistics.median(map(sum, times)), 1),
        "due_now": planned(),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }


def main() -> None:
    result: dict[str, Any] = {"machine": machine(), "tasks": TASKS, "nodes": NODES, "classes": CLASSES, "cases": {}}
    print(f"{TASKS} tasks on {NODES} nodes of {CLASSES} classes, {RUNS} runs each; {machine()}\n")
    print(f"{'median ms':<30}{'read':>8}{'plan':>8}{'turn':>8}{'best plan':>11}{'due now':>9}{'peak MiB':>10}")
    for name in CASES:
        command = [sys.executable, "-m", "bench.plan_scale", name]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        figures = result["cases"][name] = json.loads(done.stdout)
        print(
            f"{name:<30}{figures['read_milliseconds_median']:>8.1f}{figures['plan_milliseconds_median']:>8.1f}"
            f"{figures['turn_milliseconds_median']:>8.1f}{figures['plan_milliseconds_best']:>11.1f}"
            f"{figures['due_now']:>9}{figures['peak_mib']:>10.1f}"
        )
    result["marks"] = held(result, MARKS)
    print(f"\n{marks_table(result['marks'])}")
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result) + "\n")
    print(f"\n{json.dumps(result)}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1])))
    else:
        main()
