"""What Pods request and nodes give, as kube-scheduler counts it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from foretide.placement.resources import Resources
from foretide_kube.pod_form import PodForm
from foretide_kube.requests import allocatable_of, requests_of

MIB = 2**20


def requested(spec: dict[str, Any]) -> Resources:
    return requests_of(msgspec.convert({"metadata": {}, "spec": spec}, PodForm).spec)


def container(cpu: str = "", memory: str = "", **fields: Any) -> dict[str, Any]:
    requests = {name: amount for name, amount in (("cpu", cpu), ("memory", memory)) if amount}
    return {"resources": {"requests": requests}, **fields}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, Resources()),
        ({"containers": [container("500m", "64Mi"), container("1")]}, Resources(1500, 64 * MIB)),
        ({"containers": [container("100m")], "initContainers": [container("2")]}, Resources(2000)),
        ({"containers": [container("2")], "initContainers": [container("1"), container("1500m")]}, Resources(2000)),
        (
            {"containers": [container("1")], "initContainers": [container("1", restartPolicy="Always")]},
            Resources(2000),
        ),
        (
            {
                "containers": [container("100m")],
                "initContainers": [container("1", restartPolicy="Always"), container("1500m")],
            },
            Resources(2500),
        ),
        (
            {
                "containers": [container("100m")],
                "initContainers": [container("1500m"), container("1", restartPolicy="Always")],
            },
            Resources(1500),
        ),
        ({"containers": [container("1")], "overhead": {"cpu": "250m", "memory": "1Mi"}}, Resources(1250, MIB)),
        ({"containers": [container("1")], "resources": {"requests": {"cpu": "3"}}}, Resources(3000)),
        (
            {"containers": [{"resources": {"limits": {"nvidia.com/gpu": "1"}}}]},
            Resources(extended={"nvidia.com/gpu": 1}),
        ),
        ({"containers": [{"resources": {"limits": {"foretide.dev/task": "1", "cpu": "1"}}}]}, Resources(1000)),
        ({"containers": [container("nonsense", "1Gi")]}, Resources(0, 1024 * MIB)),
    ],
)
def test_what_a_pod_requests(spec: dict[str, Any], expected: Resources) -> None:
    assert requested(spec) == expected


def test_what_a_node_gives() -> None:
    given = allocatable_of(
        {"cpu": "3920m", "memory": "8Gi", "pods": "110", "nvidia.com/gpu": "2", "hugepages-2Mi": "0"}
    )
    assert given == Resources(3920, 8192 * MIB, 110, {"nvidia.com/gpu": 2})
