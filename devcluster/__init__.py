"""Real Kubernetes on one Linux machine, so that demo and tests imitate no part of a cluster.

A *cluster* is a vanilla control plane and vanilla kubelets in one network namespace; a *node* is a kubelet with its own
containerd and cgroup; a *class* says how fast, how large and of which kind a node is. See `docs/devcluster.md`.
"""

from devcluster.cluster import Cluster
from devcluster.errors import DevclusterError
from devcluster.spec import ClusterSpec

__all__ = ["Cluster", "ClusterSpec", "DevclusterError"]
