"""What the preflight names: every program that a cluster with nodes and its images need, and disk that is lacking."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from devcluster import packages, preflight
from devcluster.spec import ClusterSpec, parse

WITH_NODES = parse(
    {
        "name": "x",
        "classes": {"edge": {"cpus": 1, "speed": 0.5, "memoryMiB": 512}},
        "nodes": [{"name": "n", "class": "edge"}],
    }
)
BARE = ClusterSpec(name="x")
MEGABYTE = 10**6


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "foretide" / "devcluster"


@pytest.mark.parametrize("program", [*packages.FOR_NODES, *packages.FOR_IMAGES])
def test_a_program_that_nodes_or_their_images_need_is_missed_before_anything_is_made(
    program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    which = packages.which
    monkeypatch.setattr(packages, "which", lambda name: None if name == program else which(name))
    package = {**packages.FOR_NODES, **packages.FOR_IMAGES}[program]
    problem = f"{program}: not found; apt-get install {package}"
    assert problem in {finding.problem for finding in preflight.findings(WITH_NODES)}
    assert package in preflight.missing_packages(WITH_NODES)
    assert problem not in {finding.problem for finding in preflight.findings(BARE)}
    assert package not in preflight.missing_packages(BARE)


@pytest.mark.parametrize("program", packages.FOR_TESTS)
def test_what_tests_alone_need_is_missed_where_they_are_to_run(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    which = packages.which
    monkeypatch.setattr(packages, "which", lambda name: None if name == program else which(name))
    package = packages.FOR_TESTS[program]
    problem = f"{program}: not found; apt-get install {package}"
    assert problem in {finding.problem for finding in preflight.findings(BARE, for_tests=True)}
    assert package in preflight.missing_packages(BARE, for_tests=True)
    assert problem not in {finding.problem for finding in preflight.findings(WITH_NODES)}
    assert package not in preflight.missing_packages(WITH_NODES)


@pytest.mark.parametrize(("free", "held", "is_enough"), [(4, 0, True), (2, 0, False), (2, 2, True), (1, 1, False)])
def test_disk_that_the_cache_holds_already_need_not_be_free_as_well(
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    free: int,
    held: int,
    is_enough: bool,  # noqa: FBT001 - a column of the table
) -> None:
    monkeypatch.setattr(preflight, "_NEEDED_DISK_BYTES", 3 * MEGABYTE)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free * MEGABYTE))
    cache.mkdir(parents=True)
    (cache / "image").write_bytes(b"\1" * (held * MEGABYTE + 100_000 * bool(held)))
    problem = next(f.problem for f in preflight.findings(BARE) if f.what == "disk")
    assert bool(problem) is not is_enough
    assert ("free some or set XDG_CACHE_HOME" in problem) is not is_enough
