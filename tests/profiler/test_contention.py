"""Whether something else had the CPU while the model was measured."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from foretide_profiler.contention import ContentionMeter, why_contended

SECOND = 1_000_000_000


def _thread(process: Path, thread: int, text: str) -> None:
    directory = process / "task" / str(thread)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "schedstat").write_text(text)


def test_the_wait_is_that_of_the_thread_that_waited_longest_since_the_start(tmp_path: Path) -> None:
    _thread(tmp_path, 1, "900 5000 3\n")
    _thread(tmp_path, 2, "900 100 3\n")
    meter = ContentionMeter(tmp_path)
    _thread(tmp_path, 1, "990 5010 4\n")
    _thread(tmp_path, 2, "990 130 4\n")
    _thread(tmp_path, 3, "10 20 1\n")
    assert meter.longest_wait_nanoseconds() == 30


@pytest.mark.parametrize("text", ["", "0\n"])
def test_a_kernel_that_keeps_no_account_tells_nothing(tmp_path: Path, text: str) -> None:
    _thread(tmp_path, 1, text)
    assert ContentionMeter(tmp_path).longest_wait_nanoseconds() is None
    assert why_contended(None, SECOND) == ""


@pytest.mark.parametrize(("waited", "is_contended"), [(0, False), (SECOND // 20, False), (SECOND // 5, True)])
def test_more_than_a_tenth_of_the_time_is_told(waited: int, *, is_contended: bool) -> None:
    assert why_contended(waited, SECOND).startswith("CpuContended: a thread waited 0.20") == is_contended


def test_a_real_neighbour_on_the_same_cpu_is_seen() -> None:
    cpus = os.sched_getaffinity(0)
    cpu = min(cpus)
    spin = f"import os\nos.sched_setaffinity(0, {{{cpu}}})\nprint(flush=True)\nwhile True: pass"
    neighbour = subprocess.Popen([sys.executable, "-c", spin], stdout=subprocess.PIPE)
    try:
        assert neighbour.stdout is not None
        neighbour.stdout.readline()
        os.sched_setaffinity(0, {cpu})
        meter, begin = ContentionMeter(), time.thread_time()
        while time.thread_time() - begin < 0.1:
            pass
        assert (meter.longest_wait_nanoseconds() or 0) > 0
    finally:
        os.sched_setaffinity(0, cpus)
        neighbour.kill()
        neighbour.communicate()
