"""On real nodes: a measurement that has grown old is made again, and only the new one is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples.models import make_onnx
from foretide_kube.names import AIWORKLOADS, WORKLOAD_PROFILES
from tests.e2e.workloads import onnx_workload, put_file
from tests.installed import Installed

pytestmark = pytest.mark.cluster


def test_an_old_measurement_is_made_again_and_goes_when_the_new_one_is_there(
    installed: Installed, tmp_path: Path
) -> None:
    namespace = installed.namespace("again")
    content = make_onnx.build(tmp_path)["edge-cnn"].read_bytes()
    put_file(installed.client, "aging", content, namespace)
    manifest = onnx_workload("aging", content)
    manifest["spec"]["profiling"]["maxAgeSeconds"] = 60
    installed.client.create(AIWORKLOADS, manifest, namespace)

    def measured() -> dict[str, str]:
        profiles = installed.client.list_objects(WORKLOAD_PROFILES, namespace)
        return {item["metadata"]["uid"]: item["spec"]["nodeClass"] for item in profiles}

    installed.wait_condition("aging", "Profiled", namespace, status="True", timeout_seconds=300)
    first = measured()
    assert first

    def again() -> bool:
        now = measured()
        return not first.keys() & now.keys() and sorted(now.values()) == sorted(first.values())

    installed.until("each class measured again, once", again, timeout_seconds=400)
    installed.client.delete(AIWORKLOADS, "aging", namespace)
