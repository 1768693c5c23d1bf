"""Remove everything of a cluster, whether it is whole, half started, or left by a process that was killed."""

from __future__ import annotations

import shutil
import signal

from devcluster import cgroups, leftovers, netns, processes
from devcluster.errors import DevclusterError
from devcluster.paths import ClusterPaths

_STOP_SECONDS = 60.0
"""What was killed in a group with a small quota needs CPU time of that to end: tens of seconds on a busy machine."""


def remove(cluster: str) -> None:
    """End the cluster's processes, then remove its groups, namespace and directories; safe to repeat.

    Raises `DevclusterError` with what remains, if anything does.
    """

    def gone() -> bool:
        left = processes.find(cluster)
        processes.kill(left)
        pods = cgroups.tasks(cluster)
        if pods:
            processes.signal_pids(lambda: cgroups.tasks(cluster), signal.SIGKILL)
        return not left and not pods

    if not processes.exhaust(gone, _STOP_SECONDS):
        left = [f"{found.pid} {found.component}" for found in processes.find(cluster)]
        left += [f"{pid} of a pod" for pid in cgroups.tasks(cluster)]
        if left:
            raise DevclusterError(f"{cluster}: processes remain {_STOP_SECONDS:.0f} s after they were killed: {left}")
    cgroups.remove(cluster)
    netns.delete(cluster)
    paths = ClusterPaths.of(cluster)
    for directory in (paths.disk, paths.run):
        shutil.rmtree(directory, ignore_errors=True)
    if remains := leftovers.of(cluster):
        raise DevclusterError(f"{cluster}: taken down, but this is left: {'; '.join(remains)}")
