"""One cluster of real nodes with the chart installed, for all end-to-end tests of a run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from demo.scenario import ROOT
from devcluster import Cluster, ClusterSpec
from devcluster.images import buildah, catalogue
from devcluster.images.bases import Base
from devcluster.images.catalogue import BuiltImage
from tests.installed import SYSTEM_NAMESPACE, Installed, install, say

PROFILER = "docker.io/foretide/profiler:dev-onnx"
SABOTEUR = BuiltImage(
    "saboteur",
    "docker.io/foretide/saboteur:dev",
    "tests/e2e/saboteur/Dockerfile",
    Base("saboteur", PROFILER, ()),
    argument=True,
)


@pytest.fixture(scope="package")
def installed() -> Iterator[Installed]:
    """The test cluster with the chart in it; the profiler's image is the one that can be asked to misbehave."""
    spec = replace(ClusterSpec.load(ROOT / "devcluster" / "clusters" / "test.yaml"), audit=True)
    buildah.load(catalogue.archive("profiler-onnx", say), PROFILER)  # the present one, whatever the tag says
    images: list[str | Path] = [
        "operator",
        "extender",
        "profiler-torch",
        "kube-scheduler",
        catalogue.archive(SABOTEUR, say),
    ]
    with Cluster.up(spec, images=images, progress=say) as cluster:
        found = install(cluster)
        operator = ["-n", SYSTEM_NAMESPACE, "deployment/foretide-operator"]
        cluster.kubectl("set", "env", *operator, "-c", "operator", f"FORETIDE_PROFILER_IMAGE_ONNX={SABOTEUR.reference}")
        cluster.kubectl("rollout", "status", *operator, "--timeout=120s")
        yield found
