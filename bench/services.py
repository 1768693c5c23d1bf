"""What requests to a service took against what was predicted for them, on each node class and under load.

    python -m bench.services [--minutes 2]

Run by ``make bench-services``. The demo's cluster, its chart and its workloads, measured on every class. Then the
workload `MODEL` is served by a Pod on one class after the other, and as many clients as `CLIENTS` says ask it, each
again as soon as it is answered. What counts is what the operator makes of it: the latency at the objective's percentile
that a minute of a Pod shows, beside what was predicted at the load that there was; but not the minute in which the
clients begin. Prints a table, and as its last line one JSON object, also written to ``bench/results/services.json``.
Needs root on Linux.
"""

from __future__ import annotations

import argparse
import copy
import http.client
import json
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any, Final, TypeVar

import numpy as np

from bench.machine import machine
from demo import install, stage
from demo.console import Console, table
from demo.scenario import ROOT, Scenario
from demo.trial import NAMESPACE
from demo.workloads import condition
from devcluster import Cluster, ClusterSpec
from foretide_kube.client import KubeClient, Object
from foretide_kube.names import AIWORKLOADS, LABEL_NODE_CLASS, LABEL_ROLE, LABEL_WORKLOAD, PODS, ROLE_RUN

Found = TypeVar("Found")

MODEL: Final = "edge-cnn"
CLIENTS: Final = (1, 3)
"""Clients at a time: the wait in the Pod's queue is none for one, and two inferences for three."""
PERCENTILE: Final = 90
RESULT: Final = ROOT / "bench" / "results" / "services.json"
MOST_SECONDS: Final = 600.0
_PORT: Final = 8080


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description="Requests to services against their predictions.")
    parser.add_argument("--minutes", type=int, default=2, help="of each class and number of clients (2)")
    options = parser.parse_args(arguments)
    console = Console()
    scenario = Scenario.load(ROOT / "demo" / "scenario.yaml")
    spec = ClusterSpec.load(ROOT / scenario.cluster)
    print(f"{MODEL}, percentile {PERCENTILE}, {options.minutes} minutes each; {machine()}", flush=True)
    with Cluster.up(spec, images=install.IMAGES, progress=console.say, replace=True) as cluster:
        ready = stage.prepare(cluster, scenario, console)
        manifest = next(each for each in scenario.manifests() if each["metadata"]["name"] == MODEL)
        rows = [
            row
            for node_class in ready.classes
            for row in measure(cluster, ready.client, as_service(manifest, node_class), node_class, options.minutes)
        ]
    result = {"machine": machine(), "percentile": PERCENTILE, "rows": rows, **figures(rows)}
    print(f"\n{lines(rows)}")
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"\n{json.dumps(result)}")


def as_service(manifest: Object, node_class: str) -> Object:
    """The workload, served by one Pod on nodes of one class."""
    out = copy.deepcopy(manifest)
    out["metadata"] = {"name": f"{MODEL}-{node_class}", "namespace": NAMESPACE}
    out["spec"] |= {
        "objective": {"latencyMilliseconds": 60_000, "percentile": PERCENTILE},
        "nodeClassSelector": {"matchLabels": {LABEL_NODE_CLASS: node_class}},
        "run": {"mode": "Deployment", "replicas": 1},
    }
    del out["spec"]["inferences"]
    return out


def measure(
    cluster: Cluster, client: KubeClient, manifest: Object, node_class: str, minutes: int
) -> Iterator[dict[str, Any]]:
    """Serve the workload, and give a row for each number of clients and minute."""
    name = manifest["metadata"]["name"]
    body = np.zeros((1, *manifest["spec"]["input"]["shape"]), np.float32).tobytes()
    client.create(AIWORKLOADS, manifest, NAMESPACE)
    until(lambda: condition(client.get(AIWORKLOADS, name, NAMESPACE), "Profiled")["status"] == "True", "measured")
    until(lambda: condition(client.get(AIWORKLOADS, name, NAMESPACE), "Available")["status"] == "True", "available")
    selector = f"{LABEL_WORKLOAD}={name},{LABEL_ROLE}={ROLE_RUN}"
    (pod,) = client.list_objects(PODS, NAMESPACE, label_selector=selector)
    with cluster.forward(pod["status"]["podIP"], _PORT) as port:
        for row in asked(client, name, port, body, minutes):
            print(json.dumps({"node_class": node_class, **row}), flush=True)
            yield {"node_class": node_class, **row}
    client.delete(AIWORKLOADS, name, NAMESPACE)
    until(lambda: not client.list_objects(PODS, NAMESPACE, label_selector=selector), "gone")


