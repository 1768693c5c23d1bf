"""The versions of Kubernetes that a cluster can be of: pinned as a whole, and chosen in one place for all clusters."""

from __future__ import annotations

import re

import pytest

from devcluster import binaries, versions
from devcluster.errors import SpecError
from devcluster.paths import PACKAGE
from devcluster.spec import ClusterSpec, parse


@pytest.mark.parametrize(("version", "module"), versions.MODULES.items())
def test_every_part_of_a_version_is_pinned_to_it(version: str, module: str) -> None:
    text = (PACKAGE / "build" / module / "go.mod").read_text()
    assert f"k8s.io/kubernetes v{version}\n" in text
    replaced = re.findall(r"^replace (\S+) => (\S+) v(\S+)$", text, re.MULTILINE)
    assert len(replaced) > 25
    parts = version.split(".", maxsplit=1)[1]
    assert {(old == new, at) for old, new, at in replaced} == {(True, f"0.{parts}")}


def test_programs_of_two_versions_lie_in_two_places() -> None:
    bundles = [binaries.of_kubernetes(version) for version in versions.MODULES]
    assert len({binaries.key(bundle) for bundle in bundles}) == len(bundles)
    for bundle in bundles:
        assert f"gitVersion=v{bundle.version} " in bundle.linker_flags
        assert all(f"/v{bundle.version}/" in release.url for release in bundle.releases)


def test_a_cluster_is_of_the_first_version_or_of_the_one_that_is_chosen_or_described(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = versions.MODULES
    monkeypatch.delenv(versions.VARIABLE, raising=False)
    assert ClusterSpec("x").kubernetes == parse({"name": "x", "nodes": []}).kubernetes == first
    monkeypatch.setenv(versions.VARIABLE, second)
    assert ClusterSpec("x").kubernetes == parse({"name": "x", "nodes": []}).kubernetes == second
    assert parse({"name": "x", "nodes": [], "kubernetes": first}).kubernetes == first


def test_a_version_that_cannot_be_had_is_named_with_those_that_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(versions.VARIABLE, "1.12")
    with pytest.raises(SpecError, match=r"FORETIDE_KUBERNETES: '1\.12' is not one of .*: 1\.36\.2, 1\.35\.4"):
        ClusterSpec("x")
