"""Where things lie: a cache that outlives clusters, and per cluster one directory on disk and one for sockets."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGE = Path(__file__).resolve().parent
RUNS = Path("/run/foretide-devcluster")


def cache() -> Path:
    """Return the cache directory, `$XDG_CACHE_HOME/foretide/devcluster` or the same under `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "foretide" / "devcluster"


@dataclass(frozen=True)
class ClusterPaths:
    """The places of one cluster.

    `disk` holds what is large (etcd, container roots, logs); it lies beside the cache so that image layers can be
    shared by hard links. `run` holds what needs a short path (Unix sockets allow 107 bytes) and the cluster's record.
    """

    name: str
    disk: Path
    run: Path

    @classmethod
    def of(cls, name: str) -> ClusterPaths:
        """Return the places of the cluster `name`."""
        return cls(name, cache() / "clusters" / name, RUNS / name)

    @property
    def record(self) -> Path:
        """The JSON record by which another process attaches to the cluster."""
        return self.run / "cluster.json"

    @property
    def lock(self) -> Path:
        """The file that the process that works on the cluster holds locked: one a machine, whatever the cache."""
        return RUNS / ".locks" / f"cluster-{self.name}"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig for the host."""
        return self.run / "kubeconfig"

    @property
    def control_plane(self) -> Path:
        """Certificates, kubeconfigs and etcd's data."""
        return self.disk / "control-plane"

    @property
    def logs(self) -> Path:
        """One file per process."""
        return self.disk / "logs"

    def node(self, node: str) -> Path:
        """Return a node's directory on disk."""
        return self.disk / "nodes" / node

    def node_run(self, node: str) -> Path:
        """Return a node's directory for sockets."""
        return self.run / node
