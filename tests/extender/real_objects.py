"""The small cluster as real objects of a real API server, for tests of whole processes."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from devcluster import Cluster
from foretide_kube.client import KubeClient
from foretide_kube.names import AIWORKLOADS, NAMESPACES, NODE_CLASSES, NODES, PODS, Resource
from tests.extender.cluster_values import FACTORS, class_object, node_object, pod_object, workload_object
from tests.extender.cluster_values import NODES as NODE_NAMES

CRDS = Path(__file__).parents[2] / "crds"


@contextlib.contextmanager
def small_cluster(control_plane: Cluster, namespace: str) -> Iterator[KubeClient]:
    """Classes, nodes and the workload ``resnet`` in ``namespace``; what it made is deleted at the end."""
    control_plane.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRDS))
    control_plane.kubectl("wait", "--for=condition=Established", "--timeout=30s", "crd", "--all")
    client = KubeClient.connect(str(control_plane.kubeconfig))
    made: list[tuple[Resource, str]] = []

    def make(resource: Resource, body: dict[str, Any], within: str | None = None) -> None:
        status = body.pop("status", None)
        body["metadata"].pop("resourceVersion", None)
        body["metadata"].pop("creationTimestamp", None)
        client.create(resource, {"apiVersion": resource.api_version, "kind": resource.kind} | body, within)
        made.append((resource, body["metadata"]["name"]))
        if status:
            client.patch(resource, body["metadata"]["name"], {"status": status}, within, subresource="status")

    try:
        make(NAMESPACES, {"metadata": {"name": namespace}})
        for name in FACTORS:
            make(NODE_CLASSES, class_object(name))
        for name, node_class in NODE_NAMES.items():
            make(NODES, node_object(name, node_class))
        item = workload_object()
        item["metadata"]["namespace"] = namespace
        make(AIWORKLOADS, item, namespace)
        yield client
    finally:
        for pod in client.list_objects(PODS, namespace):
            name = pod["metadata"]["name"]
            control_plane.kubectl("-n", namespace, "delete", "pod", name, "--force", "--grace-period=0")
        for resource, name in reversed(made):
            client.delete(resource, name, namespace if resource.namespaced else None)


def make_pod(
    client: KubeClient,
    namespace: str,
    name: str,
    *,
    scheduler: str = "nobody",
    marks: Mapping[str, str] | None = None,
    **options: Any,
) -> str:
    """Create a Pod for ``scheduler``, by default none that there is, on whatever node; its UID.

    ``marks`` are resources that it requests besides.
    """
    body = pod_object(name, **options)
    for amounts in body["spec"]["containers"][0]["resources"].values():
        amounts.update(marks or {})
    metadata = {key: body["metadata"][key] for key in ("name", "labels", "annotations") if body["metadata"][key]}
    spec = {
        **body["spec"],
        "schedulerName": scheduler,
        "automountServiceAccountToken": False,
        "tolerations": [{"operator": "Exists"}],  # nothing keeps these nodes ready
    }
    made = client.create(
        PODS,
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata | {"namespace": namespace}, "spec": spec},
        namespace,
    )
    uid: str = made["metadata"]["uid"]
    return uid


def bind_pod(client: KubeClient, namespace: str, name: str, node: str) -> None:
    """Bind a Pod as a scheduler does."""
    body = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": name},
        "target": {"apiVersion": "v1", "kind": "Node", "name": node},
    }
    client.raw("POST", f"/api/v1/namespaces/{namespace}/pods/{name}/binding", body=body)


@contextlib.contextmanager
def process(module: str, control_plane: Cluster, log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """``python -m module`` against the control plane; ended by SIGTERM, after which it must exit with 0."""
    variables = os.environ | {"KUBECONFIG": str(control_plane.kubeconfig), "PYTHONSAFEPATH": "1"} | environment
    with log.open("wb") as output:
        running = subprocess.Popen([sys.executable, "-m", module], env=variables, stdout=output, stderr=output)
        try:
            yield running
            running.terminate()
            assert running.wait(15) == 0, log.read_text()
        finally:
            running.kill()
            running.wait()


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def fetch(port: int, path: str) -> tuple[int, str]:
    """Status and text of a GET; status 0 where nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError:
        return 0, ""


def eventually(condition: Callable[[], bool], what: str, *, seconds: float = 30.0) -> None:
    """Wait until ``condition`` holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.1)
