"""Say within a second what this machine lacks for a cluster, and what to do about it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from devcluster import cgroups, inotify, packages
from devcluster.command import run
from devcluster.errors import CommandError, PreflightError
from devcluster.nodeconfig import Machine
from devcluster.paths import cache
from devcluster.spec import ClusterSpec

_NEEDED_CAPABILITIES = {"CAP_SYS_ADMIN": 21, "CAP_NET_ADMIN": 12}
_CONTROL_PLANE_MIB = 700
_NODE_MIB = 160
_NEEDED_DISK_BYTES = 13 * 10**9
"""Measured: all binaries and images take 9.5 GB, Go's own caches 2.5 GB where programs are built from source."""
_CONTROLLERS = ("cpu", "cpuset", "memory")


@dataclass(frozen=True)
class Finding:
    """One check: `problem` is empty where all is well."""

    what: str
    problem: str = ""


def machine() -> Machine:
    """Return what this machine has."""
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Machine(cpus=os.cpu_count() or 1, memory_mib=memory_bytes // (1024 * 1024))


def check(spec: ClusterSpec) -> None:
    """Raise `PreflightError` with a line for each thing that is missing."""
    problems = [finding.problem for finding in findings(spec) if finding.problem]
    if problems:
        raise PreflightError(
            "this machine cannot run the cluster:\n" + "\n".join(f"  {problem}" for problem in problems)
        )


def findings(spec: ClusterSpec, *, for_tests: bool = False) -> list[Finding]:
    """Return every check that the cluster asks for, and the tests if they are to run, in the order in which to mend."""
    found = [_root(), *_capabilities(), *_programs(packages.FOR_ALL), _disk(), _watchers(spec)]
    if for_tests:
        found += _programs(packages.FOR_TESTS)
    if spec.nodes:
        found += [*_programs(packages.FOR_NODES), *_programs(packages.FOR_IMAGES), _network_plugins()]
        found += [*_cgroups(), _overlay(), *_memory(spec)]
    return found


def missing_packages(spec: ClusterSpec, *, for_tests: bool = False) -> list[str]:
    """Return the Debian packages that the cluster needs, and the tests if they are to run, and that are absent."""
    for_nodes = {**packages.FOR_NODES, **packages.FOR_IMAGES} if spec.nodes else {}
    absent = packages.missing({**packages.FOR_ALL, **for_nodes, **(packages.FOR_TESTS if for_tests else {})})
    plugins = ["containernetworking-plugins"] if spec.nodes and not packages.has_network_plugins() else []
    return [*absent, *plugins]


def _root() -> Finding:
    return Finding(
        "root", "" if os.geteuid() == 0 else "root: needed for namespaces, cgroups and mounts; run with sudo"
    )


def _capabilities() -> list[Finding]:
    status = Path("/proc/self/status").read_text()
    effective = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff:"))
    return [
        Finding(
            name,
            ""
            if effective >> bit & 1
            else f"{name}: this process lacks it; in a container, start it privileged or with --cap-add {name[4:]}",
        )
        for name, bit in _NEEDED_CAPABILITIES.items()
    ]


def _programs(programs: Mapping[str, str]) -> list[Finding]:
    return [
        Finding(name, "" if packages.which(name) else f"{name}: not found; apt-get install {package}")
        for name, package in programs.items()
    ]


def _network_plugins() -> Finding:
    problem = (
        f"CNI plugins: not in {' or '.join(packages.NETWORK_PLUGINS)}; apt-get install containernetworking-plugins"
    )
    return Finding("CNI plugins", "" if packages.has_network_plugins() else problem)


def _cgroups() -> list[Finding]:
    found = cgroups.hierarchies()
    if not found.roots:
        return [Finding("cgroups", "cgroups: not mounted; mount -t cgroup2 none /sys/fs/cgroup")]
    writable = all(os.access(root, os.W_OK) for root in found.roots)
    problem = f"cgroups: {found.roots[0]} is read-only; in a container, start it privileged"
    lacking = [name for name in _CONTROLLERS if not found.has(name)]
    controllers = f"cgroups: no {', '.join(lacking)} controller; enable it in the kernel or in the parent group"
    return [
        Finding("cgroups writable", "" if writable else problem),
        Finding("controllers", controllers if lacking else ""),
    ]


def _overlay() -> Finding:
    """Try what containerd will do: an overlay whose layers lie in the cache."""
    with tempfile.TemporaryDirectory(prefix=".overlay-", dir=cache()) as scratch:
        script = 'cd "$1" && mkdir l u w m && mount -t overlay overlay -o lowerdir=l,upperdir=u,workdir=w m && umount m'
        try:
            run(["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", scratch])
        except CommandError as error:
            why = error.stderr.strip().splitlines()[-1] if error.stderr.strip() else "refused"
            problem = f"overlay: cannot be mounted under {cache()} ({why}); modprobe overlay, or set XDG_CACHE_HOME"
            return Finding("overlay", f"{problem} to a disk that is not an overlay itself")
    return Finding("overlay")


def _disk() -> Finding:
    """What is in the cache already need not be free as well."""
    directory = cache()
    directory.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(directory).free
    needed = _NEEDED_DISK_BYTES
    if free < needed:  # only then is the cache measured, which may take seconds
        needed -= _size_bytes(directory)
    problem = (
        f"disk: {free / 1e9:.1f} GB free under {directory}, {needed / 1e9:.1f} needed; free some or set XDG_CACHE_HOME"
    )
    return Finding("disk", "" if free >= needed else problem)


def _size_bytes(directory: Path) -> int:
    try:
        return int(run(["du", "-sxk", directory]).split()[0]) * 1024
    except CommandError:  # something went while it was counted
        return 0


def _watchers(spec: ClusterSpec) -> Finding:
    return Finding("inotify", inotify.shortage(len(spec.nodes)))


def _memory(spec: ClusterSpec) -> list[Finding]:
    here = machine()
    found = []
    for node in spec.nodes:
        wanted = node.node_class.memory_mib + 256
        if wanted > here.memory_mib:
            problem = (
                f"memory: node {node.name} has {node.node_class.memory_mib} MiB, this machine only {here.memory_mib}"
            )
            found.append(Finding(f"memory of {node.name}", problem))
    needed = _CONTROL_PLANE_MIB + _NODE_MIB * len(spec.nodes)
    free = _available_mib()
    problem = (
        f"memory: {free} MiB free, about {needed} needed before any pod runs; end something or describe fewer nodes"
    )
    return [*found, Finding("memory", "" if free >= needed else problem)]


def _available_mib() -> int:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("MemAvailable:"))
