"""Brings a cluster up, runs one Job on every node and takes it down, five times, and looks for anything that is left.

    python -m bench.devcluster_cycles [--cycles 5] [--spec devcluster/clusters/demo.yaml] [--images NAME,…]

Prints a table and, as its last line, one JSON object, also written to `bench/results/devcluster.json`.
Needs root on Linux. Exit status 1 where a cycle left something or a Job failed.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from devcluster import Cluster, ClusterSpec, DevclusterError, leftovers
from devcluster.images import catalogue
from devcluster.paths import PACKAGE
from devcluster.spec import Node

RESULT = Path(__file__).parent / "results" / "devcluster.json"
IMAGE = "docker.io/foretide/profiler:dev-onnx"


@dataclasses.dataclass(frozen=True)
class Cycle:
    """One cycle's times in seconds, and what was left after it."""

    up_seconds: float
    jobs_seconds: float
    down_seconds: float
    left: list[str]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Cycles of devcluster up, one Job per node, down.")
    parser.add_argument("--cycles", type=int, default=5)
    parser.add_argument("--spec", type=Path, default=PACKAGE / "clusters" / "demo.yaml")
    parser.add_argument("--images", default="profiler-onnx", help="comma-separated; must hold profiler-onnx")
    options = parser.parse_args(arguments)
    spec = dataclasses.replace(ClusterSpec.load(options.spec), name="bench")
    images = options.images.split(",")
    archives = [catalogue.archive(image, print) for image in images]
    print(f"{len(spec.nodes)} nodes; {machine()}")
    print(f"{'cycle':>5}{'up s':>8}{'jobs s':>8}{'down s':>8}  left")
    cycles: list[Cycle] = []
    for number in range(1, options.cycles + 1):
        done = cycle(spec, archives)
        cycles.append(done)
        left = "; ".join(done.left) or "nothing"
        print(f"{number:5d}{done.up_seconds:8.1f}{done.jobs_seconds:8.1f}{done.down_seconds:8.1f}  {left}", flush=True)
    figures = summary(cycles, len(spec.nodes))
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(figures))
    return 0 if figures["clean"] == figures["cycles"] else 1


def cycle(spec: ClusterSpec, images: list[Path]) -> Cycle:
    """Run one cycle."""
    links = leftovers.links()
    begin = time.monotonic()
    with Cluster.up(spec, images=images) as cluster:
        up = time.monotonic()
        cluster.kubectl("apply", "-f", "-", stdin=json.dumps({"kind": "List", "apiVersion": "v1", "items": jobs(spec)}))
        cluster.kubectl("wait", "job", "--all", "--for=condition=Complete", "--timeout=120s", timeout_seconds=130)
        worked = time.monotonic()
    down = time.monotonic()
    left = leftovers.of(spec.name) + [f"link {name}" for name in sorted(leftovers.links() - links)]
    return Cycle(up - begin, worked - up, down - worked, left)


def jobs(spec: ClusterSpec) -> list[dict[str, Any]]:
    """Return one Job for each node."""
    return [job(node) for node in spec.nodes]


def job(node: Node) -> dict[str, Any]:
    """Return a Job that says hello on one node, whatever its taints."""
    container = {
        "name": "hello",
        "image": IMAGE,
        "imagePullPolicy": "Never",
        "command": ["sh", "-c", "echo hello"],
        "resources": {"limits": {"cpu": "500m", "memory": "64Mi"}},
    }
    pod = {
        "restartPolicy": "Never",
        "nodeSelector": {"kubernetes.io/hostname": node.name},
        "tolerations": [{"operator": "Exists"}],
        "containers": [container],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": f"hello-{node.name}", "namespace": "default"},
        "spec": {"template": {"spec": pod}},
    }


def summary(cycles: list[Cycle], nodes: int) -> dict[str, Any]:
    """Return the figures."""
    return {
        "machine": machine(),
        "nodes": nodes,
        "cycles": len(cycles),
        "clean": sum(not done.left for done in cycles),
        "jobs": nodes * len(cycles),
        "up_seconds_mean": round(statistics.mean(done.up_seconds for done in cycles), 2),
        "up_seconds_max": round(max(done.up_seconds for done in cycles), 2),
        "jobs_seconds_mean": round(statistics.mean(done.jobs_seconds for done in cycles), 2),
        "down_seconds_mean": round(statistics.mean(done.down_seconds for done in cycles), 2),
    }


def machine() -> str:
    """Say what this ran on."""
    return (
        f"{os.cpu_count()} CPUs, {platform.machine()}, Linux {platform.release()}, Python {platform.python_version()}"
    )


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except DevclusterError as error:
        sys.exit(f"{error.reason}: {error}")
