"""How long a newcomer waits: for `helm install`, and from the first workload applied to its first informed placement.

    python -m bench.newcomer [--runs 3]

Run by ``make bench-newcomer``. The demo's cluster, fresh in each run, images on its nodes. The chart is installed by
``helm install --wait`` with the demo's values; installed is when helm returns. Node classes are there by the nodes'
labels, and nothing is known of them. Then the README's workload is applied by ``kubectl apply``. Its own tasks may
start at once, by what its work is reckoned to take on each probed class; so as soon as a measurement or the model
predicts it, one more task of it is given, and placed is when a task has a node and such a prediction on it. Prints a
table, the marks, and as its last line one JSON object, also written to ``bench/results/newcomer.json``. Needs root on
Linux.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from typing import Any, Final

import msgspec

from bench.first_prediction import MOST_SECONDS, is_informed
from bench.machine import machine
from demo import install
from demo.console import Console, table
from demo.marks import held, marks_table
from demo.scenario import ROOT, Scenario
from demo.task_job import task_job
from devcluster import Cluster, ClusterSpec
from foretide_kube.client import KubeClient, Object
from foretide_kube.kinds import aiworkload
from foretide_kube.names import AIWORKLOADS, ANNOTATION_PREDICTION, JOBS, LABEL_WORKLOAD, PODS

MARKS: Final = {"installed.worst_seconds": 60.0, "placed.worst_seconds": 60.0}
RESULT: Final = ROOT / "bench" / "results" / "newcomer.json"
NAMESPACE: Final = "default"
NAME: Final = "mobilenet"
TASKS: Final = replace(install.TASK_SETTINGS, scheduler_name="foretide-scheduler", gates=True)
"""As an application gives them that has them planned."""
WORKLOAD: Final[Object] = {
    "apiVersion": "foretide.dev/v1alpha1",
    "kind": "AIWorkload",
    "metadata": {"name": NAME, "namespace": NAMESPACE},
    "spec": {
        "model": {"source": "TorchVision", "name": "mobilenet_v3_small"},
        "input": {"shape": [3, 224, 224]},
        "inferences": 150,
        "objective": {"deadlineMilliseconds": 60_000},
        "resources": {"limits": {"cpu": "1", "memory": "768Mi"}},
        "run": {"mode": "Job", "completions": 3},
    },
}
"""The README's."""


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description="How long a newcomer waits.")
    parser.add_argument("--runs", type=int, default=3, help="each on a fresh cluster (3)")
    options = parser.parse_args(arguments)
    console = Console()
    spec = ClusterSpec.load(ROOT / Scenario.load(ROOT / "demo" / "scenario.yaml").cluster)
    print(f"{options.runs} runs on {len(spec.nodes)} nodes; {machine()}", flush=True)
    runs = []
    for _ in range(options.runs):
        with Cluster.up(spec, images=install.IMAGES, progress=console.say, replace=True) as cluster:
            runs.append(measure(cluster, console))
            print(json.dumps(runs[-1]), flush=True)
    result = {"machine": machine(), **figures(runs)}
    result["marks"] = held(result, MARKS)
    print(f"\n{lines(runs)}\n\n{marks_table(result['marks'])}")
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"\n{json.dumps(result)}")


def measure(cluster: Cluster, console: Console) -> dict[str, float | str]:
    """The seconds of one run, and by what the task that counts was predicted."""
    began = time.monotonic()
    install.install(cluster, console.say)
    installed = time.monotonic()
    client = KubeClient.connect(str(cluster.kubeconfig))
    applied = time.monotonic()
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(WORKLOAD))
    informed = None
    while (source := informed_placement(tasks(client))) is None:
        workload = client.get(AIWORKLOADS, NAME, NAMESPACE)
        if informed is None and is_informed(workload):
            informed = time.monotonic()
            task = task_job(aiworkload.parse(workload), "one-more", TASKS)
            client.create(JOBS, task, NAMESPACE)
        if time.monotonic() - applied > MOST_SECONDS:
            raise TimeoutError(f"no task was placed by a measurement or the model within {MOST_SECONDS:g} s")
        time.sleep(0.1)
    placed = time.monotonic()
    return {
        "installed_seconds": installed - began,
        "informed_seconds": (informed or placed) - applied,
        "placed_seconds": placed - applied,
        "source": source,
    }


def tasks(client: KubeClient) -> list[Object]:
    """The workload's Pods."""
    return client.list_objects(PODS, NAMESPACE, label_selector=f"{LABEL_WORKLOAD}={NAME}")


def informed_placement(pods: list[Object]) -> str | None:
    """By what the first task was predicted that has a node and a prediction better than a Fallback; None if none."""
    for pod in pods:
        text = pod["metadata"].get("annotations", {}).get(ANNOTATION_PREDICTION)
        if text is not None and pod["spec"].get("nodeName"):
            source: str = msgspec.json.decode(text)["source"]
            if source != "Fallback":
                return source
    return None


def figures(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The worst of each span, and all of them."""
    out: dict[str, Any] = {"sources": [run["source"] for run in runs]}
    for name in ("installed", "informed", "placed"):
        values = [round(run[f"{name}_seconds"], 1) for run in runs]
        out[name] = {"worst_seconds": max(values), "seconds": values}
    return out


def lines(runs: list[dict[str, Any]]) -> str:
    """One line a run."""
    heads = ["run", "helm install, s", "apply to an informed prediction, s", "to a placement by it, s", "by"]
    return table(
        heads,
        [
            [
                str(number),
                *(f"{run[name + '_seconds']:.1f}" for name in ("installed", "informed", "placed")),
                run["source"],
            ]
            for number, run in enumerate(runs, 1)
        ],
    )


if __name__ == "__main__":
    main(sys.argv[1:])
