"""Taking a cluster down says that nothing is left only where nothing is."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from devcluster import Cluster, ClusterSpec, cleanup, cli, leftovers
from devcluster.errors import DevclusterError
from devcluster.locks import Lock
from devcluster.paths import ClusterPaths

NAME = f"tests-left-{os.getpid()}"


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that a cluster left."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    disk = ClusterPaths.of(NAME).disk
    (disk / "nodes").mkdir(parents=True)
    return disk


def test_what_a_killed_run_left_is_removed(disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["down", NAME]) == 0
    assert capsys.readouterr().out == f"{NAME}: down, nothing left\n"
    assert not disk.exists()


def test_what_cannot_be_removed_is_named_and_not_called_nothing(
    disk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "rmtree", lambda *_args, **_options: None)
    with pytest.raises(DevclusterError, match=f"this is left: directory {disk}"):
        cleanup.remove(NAME)
    assert cli.main(["down", NAME]) == 1
    said = capsys.readouterr()
    assert "nothing left" not in said.out
    assert f"directory {disk}" in said.err


@pytest.mark.usefixtures("disk")
def test_the_name_can_be_worked_on_again_after_a_down_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "rmtree", lambda *_args, **_options: None)
    first, second = (Lock(ClusterPaths.of(NAME).lock) for _ in range(2))
    assert first.try_acquire()
    with pytest.raises(DevclusterError):
        Cluster(ClusterSpec(name=NAME), {}, lock=first).down()
    assert second.try_acquire()
    second.release()


def test_a_mount_of_a_namesake_is_not_the_clusters(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = [disk / "nodes" / "a", disk.with_name(f"{NAME}-2") / "nodes" / "a"]
    monkeypatch.setattr(leftovers, "_mount_points", lambda: points)
    assert leftovers.of(NAME) == [f"mount {points[0]}", f"directory {disk}"]
