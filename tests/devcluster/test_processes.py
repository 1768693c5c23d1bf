"""Processes are found by their mark, and no others are ended."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devcluster import processes

CLUSTER = f"t{os.getpid()}"


@pytest.fixture(autouse=True)
def nothing_remains() -> Iterator[None]:
    yield
    assert processes.exhaust(_gone, 5)


def _gone() -> bool:
    left = processes.find(CLUSTER)
    processes.kill(left)
    return not left


def start(component: str, log: Path, script: str = "sleep 60") -> int:
    pid = processes.spawn(["sh", "-c", script], cluster=CLUSTER, component=component, log=log)
    end = time.monotonic() + 5
    while not processes.alive(CLUSTER, component):
        assert time.monotonic() < end
        time.sleep(0.01)
    return pid


@pytest.mark.parametrize(
    ("environ", "mark"),
    [
        (b"A=1\0FORETIDE_DEVCLUSTER=demo/edge-1/kubelet\0B=2\0", ("demo", "edge-1/kubelet")),
        (b"XFORETIDE_DEVCLUSTER=demo/etcd\0", None),
        (b"", None),
    ],
)
def test_a_mark_is_read_from_an_environment(environ: bytes, mark: tuple[str, str] | None) -> None:
    assert processes.read_mark(environ) == mark


def test_children_of_a_marked_process_are_found_with_it(tmp_path: Path) -> None:
    start("node/containerd", tmp_path / "log", "sleep 60 & sleep 60")
    end = time.monotonic() + 5
    # a child that is being executed has no environment for a moment
    while len(found := processes.find(CLUSTER, "node/containerd")) < 3 and time.monotonic() < end:
        time.sleep(0.01)
    assert len(found) == 3


def test_a_component_is_ended_and_its_namesake_of_another_node_is_not(tmp_path: Path) -> None:
    start("edge-1/kubelet", tmp_path / "a")
    start("edge-10/kubelet", tmp_path / "b")
    processes.kill(processes.find(CLUSTER, "edge-1/"))
    end = time.monotonic() + 5
    while processes.alive(CLUSTER, "edge-1/kubelet") and time.monotonic() < end:
        processes.reap()
        time.sleep(0.01)
    assert not processes.alive(CLUSTER, "edge-1/kubelet")
    assert processes.alive(CLUSTER, "edge-10/kubelet")


def test_a_process_that_is_not_what_was_found_is_left_alone() -> None:
    other = subprocess.Popen(["sleep", "60"])
    try:
        processes.kill([processes.Marked(other.pid, CLUSTER, "etcd")])
        time.sleep(0.1)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]


def test_a_component_is_frozen_while_the_block_lasts(tmp_path: Path) -> None:
    pid = start("edge-1/kubelet", tmp_path / "log")
    end = time.monotonic() + 5
    with processes.frozen(processes.find(CLUSTER, "edge-1/kubelet")):
        while state(pid) != "T" and time.monotonic() < end:
            time.sleep(0.01)
        assert state(pid) == "T"
    while state(pid) == "T" and time.monotonic() < end:
        time.sleep(0.01)
    assert state(pid) in {"S", "R"}


def test_output_goes_to_the_log_and_its_end_can_be_read(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "x.log"
    start("x", log, "seq 40; echo last; sleep 60")
    end = time.monotonic() + 5
    while "last" not in processes.tail(log) and time.monotonic() < end:
        time.sleep(0.01)
    assert processes.tail(log, lines=2) == "40\nlast"


def test_the_tail_of_a_log_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert processes.tail(tmp_path / "none") == ""


@pytest.mark.skipif(not Path("/proc/self/autogroup").exists(), reason="this kernel weighs processes, not sessions")
def test_a_favoured_process_weighs_more_with_its_session(tmp_path: Path) -> None:
    pid = start("kube-apiserver", tmp_path / "log")
    processes.favour(pid)
    assert (Path("/proc") / str(pid) / "autogroup").read_text().split()[-1] == "-10"


def test_a_process_that_shows_no_mark_for_a_moment_is_not_taken_for_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([[], [], [processes.Marked(1, CLUSTER, "etcd")]])
    monkeypatch.setattr(processes, "find", lambda *_: next(looks))
    assert processes.alive(CLUSTER, "etcd")
