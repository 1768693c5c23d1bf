"""What is on this machine of a cluster: processes, cgroup tasks, mounts, groups, namespace, links and directories.

A clean machine gives an empty list; tests, the cycles benchmark and `status` use it.
"""

from __future__ import annotations

import re
from pathlib import Path

from devcluster import cgroups, netns, processes
from devcluster.command import run
from devcluster.paths import RUNS, ClusterPaths, cache

_LINK = re.compile(r"^\d+: (?P<name>[^:@]+)")


def of(cluster: str) -> list[str]:
    """Return one line for each thing that is there, empty when nothing is."""
    paths = ClusterPaths.of(cluster)
    found = [f"process {left.pid} {left.component}" for left in processes.find(cluster)]
    found += [f"process {pid} in a cgroup" for pid in sorted(cgroups.tasks(cluster))]
    found += [f"cgroup {group}" for group in cgroups.groups(cluster)]
    if netns.exists(cluster):
        found.append(f"network namespace {netns.name(cluster)}")
    own = (paths.disk, paths.run)
    found += [f"mount {point}" for point in _mount_points() if any(map(point.is_relative_to, own))]
    found += [f"directory {directory}" for directory in own if directory.exists()]
    return found


def links() -> set[str]:
    """Return the network links of this namespace, to compare before and after."""
    return {match["name"] for line in run(["ip", "-o", "link"]).splitlines() if (match := _LINK.match(line))}


def clusters() -> set[str]:
    """Return the names of all clusters that anything is there of."""
    names = {left.cluster for left in processes.find()} | cgroups.clusters()
    names |= {entry.name for base in (RUNS, cache() / "clusters") if base.is_dir() for entry in base.iterdir()}
    spaces = Path("/run/netns")
    if spaces.is_dir():
        names |= {entry.name.removeprefix("fd-") for entry in spaces.iterdir() if entry.name.startswith("fd-")}
    return {name for name in names if not name.startswith((".", "_"))}


def _mount_points() -> list[Path]:
    return [Path(line.split(" ")[4]) for line in Path("/proc/self/mountinfo").read_text().splitlines()]
