"""What it costs that 1,000 tasks wait behind their gates, on 1,000 nodes of 20 classes: planner, extender, scheduler.

Run by ``make bench-planner``. A real control plane, and beside it planner, extender and our scheduler as the chart
configures it; nodes are objects without kubelets, whose heartbeats this program sends. Two cases: all nodes are held by
Pods of others (no room is foreseen), and all run a task that ends some day (each waiting task has its place in a
queue). In each, first nothing changes: CPU time is the process's own, from the kernel, over 20 s after all that is to
be told has been told. Then for 30 s five Pods a second end, each making room for one that waits, and as many new come.
"""

from __future__ import annotations

import json
import random
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench import full_cluster
from bench.full_cluster import CLASSES, NAMESPACE, NODE_COUNT, NODE_NAMES, TASKS
from bench.machine import machine
from bench.parts import Counts, Parts, parts
from demo.console import table
from demo.marks import held, marks_table
from demo.percentile import percentile
from demo.scenario import ROOT
from devcluster import Cluster, ClusterSpec
from foretide_kube.cache import WatchCache
from foretide_kube.client import KubeClient, Object
from foretide_kube.names import PODS

WINDOW_SECONDS = 20.0
MOST_SETTLE_SECONDS = 400.0
TRICKLE_SECONDS = 30.0
TRICKLE_PER_SECOND = 5.0
AFTER_SECONDS = 5.0
"""For the last that ended to be followed; what is counted in it counts as of the time before."""
CASES = {"held by others": False, "all run tasks": True}
MARKS = {
    f"cases.{case}.{name}": bound
    for case in CASES
    for name, bound in (
        ("cores", 0.1),
        ("extender_calls_per_second", 50.0),
        ("trickle.extender_calls_per_second", 50.0),
        ("rss_mib.planner.peak", 96.0),
        ("rss_mib.extender.peak", 96.0),
    )
}
RESULT = ROOT / "bench" / "results" / "planner.json"


def main() -> None:
    print(f"{TASKS} gated tasks, {NODE_COUNT} nodes of {len(CLASSES)} classes; {machine()}\n")
    result: dict[str, Any] = {"machine": machine(), "tasks": TASKS, "nodes": NODE_COUNT, "cases": {}}
    for case, is_task in CASES.items():
        with Cluster.up(ClusterSpec(name="bench-planner"), replace=True) as cluster, TemporaryDirectory() as directory:
            figures = result["cases"][case] = measure(cluster, Path(directory), is_task=is_task)
        print(f"{case}\n{lines(figures)}\n", flush=True)
    result["marks"] = held(result, MARKS)
    print(marks_table(result["marks"]))
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result) + "\n")
    print(f"\n{json.dumps(result)}")


def lines(figures: dict[str, Any]) -> str:
    """The figures of a case, idle beside trickle."""
    trickle = figures["trickle"]
    names = ("cores", "plans", "plan_milliseconds", "extender_calls_per_second", "scheduler_attempts_per_second")
    rows = [[name.replace("_", " "), f"{figures[name]:.3f}", f"{trickle[name]:.3f}"] for name in names]
    waits = trickle["slot_free_to_bound"]
    resident = [f"{name} {own['now']:.0f} ({own['peak']:.0f} at its peak)" for name, own in figures["rss_mib"].items()]
    return (
        table(["", "idle", "trickle"], rows) + f"\n  resident MiB: {', '.join(resident)}; all told "
        f"after {figures['told_seconds']} s; {figures['writes']} writes when idle; {figures['ready_nodes']} nodes ready"
        f"\n  trickle: {trickle['ended']} ended, {trickle['opened']:.0f} opened, attempts {trickle['attempts']}"
        f"\n  slot free to bound: p50 {waits['p50_seconds']} s, p95 {waits['p95_seconds']} s, {waits['tasks']} tasks"
    )


def measure(cluster: Cluster, directory: Path, *, is_task: bool) -> dict[str, Any]:
    """Figures of one case."""
    cluster.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
    client = KubeClient.connect(str(cluster.kubeconfig))
    full_cluster.fill(client, is_task=is_task)
    with beating(client), parts(cluster, NAMESPACE, directory) as running:
        return {**idle(running, client), "trickle": trickle(running, client), "rss_mib": running.memory()}


