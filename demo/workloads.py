"""The demo's workloads: example manifests applied as they are, with the ONNX files they name made on the spot."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from examples.models import make_onnx
from foretide_kube.client import KubeClient, Object
from foretide_kube.kinds import workloadprofile
from foretide_kube.kinds.workloadprofile import WorkloadProfile
from foretide_kube.names import (
    AIWORKLOADS,
    CONFIG_MAPS,
    JOBS,
    LABEL_JOB_NODE_CLASS,
    LABEL_ROLE,
    LABEL_WORKLOAD,
    NODE_CLASSES,
    WORKLOAD_PROFILES,
)


def apply(client: KubeClient, manifests: list[Object], namespace: str) -> list[str]:
    """Create the ConfigMaps that hold the ONNX files, then the AIWorkloads; returns their names."""
    with TemporaryDirectory() as folder:
        files = make_onnx.build(Path(folder))
        for manifest in manifests:
            model_file = manifest["spec"]["model"].get("file")
            if model_file is not None:
                name = model_file["volume"]["configMap"]["name"]
                content = files[name].read_bytes()
                data = {model_file["path"]: base64.b64encode(content).decode()}
                body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "binaryData": data}
                client.create(CONFIG_MAPS, body, namespace)
            client.create(AIWORKLOADS, manifest, namespace)
    return [manifest["metadata"]["name"] for manifest in manifests]


def condition(item: Object, kind: str) -> Object:
    """A condition of an object, or one that is Unknown."""
    for row in item.get("status", {}).get("conditions", []):
        if row["type"] == kind:
            found: Object = row
            return found
    return {"status": "Unknown", "reason": "NotYetSeen", "message": ""}


def wait_node_classes(client: KubeClient, say: Callable[[str], None], *, count: int, timeout_seconds: float) -> None:
    """Wait until ``count`` node classes are made from labels and probed; TimeoutError says which are not."""
    said: set[str] = set()
    give_up = time.monotonic() + timeout_seconds
    while True:
        classes = client.list_objects(NODE_CLASSES)
        for node_class in classes:
            name = node_class["metadata"]["name"]
            probe = node_class.get("status", {}).get("probe")
            if probe and name not in said:
                said.add(name)
                gemm = probe["gemmFlopsPerSecond"] / 1e9
                bandwidth = probe["memoryBandwidthBytesPerSecond"] / 1e9
                say(f"  probed {name:<14} {gemm:6.2f} GFLOP/s, {bandwidth:5.2f} GB/s")
        if len(said) >= count:
            return
        if time.monotonic() > give_up:
            states = [f"{c['metadata']['name']}: {condition(c, 'Probed')['message']}" for c in classes]
            raise TimeoutError(
                f"{len(said)} of {count} node classes were probed; {'; '.join(states) or 'none was made'}"
            )
        time.sleep(1.0)


def wait_profiled(
    client: KubeClient,
    names: list[str],
    namespace: str,
    say: Callable[[str], None],
    *,
    classes: int,
    timeout_seconds: float,
) -> None:
    """Wait until every workload is measured on every class and predicted; TimeoutError says what is missing."""
    said: set[str] = set()
    give_up = time.monotonic() + timeout_seconds
    while True:
        workloads = {item["metadata"]["name"]: item for item in client.list_objects(AIWORKLOADS, namespace)}
        profiles = client.list_objects(WORKLOAD_PROFILES, namespace)
        for job in client.list_objects(JOBS, namespace, label_selector=LABEL_ROLE):
            _say_job(job, said, say)
        for profile in profiles:
            _say_profile(workloadprofile.parse(profile), said, say)
        states = {kind: [condition(workloads[name], kind) for name in names] for kind in ("Profiled", "Predicted")}
        done = all(row["status"] == "True" for rows in states.values() for row in rows)
        if done and len(profiles) >= len(names) * classes:
            return
        if time.monotonic() > give_up:
            texts = [f"{name}: {condition(workloads[name], 'Profiled')['message']}" for name in names]
            raise TimeoutError(f"{len(profiles)} of {len(names) * classes} profiles were measured; {'; '.join(texts)}")
        time.sleep(1.0)


def _say_job(job: Object, said: set[str], say: Callable[[str], None]) -> None:
    name, labels = job["metadata"]["name"], job["metadata"]["labels"]
    if name not in said:
        said.add(name)
        where = labels.get(LABEL_JOB_NODE_CLASS, "any node")
        say(f"  {labels[LABEL_ROLE]} Job of {labels.get(LABEL_WORKLOAD, '-')} on {where}")


def _say_profile(profile: WorkloadProfile, said: set[str], say: Callable[[str], None]) -> None:
    spec, figures = profile.spec, profile.spec.measurement
    key = f"profile {profile.metadata.uid}"
    if key not in said:
        said.add(key)
        say(
            f"  measured {spec.workload.name} on {spec.node_class}: {figures.inference_microseconds.mean / 1e3:.1f} ms"
            f" an inference ({figures.samples} samples{'' if figures.stable else ', ' + figures.unstable_reason})"
        )