def asked(client: KubeClient, name: str, port: int, body: bytes, minutes: int) -> Iterator[dict[str, Any]]:
    """A row for each number of clients and minute, but for those in which they begin."""
    before = ""
    for clients in CLIENTS:
        with asking(port, body, clients):
            before = next_minute(client, name, before)["observedTime"]
            for _ in range(minutes):
                seen = next_minute(client, name, before)
                before = seen["observedTime"]
                yield {"clients": clients, **row_of(seen)}


@contextmanager
def asking(port: int, body: bytes, clients: int) -> Iterator[None]:
    """So many clients that ask while the block lasts; raises what one of them met."""
    over = threading.Event()

    def ask() -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
            while not over.is_set():
                connection.request("POST", "/infer", body, {"Content-Type": "application/octet-stream"})
                answer = connection.getresponse()
                content = answer.read()
                if answer.status != http.HTTPStatus.OK:
                    raise RuntimeError(f"the service answered {answer.status}: {content[:500]!r}")

    with ThreadPoolExecutor(clients) as pool:
        asked = [pool.submit(ask) for _ in range(clients)]
        try:
            yield
        finally:
            over.set()
        for each in asked:
            each.result()


def next_minute(client: KubeClient, name: str, before: str) -> Object:
    """What the workload's status says of its service once that is not of ``before`` any more."""

    def look() -> Object | None:
        told: Object | None = client.get(AIWORKLOADS, name, NAMESPACE)["status"].get("service")
        return told if told is not None and told["observedTime"] != before else None

    return until(look, "told of in the workload's status")


def row_of(service: Object) -> dict[str, float]:
    """Observed and predicted latency of the latest minute, and the requests in flight."""
    observed, predicted = service["observedLatencyMicroseconds"], service["predictedLatencyMicroseconds"]
    return {
        "in_flight": service["inFlightPermille"] / 1e3,
        "predicted_milliseconds": predicted / 1e3,
        "observed_milliseconds": observed / 1e3,
        "observed_to_predicted": round(observed / predicted, 3),
    }


def until(look: Callable[[], Found | None], what: str) -> Found:
    """What ``look`` gives once it is true; TimeoutError if it does not become so."""
    give_up = time.monotonic() + MOST_SECONDS
    while not (found := look()):
        if time.monotonic() > give_up:
            raise TimeoutError(f"not {what} after {MOST_SECONDS:g} s")
        time.sleep(0.5)
    return found


def figures(rows: list[dict[str, Any]]) -> dict[str, float]:
    """How far observed latencies were from predicted ones, in per cent of these."""
    errors = [abs(row["observed_to_predicted"] - 1.0) * 100 for row in rows]
    return {"median_error": round(statistics.median(errors), 1), "worst_error": round(max(errors), 1)}


def lines(rows: list[dict[str, Any]]) -> str:
    """One line a minute."""
    heads = ["node class", "clients", "in flight", "predicted ms", "observed ms", "ratio"]
    return table(
        heads,
        [
            [
                row["node_class"],
                str(row["clients"]),
                f"{row['in_flight']:.2f}",
                f"{row['predicted_milliseconds']:.0f}",
                f"{row['observed_milliseconds']:.0f}",
                f"{row['observed_to_predicted']:.2f}",
            ]
            for row in rows
        ],
    )


if __name__ == "__main__":
    main(sys.argv[1:])
