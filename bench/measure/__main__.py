"""Measures models of every kind on node classes of a devcluster: `make measure`.

    python -m bench.measure [--out bench/data/measured_profiles.csv] [--spec FILE] [--varied N]

A row is in the file as soon as it is measured; run again, it goes on with what is missing. Beside the file lies a JSON
document of the same name with the environment: machine, versions, the classes as described and as probed at the
beginning and end of each run, what was left out and why. Needs root on Linux (docs/devcluster.md).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from bench.machine import machine
from bench.measure.campaign import PROBING, Campaign, all_settings, signatures
from bench.measure.environment import EnvironmentFile, OtherMachineError
from bench.measure.pods import Call, PodError, Runner, Said
from bench.measure.processor import ProcessorError, libraries_of, make_library
from bench.measure.rows import DataSet
from bench.measure.settings import VARIED
from devcluster import Cluster, ClusterSpec, DevclusterError, cgroups
from devcluster.images import catalogue
from devcluster.spec import NodeClass
from foretide.results import ProbeResult
from foretide.termination_message import parse

ROOT: Final = Path(__file__).resolve().parents[2]
SPEC: Final = ROOT / "devcluster" / "clusters" / "measure.yaml"
DATA: Final = ROOT / "bench" / "data" / "measured_profiles.csv"
MODELS: Final = ROOT / "bench" / "results" / "measure" / "models"
IMAGES: Final = ("profiler-onnx", "profiler-torch")
WHOLE_NODE: Final = 2000


def main() -> int:
    """Measure what is missing; 0 when nothing is any more."""
    parser = argparse.ArgumentParser(prog="python -m bench.measure", description=__doc__)
    parser.add_argument("--out", type=Path, default=DATA, help="the data set; what is there already stays")
    parser.add_argument("--spec", type=Path, default=SPEC, help="the devcluster, one node of each class")
    parser.add_argument("--varied", type=int, default=VARIED, help="settings besides the grid")
    options = parser.parse_args()
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:7.0f} s  {text}", flush=True)

    try:
        libraries = (found for image in IMAGES for found in libraries_of(catalogue.archive(image, print)))
        make_library(MODELS, libraries)
        with Cluster.up(ClusterSpec.load(options.spec), images=IMAGES, progress=print) as cluster:
            campaign = measure(cluster, options.out, options.varied, say)
    except (DevclusterError, OtherMachineError, PodError, ProcessorError) as error:
        sys.exit(f"ended early: {error}; run it again to go on")
    except KeyboardInterrupt:
        return 130
    missing = sum(each.wanted - each.there for each in campaign.progress.values())
    found = {"rows": sum(each.there for each in campaign.progress.values()), "missing": missing}
    print(json.dumps({"machine": machine(), **found}))
    return 0 if missing == 0 else 1


def measure(cluster: Cluster, out: Path, varied: int, say: Callable[[str], None]) -> Campaign:
    """Probe, measure, probe again."""
    classes = [node.node_class for node in cluster.spec.nodes]
    runner, data = Runner(cluster, MODELS), DataSet(out)
    environment = EnvironmentFile(out.with_suffix(".json"))
    fastest = max(classes, key=lambda each: each.cpus * each.speed)

    def inspect(calls: list[Call]) -> Iterator[Said]:
        return runner.run(fastest, "torch", WHOLE_NODE, calls)

    cgroups.favour_cluster(cluster.name)
    environment.describe(classes, varied=varied, has_rows=bool(data.keys))
    say("probing")
    environment.add_probes(_probes(runner, classes))
    say("counting what the models ask of any hardware")
    known = signatures(all_settings(classes, varied=varied), MODELS, inspect)
    probed = environment.first_probes()
    campaign = Campaign(runner, classes, data, known=known, probed=probed, varied=varied, say=say)
    campaign.run()
    environment.add_probes(_probes(runner, classes))
    environment.add_outcome(campaign.progress, campaign.runtimes)
    return campaign


def _probes(runner: Runner, classes: list[NodeClass]) -> dict[str, ProbeResult]:
    """Every class by the profiler's probe, all at once as they measure."""

    def probe(node_class: NodeClass) -> ProbeResult:
        for said in runner.run(node_class, "onnx", 1000, [Call("probe", ("probe", *PROBING))]):
            result = parse(said.document.encode())
            if isinstance(result, ProbeResult):
                return result
            raise PodError(f"{node_class.name}: the probe said {said.document} {said.error}")
        raise PodError(f"{node_class.name}: the probe said nothing")

    with ThreadPoolExecutor(len(classes)) as pool:
        return {each.name: found for each, found in zip(classes, pool.map(probe, classes), strict=True)}


if __name__ == "__main__":
    sys.exit(main())
