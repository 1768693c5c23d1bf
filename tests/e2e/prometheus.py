"""A real Prometheus in the cluster's network, by the configuration among the examples and the rules of the chart.

Debian's knows nothing of Kubernetes. So the Pods are found here and written into a file as Kubernetes' discovery would
label them; which of them are scraped, and as what, the example says.
"""

from __future__ import annotations

import http.client
import json
import math
import re
import shutil
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from demo.scenario import ROOT
from foretide_kube.client import KubeClient, Object
from foretide_kube.names import PODS
from tests.installed import Installed
from tests.monitoring.expressions import FOLDER

_PORT = 9090
_EVERY = "1s"


@dataclass(frozen=True)
class Prometheus:
    """Answers questions at a port of this machine, of the Pods that it was last told of."""

    port: int
    client: KubeClient
    targets: Path

    def discover(self) -> None:
        """Tell it of all Pods that there are."""
        found = [target for pod in self.client.list_objects(PODS) for target in _targets(pod)]
        draft = self.targets.with_suffix(".draft")
        draft.write_text(json.dumps(found))
        draft.rename(self.targets)

    def is_ready(self) -> bool:
        """Whether it has come up."""
        try:
            return self._get("/-/ready")[0] == 200
        except OSError:
            return False

    def now(self, expression: str) -> dict[tuple[tuple[str, str], ...], float]:
        """The present value of each series, by its labels without the name."""
        return {_labels(each): float(each["value"][1]) for each in self._ask("query", query=expression)}

    def value(self, expression: str) -> float:
        """The one present value, 0 where there is none."""
        return next(iter(self.now(expression).values()), 0.0)

    def has_data(self, expression: str, since_seconds: float) -> bool:
        """Whether there was a number at any time until now."""
        step = 2
        asked = {"start": since_seconds, "end": time.time() + step, "step": step}  # one of the times is not before now
        found = self._ask("query_range", query=expression, **asked)
        return any(not math.isnan(float(value)) for each in found for _, value in each["values"])

    def _ask(self, what: str, **asked: Any) -> list[Any]:
        status, text = self._get(f"/api/v1/{what}?{urllib.parse.urlencode(asked)}")
        assert status == 200, text
        result: list[Any] = json.loads(text)["data"]["result"]
        return result

    def _get(self, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()


def _labels(found: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, value) for name, value in found["metric"].items() if name != "__name__"))


def _targets(pod: Object) -> Iterator[Object]:
    """A Pod's ports as Kubernetes' discovery of Prometheus tells of them."""
    address = pod.get("status", {}).get("podIP")
    metadata = pod["metadata"]
    labels = {
        f"__meta_kubernetes_pod_label_{re.sub('[^a-zA-Z0-9_]', '_', name)}": value
        for name, value in metadata.get("labels", {}).items()
    }
    labels |= {"__meta_kubernetes_namespace": metadata["namespace"], "__meta_kubernetes_pod_name": metadata["name"]}
    for container in pod["spec"]["containers"]:
        for port in container.get("ports", []) if address else []:
            own = {
                "__meta_kubernetes_pod_container_name": container["name"],
                "__meta_kubernetes_pod_container_port_name": port.get("name", ""),
            }
            yield {"targets": [f"{address}:{port['containerPort']}"], "labels": labels | own}


@contextmanager
def scraping(installed: Installed, folder: Path) -> Iterator[Prometheus]:
    """Prometheus while the block lasts; it keeps all it needs in ``folder``."""
    targets = folder / "targets.json"
    shutil.copy(FOLDER / "rules.yaml", folder / "foretide-rules.yaml")
    configuration = yaml.safe_load((ROOT / "examples" / "monitoring" / "prometheus.yml").read_text())
    configuration["global"] = {"scrape_interval": _EVERY, "evaluation_interval": _EVERY}
    for job in configuration["scrape_configs"]:
        job["file_sd_configs"] = [{"files": [str(targets)]}]
        del job["kubernetes_sd_configs"]
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(configuration))
    words = [f"--config.file={file}", f"--storage.tsdb.path={folder}", f"--web.listen-address=127.0.0.1:{_PORT}"]
    cluster = installed.cluster
    with cluster.running("prometheus", ["prometheus", *words]), cluster.forward("127.0.0.1", _PORT) as port:
        yield Prometheus(port, installed.client, targets)
