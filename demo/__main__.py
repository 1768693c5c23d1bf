"""Run the demo: cluster, chart, profiles, waves by each scheduler, tables. `--keep` leaves the cluster up."""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

from demo import figures, install, marks, report
from demo.console import Console
from demo.memory import MARKS, MemoryWatch
from demo.scenario import ROOT, Scenario
from demo.stage import prepare
from devcluster import Cluster, ClusterSpec, cgroups
from devcluster.errors import DevclusterError
from foretide_kube.client import ApiError

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
        found = run(cluster, scenario, console)
        if arguments.keep:
            cluster.detach()
            console.write(install.look_around(cluster))
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(found, indent=2) + "\n")
    console.write(json.dumps(found))
    return 0 if figures.is_complete(found) else 1


def run(cluster: Cluster, scenario: Scenario, console: Console) -> dict[str, Any]:
    """Everything after the cluster is up; returns the figures of `demo.json`."""
    with MemoryWatch(partial(_system_processes, cluster)) as memory:
        stage = prepare(cluster, scenario, console)
        done = stage.trial().round()
        rss_mib = memory.figures()
    console.heading("workload × class: milliseconds an inference")
    console.write(stage.matrix())
    for label, group in done.tasks.items():
        console.heading(f"tasks placed by {label}")
        console.write(report.task_table(group))
    found = {**done.figures(), "rss_mib": rss_mib}
    found["marks"] = marks.held(found, {**scenario.marks, **MARKS})
    console.heading("predictions against actuals, and all schedulers")
    console.write(report.accuracy(found))
    console.write(report.comparison(found, done.tasks))
    console.write(report.memory(rss_mib))
    console.write(marks.marks_table(found["marks"]))
    console.write(f"\n  {console.elapsed_seconds():.0f} s in all")
    return found


def _system_processes(cluster: Cluster) -> set[int]:
    """What runs in Pods of the node that is no edge node, where `values.yaml` has Foretide's own."""
    nodes = [node.name for node in cluster.spec.nodes if node.node_class.unlabelled]
    return {pid for node in nodes for pid in cgroups.tasks(cluster.name, node)}


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except (ApiError, DevclusterError, TimeoutError) as error:
        sys.exit(f"the demo ended early: {error}")
