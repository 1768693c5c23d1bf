"""The cgroups of a cluster: one for all its nodes, below it one per node that limits it, and in that one for its pods.

Kubelet is given the last, since it writes shares, memory and CPUs of the whole machine to the group that it is given; a
class's cpuset is therefore set on each container, by the runtime.
Version 1 has a hierarchy per controller and every one gets the groups; version 2 has one.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

from devcluster.errors import DevclusterError, PreflightError
from devcluster.spec import NodeClass

_MOUNTS = Path("/proc/self/mountinfo")
_V2_CONTROLLERS = ("cpu", "cpuset", "memory", "pids")
_PODS = "pods"
_ORDINARY_SHARES = 1024
_CLUSTER_SHARES = 16 * _ORDINARY_SHARES
_SYSTEM_SHARES = 12_000
_SHARES_PER_CPU = 32_000
_MOST_SHARES = 262_144
_MOST_WEIGHT = 10_000
_ORDINARY_WEIGHT = 100


@dataclass(frozen=True)
class Hierarchies:
    """Where cgroups are mounted: version 1 by controller (a hierarchy may have several), or version 2."""

    v1: tuple[tuple[Path, frozenset[str]], ...]
    v2: Path | None

    @property
    def roots(self) -> list[Path]:
        """The mount points in which groups are made: all of version 1 if there is any, else that of version 2."""
        return [path for path, _ in self.v1] if self.v1 else [self.v2] if self.v2 else []

    def has(self, controller: str) -> bool:
        """Say whether the controller can be used."""
        if self.v1:
            return any(controller in controllers for _, controllers in self.v1)
        return self.v2 is not None and controller in (self.v2 / "cgroup.controllers").read_text().split()


def parse(mountinfo: str) -> Hierarchies:
    """Find the cgroup mounts in the text of `/proc/self/mountinfo`; version 2 beside version 1 has no controllers."""
    v1: dict[Path, frozenset[str]] = {}
    v2: Path | None = None
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        where = Path(before.split(" ")[4])
        if kind == "cgroup":
            v1[where] = frozenset(options.split(",")) - {"rw", "ro"}
        elif kind == "cgroup2":
            v2 = where
    return Hierarchies(tuple(sorted(v1.items())), v2)


def hierarchies() -> Hierarchies:
    """Find this machine's cgroup mounts."""
    return parse(_MOUNTS.read_text())


def cluster_group(cluster: str) -> str:
    """Return the name of the group that holds a cluster's nodes."""
    return f"fd-{cluster}"


def pods_group(cluster: str, node: str) -> str:
    """Return the group of a node's pods as kubelet and the runtime take it, from the hierarchy's root."""
    return f"/{cluster_group(cluster)}/{node}/{_PODS}"


def node_shares(node_class: NodeClass) -> int:
    """Return a node's weight (version 1) when the machine is busy.

    In proportion to its speed, so that the ratios between nodes hold under load. Unlabelled nodes weigh less than half
    a CPU does: about what the quotas of the others leave, so that schedulers and operators answer at once on busy
    nodes, as they do where they have a machine of their own, and take nothing from what is measured.
    """
    if node_class.unlabelled:
        return _SYSTEM_SHARES
    return min(_MOST_SHARES, max(_ORDINARY_SHARES, round(_SHARES_PER_CPU * node_class.cpus * node_class.speed)))


