"""Resident memory: which processes count as Foretide's, and what is kept of those that have ended."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from demo.memory import MemoryWatch, resident
from demo.report import memory


class Processes:
    """A /proc of made-up processes."""

    def __init__(self, proc: Path) -> None:
        self.proc = proc
        self.pids: set[int] = set()

    def run(self, pid: int, *words: str, now_mib: int, peak_mib: int) -> None:
        self.pids.add(pid)
        (self.proc / str(pid)).mkdir(exist_ok=True)
        (self.proc / str(pid) / "cmdline").write_bytes(b"".join(word.encode() + b"\0" for word in words))
        (self.proc / str(pid) / "status").write_text(
            f"Name:\tpython\nVmHWM:\t {peak_mib * 1024} kB\nVmRSS:\t {now_mib * 1024} kB\nThreads:\t1\n"
        )

    def zombie(self, pid: int) -> None:
        (self.proc / str(pid) / "cmdline").write_bytes(b"")
        (self.proc / str(pid) / "status").write_text("Name:\tpython\nState:\tZ (zombie)\n")


@pytest.fixture
def processes(tmp_path: Path) -> Processes:
    return Processes(tmp_path)


def watch(processes: Processes) -> MemoryWatch:
    return MemoryWatch(lambda: processes.pids, processes.proc)


def test_each_process_is_known_by_the_module_that_it_runs(processes: Processes) -> None:
    processes.run(1, "python", "-m", "foretide_operator", now_mib=80, peak_mib=100)
    processes.run(2, "python", "-m", "foretide_operator.planner", now_mib=60, peak_mib=70)
    processes.run(3, "/usr/bin/python3", "-m", "foretide_extender", now_mib=50, peak_mib=55)
    processes.run(4, "kube-scheduler", "--config=x", now_mib=500, peak_mib=500)
    found = watch(processes).figures()
    assert found == {
        "operator": {"now": 80.0, "peak": 100.0},
        "training": {"now": None, "peak": None},
        "planner": {"now": 60.0, "peak": 70.0},
        "extender": {"now": 50.0, "peak": 55.0},
    }
    assert [line.split() for line in memory(found).splitlines()[2:4]] == [
        ["operator", "80", "100"],
        ["training", "-", "-"],
    ]


def test_the_peak_of_a_child_that_has_ended_is_kept(processes: Processes) -> None:
    seen = watch(processes)
    processes.run(7, "python", "-m", "foretide_operator.train", now_mib=150, peak_mib=152)
    seen.look()
    processes.zombie(7)
    assert seen.figures()["training"] == {"now": None, "peak": 152.0}
    processes.pids = {99}  # gone altogether before it was read
    assert seen.figures()["training"] == {"now": None, "peak": 152.0}


def test_the_peak_is_that_of_the_largest_of_a_process_that_was_restarted(processes: Processes) -> None:
    seen = watch(processes)
    processes.run(7, "python", "-m", "foretide_extender", now_mib=70, peak_mib=90)
    seen.look()
    processes.zombie(7)
    processes.run(8, "python", "-m", "foretide_extender", now_mib=40, peak_mib=45)
    assert seen.figures()["extender"] == {"now": 40.0, "peak": 90.0}


def test_it_looks_by_itself_within_the_block(processes: Processes) -> None:
    processes.run(7, "python", "-m", "foretide_operator.train", now_mib=150, peak_mib=152)
    looked = threading.Event()

    def pids() -> set[int]:
        looked.set()
        return set(processes.pids)

    with MemoryWatch(pids, processes.proc) as seen:
        assert looked.wait(10.0)
    processes.pids = set()
    assert seen.figures()["training"]["peak"] == 152.0


def test_a_living_process_has_what_the_kernel_says() -> None:
    found = resident(os.getpid())
    assert 1.0 < found.now <= found.peak
