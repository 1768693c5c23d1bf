"""Room for file watchers: the kernel allows each user 128 inotify instances by default, and a node needs eight.

Two clusters of six nodes fit. Where a cluster does not, the limit is raised for the machine until it is started again,
as every tool that runs several kubelets on one machine asks for, and a line says so.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from devcluster.progress import Progress

_LIMIT = Path("/proc/sys/fs/inotify/max_user_instances")
_PER_CONTROL_PLANE = 10
_PER_NODE = 10
_ENOUGH = 2048


def make_room(nodes: int, progress: Progress) -> None:
    """Raise the limit where a cluster of `nodes` nodes would not fit beside what is in use."""
    limit = int(_LIMIT.read_text())
    needed = _in_use() + _PER_CONTROL_PLANE + _PER_NODE * nodes
    if needed <= limit:
        return
    with contextlib.suppress(OSError):
        _LIMIT.write_text(str(max(_ENOUGH, needed)))
        progress(f"fs.inotify.max_user_instances: raised from {limit} to {_LIMIT.read_text().strip()}; {needed} needed")


def shortage(nodes: int) -> str:
    """Say what is missing for a cluster of `nodes` nodes, empty where there is room."""
    limit = int(_LIMIT.read_text())
    needed = _in_use() + _PER_CONTROL_PLANE + _PER_NODE * nodes
    if needed <= limit:
        return ""
    return f"inotify: {needed} instances needed, {limit} allowed; sysctl -w fs.inotify.max_user_instances={_ENOUGH}"


def _in_use() -> int:
    """Count the instances that processes of this user hold."""
    count = 0
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with contextlib.suppress(OSError):
                if process.stat().st_uid == os.geteuid():
                    count += sum(_is_inotify(descriptor) for descriptor in (process / "fd").iterdir())
    return count


def _is_inotify(descriptor: Path) -> bool:
    with contextlib.suppress(OSError):
        return str(descriptor.readlink()).endswith("inotify")
    return False
