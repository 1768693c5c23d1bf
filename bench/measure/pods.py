"""Runs calls of the profiler on a node of a devcluster: one Pod performs many, and each result is read as it comes."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from bench.measure import in_container
from bench.measure.settings import limit_mib
from devcluster import Cluster
from devcluster.images.catalogue import CATALOGUE
from devcluster.spec import NODE_CLASS_LABEL, NodeClass
from foretide.observation import Runtime
from foretide_kube.client import KubeClient
from foretide_kube.names import PODS

NAMESPACE: Final = "default"
MODELS: Final = "/models"
"""Where a Pod finds the ONNX files."""
_START_SECONDS: Final = 120
_POLL_SECONDS: Final = 0.5


class Call(NamedTuple):
    """A call of the profiler: what it is told by, and its arguments."""

    key: str
    arguments: tuple[str, ...]


class Said(NamedTuple):
    """What a call wrote on its last line of stdout, the end of stderr, its exit status and how long it took."""

    key: str
    document: str
    error: str
    status: int
    seconds: float


class PodError(RuntimeError):
    """A Pod did not start or ended early; the message carries what the API says of it."""

    reason: Final = "PodFailed"


class Runner:
    """Runs Pods on the nodes of one cluster; safe to use from a thread for each node."""

    def __init__(self, cluster: Cluster, models: Path) -> None:
        self._kubectl = cluster.kubectl_argv()
        self._client = KubeClient.connect(str(cluster.kubeconfig))
        self._models = models

    def run(self, node_class: NodeClass, runtime: Runtime, cpu_millis: int, calls: Sequence[Call]) -> Iterator[Said]:
        """Perform the calls in a Pod of the class, one after the other; PodError if it does not come to all."""
        name = f"{node_class.name}-{time.monotonic_ns()}"
        self._client.create(PODS, self._manifest(name, node_class, runtime, cpu_millis, calls), NAMESPACE)
        try:
            self._wait_for_start(name)
            waiting = {call.key for call in calls}
            for said in self._follow(name):
                waiting.discard(said.key)
                yield said
            if waiting:
                raise PodError(f"{name}: ended before {len(waiting)} of {len(calls)} calls: {self._status(name)}")
        finally:
            self._client.delete(PODS, name, NAMESPACE)

    def _manifest(
        self, name: str, node_class: NodeClass, runtime: Runtime, cpu_millis: int, calls: Sequence[Call]
    ) -> dict[str, Any]:
        source = Path(in_container.__file__).read_text(encoding="utf-8")
        limits = {"cpu": f"{cpu_millis}m", "memory": f"{limit_mib(node_class)}Mi"}
        container = {
            "name": "profiler",
            "image": CATALOGUE[f"profiler-{runtime}"].reference,
            "imagePullPolicy": "Never",
            "command": ["python3", "-c", source, json.dumps(calls)],
            "resources": {"limits": limits, "requests": limits},
            "volumeMounts": [{"name": "models", "mountPath": MODELS, "readOnly": True}],
        }
        return {
            "apiVersion": PODS.api_version,
            "kind": PODS.kind,
            "metadata": {"name": name},
            "spec": {
                "nodeSelector": {NODE_CLASS_LABEL: node_class.name},
                "restartPolicy": "Never",
                "automountServiceAccountToken": False,
                "terminationGracePeriodSeconds": 1,
                "containers": [container],
                # A devcluster's nodes are this machine: its files need no copying.
                "volumes": [{"name": "models", "hostPath": {"path": str(self._models), "type": "Directory"}}],
            },
        }

    def _wait_for_start(self, name: str) -> None:
        end = time.monotonic() + _START_SECONDS
        while self._client.get(PODS, name, NAMESPACE)["status"].get("phase") == "Pending":
            if time.monotonic() > end:
                raise PodError(f"{name}: not started after {_START_SECONDS} s: {self._status(name)}")
            time.sleep(_POLL_SECONDS)

    def _follow(self, name: str) -> Iterator[Said]:
        argv = [*self._kubectl, "-n", NAMESPACE, "logs", "--follow", name]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as following:
            try:
                for line in following.stdout or ():
                    if said := _said(line):
                        yield said
            finally:
                following.terminate()

    def _status(self, name: str) -> str:
        return json.dumps(self._client.get(PODS, name, NAMESPACE).get("status", {}))[:600]


def _said(line: str) -> Said | None:
    """A line of the log, if it is whole."""
    try:
        content = json.loads(line)
        return Said(*(content[name] for name in Said._fields))
    except (ValueError, KeyError, TypeError):
        return None
