"""Limits are found in cgroup v1 and v2, on a host and inside a container, wherever on the way up they stand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from foretide_profiler.cgroups import Limits, read_limits, throttled_periods

CPUS = len(os.sched_getaffinity(0))


def _tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


V1_MOUNTS = (
    "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:29 {root} /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 {root} /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
)
V1_OWN = "5:memory:{path}\n3:cpu,cpuacct:{path}\n0::/\n"
V2_MOUNTS = "29 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"


@pytest.mark.parametrize(
    ("mount_root", "own_path", "directory"),
    [
        ("/", "/kubepods/pod1/c1", "kubepods/pod1/c1/"),  # on the host
        ("/kubepods/pod1/c1", "/kubepods/pod1/c1", ""),  # in a container, without a cgroup namespace
        ("/", "/", ""),  # in a container with a cgroup namespace
        ("/", "/kubepods/pod1/c1", ""),  # in a container whose own path is not mounted
    ],
)
def test_version_1(tmp_path: Path, mount_root: str, own_path: str, directory: str) -> None:
    root = _tree(
        tmp_path,
        {
            "proc/self/mountinfo": V1_MOUNTS.format(root=mount_root),
            "proc/self/cgroup": V1_OWN.format(path=own_path),
            f"sys/fs/cgroup/cpu,cpuacct/{directory}cpu.cfs_quota_us": "15000\n",
            f"sys/fs/cgroup/cpu,cpuacct/{directory}cpu.cfs_period_us": "100000\n",
            f"sys/fs/cgroup/cpu,cpuacct/{directory}cpu.stat": "nr_periods 10\nnr_throttled 7\nthrottled_time 9\n",
            f"sys/fs/cgroup/memory/{directory}memory.limit_in_bytes": "268435456\n",
        },
    )
    assert read_limits(root) == Limits(cpu_millis=150, memory_bytes=2**28, cpus=CPUS)
    assert throttled_periods(root) == 7


def test_version_2_takes_the_tightest_limit_on_the_way_up(tmp_path: Path) -> None:
    root = _tree(
        tmp_path,
        {
            "proc/self/mountinfo": V2_MOUNTS,
            "proc/self/cgroup": "0::/kubepods.slice/pod1.slice/c1.scope\n",
            "sys/fs/cgroup/kubepods.slice/pod1.slice/c1.scope/cpu.max": "max 100000\n",
            "sys/fs/cgroup/kubepods.slice/pod1.slice/c1.scope/memory.max": "1000000\n",
            "sys/fs/cgroup/kubepods.slice/pod1.slice/cpu.max": "150000 100000\n",
            "sys/fs/cgroup/kubepods.slice/pod1.slice/memory.max": "2000000\n",
            "sys/fs/cgroup/kubepods.slice/cpu.max": "400000 100000\n",
        },
    )
    assert read_limits(root) == Limits(cpu_millis=1500, memory_bytes=1_000_000, cpus=CPUS)


def test_no_limit_is_none(tmp_path: Path) -> None:
    unlimited = _tree(
        tmp_path,
        {
            "proc/self/mountinfo": V1_MOUNTS.format(root="/"),
            "proc/self/cgroup": V1_OWN.format(path="/"),
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        },
    )
    assert read_limits(unlimited) == Limits(cpu_millis=None, memory_bytes=None, cpus=CPUS)


def test_a_machine_without_cgroups_has_no_limits(tmp_path: Path) -> None:
    assert read_limits(tmp_path) == Limits(cpu_millis=None, memory_bytes=None, cpus=CPUS)
    assert throttled_periods(tmp_path) is None


@pytest.mark.parametrize(("cpu_millis", "left"), [(None, None), (3000, 2000), (2500, 1000)])
def test_a_cpu_that_is_given_away_is_one_of_those_granted(cpu_millis: int | None, left: int | None) -> None:
    assert Limits(cpu_millis, 2**30, cpus=4).less_one_cpu() == Limits(left, 2**30, cpus=3)


@pytest.mark.parametrize(
    ("cpu_millis", "cpus", "threads", "throttled"),
    [
        (None, 4, 4, False),
        (60, 4, 1, True),
        (1000, 4, 1, True),
        (1001, 4, 2, True),
        (9000, 4, 4, False),
        (400, 1, 1, True),
    ],
)
def test_threads_are_the_quota_rounded_up(cpu_millis: int | None, cpus: int, threads: int, *, throttled: bool) -> None:
    limits = Limits(cpu_millis=cpu_millis, memory_bytes=None, cpus=cpus)
    assert (limits.threads, limits.is_throttled) == (threads, throttled)
