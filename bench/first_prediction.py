"""How soon a new workload has a prediction to go by, and how soon after that its first task has a node.

    python -m bench.first_prediction [--workloads 12]

Run by ``make bench-first-prediction``. Real nodes of three classes, the chart installed, a model in use that learned
from the demo's workloads, every image on every node. Then one workload after the other is applied by ``kubectl apply``,
ONNX files and TorchVision architectures in turn, each of a shape that was not seen before, with one task to run. From
the moment that kubectl is started to the first prediction in the workload's status that the model or a measurement
made; from there to the moment that the task's Pod is bound. Times are those at which this process sees them on a
watch. Each workload is deleted before the next is applied. Prints a table, the marks, and as its last line one JSON
object, also written to ``bench/results/first-prediction.json``. Needs root on Linux.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from bench.machine import machine
from demo import install, stage
from demo.console import Console, table
from demo.marks import held, marks_table
from demo.scenario import ROOT, Scenario
from demo.trial import NAMESPACE
from devcluster import Cluster, ClusterSpec
from foretide_kube.cache import WatchCache
from foretide_kube.client import KubeClient, Object
from foretide_kube.kinds.completiontimemodel import NAME as MODEL
from foretide_kube.names import AIWORKLOADS, COMPLETION_TIME_MODELS, JOBS, LABEL_ROLE, LABEL_WORKLOAD, PODS, ROLE_RUN

MARKS: Final = {"informed.worst_seconds": 10.0, "placed.worst_seconds": 1.0}
RESULT: Final = ROOT / "bench" / "results" / "first-prediction.json"
MOST_SECONDS: Final = 300.0
SMALLEST_PIXELS: Final = 96
STEP_PIXELS: Final = 16


class Moments:
    """When something of a workload was seen first; ``clock`` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seen: dict[tuple[str, str], float] = {}
        self._news = threading.Condition()

    def note_workload(self, event: str, item: Object) -> None:
        """Take note of a workload as the watch tells of it."""
        if event != "DELETED" and is_informed(item):
            self._note("informed", item["metadata"]["name"])

    def note_pod(self, event: str, pod: Object) -> None:
        """Take note of a Pod as the watch tells of it."""
        labels = pod["metadata"].get("labels", {})
        if event != "DELETED" and labels.get(LABEL_ROLE) == ROLE_RUN and pod["spec"].get("nodeName"):
            self._note("placed", labels.get(LABEL_WORKLOAD, ""))

    def wait(self, what: str, workload: str) -> float:
        """The moment, once it has come; TimeoutError if it does not."""
        with self._news:
            if not self._news.wait_for(lambda: (what, workload) in self._seen, MOST_SECONDS):
                raise TimeoutError(f"{workload} was not {what} within {MOST_SECONDS:g} s")
            return self._seen[what, workload]

    def _note(self, what: str, workload: str) -> None:
        with self._news:
            self._seen.setdefault((what, workload), self._clock())
            self._news.notify_all()


def is_informed(workload: Object) -> bool:
    """Whether a prediction is published that says more than a guess from what was counted."""
    predictions = workload.get("status", {}).get("predictions", [])
    return any(each["source"] in {"Learned", "Measured"} for each in predictions)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description="From kubectl apply to a prediction, and to a node.")
    parser.add_argument("--workloads", type=int, default=12, help="applied one after the other (12)")
    options = parser.parse_args(arguments)
    console = Console()
    scenario = Scenario.load(ROOT / "demo" / "scenario.yaml")
    spec = ClusterSpec.load(ROOT / scenario.cluster)
    print(f"{options.workloads} workloads on {len(spec.nodes)} nodes; {machine()}", flush=True)
    with Cluster.up(spec, images=install.IMAGES, progress=console.say, replace=True) as cluster:
        client = stage.prepare(cluster, scenario, console).client
        wait_for_model(client)
        found = measure(cluster, client, variants(scenario.manifests(), options.workloads))
    result = {"machine": machine(), **figures(found)}
    result["marks"] = held(result, MARKS)
    print(f"\n{lines(found)}\n\n{marks_table(result['marks'])}")
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"\n{json.dumps(result)}")


