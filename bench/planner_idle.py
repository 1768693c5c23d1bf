"""What the planner costs while nothing changes: 1,000 gated tasks that cannot start, 1,000 nodes of 20 classes.

Run by ``make bench-planner``. A real API server, scheduler and controller manager; nodes are objects without kubelets,
whose heartbeats this program sends as kubelets do. CPU time is the process's own, from the kernel, over 20 s after
all that is to be told has been told. Two cases: all nodes are held by Pods of others (no room is foreseen), and all
run a task that ends some day (each waiting task has its place in a queue).
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.machine import machine
from devcluster import Cluster, ClusterSpec
from foretide_kube.client import KubeClient, Object
from foretide_kube.names import AIWORKLOADS, GATE_PLAN, LEASES, NAMESPACES, NODE_CLASSES, NODES, PODS, Resource

TASKS = 1000
NODE_COUNT = 1000
CLASSES = [f"class-{index:02d}" for index in range(20)]
WINDOW_SECONDS = 20.0
BEAT_SECONDS = 20.0
MOST_SETTLE_SECONDS = 400.0
NAMESPACE = "bench"
NODE_NAMES = [f"edge-node-{index:04d}" for index in range(NODE_COUNT)]
RESULT = Path(__file__).parent / "results" / "planner.json"
CRDS = Path(__file__).parent.parent / "crds"
CASES = ("held by others", "all run tasks")


def main() -> None:
    print(f"{TASKS} gated tasks, {NODE_COUNT} nodes of {len(CLASSES)} classes; {machine()}\n")
    print(
        f"{'case':<18}{'cores':>8}{'RSS MiB':>9}{'peak MiB':>10}{'plans':>7}{'plan ms':>9}{'writes':>8}"
        f"{'told s':>8}{'ready':>7}"
    )
    result: dict[str, Any] = {"machine": machine(), "tasks": TASKS, "nodes": NODE_COUNT, "cases": {}}
    for case in CASES:
        with Cluster.up(ClusterSpec(name="bench-planner"), replace=True) as cluster:
            figures = result["cases"][case] = measure(cluster, case)
        print(
            f"{case:<18}{figures['cores']:>8.3f}{figures['rss_mib']:>9.1f}{figures['peak_mib']:>10.1f}"
            f"{figures['plans']:>7.0f}{figures['plan_milliseconds']:>9.0f}{figures['writes']:>8.0f}"
            f"{figures['told_seconds']:>8.0f}{figures['ready_nodes']:>7}",
            flush=True,
        )
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result) + "\n")
    print(f"\n{json.dumps(result)}")


def measure(cluster: Cluster, case: str) -> dict[str, float]:
    """Figures of one case."""
    cluster.kubectl("apply", "--server-side", "-f", str(CRDS))
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
    client = KubeClient.connect(str(cluster.kubeconfig))
    fill(client, case)
    ended = threading.Event()
    hearts = [threading.Thread(target=beat, args=(client, NODE_NAMES[first::4], ended)) for first in range(4)]
    for heart in hearts:
        heart.start()
    port = free_port()
    environment = {"KUBECONFIG": str(cluster.kubeconfig), "FORETIDE_NAMESPACE": NAMESPACE, "PYTHONSAFEPATH": "1"}
    planner = subprocess.Popen(
        [sys.executable, "-m", "foretide_operator.planner"],
        env=os.environ | environment | {"FORETIDE_PLANNER_PORT": str(port), "FORETIDE_LOG_LEVEL": "WARNING"},
    )
    try:
        return watch(planner.pid, port, client)
    finally:
        planner.terminate()
        planner.wait(30)
        ended.set()
        for heart in hearts:
            heart.join()


def watch(process: int, port: int, client: KubeClient) -> dict[str, float]:
    """Wait until nothing is told any more, then look on for a while."""
    began = told_at = time.monotonic()
    told = versions(client)
    while time.monotonic() - told_at < WINDOW_SECONDS and time.monotonic() - began < MOST_SETTLE_SECONDS:
        time.sleep(5.0)
        before, told = told, versions(client)
        if before != told:
            told_at = time.monotonic()
    cpu, plans, planning = cpu_seconds(process), *plan_figures(port)
    time.sleep(WINDOW_SECONDS)
    spent = cpu_seconds(process) - cpu
    now_plans, now_planning = plan_figures(port)
    return {
        "cores": round(spent / WINDOW_SECONDS, 4),
        "rss_mib": memory_mib(process, "VmRSS"),
        "peak_mib": memory_mib(process, "VmHWM"),
        "plans": now_plans - plans,
        "plan_milliseconds": round((now_planning - planning) * 1e3 / max(now_plans - plans, 1), 1),
        "writes": len(versions(client) - told),
        "told_seconds": round(told_at - began),
        "ready_nodes": ready_nodes(client),
    }


def versions(client: KubeClient) -> set[str]:
    """The versions that all Pods have now."""
    items, _ = client.list_objects_with_version(PODS, NAMESPACE, reduce=lambda item: item["metadata"])
    return {item["resourceVersion"] for item in items}


def fill(client: KubeClient, case: str) -> None:
    """Nodes, classes, the workload, what runs, and what waits."""
    client.create(NAMESPACES, body(NAMESPACES, {"name": NAMESPACE}))
    client.create(AIWORKLOADS, workload_object(), NAMESPACE)
    predictions = [prediction(name, index) for index, name in enumerate(CLASSES)]
    client.patch(AIWORKLOADS, "resnet", {"status": {"predictions": predictions}}, NAMESPACE, subresource="status")
    for name in CLASSES:
        spec = {"selector": {"matchLabels": {"foretide.dev/node-class": name}}}
        client.create(NODE_CLASSES, body(NODE_CLASSES, {"name": name}, spec=spec))
    each(NODE_NAMES, lambda name: client.create(NODES, node_object(name)))
    is_task = case == "all run tasks"
    each(NODE_NAMES, lambda name: client.create(PODS, pod_object(f"on-{name}", node=name, is_task=is_task), NAMESPACE))
    each(
        [f"task-{index:04d}" for index in range(TASKS)],
        lambda name: client.create(PODS, pod_object(name, is_task=True), NAMESPACE),
    )


def each(names: Iterable[str], work: Callable[[str], object]) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, names))


def body(resource: Resource, metadata: Object, **fields: object) -> Object:
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, **fields}


def prediction(node_class: str, index: int) -> Object:
    median = 1_000_000 + 150_000 * index
    interval = {"lower": median * 8 // 10, "median": median, "upper": median * 13 // 10}
    return {
        "nodeClass": node_class,
        "workMicrosecondsPerInference": interval,
        "startupMilliseconds": 800,
        "memoryBytes": 200 * 2**20,
        "source": "Measured",
        "modelVersion": "v1",
    }


def workload_object() -> Object:
    """A workload of about two hours a task; none of its tasks is opened before a week has passed."""
    spec = {
        "model": {"source": "TorchVision", "name": "resnet18"},
        "input": {"shape": [3, 224, 224]},
        "inferences": 5000,
        "maxWaitSeconds": 604800,
        "run": {"mode": "None"},
        "resources": {"limits": {"cpu": "3", "memory": "512Mi"}},
    }
    return body(AIWORKLOADS, {"name": "resnet", "namespace": NAMESPACE}, spec=spec)


def node_object(name: str) -> Object:
    labels = {
        "foretide.dev/node-class": CLASSES[NODE_NAMES.index(name) % len(CLASSES)],
        "kubernetes.io/hostname": name,
    }
    status = {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"}, "conditions": [ready()]}
    return body(NODES, {"name": name, "labels": labels}, status=status)


def ready() -> Object:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": now}


def pod_object(name: str, *, node: str = "", is_task: bool) -> Object:
    """A Pod of three CPU: on ``node``, or behind the gate."""
    limits = {"cpu": "3", "memory": "512Mi"}
    labels = {"foretide.dev/workload": "resnet", "foretide.dev/role": "run"} if is_task else {"app": "theirs"}
    where = {"nodeName": node} if node else {"schedulingGates": [{"name": GATE_PLAN}]}
    spec = {
        "containers": [{"name": "task", "image": "x", "resources": {"limits": limits, "requests": limits}}],
        "tolerations": [{"operator": "Exists"}],
        "automountServiceAccountToken": False,
        **where,
    }
    return body(PODS, {"name": name, "namespace": NAMESPACE, "labels": labels}, spec=spec)


def beat(client: KubeClient, names: list[str], ended: threading.Event) -> None:
    """Each of the nodes renews its Lease every 20 s, and tells its status every five minutes, as kubelets do."""
    number, begin = 0, time.monotonic()
    while not ended.wait(max(begin + number * BEAT_SECONDS / len(names) - time.monotonic(), 0.0)):
        name = names[number % len(names)]
        time_text = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": time_text}
        if number < len(names):
            lease = body(LEASES, {"name": name, "namespace": "kube-node-lease"}, spec=spec)
            client.create(LEASES, lease, "kube-node-lease")
        else:
            client.patch(LEASES, name, {"spec": spec}, "kube-node-lease")
        if number % 15 == 0:
            client.patch(
                NODES, name, {"status": {"conditions": [ready()]}}, patch_type="strategic", subresource="status"
            )
        number += 1


def ready_nodes(client: KubeClient) -> int:
    """How many nodes still count as alive: all of them, unless this machine is too busy for their heartbeats."""
    return sum(
        condition["type"] == "Ready" and condition["status"] == "True"
        for node in client.list_objects(NODES)
        for condition in node["status"].get("conditions") or ()
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def plan_figures(port: int) -> tuple[float, float]:
    """Plans made so far, and the seconds that they took together."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as response:
        lines = dict(line.rsplit(" ", 1) for line in response.read().decode().splitlines() if line[:1] != "#")
    name = "foretide_planner_plan_duration_seconds"
    return float(lines[f"{name}_count"]), float(lines[f"{name}_sum"])


def cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mib(process: int, field: str) -> float:
    line = next(line for line in Path(f"/proc/{process}/status").read_text().splitlines() if line.startswith(field))
    return round(int(line.split()[1]) / 1024, 1)


if __name__ == "__main__":
    main()
