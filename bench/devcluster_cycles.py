"""Brings a cluster up, runs Jobs on it and takes it down, five times, and looks for anything that is left.

    python -m bench.devcluster_cycles [--cycles 5] [--burst 0] [--load] [--spec devcluster/clusters/demo.yaml]
                                      [--images NAME,…]

A cycle runs one Job on every node, each a Pod that says hello. With --burst Foretide is installed in each cycle too,
and so many more of them come at once behind its gate: its planner opens them, its scheduler with the extender places
them. Nothing is measured or predicted for them, which would take minutes: what is tried is the way of a task, not its
work. With --load another process keeps every CPU busy all the while. A cycle is clean if all Jobs completed and nothing
is left. Prints a table and, as its last line, one JSON object, also written to `bench/results/devcluster.json`, with
--burst to `devcluster-burst.json`. Needs root on Linux. Exit status 1 where a cycle was not clean.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from bench.machine import machine
from bench.machine_load import loaded
from demo import install
from devcluster import Cluster, ClusterSpec, DevclusterError, leftovers
from devcluster.images import catalogue
from devcluster.paths import PACKAGE
from devcluster.spec import Node
from foretide_kube.names import GATE_PLAN, LABEL_WORKLOAD, SCHEDULER_NAME

RESULTS = Path(__file__).parent / "results"
JOBS_SECONDS = 300
"""How long a cycle's Jobs may take, on a loaded machine too."""
IMAGE = "docker.io/foretide/profiler:dev-onnx"
WORKLOAD = "burst"
"""The AIWorkload that the burst's tasks name; there is none."""


@dataclasses.dataclass(frozen=True)
class Cycle:
    """One cycle's times in seconds, what was left after it, and why it ended early, if it did."""

    up_seconds: float
    install_seconds: float
    jobs_seconds: float
    down_seconds: float
    left: list[str]
    trouble: str = ""

    @property
    def is_clean(self) -> bool:
        """Whether all Jobs completed and nothing is left."""
        return not self.left and not self.trouble


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Cycles of devcluster up, Jobs, down.")
    parser.add_argument("--cycles", type=int, default=5)
    parser.add_argument("--burst", type=int, default=0, help="tasks at once, by Foretide installed in each cycle (0)")
    parser.add_argument("--load", action="store_true", help="keep every CPU of the machine busy with other work")
    parser.add_argument("--spec", type=Path, default=PACKAGE / "clusters" / "demo.yaml")
    parser.add_argument("--images", help="comma-separated; profiler-onnx, and with --burst all that the chart needs")
    options = parser.parse_args(arguments)
    spec = dataclasses.replace(ClusterSpec.load(options.spec), name="bench")
    images = options.images.split(",") if options.images else install.IMAGES if options.burst else ["profiler-onnx"]
    archives = [catalogue.archive(image, print) for image in images]
    beside = "; every CPU busy with other work" if options.load else ""
    print(f"{len(spec.nodes)} nodes, {len(jobs(spec, options.burst))} Jobs a cycle; {machine()}{beside}")
    print(f"{'cycle':>5}{'up s':>8}{'install s':>11}{'jobs s':>8}{'down s':>8}  left")
    cycles: list[Cycle] = []
    with loaded() if options.load else nullcontext():
        for number in range(1, options.cycles + 1):
            done = cycle(spec, archives, options.burst)
            cycles.append(done)
            left = "; ".join([*filter(None, [done.trouble]), *done.left]) or "nothing"
            times = (
                f"{done.up_seconds:8.1f}{done.install_seconds:11.1f}{done.jobs_seconds:8.1f}{done.down_seconds:8.1f}"
            )
            print(f"{number:5d}{times}  {left}", flush=True)
    figures = summary(cycles, len(spec.nodes), burst=options.burst, is_loaded=options.load)
    print(f"{figures['clean']} of {figures['cycles']} clean")
    RESULTS.mkdir(exist_ok=True)
    result_file(options.burst).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(figures))
    return 0 if figures["clean"] == figures["cycles"] else 1


def cycle(spec: ClusterSpec, images: list[Path], burst: int) -> Cycle:
    """Run one cycle; what goes wrong in it is told and ends no other."""
    links = leftovers.links()
    trouble = ""
    begin = up = installed = worked = time.monotonic()
    try:
        with Cluster.up(spec, images=images) as cluster:
            up = installed = worked = time.monotonic()
            if burst:
                install.install(cluster, lambda _line: None)
                installed = worked = time.monotonic()
            items = json.dumps({"kind": "List", "apiVersion": "v1", "items": jobs(spec, burst)})
            cluster.kubectl("apply", "-f", "-", stdin=items)
            wait = ["wait", "job", "--all", "--for=condition=Complete", f"--timeout={JOBS_SECONDS}s"]
            cluster.kubectl(*wait, timeout_seconds=JOBS_SECONDS + 10)
            worked = time.monotonic()
    except DevclusterError as error:
        trouble = f"{error.reason}: {error}"
    down = time.monotonic()
    left = leftovers.of(spec.name) + [f"link {name}" for name in sorted(leftovers.links() - links)]
    return Cycle(up - begin, installed - up, worked - installed, down - worked, left, trouble)


def result_file(burst: int) -> Path:
    """Where the figures go: the two variants are not to be taken for each other."""
    return RESULTS / ("devcluster-burst.json" if burst else "devcluster.json")


def jobs(spec: ClusterSpec, burst: int) -> list[dict[str, Any]]:
    """Return one Job for each node, and ``burst`` more that are tasks behind Foretide's gate."""
    return [job(f"hello-{node.name}", node) for node in spec.nodes] + [
        job(f"burst-{number:03d}") for number in range(burst)
    ]


def job(name: str, node: Node | None = None) -> dict[str, Any]:
    """Return a Job that says hello, on one node whatever its taints or where Foretide has it go."""
    container = {
        "name": "hello",
        "image": IMAGE,
        "imagePullPolicy": "Never",
        "command": ["sh", "-c", "echo hello"],
        "resources": {"limits": {"cpu": "500m", "memory": "64Mi"}},
    }
    where: dict[str, Any] = (
        {"nodeSelector": {"kubernetes.io/hostname": node.name}, "tolerations": [{"operator": "Exists"}]}
        if node
        else {"schedulerName": SCHEDULER_NAME, "schedulingGates": [{"name": GATE_PLAN}]}
    )
    pod = {"restartPolicy": "Never", "containers": [container], **where}
    metadata = {} if node else {"labels": {LABEL_WORKLOAD: WORKLOAD}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"template": {"metadata": metadata, "spec": pod}},
    }


def summary(cycles: list[Cycle], nodes: int, *, burst: int, is_loaded: bool) -> dict[str, Any]:
    """Return the figures."""
    return {
        "machine": machine(),
        "nodes": nodes,
        "loaded": is_loaded,
        "burst_by_foretide": burst,
        "cycles": len(cycles),
        "clean": sum(done.is_clean for done in cycles),
        "jobs": (nodes + burst) * len(cycles),
        "up_seconds_mean": round(statistics.mean(done.up_seconds for done in cycles), 2),
        "up_seconds_max": round(max(done.up_seconds for done in cycles), 2),
        "install_seconds_mean": round(statistics.mean(done.install_seconds for done in cycles), 2),
        "jobs_seconds_mean": round(statistics.mean(done.jobs_seconds for done in cycles), 2),
        "down_seconds_mean": round(statistics.mean(done.down_seconds for done in cycles), 2),
    }


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except DevclusterError as error:
        sys.exit(f"{error.reason}: {error}")
