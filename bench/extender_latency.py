"""Latency of the extender's filter and prioritize at 1,000 names, beside a handler that decides nothing.

Run by ``make bench-extender``. Both servers are processes of their own and take turns request by request, on one
kept-alive connection each, so that a busy machine slows both. The cluster: 1,000 nodes of three classes, 2,000 Pods
in flight. The baseline decodes the request, gives every node the score 0 and encodes the reply, with the same web
server and the standard library's JSON. The ratio is what the decision costs; absolute times are this machine's.
Resident memory is the extender's with that cluster in it; it was not listed from an API server, which takes more.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Literal, cast

import msgspec
from aiohttp import web

from demo.memory import resident
from foretide.placement.resources import Resources
from foretide.placement.task import Task, WorkloadPredictions
from foretide.prediction import Interval, Prediction
from foretide_extender.metrics import Metrics
from foretide_extender.server import Answerer, listen, scheduler_app
from foretide_extender.settings import DEFAULT_MAX_BODY_BYTES
from foretide_extender.state import ClusterState
from foretide_kube.kinds.common import LabelSelector, Metadata
from foretide_kube.kinds.nodeclass import NodeClass, NodeClassSpec
from foretide_kube.names import LABEL_NODE_CLASS, LABEL_WORKLOAD
from foretide_kube.reduced import NodeFacts
from foretide_kube.task_pods import TaskPod

NODES = 1000
PODS_IN_FLIGHT = 2000
REQUESTS = 1500
WARM_UP = 200
CLASSES = {"fast": 10_000, "medium": 27_000, "slow": 64_000}
RESULT = Path(__file__).parent / "results" / "extender.json"

Role = Literal["extender", "baseline"]


def node_name(index: int) -> str:
    return f"edge-node-{index:04d}"


def make_cluster(nodes: int = NODES, pods: int = PODS_IN_FLIGHT) -> ClusterState:
    """A busy cluster: tasks of one CPU, two on each node of four unless there are more."""
    state = ClusterState()
    for name in CLASSES:
        spec = NodeClassSpec(selector=LabelSelector(match_labels={LABEL_NODE_CLASS: name}))
        state.class_changed(name, NodeClass(metadata=Metadata(name=name), spec=spec))
    for index in range(nodes):
        labels = {LABEL_NODE_CLASS: list(CLASSES)[index % len(CLASSES)]}
        state.node_changed("ADDED", NodeFacts(node_name(index), labels, Resources(4000, 8 * 2**30, 110)))
    predictions = {
        name: Prediction(
            node_class=name,
            work_microseconds_per_inference=Interval(lower=each * 8 // 10, median=each, upper=each * 13 // 10),
            startup_milliseconds=800,
            memory_bytes=300 * 2**20,
            source="Measured",
        )
        for name, each in CLASSES.items()
    }
    state.workload_changed(("team", "resnet"), WorkloadPredictions(1000, 1000, 600.0, predictions))
    for index in range(pods):
        state.pod_changed(
            "ADDED",
            TaskPod(
                namespace="team",
                name=f"task-{index}",
                uid=f"uid-{index}",
                workload="resnet",
                role="run",
                node=node_name(index % nodes),
                is_finished=False,
                prediction=None,
                planned_node=None,
                task=Task(None, 1000, 512 * 2**20),
                requests=Resources(1000, 512 * 2**20),
                created_seconds=time.time(),
                bound_seconds=time.time(),
                inferences_problem="",
            ),
        )
    return state


def baseline_app() -> web.Application:
    """An extender that decides nothing."""

    async def filter_all(request: web.Request) -> web.Response:
        names = json.loads(await request.read())["NodeNames"]
        return web.Response(body=json.dumps({"NodeNames": names, "Error": ""}).encode())

    async def score_none(request: web.Request) -> web.Response:
        names = json.loads(await request.read())["NodeNames"]
        return web.Response(body=json.dumps([{"Host": name, "Score": 0} for name in names]).encode())

    app = web.Application(client_max_size=DEFAULT_MAX_BODY_BYTES)
    app.router.add_post("/filter", filter_all)
    app.router.add_post("/prioritize", score_none)
    return app


async def serve(role: Role) -> None:
    """Serve until standard input ends; say the port on standard output."""
    if role == "extender":
        metrics = Metrics()
        answerer = Answerer(
            make_cluster().snapshot,
            metrics,
            deadline_seconds=5.0,
            now_seconds=time.time,
            clock_seconds=time.perf_counter,
        )
        app = scheduler_app(answerer, metrics, max_body_bytes=DEFAULT_MAX_BODY_BYTES)
    else:
        app = baseline_app()
    runner = await listen(app, "127.0.0.1", 0)
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


def request_body(nodes: int = NODES) -> bytes:
    """What kube-scheduler sends for one task and all nodes."""
    limits = {"cpu": "1", "memory": "512Mi"}
    pod = {
        "metadata": {
            "name": "task-new",
            "namespace": "team",
            "uid": "uid-new",
            "creationTimestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "labels": {LABEL_WORKLOAD: "resnet"},
        },
        "spec": {"containers": [{"name": "task", "resources": {"limits": limits, "requests": limits}}]},
        "status": {"phase": "Pending"},
    }
    return msgspec.json.encode({"Pod": pod, "Nodes": None, "NodeNames": [node_name(index) for index in range(nodes)]})


def ask(connection: http.client.HTTPConnection, verb: str, body: bytes) -> float:
    """Milliseconds until the whole answer is there."""
    begin = time.perf_counter()
    connection.request("POST", f"/{verb}", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    answer = response.read()
    elapsed = time.perf_counter() - begin
    if response.status != 200:
        raise RuntimeError(f"{verb}: {response.status} {answer[:200]!r}")
    return elapsed * 1e3


def quantiles(times: list[float]) -> dict[str, float]:
    """Median and 99th percentile."""
    cuts = statistics.quantiles(times, n=100)
    return {"p50": round(statistics.median(times), 3), "p99": round(cuts[98], 3)}


def measure() -> dict[str, Any]:
    """Start both servers and take turns."""
    roles: tuple[Role, ...] = ("extender", "baseline")
    servers = {
        role: subprocess.Popen(
            [sys.executable, "-m", "bench.extender_latency", role],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for role in roles
    }
    try:
        connections = {}
        for role, server in servers.items():
            port = int(cast("Any", server.stdout).readline())
            connections[role] = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        body = request_body()
        times: dict[tuple[Role, str], list[float]] = {}
        for turn in range(WARM_UP + REQUESTS):
            for verb in ("filter", "prioritize"):
                for role in roles:
                    elapsed = ask(connections[role], verb, body)
                    if turn >= WARM_UP:
                        times.setdefault((role, verb), []).append(elapsed)
        memory = resident(servers["extender"].pid)
        for connection in connections.values():
            connection.close()
    finally:
        for server in servers.values():
            server.communicate()
    result: dict[str, Any] = {
        "names": NODES,
        "pods_in_flight": PODS_IN_FLIGHT,
        "requests": REQUESTS,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "rss_mib": memory._asdict(),
    }
    for verb in ("filter", "prioritize"):
        ours, theirs = quantiles(times["extender", verb]), quantiles(times["baseline", verb])
        result[verb] = {
            "milliseconds": ours,
            "baseline_milliseconds": theirs,
            "ratio": {key: round(ours[key] / theirs[key], 2) for key in ours},
        }
    return result


def main() -> None:
    result = measure()
    print(f"{NODES} names, {PODS_IN_FLIGHT} Pods in flight, {REQUESTS} requests each, taking turns\n")
    print(f"{'verb':<12}{'quantile':<10}{'extender ms':>12}{'baseline ms':>13}{'ratio':>8}")
    for verb in ("filter", "prioritize"):
        for key in ("p50", "p99"):
            figures = result[verb]
            ours, theirs = figures["milliseconds"][key], figures["baseline_milliseconds"][key]
            print(f"{verb:<12}{key:<10}{ours:>12.3f}{theirs:>13.3f}{figures['ratio'][key]:>8.2f}")
    print(f"\nresident {result['rss_mib']['now']:.0f} MiB, {result['rss_mib']['peak']:.0f} at its peak")
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result) + "\n")
    print(f"\n{json.dumps(result)}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(serve(cast("Role", sys.argv[1])))
    else:
        main()
