"""Run the demo: cluster, chart, profiles, waves by both schedulers, tables. `--keep` leaves the cluster up."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from demo import install, report, workloads
from demo.console import Console
from demo.scenario import ROOT, Scenario
from demo.tasks import task_job
from demo.waves import Task, WaveRun
from devcluster import Cluster, ClusterSpec
from devcluster.errors import DevclusterError
from foretide_kube.client import ApiError, KubeClient
from foretide_kube.kinds import aiworkload, workloadprofile
from foretide_kube.names import AIWORKLOADS, NODE_CLASSES, SCHEDULER_NAME, WORKLOAD_PROFILES

NAMESPACE = "default"
RESULT = ROOT / "bench" / "results" / "demo.json"


def main() -> int:
    """Run the demo and return its exit status: 0 when every task finished and was paired."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the cluster up and say how to look around")
    parser.add_argument("--scenario", type=Path, default=Path(__file__).with_name("scenario.yaml"))
    arguments = parser.parse_args()
    console = Console()
    scenario = Scenario.load(arguments.scenario)
    spec = ClusterSpec.load(ROOT / scenario.cluster)
    console.heading(f"a real cluster of {len(spec.nodes)} nodes on this machine")
    with Cluster.up(spec, images=install.IMAGES, progress=console.say, replace=True) as cluster:
        figures = run(cluster, scenario, console)
        if arguments.keep:
            cluster.detach()
            console.write(install.look_around(cluster))
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(figures, indent=2) + "\n")
    console.write(json.dumps(figures))
    return 0 if figures["tasks"] == figures["finished"] == figures["paired"] else 1


def run(cluster: Cluster, scenario: Scenario, console: Console) -> dict[str, Any]:
    """Everything after the cluster is up; returns the figures of `demo.json`."""
    console.heading("install the chart")
    install.install(cluster, console.say)
    client = KubeClient.connect(str(cluster.kubeconfig))

    console.heading("node classes are made from labels and probed")
    classes = sorted({node.node_class.name for node in cluster.spec.nodes if not node.node_class.unlabelled})
    workloads.wait_node_classes(client, console.say, count=len(classes), timeout_seconds=240)

    console.heading("four workloads are inspected, and profiled on every class")
    names = workloads.apply(client, scenario.manifests(), NAMESPACE)
    workloads.wait_profiled(client, names, NAMESPACE, console.say, classes=len(classes), timeout_seconds=900)

    tasks: dict[str, list[Task]] = {}
    for label, scheduler in (("default", "default-scheduler"), ("foretide", SCHEDULER_NAME)):
        console.heading(f"{scenario.waves} waves of {scenario.tasks_per_wave} tasks, placed by {scheduler}")
        tasks[label] = _waves(client, scenario, names, label=label, scheduler=scheduler, say=console.say)

    console.heading("workload × class: milliseconds an inference")
    found = [aiworkload.parse(client.get(AIWORKLOADS, name, NAMESPACE)) for name in names]
    profiles = [workloadprofile.parse(item) for item in client.list_objects(WORKLOAD_PROFILES, NAMESPACE)]
    by_speed = sorted(classes, key=partial(_probed_speed, client), reverse=True)
    console.write(report.matrix(found, profiles, by_speed))
    for label, group in tasks.items():
        console.heading(f"tasks placed by {label}")
        console.write(report.task_table(group))
    figures = report.summary(tasks)
    console.heading("predictions against actuals, and both schedulers")
    console.write(report.accuracy(figures))
    console.write(report.comparison(figures, tasks))
    console.write(f"\n  {console.elapsed_seconds():.0f} s in all")
    return figures


def _probed_speed(client: KubeClient, node_class: str) -> int:
    probe: dict[str, int] = client.get(NODE_CLASSES, node_class)["status"]["probe"]
    return probe["gemmFlopsPerSecond"]


def _waves(
    client: KubeClient,
    scenario: Scenario,
    names: list[str],
    *,
    label: str,
    scheduler: str,
    say: Callable[[str], None],
) -> list[Task]:
    forms = {name: aiworkload.parse(client.get(AIWORKLOADS, name, NAMESPACE)) for name in names}
    deadlines: dict[str, float | None] = {}
    for name, form in forms.items():
        milliseconds = form.spec.objective.deadline_milliseconds
        deadlines[name] = None if milliseconds is None else milliseconds / 1e3
    run = WaveRun(
        client,
        label=label,
        namespace=NAMESPACE,
        scheduler_name=scheduler,
        manifest=lambda workload, name: task_job(forms[workload], name, install.TASK_SETTINGS),
        deadlines_seconds=deadlines,
        say=say,
    )
    started = time.monotonic()
    ended = run.run(scenario.arrivals(names), next_when_ended=scenario.next_wave_when_ended, timeout_seconds=900)
    say(f"all {len(ended)} tasks ended after {time.monotonic() - started:.0f} s")
    return ended


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except (ApiError, DevclusterError, TimeoutError) as error:
        sys.exit(f"the demo ended early: {error}")
