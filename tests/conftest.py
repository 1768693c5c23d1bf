"""Fixtures that several suites share: the real control plane, started once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from devcluster import Cluster, ClusterSpec


@pytest.fixture(scope="session")
def control_plane() -> Iterator[Cluster]:
    """A real API server, controller manager and scheduler without nodes; gone when the tests end."""
    with Cluster.up(ClusterSpec(name="tests-control-plane")) as cluster:
        yield cluster
