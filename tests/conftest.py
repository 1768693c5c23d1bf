"""Fixtures that several suites share: the real control plane, started once, with the chart on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from devcluster import Cluster, ClusterSpec

settings.register_profile("untimed", deadline=None)  # what a case takes says how busy the machine is
settings.load_profile("untimed")

pytest.register_assert_rewrite("tests.faults.burst")  # before anyone imports it

CHART = Path(__file__).resolve().parent.parent / "charts" / "foretide"


@pytest.fixture(scope="session")
def control_plane() -> Iterator[Cluster]:
    """A real API server, controller manager and scheduler without nodes; gone when the tests end."""
    with Cluster.up(ClusterSpec(name="tests-control-plane"), replace=True) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def chart_installed(control_plane: Cluster) -> Cluster:
    """The control plane with the chart installed in foretide-system, which enforces restricted pod security."""
    namespace = "foretide-system"
    control_plane.kubectl("create", "namespace", namespace)
    control_plane.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    control_plane.helm("install", "foretide", str(CHART), "--namespace", namespace)
    return control_plane