def create_cluster(cluster: str) -> None:
    """Make the group that holds a cluster's nodes.

    It weighs as sixteen processes: quotas limit the nodes already, the control plane beside them is to answer at once.
    """
    found = hierarchies()
    for root in found.roots:
        group = root / cluster_group(cluster)
        try:
            group.mkdir(exist_ok=True)
        except OSError as error:
            raise PreflightError(
                f"{group}: {error.strerror}; devcluster needs writable cgroups (a privileged container?)"
            ) from error
    if found.v1:
        for root, controllers in found.v1:
            group = root / cluster_group(cluster)
            if "cpuset" in controllers:
                _copy_cpuset(root, group)
            if "cpu" in controllers:
                (group / "cpu.shares").write_text(str(_CLUSTER_SHARES))
    elif found.v2:
        _delegate(found.v2)
        group = found.v2 / cluster_group(cluster)
        _delegate(group)
        (group / "cpu.weight").write_text(str(_CLUSTER_SHARES * _ORDINARY_WEIGHT // _ORDINARY_SHARES))


def favour_cluster(cluster: str) -> None:
    """Let a cluster's nodes have their quotas whatever else the machine does: for measurements.

    Beside a dozen busy processes and another cluster they have half of it otherwise.
    """
    found = hierarchies()
    for root, controllers in found.v1:
        if "cpu" in controllers:
            (root / cluster_group(cluster) / "cpu.shares").write_text(str(_MOST_SHARES))
    if not found.v1 and found.v2:
        (found.v2 / cluster_group(cluster) / "cpu.weight").write_text(str(_MOST_WEIGHT))


def create_node(cluster: str, node: str, node_class: NodeClass) -> None:
    """Make a node's group with the limits of its class."""
    found = hierarchies()
    limit_bytes = node_class.memory_mib * 1024 * 1024
    if found.v1:
        for root, controllers in found.v1:
            group = root / cluster_group(cluster) / node
            group.mkdir(exist_ok=True)
            if "cpuset" in controllers:
                _copy_cpuset(group.parent, group)
            if "cpu" in controllers:
                (group / "cpu.cfs_period_us").write_text(str(node_class.period_micros))
                (group / "cpu.cfs_quota_us").write_text(str(node_class.quota_micros))
                (group / "cpu.shares").write_text(str(node_shares(node_class)))
            if "memory" in controllers:
                (group / "memory.limit_in_bytes").write_text(str(limit_bytes))
            (group / _PODS).mkdir(exist_ok=True)
            if "cpuset" in controllers:
                _copy_cpuset(group, group / _PODS)
    elif found.v2:
        group = found.v2 / cluster_group(cluster) / node
        group.mkdir(exist_ok=True)
        _delegate(group)
        (group / "cpu.max").write_text(f"{node_class.quota_micros} {node_class.period_micros}")
        weight = node_shares(node_class) * _MOST_WEIGHT // _MOST_SHARES
        (group / "cpu.weight").write_text(str(max(1, weight)))
        (group / "memory.max").write_text(str(limit_bytes))
        (group / _PODS).mkdir(exist_ok=True)
        _delegate(group / _PODS)


def tasks(cluster: str, node: str = "") -> set[int]:
    """Return the pids in a node's groups, in all of the cluster's where no node is named."""
    pids: set[int] = set()
    for root in hierarchies().roots:
        for directory, _, _ in os.walk(root / cluster_group(cluster) / node):
            with contextlib.suppress(OSError):
                pids.update(int(pid) for pid in (Path(directory) / "cgroup.procs").read_text().split() if pid != "0")
    return pids


def container_tasks(cluster: str, node: str, container: str) -> set[int]:
    """Return the pids of a container, whose group has its name; none where it has ended."""
    return tasks(cluster, f"{node}/{_PODS}/{container}") if container else set()


def groups(cluster: str) -> list[Path]:
    """Return the cluster's groups that exist, one a hierarchy."""
    return [group for root in hierarchies().roots if (group := root / cluster_group(cluster)).is_dir()]


def clusters() -> set[str]:
    """Return the names of clusters that have groups."""
    prefix = cluster_group("")
    return {
        entry.name.removeprefix(prefix)
        for root in hierarchies().roots
        for entry in root.iterdir()
        if entry.name.startswith(prefix) and entry.is_dir()
    }


def remove(cluster: str, timeout_seconds: float = 10.0) -> None:
    """Remove the cluster's groups, from the leaves up; tasks that were killed may need a moment to be gone."""
    end = time.monotonic() + timeout_seconds
    while remaining := groups(cluster):
        for group in remaining:
            for directory, _, _ in os.walk(group, topdown=False):
                with contextlib.suppress(OSError):
                    Path(directory).rmdir()
        if time.monotonic() > end and groups(cluster):
            held = sorted(tasks(cluster))
            raise DevclusterError(f"{remaining[0]}: cannot be removed; it holds the processes {held}")
        time.sleep(0.02)


def _copy_cpuset(source: Path, target: Path) -> None:
    for file in ("cpuset.cpus", "cpuset.mems"):
        (target / file).write_text((source / file).read_text())


def _delegate(group: Path) -> None:
    offered = (group / "cgroup.controllers").read_text().split()
    wanted = " ".join(f"+{controller}" for controller in _V2_CONTROLLERS if controller in offered)
    try:
        (group / "cgroup.subtree_control").write_text(wanted)
    except OSError as error:
        raise PreflightError(
            f"{group}/cgroup.subtree_control: {error.strerror} writing {wanted!r}; "
            "run where this group holds no processes (on the host, or in a container with --cgroupns=host)"
        ) from error
