"""A real Prometheus in the cluster's network, by the configuration among the examples and the rules of the chart."""

from __future__ import annotations

import http.client
import json
import math
import shutil
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from demo.scenario import ROOT
from devcluster import Cluster
from tests.monitoring.expressions import FOLDER

_PORT = 9090
_EVERY = "1s"


@dataclass(frozen=True)
class Prometheus:
    """Answers questions at a port of this machine."""

    port: int

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

    def has_data(self, expression: str, since_seconds: float, until_seconds: float) -> bool:
        """Whether there was a number at any time."""
        asked = {"start": since_seconds, "end": until_seconds, "step": 2}
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


@contextmanager
def scraping(cluster: Cluster, folder: Path) -> Iterator[Prometheus]:
    """Prometheus while the block lasts; it keeps all it needs in ``folder``."""
    kubeconfig = folder / "kubeconfig"
    cluster.write_kubeconfig(kubeconfig)
    shutil.copy(FOLDER / "rules.yaml", folder / "foretide-rules.yaml")
    configuration = yaml.safe_load((ROOT / "examples" / "monitoring" / "prometheus.yml").read_text())
    configuration["global"] = {"scrape_interval": _EVERY, "evaluation_interval": _EVERY}
    for job in configuration["scrape_configs"]:
        for discovery in job["kubernetes_sd_configs"]:
            discovery["kubeconfig_file"] = str(kubeconfig)
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(configuration))
    words = [f"--config.file={file}", f"--storage.tsdb.path={folder}", f"--web.listen-address=127.0.0.1:{_PORT}"]
    with cluster.running("prometheus", ["prometheus", *words]), cluster.forward("127.0.0.1", _PORT) as port:
        yield Prometheus(port)
