"""What the metrics and the API say of the parts, to be held against what was done to them."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from foretide_kube.client import Object
from foretide_kube.names import SCHEDULER_NAME
from tests.faults.stage import Stage

RESTARTED_SECONDS: Final = 15.0
"""After so long a frozen extender has been started anew."""

_EXTENDER_PORT = 8082
_SCHEDULER_PORT = 10259


class Readings:
    """The metrics of one process, as they were when it was asked."""

    def __init__(self, text: str) -> None:
        self._samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]

    def values(self, name: str, **labels: str) -> list[float]:
        """What each sample of the name says that has these labels."""
        wanted = labels.items()
        return [each.value for each in self._samples if each.name == name and wanted <= each.labels.items()]

    def total(self, name: str, **labels: str) -> float:
        """The sum of ``values``; 0 where there is none."""
        return sum(self.values(name, **labels))


@contextmanager
def reading_extender(stage: Stage) -> Iterator[int]:
    """Yield a port of 127.0.0.1 where `scrape` finds the extender that is there now, API server or not."""
    with stage.installed.cluster.forward(stage.pod_of("extender")["status"]["podIP"], _EXTENDER_PORT) as port:
        yield port


def scrape(port: int) -> Readings:
    """The metrics of who answers on a port of 127.0.0.1."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return Readings(answer.read().decode())


def of_extender(stage: Stage) -> Readings:
    """What the extender says of itself now, or whoever is in its place."""
    with reading_extender(stage) as port:
        return scrape(port)


def failed_probes(stage: Stage, kind: str) -> float:
    """How many probes of the extender have failed, as its kubelet counts; ``kind`` is ``Liveness`` or ``Readiness``."""
    pod = stage.pod_of("extender")
    path = f"/api/v1/nodes/{pod['spec']['nodeName']}/proxy/metrics/probes"
    readings = Readings(stage.installed.cluster.kubectl("get", "--raw", path))
    labels = {"container": "extender", "pod_uid": pod["metadata"]["uid"], "probe_type": kind, "result": "failed"}
    return readings.total("prober_probe_total", **labels)


def placed(stage: Stage) -> float:
    """How many Pods our scheduler says it has placed, since it was started."""
    cluster = stage.installed.cluster
    with cluster.forward(stage.pod_of("scheduler")["status"]["podIP"], _SCHEDULER_PORT) as port:
        server = ("--server", f"https://127.0.0.1:{port}", "--insecure-skip-tls-verify")
        readings = Readings(cluster.kubectl(*server, "get", "--raw", "/metrics"))
    return readings.total("scheduler_schedule_attempts_total", profile=SCHEDULER_NAME, result="scheduled")


def container_started_seconds(status: Object) -> float:
    """When a container was started by its kubelet, in whole seconds since the epoch."""
    return _epoch_seconds(status["state"]["running"]["startedAt"])


def bound_seconds(pods: Sequence[Object]) -> float:
    """From the first of ``pods`` made to the last one bound, of times in whole seconds."""
    made = [_epoch_seconds(pod["metadata"]["creationTimestamp"]) for pod in pods]
    bound = [
        _epoch_seconds(condition["lastTransitionTime"])
        for pod in pods
        for condition in pod["status"]["conditions"]
        if (condition["type"], condition["status"]) == ("PodScheduled", "True")
    ]
    return max(bound) - min(made)


def _epoch_seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