def wait_for_model(client: KubeClient) -> None:
    """Wait until a version of the model is in use."""
    give_up = time.monotonic() + MOST_SECONDS
    while not client.get(COMPLETION_TIME_MODELS, MODEL).get("status", {}).get("activeVersion"):
        if time.monotonic() > give_up:
            raise TimeoutError(f"there is no model after {MOST_SECONDS:g} s; see kubectl describe ctmodel")
        time.sleep(1.0)


def variants(manifests: list[Object], count: int) -> list[Object]:
    """New workloads out of known ones: of each source in turn, each with a batch or a shape of its own, and a task."""
    by_source = {manifest["spec"]["model"]["source"]: manifest for manifest in manifests}
    sources = sorted(by_source)
    out = []
    for number in range(count):
        manifest = copy.deepcopy(by_source[sources[number % len(sources)]])
        spec = manifest["spec"]
        manifest["metadata"] = {"name": f"first-{number:02d}", "namespace": NAMESPACE}
        if spec["model"]["source"] == "TorchVision":
            spec["input"]["shape"] = [3] + 2 * [SMALLEST_PIXELS + STEP_PIXELS * (number // len(sources))]
        else:
            spec["batchSize"] = 2 + number // len(sources)
        spec |= {"inferences": 5, "run": {"mode": "Job", "completions": 1}}
        spec.pop("profiling", None)
        spec.pop("objective", None)
        out.append(manifest)
    return out


def measure(cluster: Cluster, client: KubeClient, manifests: list[Object]) -> dict[str, dict[str, float]]:
    """For each workload the seconds to its first informed prediction, and from there to its first task's node."""
    moments = Moments(time.monotonic)
    caches = [
        WatchCache(client, resource, clock=time.monotonic, namespaces=(NAMESPACE,)) for resource in (AIWORKLOADS, PODS)
    ]
    caches[0].add_listener(moments.note_workload)
    caches[1].add_listener(moments.note_pod)
    for cache in caches:
        cache.start()
    if not all(cache.wait_synced(60.0) for cache in caches):
        raise TimeoutError("workloads and Pods were not listed within a minute")
    found = {}
    for manifest in manifests:
        name = manifest["metadata"]["name"]
        began = time.monotonic()
        cluster.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
        informed = moments.wait("informed", name)
        placed = moments.wait("placed", name)
        found[name] = {"informed_seconds": informed - began, "placed_seconds": max(placed - informed, 0.0)}
        print(f"{name} ({manifest['spec']['model']['source']}): {found[name]}", flush=True)
        clear(client, name)
    for cache in caches:
        cache.stop()
    return found


def clear(client: KubeClient, name: str) -> None:
    """Delete a workload, and wait until its Pods are gone."""
    client.delete(AIWORKLOADS, name, NAMESPACE)
    give_up = time.monotonic() + MOST_SECONDS
    for resource in (JOBS, PODS):
        while client.list_objects(resource, NAMESPACE, label_selector=f"{LABEL_WORKLOAD}={name}"):
            if time.monotonic() > give_up:
                raise TimeoutError(f"{resource.plural} of {name} are still there")
            time.sleep(0.5)


def figures(found: dict[str, dict[str, float]]) -> dict[str, Any]:
    """Medians and the worst of each span, and all of them."""
    out: dict[str, Any] = {}
    for name in ("informed", "placed"):
        values = [round(each[f"{name}_seconds"], 3) for each in found.values()]
        out[name] = {"median_seconds": statistics.median(values), "worst_seconds": max(values), "seconds": values}
    return out


def lines(found: dict[str, dict[str, float]]) -> str:
    """One line a workload."""
    rows = [[name, f"{each['informed_seconds']:.2f}", f"{each['placed_seconds']:.2f}"] for name, each in found.items()]
    return table(["workload", "to a prediction, s", "from there to a node, s"], rows)


if __name__ == "__main__":
    main(sys.argv[1:])
