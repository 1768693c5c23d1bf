"""The configuration files of a node, as pure functions of what the node is and where its things lie."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from devcluster import cgroups
from devcluster.paths import ClusterPaths
from devcluster.spec import Node

SANDBOX_IMAGE = "registry.k8s.io/pause:3.10.1"

_EVICTION_MIB = 64
_DISABLED_PLUGINS = [
    "io.containerd.nri.v1.nri",
    "io.containerd.internal.v1.tracing",
    "io.containerd.tracing.processor.v1.otlp",
]


@dataclass(frozen=True)
class Machine:
    """What the whole machine has."""

    cpus: int
    memory_mib: int


@dataclass(frozen=True)
class NodePlace:
    """A node's number (its addresses derive from it) and directories."""

    cluster: str
    node: Node
    index: int
    disk: Path
    run: Path

    @classmethod
    def of(cls, paths: ClusterPaths, node: Node, index: int) -> NodePlace:
        """Lay out the `index`-th node, counted from 1."""
        return cls(paths.name, node, index, paths.node(node.name), paths.node_run(node.name))

    @property
    def address(self) -> str:
        """The node's IP, on the loopback of the cluster's namespace."""
        return f"10.99.0.{self.index}"

    @property
    def pod_subnet(self) -> str:
        """The addresses of its pods."""
        return f"10.244.{self.index}.0/24"

    @property
    def socket(self) -> Path:
        """Containerd's socket."""
        return self.run / "containerd.sock"

    @property
    def containerd_root(self) -> Path:
        """Containerd's images and snapshots."""
        return self.disk / "containerd"

    @property
    def pods_cgroup(self) -> str:
        """The cgroup of the node's pods, from the root of each hierarchy."""
        return cgroups.pods_group(self.cluster, self.node.name)


def containerd(place: NodePlace) -> str:
    """Return containerd's TOML.

    `restrict_oom_score_adj`: without it the sandbox fails where root lacks CAP_SYS_RESOURCE.
    `netns_mounts_under_state_dir`: so that the pods' namespaces are mounted in the node's mount namespace alone and end
    with it.
    """
    return f"""version = 3
root = "{place.containerd_root}"
state = "{place.run / "state"}"
disabled_plugins = {_DISABLED_PLUGINS!r}
[grpc]
address = "{place.socket}"
[debug]
level = "warn"
[plugins.'io.containerd.cri.v1.images']
snapshotter = "overlayfs"
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = "{SANDBOX_IMAGE}"
[plugins.'io.containerd.cri.v1.runtime']
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = ["/usr/lib/cni", "/opt/cni/bin"]
conf_dir = "{place.disk / "cni"}"
[plugins.'io.containerd.cri.v1.runtime'.containerd]
default_runtime_name = "runc"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
BinaryName = "{place.disk / "runtime" / "runc"}"
SystemdCgroup = false
"""


def runtime(place: NodePlace, runc: Path) -> str:
    """Return the JSON that the runtime before runc reads (`build/node/runtime`)."""
    node_class = place.node.node_class
    return json.dumps(
        {
            "runc": str(runc),
            "cgroupParent": place.pods_cgroup,
            "cpus": node_class.cpus,
            "speed": node_class.speed,
            "periodMicros": node_class.period_micros,
            "cpuset": node_class.cpuset or "",
            "environment": dict(node_class.environment),
        },
        indent=1,
    )


def network(place: NodePlace) -> str:
    """Return the CNI configuration: a bridge of the node's own, routed within the cluster's namespace."""
    ranges = [[{"subnet": place.pod_subnet}]]
    address_management = {
        "type": "host-local",
        "dataDir": str(place.disk / "addresses"),
        "ranges": ranges,
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {
        "type": "bridge",
        "bridge": f"pods{place.index}",
        "isGateway": True,
        "hairpinMode": True,
        "ipam": address_management,
    }
    return json.dumps({"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge]}, indent=1)


def kubelet(place: NodePlace, machine: Machine, authority: Path) -> str:
    """Return kubelet's configuration.

    The machine's resources less the class's are reserved, so that what is allocatable is the class. There are no
    cgroups per pod (`cgroupsPerQOS: false`): kubelet would give them the limits of nominal CPUs, which version 1
    refuses under a slower node. The node's own cgroup limits it as a whole; the runtime places containers under it.
    """
    node_class = place.node.node_class
    content: dict[str, Any] = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": place.address,
        "port": 10250,
        "healthzBindAddress": place.address,
        "readOnlyPort": 0,
        "containerRuntimeEndpoint": f"unix://{place.socket}",
        "podLogsDir": "/var/log/pods",
        "volumePluginDir": str(place.disk / "volume-plugins"),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": place.pods_cgroup,
        "cgroupsPerQOS": False,
        "enforceNodeAllocatable": [],
        "failCgroupV1": False,
        "failSwapOn": False,
        "makeIPTablesUtilChains": False,
        "oomScoreAdj": 0,
        "featureGates": {"KubeletInUserNamespace": True},
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(authority)},
        },
        "authorization": {"mode": "Webhook"},
        "systemReserved": {
            "cpu": f"{(machine.cpus - node_class.cpus) * 1000}m",
            "memory": f"{machine.memory_mib - node_class.memory_mib - _EVICTION_MIB}Mi",
        },
        "evictionHard": {
            "memory.available": f"{_EVICTION_MIB}Mi",
            "nodefs.available": "1%",
            "imagefs.available": "1%",
            "nodefs.inodesFree": "1%",
        },
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "nodeStatusUpdateFrequency": "5s",
        "syncFrequency": "10s",
        "volumeStatsAggPeriod": "5m",
        "maxPods": 60,
        "serializeImagePulls": True,
        # There is no DNS; the API server's address refuses at once, so that a lookup fails instead of hanging.
        "clusterDNS": ["10.0.0.1"],
        "clusterDomain": "cluster.local",
        "resolvConf": "",
        "logging": {"verbosity": 1},
    }
    return yaml.safe_dump(content, sort_keys=False)


def manifest(node: Node) -> dict[str, Any]:
    """Return the Node object that is made before its kubelet starts.

    Kubelet may not give itself every label (`node-role.kubernetes.io/…`), and this way none is ever absent.
    """
    taints = [{"key": taint.key, "value": taint.value, "effect": taint.effect} for taint in node.taints]
    labels = {
        "kubernetes.io/hostname": node.name,
        "kubernetes.io/os": "linux",
        **node.all_labels,
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": node.name, "labels": labels},
        "spec": {"taints": taints},
    }
