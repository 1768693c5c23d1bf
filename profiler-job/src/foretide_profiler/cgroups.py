"""The CPU time and memory that the kernel really grants this process, from cgroup v1 or v2.

A container's limit is not the machine's core count. Inside a container the process's own path may or may not be
visible below the mount point, so both are put together from `/proc/self/cgroup` and `/proc/self/mountinfo`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

UNLIMITED_BYTES = 2**60
"""cgroup v1 writes "no limit" as a number near 2^63."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is granted: thousandths of a CPU (None: no quota), bytes (None: no limit), and CPUs to run on."""

    cpu_millis: int | None
    memory_bytes: int | None
    cpus: int

    @property
    def threads(self) -> int:
        """Threads that can make progress at once: the quota rounded up, never more than the CPUs."""
        if self.cpu_millis is None:
            return self.cpus
        return max(1, min(self.cpus, math.ceil(self.cpu_millis / 1000)))

    @property
    def is_throttled(self) -> bool:
        """True where the quota can run out before the scheduling period ends."""
        return self.cpu_millis is not None and self.cpu_millis < 1000 * self.cpus

    def less_one_cpu(self) -> Limits:
        """What is left where something else is given a CPU of its own.

        Of a quota whole CPUs are left: one thread more than that would have both wait for the quota.
        """
        millis = None if self.cpu_millis is None else (self.cpu_millis // 1000 - 1) * 1000
        return Limits(cpu_millis=millis, memory_bytes=self.memory_bytes, cpus=self.cpus - 1)


def read_limits(root: Path = Path("/")) -> Limits:
    """Read the tightest limits on the way from this process's cgroup up to the mount."""
    return Limits(cpu_millis=_cpu_millis(root), memory_bytes=_memory_bytes(root), cpus=len(os.sched_getaffinity(0)))


def throttled_periods(root: Path = Path("/")) -> int | None:
    """How many scheduling periods have ended with this process's cgroup out of quota; None if not told."""
    for directory in _levels(root, "cpu"):
        for line in _read(directory / "cpu.stat").splitlines():
            key, _, value = line.partition(" ")
            if key == "nr_throttled":
                return int(value)
    return None


def _cpu_millis(root: Path) -> int | None:
    found = []
    for directory in _levels(root, "cpu"):
        words = _read(directory / "cpu.max").split() or [
            _read(directory / "cpu.cfs_quota_us").strip(),
            _read(directory / "cpu.cfs_period_us").strip(),
        ]
        if len(words) == 2 and words[0].isdigit() and words[1].isdigit():
            found.append(max(1, round(1000 * int(words[0]) / int(words[1]))))
    return min(found, default=None)


def _memory_bytes(root: Path) -> int | None:
    found = []
    for directory in _levels(root, "memory"):
        text = (_read(directory / "memory.max") or _read(directory / "memory.limit_in_bytes")).strip()
        if text.isdigit() and int(text) < UNLIMITED_BYTES:
            found.append(int(text))
    return min(found, default=None)


def _levels(root: Path, controller: str) -> Iterator[Path]:
    """This process's directory of `controller`, then its parents up to the mount point."""
    own, mount = _own_path(root, controller), _mount(root, controller)
    if own is None or mount is None:
        return
    mounted_root, mount_point = mount
    top = root / mount_point.relative_to("/")
    try:
        directory = top / own.relative_to(mounted_root)
    except ValueError:
        directory = top
    if not directory.is_dir():
        directory = top
    yield directory
    while directory != top:
        directory = directory.parent
        yield directory


def _own_path(root: Path, controller: str) -> PurePosixPath | None:
    unified = None
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return PurePosixPath(path)
        if not controllers:
            unified = PurePosixPath(path)
    return unified


def _mount(root: Path, controller: str) -> tuple[PurePosixPath, PurePosixPath] | None:
    """Root within the hierarchy, and mount point, of `controller`; of the unified hierarchy failing that."""
    unified = None
    for line in _read(root / "proc/self/mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        fields, (kind, _, options) = left.split(), right.split(" ", 2)
        place = PurePosixPath(fields[3]), PurePosixPath(fields[4])
        if kind == "cgroup" and controller in options.split(","):
            return place
        if kind == "cgroup2":
            unified = place
    return unified


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
