"""How many Pods a second kube-scheduler places without an extender, with one in Go that knows nothing, with Foretide's.

    python -m bench.scheduler_rate [--runs 3] [--nodes 5000] [--pods 2000]

Run by ``make bench-scheduler``. A real API server and the stock kube-scheduler, which samples nodes as it does by
default; nodes of five classes are objects without kubelets. In each run the three take turns: 2,000 tasks without a
gate are made, with room for all, then extender and scheduler are started, and the time counts from the first binding to
the last. The scheduler's configuration is the chart's but for the sampling and for its own limit of 50 writes a second,
which is lifted: below it no extender would make a difference. Controller manager and default scheduler are ended first,
so that nothing else is at work. CPU time is that of scheduler and extender together. Prints a table, the marks, and as
its last line one JSON object, also written to ``bench/results/scheduler.json``. Needs root on Linux.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import yaml

from bench.extender import fleet
from bench.extender.servers import Answers, Foretide, Server, foretide, go_zero
from bench.full_cluster import each
from bench.machine import machine
from bench.parts import cpu_seconds, scheduler_configuration
from demo.console import table
from demo.marks import held, marks_table
from demo.scenario import ROOT
from devcluster import Cluster, ClusterSpec, DevclusterError, binaries, processes
from foretide_kube.cache import WatchCache
from foretide_kube.client import ApiError, KubeClient, Object
from foretide_kube.names import AIWORKLOADS, NAMESPACES, NODE_CLASSES, NODES, PODS

SCHEDULERS: Final = ("none", "go_zero", "foretide")
MARKS: Final = {"go_zero_to_foretide": 1.05, "fail_open_share": 0.01}
"""At least 0.95 of the rate with Go's, by decisions."""
RESULT: Final = ROOT / "bench" / "results" / "scheduler.json"
_WRITES_PER_SECOND: Final = 5000
_MOST_SECONDS: Final = 600.0


@dataclass(frozen=True, slots=True)
class Placed:
    """What it took to place all Pods of a turn."""

    pods_per_second: float
    cpu_ms_per_pod: float
    extender_cpu_ms_per_pod: float


class Bindings:
    """The times of the first and the last binding, and what was counted at the first."""

    def __init__(self, pods: int, count: Callable[[], Sequence[float]], clock: Callable[[], float]) -> None:
        self._wanted = pods
        self._count = count
        self._clock = clock
        self._bound: set[str] = set()
        self._counted: Sequence[float] = ()
        self._first = 0.0
        self._placed: Placed | None = None
        self._done = threading.Event()

    def note(self, _event: str, pod: Object) -> None:
        """Take note of a Pod as the watch tells of it."""
        name = pod["metadata"]["name"]
        if not pod["spec"].get("nodeName") or name in self._bound:
            return
        self._bound.add(name)
        if len(self._bound) == 1:
            self._first, self._counted = self._clock(), self._count()
        elif len(self._bound) == self._wanted:
            more = self._wanted - 1
            cpu = [(after - before) * 1e3 / more for before, after in zip(self._counted, self._count(), strict=True)]
            self._placed = Placed(more / (self._clock() - self._first), sum(cpu), sum(cpu[1:]))
            self._done.set()

    def wait(self, seconds: float) -> Placed:
        """What was measured, once all are bound; TimeoutError where they are not in time."""
        self._done.wait(seconds)
        if self._placed is None:
            raise TimeoutError(f"{len(self._bound)} of {self._wanted} Pods were bound within {seconds:g} s")
        return self._placed


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description="Pods a second with and without an extender.")
    parser.add_argument("--runs", type=int, default=3, help="turns of each (3)")
    parser.add_argument("--nodes", type=int, default=5000, help="objects without kubelets (5000)")
    parser.add_argument("--pods", type=int, default=2000, help="tasks a turn (2000)")
    options = parser.parse_args(arguments)
    print(f"{options.nodes} nodes of {len(fleet.CLASSES)} classes, {options.pods} Pods a turn; {machine()}", flush=True)
    with Cluster.up(ClusterSpec(name="bench-scheduler"), replace=True) as cluster:
        client = prepare(cluster, options.nodes)
        runs, answers = list[dict[str, Placed]](), list[Answers]()
        for number in range(options.runs):
            order = [SCHEDULERS[(number + place) % len(SCHEDULERS)] for place in range(len(SCHEDULERS))]
            runs.append({})
            for name in order:
                runs[-1][name], counted = turn(cluster, client, name, options.pods)
                answers += [] if counted is None else [counted]
            print(f"\nrun {number + 1}\n{lines(figures(runs[-1:], answers, options.pods))}", flush=True)
    result = {"machine": machine(), "nodes": options.nodes, "pods": options.pods}
    result |= figures(runs, answers, options.pods)
    result["marks"] = held(result, MARKS)
    print(f"\nmedians of {options.runs}\n{lines(result)}\n\n{marks_table(result['marks'])}")
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"\n{json.dumps(result)}")


def prepare(cluster: Cluster, nodes: int) -> KubeClient:
    """Fill the cluster with the fleet, and have nobody there but API server and etcd."""
    cluster.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
    client = KubeClient.connect(str(cluster.kubeconfig))
    client.create(NAMESPACES, {"apiVersion": "v1", "kind": NAMESPACES.kind, "metadata": {"name": fleet.NAMESPACE}})
    cluster.kubectl("-n", fleet.NAMESPACE, "wait", "--for=create", "--timeout=60s", "serviceaccount/default")
    for component in ("kube-controller-manager", "kube-scheduler"):
        processes.kill(processes.find(cluster.name, component))
    workload = fleet.workload_object()
    client.create(AIWORKLOADS, as_made(workload), fleet.NAMESPACE)
    status = {"status": workload["status"]}
    client.patch(AIWORKLOADS, fleet.WORKLOAD, status, fleet.NAMESPACE, subresource="status")
    for name in fleet.CLASSES:
        client.create(NODE_CLASSES, as_made(fleet.class_object(name)))
    each(map(str, range(nodes)), lambda index: client.create(NODES, as_made(fleet.node_object(int(index)))))
    return client


