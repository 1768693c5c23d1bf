"""What the operator costs where 1,000 workloads are measured on 10 node classes, and how soon it is back after a crash.

    python -m bench.operator_scale [--workloads 1000] [--classes 10] [--at-once 4] [--policies Always,Auto]

Run by ``make bench-operator``. A real control plane; nodes are objects, and kwok ends each Pod of a Job at once with a
result as the profiler would have written it (`stages.yaml`). The operator runs with the rights that the chart gives it.
With policy Always each pair of workload and class is measured, with Auto what gains enough. Settled is when nothing was
written for twenty seconds; the time counts from the first workload made to the last write. Writes are those that the
API server's audit log has of the operator's account. Then the operator is killed and started again; the restart is over
when it has looked at each workload once, and after the last write that follows from it. ``together_mib`` is the most
that the operator and its training had at one time. Prints tables, the marks of each policy, and as its last line one
JSON object, also written to ``bench/results/operator.json``. Needs root on Linux.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

from bench.machine import machine
from bench.operator_scale import fleet
from bench.operator_scale.running import ACCOUNT, RunningOperator, kwok, operator, prepare
from bench.operator_scale.writes import WriteLog
from demo.console import table
from demo.marks import held, marks_table
from demo.memory import resident
from demo.scenario import ROOT
from devcluster import Cluster, ClusterSpec
from foretide_kube.client import KubeClient
from foretide_kube.names import AIWORKLOADS, NODE_CLASSES

MARKS: Final = {"writes_per_pair": 6.0, "rss_mib": 256.0, "restart_seconds": 30.0}
RESULT: Final = ROOT / "bench" / "results" / "operator.json"
QUIET_SECONDS: Final = 20.0
IDLE_SECONDS: Final = 60.0
MOST_SECONDS: Final = 3 * 3600.0
BUDGET_SECONDS: Final = 1_000_000


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description="What the operator costs at scale.")
    parser.add_argument("--workloads", type=int, default=1000, help="AIWorkloads (1000)")
    parser.add_argument("--classes", type=int, default=10, help="node classes (10)")
    parser.add_argument("--at-once", type=int, default=4, help="measurements at once on a class (4)")
    parser.add_argument("--policies", default="Always,Auto", help="of the workloads, one run each (Always,Auto)")
    parser.add_argument("--logs", type=Path, help="keep the logs in this folder")
    options = parser.parse_args(arguments)
    pairs = options.workloads * options.classes
    sizes = f"{options.workloads} workloads, {options.classes} classes, {options.at_once} at once"
    print(f"{sizes}; {machine()}", flush=True)
    result: dict[str, Any] = {"machine": machine(), "pairs": pairs, "at_once": options.at_once, "policies": {}}
    for policy in options.policies.split(","):
        with TemporaryDirectory() as scratch:
            directory = options.logs or Path(scratch)
            directory.mkdir(parents=True, exist_ok=True)
            spec = ClusterSpec(name="bench-operator", audit=True)
            with Cluster.up(spec, replace=True) as cluster, kwok(cluster, directory):
                figures = measure(cluster, directory, options, policy)
        marks = held(figures, MARKS)
        result["policies"][policy] = {**figures, "marks": marks}
        print(f"\n{policy}\n{lines(figures)}\n\n{marks_table(marks)}", flush=True)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"\n{json.dumps(result)}")


class Peaks(NamedTuple):
    """The most memory that was seen, in MiB: of a training, and of the operator and its training at one time."""

    training: float = 0.0
    together: float = 0.0


def measure(cluster: Cluster, directory: Path, options: argparse.Namespace, policy: str) -> dict[str, Any]:
    """The figures of one policy."""
    client = KubeClient.connect(str(cluster.kubeconfig))
    prepare(cluster)
    fleet.make_nodes(client, options.classes)
    settings = {
        "FORETIDE_PROFILES_PER_CLASS": str(options.at_once),
        "FORETIDE_PROFILE_BUDGET_SECONDS": str(BUDGET_SECONDS),
    }
    log = WriteLog(cluster.audit_log, ACCOUNT)
    with operator(cluster, directory, settings) as running:
        quiet(running, log, lambda: len(probed(client)) == options.classes)
        figures = settled(running, log, client, options, policy)
        figures |= idle(running, log)
        running.kill()
    with operator(cluster, directory, settings) as again:
        figures |= restarted(again, log, options.workloads)
    figures["rss_mib"] = max(figures["settled_peak_mib"], figures["restart_peak_mib"])
    return figures


def settled(
    running: RunningOperator, log: WriteLog, client: KubeClient, options: argparse.Namespace, policy: str
) -> dict[str, Any]:
    """Figures from the first workload made to the last write."""
    pairs = options.workloads * options.classes
    began, before = time.time(), log.read()
    fleet.make_workloads(client, options.workloads, policy=policy)
    wanted = pairs if policy == "Always" else 0
    peaks = quiet(running, log, lambda: standing(client)[0] >= wanted)
    measured, ready = standing(client)
    memory = running.memory()
    return {
        "settle_seconds": round(log.last_seconds(began), 1),
        "writes_per_pair": round((len(log.times) - before) / pairs, 2),
        "cpu_seconds": round(running.cpu_seconds(), 1),
        "settled_mib": memory.now,
        "settled_peak_mib": memory.peak,
        "training_mib": peaks.training,
        "together_mib": peaks.together,
        "measured_pairs": measured,
        "ready_workloads": ready,
        "writes": dict(log.counts.most_common()),
    }


def idle(running: RunningOperator, log: WriteLog) -> dict[str, Any]:
    """What it does once it is settled."""
    cpu, before = running.cpu_seconds(), log.read()
    time.sleep(IDLE_SECONDS)
    cores = (running.cpu_seconds() - cpu) / IDLE_SECONDS
    return {"idle_cores": round(cores, 3), "idle_writes": log.read() - before}


def quiet(running: RunningOperator, log: WriteLog, is_done: Callable[[], bool] = lambda: True) -> Peaks:
    """Wait until all ``is_done`` and the operator has written nothing for a while; gives what memory it took."""
    began = last = time.monotonic()
    seen, peaks = log.read(), Peaks()
    while time.monotonic() - last < QUIET_SECONDS or not is_done():
        if time.monotonic() - began > MOST_SECONDS:
            raise TimeoutError(f"not settled after {MOST_SECONDS:g} s; --logs keeps the logs")
        time.sleep(1.0)
        running.check()
        peaks = Peaks(max(peaks.training, training_mib(running)), max(peaks.together, running.together_mib()))
        count = log.read()
        if count != seen:
            seen, last = count, time.monotonic()
    return peaks


def training_mib(running: RunningOperator) -> float:
    """The most memory that a training under way had so far, in MiB; 0 if there is none."""
    peaks = [0.0]
    for child in running.children():
        with suppress(OSError, ValueError):
            peaks.append(resident(child).peak)
    return max(peaks)


def probed(client: KubeClient) -> list[str]:
    """The classes that were probed."""
    return [
        item["metadata"]["name"] for item in client.list_objects(NODE_CLASSES) if item.get("status", {}).get("probe")
    ]


def standing(client: KubeClient) -> tuple[int, int]:
    """How many pairs are measured, and how many workloads are Ready."""
    measured, ready = 0, 0
    for item in client.list_objects(AIWORKLOADS):
        status = item.get("status", {})
        measured += status.get("profiles", {}).get("measured", 0)
        ready += any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", []))
    return measured, ready


def restarted(running: RunningOperator, log: WriteLog, workloads: int) -> dict[str, Any]:
    """Figures from the start of an operator until it has looked at every workload and written its last."""
    began, wall, before = time.monotonic(), time.time(), log.read()
    looked_seconds = 0.0
    while not looked_seconds:
        time.sleep(0.2)
        running.check()
        with suppress(OSError):
            if running.looks("workload") >= workloads:
                looked_seconds = time.monotonic() - began
        if time.monotonic() - began > MOST_SECONDS:
            raise TimeoutError(f"not all workloads were looked at within {MOST_SECONDS:g} s")
    quiet(running, log)
    return {
        "restart_seconds": round(max(looked_seconds, log.last_seconds(wall)), 1),
        "restart_writes": log.read() - before,
        "restart_peak_mib": running.memory().peak,
    }


def lines(figures: dict[str, Any]) -> str:
    """The figures of a policy: all but the writes, then those by kind."""
    rows = [[name.replace("_", " "), f"{value:g}"] for name, value in figures.items() if name != "writes"]
    kinds = [[name, str(count)] for name, count in figures["writes"].items()]
    return table(["", "figure"], rows) + "\n\n" + table(["writes until settled", "count"], kinds)


if __name__ == "__main__":
    main(sys.argv[1:])