@contextmanager
def beating(client: KubeClient) -> Iterator[None]:
    """The nodes are alive while the block lasts."""
    ended = threading.Event()
    hearts = [
        threading.Thread(target=full_cluster.beat, args=(client, NODE_NAMES[first::4], ended)) for first in range(4)
    ]
    for heart in hearts:
        heart.start()
    try:
        yield
    finally:
        ended.set()
        for heart in hearts:
            heart.join()


def idle(running: Parts, client: KubeClient) -> dict[str, Any]:
    """Wait until nothing is told any more, then look on for a while."""
    began = told_at = time.monotonic()
    told = versions(client)
    while time.monotonic() - told_at < WINDOW_SECONDS and time.monotonic() - began < MOST_SETTLE_SECONDS:
        time.sleep(5.0)
        before, told = told, versions(client)
        if before != told:
            told_at = time.monotonic()
    before_window = running.counts()
    time.sleep(WINDOW_SECONDS)
    return {
        **rates(before_window, running.counts(), WINDOW_SECONDS),
        "writes": len(versions(client) - told),
        "told_seconds": round(told_at - began),
        "ready_nodes": full_cluster.ready_nodes(client),
    }


def trickle(running: Parts, client: KubeClient) -> dict[str, Any]:
    """End some Pods each second, and make as many new ones that wait."""
    slots = FreedSlots(time.monotonic)
    watch = WatchCache(client, PODS, clock=time.monotonic, namespaces=(NAMESPACE,))
    watch.add_listener(slots.note)
    watch.start()
    if not watch.wait_synced(60.0):
        raise TimeoutError("the Pods were not listed within a minute")
    order = random.Random(1).sample(NODE_NAMES, round(TRICKLE_SECONDS * TRICKLE_PER_SECOND))
    before, began = running.counts(), time.monotonic()
    for number, node in enumerate(order):
        time.sleep(max(began + number / TRICKLE_PER_SECOND - time.monotonic(), 0.0))
        client.patch(PODS, f"on-{node}", {"status": {"phase": "Succeeded"}}, NAMESPACE, subresource="status")
        client.create(PODS, full_cluster.pod_object(f"later-{number:04d}", is_task=True), NAMESPACE)
    seconds = time.monotonic() - began
    time.sleep(AFTER_SECONDS)
    after = running.counts()
    watch.stop()
    return {
        **rates(before, after, seconds),
        "ended": len(order),
        "opened": after.gates_opened - before.gates_opened,
        "slot_free_to_bound": slots.figures(),
    }


def rates(before: Counts, after: Counts, seconds: float) -> dict[str, Any]:
    """What was counted in between, over so many seconds."""
    plans = after.plans - before.plans
    attempts = {result: count - before.attempts[result] for result, count in after.attempts.items()}
    return {
        "cores": round((after.planner_cpu_seconds - before.planner_cpu_seconds) / seconds, 4),
        "plans": plans,
        "plan_milliseconds": round((after.planning_seconds - before.planning_seconds) * 1e3 / max(plans, 1), 1),
        "extender_calls_per_second": round((after.extender_calls - before.extender_calls) / seconds, 2),
        "scheduler_attempts_per_second": round(sum(attempts.values()) / seconds, 2),
        "attempts": attempts,
    }


class FreedSlots:
    """From a node's Pod seen ended to the next Pod seen bound there: each node has room for one."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._freed: dict[str, float] = {}
        self._waits: list[float] = []

    def figures(self) -> dict[str, Any]:
        """Median and 95th percentile in seconds, None where nothing was bound."""
        waits = list(self._waits)
        return {
            "tasks": len(waits),
            "p50_seconds": round(statistics.median(waits), 3) if waits else None,
            "p95_seconds": round(percentile(waits, 0.95), 3) if waits else None,
        }

    def note(self, _event: str, pod: Object) -> None:
        """Take note of a Pod as the watch tells of it."""
        now, node = self._clock(), pod["spec"].get("nodeName")
        if node and pod["status"].get("phase") == "Succeeded":
            self._freed.setdefault(node, now)
        elif node in self._freed:
            freed = self._freed.pop(node)
            self._waits.append(now - freed)


def versions(client: KubeClient) -> set[str]:
    """The versions that all Pods have now."""
    items, _ = client.list_objects_with_version(PODS, NAMESPACE, reduce=lambda item: item["metadata"])
    return {item["resourceVersion"] for item in items}


if __name__ == "__main__":
    main()
