"""From an empty cluster to one where a trial can begin: chart installed, classes probed, workloads profiled."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from demo import install, report, workloads
from demo.console import Console
from demo.scenario import Scenario
from demo.trial import NAMESPACE, Trial
from devcluster import Cluster
from foretide_kube.client import KubeClient
from foretide_kube.kinds import aiworkload, workloadprofile
from foretide_kube.names import AIWORKLOADS, NODE_CLASSES, WORKLOAD_PROFILES


@dataclass(frozen=True, slots=True)
class Stage:
    """A cluster in which the scenario's workloads ``names`` are predicted on all ``classes``."""

    client: KubeClient
    scenario: Scenario
    names: list[str]
    classes: list[str]
    console: Console

    def trial(self) -> Trial:
        """A trial of the scenario's tasks."""
        return Trial(self.client, self.scenario, self.names, self.console)

    def matrix(self) -> str:
        """The table of times measured and predicted, the fastest class first."""
        found = [aiworkload.parse(self.client.get(AIWORKLOADS, name, NAMESPACE)) for name in self.names]
        profiles = [workloadprofile.parse(item) for item in self.client.list_objects(WORKLOAD_PROFILES, NAMESPACE)]
        by_speed = sorted(self.classes, key=partial(_probed_speed, self.client), reverse=True)
        return report.matrix(found, profiles, by_speed)


def prepare(cluster: Cluster, scenario: Scenario, console: Console) -> Stage:
    """Install the chart into a cluster that is up and wait for all profiles; TimeoutError says what is missing."""
    console.heading("install the chart")
    install.install(cluster, console.say, order=scenario.order)
    client = KubeClient.connect(str(cluster.kubeconfig))

    console.heading("node classes are made from labels and probed")
    classes = sorted({node.node_class.name for node in cluster.spec.nodes if not node.node_class.unlabelled})
    workloads.wait_node_classes(client, console.say, count=len(classes), timeout_seconds=240)

    console.heading(f"{len(scenario.workloads)} workloads are inspected, and profiled on every class")
    names = workloads.apply(client, scenario.manifests(), NAMESPACE)
    workloads.wait_profiled(client, names, NAMESPACE, console.say, classes=len(classes), timeout_seconds=900)
    return Stage(client, scenario, names, classes, console)


def _probed_speed(client: KubeClient, node_class: str) -> int:
    probe: dict[str, int] = client.get(NODE_CLASSES, node_class)["status"]["probe"]
    return probe["gemmFlopsPerSecond"]
