"""The cluster that is hurt: real nodes, the chart, a proxy before the API server, clocks that can be set."""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from demo.scenario import ROOT
from devcluster import Cluster, ClusterSpec, DevclusterError
from devcluster.controlplane import ADDRESS, SERVER
from foretide_kube.client import ApiError, KubeClient, Object
from foretide_kube.names import DEPLOYMENTS, Resource
from tests.chaos.api_faults import ApiFault
from tests.chaos.clocks import Clocks
from tests.faults.parts import Parts
from tests.installed import SYSTEM_NAMESPACE, Installed, install, say

SYSTEM_NODE: Final = "system"
"""The node that all of Foretide's own Pods run on."""
IMAGES: Final = ("operator", "extender", "profiler-onnx", "kube-scheduler")

_PROXY_PORT: Final = 6443
_PROXY_COMPONENT: Final = "chaos-proxy"
_PERSISTENCE_SECONDS: Final = 120.0


class NotInflictedError(Exception):
    """There was nothing to be hurt; the message says what was looked for."""


class Proxy:
    """The proxy before the API server, as it is told of faults."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def begin(self, fault: ApiFault) -> None:
        """Do this to requests and watches from now on."""
        self._order({"begin": fault})

    def end(self, fault: ApiFault) -> int:
        """Do it no longer; how many requests or watches were hit."""
        hits: int = self._order({"end": fault})["hits"]
        return hits

    def _order(self, order: dict[str, str]) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self._path))
            connection.sendall(json.dumps(order).encode() + b"\n")
            with connection.makefile() as lines:
                answer: dict[str, Any] = json.loads(lines.readline())
        return answer


@dataclass(frozen=True)
class Arena:
    """What faults are inflicted on. ``client`` speaks to the API server itself, past the proxy."""

    installed: Installed
    parts: Parts
    proxy: Proxy
    clocks: Clocks

    @property
    def cluster(self) -> Cluster:
        """The cluster."""
        return self.installed.cluster

    @property
    def client(self) -> KubeClient:
        """The administrator's."""
        return self.installed.client

    def until_done(self, act: Callable[[], object]) -> None:
        """Do it, again and again while it fails: what was begun has to be ended, API server or not."""
        end = time.monotonic() + _PERSISTENCE_SECONDS
        while True:
            try:
                act()
            except (ApiError, DevclusterError, OSError, ValueError):
                if time.monotonic() > end:
                    raise
                time.sleep(0.5)
            else:
                return

    def create_if_absent(self, resource: Resource, body: Object) -> None:
        """Create an object that may be there already."""
        try:
            self.client.create(resource, body)
        except ApiError as error:
            if not error.is_already_there:
                raise


@contextmanager
def arena(name: str, seed: int) -> Iterator[Arena]:
    """Bring the cluster up and have Foretide in it speak through the proxy, while the block lasts."""
    spec = replace(ClusterSpec.load(ROOT / "devcluster" / "clusters" / "test.yaml"), name=name)
    with Cluster.up(spec, images=IMAGES, progress=say, replace=True) as cluster:
        installed = install(cluster)
        path = cluster.paths.run / "chaos.sock"
        proxy: list[str | Path] = [
            sys.executable,
            "-m",
            "tests.chaos.api_proxy",
            "--upstream",
            SERVER,
            "--host",
            ADDRESS,
        ]
        proxy += ["--port", str(_PROXY_PORT), "--directory", cluster.paths.control_plane, "--socket", path]
        with cluster.running(_PROXY_COMPONENT, [*proxy, "--seed", str(seed)], PYTHONPATH=str(ROOT)):
            found = Arena(installed, Parts(installed), Proxy(path), Clocks(Parts(installed)))
            installed.until("the proxy listens", path.exists)
            found.clocks.provide()
            _lead_through_proxy(found)
            yield found


def _lead_through_proxy(found: Arena) -> None:
    """Change the Deployments, as a user of the chart cannot: where the API server is, and whose clock it is."""
    for deployment, parts in (("foretide-operator", ("operator", "planner")), ("foretide-scheduler", ("extender",))):
        containers = [_through_proxy(part, found.clocks.container(part)) for part in parts]
        if deployment == "foretide-scheduler":
            containers.append(_through_proxy("kube-scheduler", {}))
        pod = {"containers": containers, "volumes": found.clocks.volumes()}
        patch: Object = {"spec": {"template": {"spec": pod}}}
        found.client.patch(DEPLOYMENTS, deployment, patch, SYSTEM_NAMESPACE, patch_type="strategic")
    for deployment in ("foretide-operator", "foretide-scheduler"):
        found.cluster.kubectl(
            "rollout",
            "status",
            f"deployment/{deployment}",
            "-n",
            SYSTEM_NAMESPACE,
            "--timeout=180s",
            timeout_seconds=200,
        )


def _through_proxy(container: str, changes: Object) -> Object:
    port = {"name": "KUBERNETES_SERVICE_PORT", "value": str(_PROXY_PORT)}
    return {"name": container, **changes, "env": [port, *changes.get("env", [])]}