def turn(cluster: Cluster, client: KubeClient, name: str, pods: int) -> tuple[Placed, Answers | None]:
    """Have one of the schedulers place all Pods; what Foretide's extender counted, where it was there."""
    names = [f"task-{name.replace('_', '-')}-{index:05d}" for index in range(pods)]
    each(names, lambda pod: client.create(PODS, task_for(name, pod), fleet.NAMESPACE))
    with TemporaryDirectory() as temporary, ExitStack() as stack:
        directory = Path(temporary)
        extender: Server | None = None
        if name == "go_zero":
            extender = stack.enter_context(go_zero())
        elif name == "foretide":
            extender = stack.enter_context(foretide(cluster.kubeconfig, directory))
        base = scheduler_configuration(cluster, 0 if extender is None else extender.port)
        scheduler = stack.enter_context(scheduling(configuration(base, name), directory))
        pids = [scheduler] if extender is None else [scheduler, extender.pid]
        bindings = Bindings(pods, lambda: [cpu_seconds(pid) for pid in pids], time.monotonic)
        watch = WatchCache(client, PODS, clock=time.monotonic, namespaces=(fleet.NAMESPACE,), reduce=_where)
        watch.add_listener(bindings.note)
        watch.start()
        placed = bindings.wait(_MOST_SECONDS)
        watch.stop()
        answers = extender.answers() if isinstance(extender, Foretide) else None
    path = f"/api/v1/namespaces/{fleet.NAMESPACE}/pods"
    each(names, lambda pod: client.raw("DELETE", f"{path}/{pod}", body={"gracePeriodSeconds": 0}))
    return placed, answers


def configuration(chart: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The chart's configuration for one of the schedulers: its own name, default sampling, no limit of writes."""
    found = copy.deepcopy(dict(chart))
    del found["percentageOfNodesToScore"]
    found["clientConnection"] |= {"qps": _WRITES_PER_SECOND, "burst": _WRITES_PER_SECOND}
    found["profiles"] = [{"schedulerName": scheduler_name(name)}]
    if name == "none":
        del found["extenders"]
    return found


@contextmanager
def scheduling(written: Mapping[str, Any], directory: Path) -> Iterator[int]:
    """The stock kube-scheduler with a configuration, for as long as the block lasts; its pid."""
    program = binaries.ensure(["kube-scheduler"], lambda _line: None)["kube-scheduler"]
    path = directory / "scheduler.yaml"
    path.write_text(yaml.safe_dump(dict(written)), encoding="utf-8")
    with (directory / "scheduler.log").open("wb") as log:
        words = [str(program), f"--config={path}", "--secure-port=0"]
        process = subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield process.pid
        finally:
            process.terminate()
            process.wait(30)


def scheduler_name(name: str) -> str:
    """What Pods call the scheduler by."""
    return f"bench-{name.replace('_', '-')}"


def task_for(name: str, pod: str) -> Object:
    """A task for one of the schedulers."""
    made = as_made(fleet.task_object(pod))
    return made | {"spec": made["spec"] | {"schedulerName": scheduler_name(name)}}


def as_made(item: Object) -> Object:
    """An object as it is before the API server has it."""
    given = ("uid", "resourceVersion", "creationTimestamp", "managedFields")
    return item | {"metadata": {key: value for key, value in item["metadata"].items() if key not in given}}


def figures(runs: Sequence[Mapping[str, Placed]], answers: Sequence[Answers], pods: int) -> dict[str, Any]:
    """Medians over the runs; the ratio of the two extenders is taken within each."""

    def median(field: str) -> dict[str, float]:
        return {name: round(statistics.median(getattr(run[name], field) for run in runs), 3) for name in SCHEDULERS}

    ratios = [run["go_zero"].pods_per_second / run["foretide"].pods_per_second for run in runs]
    return {
        "pods_per_second": median("pods_per_second"),
        "cpu_ms_per_pod": median("cpu_ms_per_pod"),
        "extender_cpu_ms_per_pod": median("extender_cpu_ms_per_pod"),
        "go_zero_to_foretide": round(statistics.median(ratios), 3),
        "answers_per_pod": round(statistics.mean(each.count for each in answers) / pods, 2),
        "fail_open_share": round(statistics.mean(each.failed_open_share for each in answers), 4),
        "runs": [{name: asdict(placed) for name, placed in run.items()} for run in runs],
    }


def lines(found: Mapping[str, Any]) -> str:
    """The figures as a table."""
    rows = [
        [
            name.replace("_", " "),
            f"{found['pods_per_second'][name]:.0f}",
            f"{found['cpu_ms_per_pod'][name]:.2f}",
            f"{found['extender_cpu_ms_per_pod'][name]:.2f}",
        ]
        for name in SCHEDULERS
    ]
    return table(["extender", "Pods a second", "CPU ms a Pod", "of which extender"], rows) + (
        f"\n  Foretide: {found['answers_per_pod']:g} answers a Pod, {found['fail_open_share']:.1%} without a decision"
    )


def _where(pod: Object) -> Object:
    metadata = {key: pod["metadata"][key] for key in ("name", "namespace", "uid", "resourceVersion")}
    return {"metadata": metadata, "spec": {"nodeName": pod["spec"].get("nodeName")}}


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (ApiError, DevclusterError, TimeoutError) as error:
        sys.exit(f"the bench ended early: {error}")
