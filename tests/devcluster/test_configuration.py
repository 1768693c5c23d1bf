"""What nodes and the control plane are told, from what the description says."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import yaml

from devcluster import cgroups, nodeconfig
from devcluster.controlplane import ControlPlane
from devcluster.nodeconfig import Machine, NodePlace
from devcluster.paths import ClusterPaths
from devcluster.spec import Node, NodeClass, Taint

SLOW = NodeClass("slow", 2, 0.06, 1024, cpuset="0", environment={"ISA": "SSE41"})
PLACE = NodePlace.of(ClusterPaths.of("lab"), Node("edge-1", SLOW, taints=(Taint("a", "b", "NoSchedule"),)), 3)


def test_kubelet_reserves_what_the_class_does_not_have() -> None:
    kubelet = yaml.safe_load(nodeconfig.kubelet(PLACE, Machine(cpus=8, memory_mib=16_000), Path("/ca")))
    evicted_at_mib = 64
    assert kubelet["systemReserved"] == {"cpu": "6000m", "memory": f"{16_000 - 1024 - evicted_at_mib}Mi"}
    assert kubelet["evictionHard"]["memory.available"] == f"{evicted_at_mib}Mi"


def test_kubelet_and_runtime_agree_on_the_pods_group() -> None:
    kubelet = yaml.safe_load(nodeconfig.kubelet(PLACE, Machine(cpus=8, memory_mib=16_000), Path("/ca")))
    runtime = json.loads(nodeconfig.runtime(PLACE, Path("/usr/sbin/runc")))
    assert kubelet["cgroupRoot"] == runtime["cgroupParent"] == "/fd-lab/edge-1/pods"


def test_the_runtime_is_told_what_the_class_is() -> None:
    runtime = json.loads(nodeconfig.runtime(PLACE, Path("/usr/sbin/runc")))
    assert {key: runtime[key] for key in ("cpus", "speed", "periodMicros", "cpuset", "environment")} == {
        "cpus": 2,
        "speed": 0.06,
        "periodMicros": 50_000,
        "cpuset": "0",
        "environment": {"ISA": "SSE41"},
    }


def test_containerd_keeps_to_the_nodes_own_directories() -> None:
    content = tomllib.loads(nodeconfig.containerd(PLACE))
    own = (str(PLACE.disk), str(PLACE.run))
    runc = content["plugins"]["io.containerd.cri.v1.runtime"]["containerd"]["runtimes"]["runc"]["options"]["BinaryName"]
    assert all(path.startswith(own) for path in (content["root"], content["state"], content["grpc"]["address"], runc))


def test_nodes_have_addresses_and_bridges_of_their_own() -> None:
    other = NodePlace.of(ClusterPaths.of("lab"), Node("edge-2", SLOW), 4)
    first, second = (json.loads(nodeconfig.network(place))["plugins"][0] for place in (PLACE, other))
    assert first["bridge"] != second["bridge"]
    assert first["ipam"]["ranges"] == [[{"subnet": "10.244.3.0/24"}]]
    assert PLACE.address != other.address


def test_a_node_object_has_labels_and_taints_before_its_kubelet_starts() -> None:
    node = nodeconfig.manifest(PLACE.node)
    assert node["metadata"]["labels"]["foretide.dev/node-class"] == "slow"
    assert node["spec"]["taints"] == [{"key": "a", "value": "b", "effect": "NoSchedule"}]


def test_containerds_socket_fits_into_a_unix_address() -> None:
    longest = ClusterPaths.of("c" * 20)
    place = NodePlace.of(longest, Node("n" * 30, SLOW), 1)
    assert len(str(place.socket)) <= 107


def test_the_api_server_audits_only_where_it_is_asked_to() -> None:
    programs = dict.fromkeys(("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"), Path("/bin/x"))
    quiet, audited = (ControlPlane(Path("/d"), audit=audit).commands(programs) for audit in (False, True))
    assert not any("audit" in word for word in quiet["kube-apiserver"])
    assert "--audit-log-path=/d/audit.log" in audited["kube-apiserver"]


def test_faster_nodes_weigh_more_in_proportion_and_infrastructure_as_what_they_leave() -> None:
    shares = {speed: cgroups.node_shares(NodeClass("c", 2, speed, 512)) for speed in (0.1, 0.4)}
    assert shares[0.4] == 4 * shares[0.1]
    assert cgroups.node_shares(NodeClass("system", 2, 1.0, 512, unlabelled=True)) == 12_000


V1 = """30 25 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
32 30 0:28 / /sys/fs/cgroup/memory rw,relatime shared:1 - cgroup cgroup rw,memory
33 30 0:29 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
V2 = "31 30 0:27 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"


def test_version_1_hierarchies_are_found_with_their_controllers() -> None:
    found = cgroups.parse(V1)
    assert found.roots == [Path("/sys/fs/cgroup/cpu,cpuacct"), Path("/sys/fs/cgroup/memory")]
    assert found.has("cpu")
    assert found.has("memory")
    assert not found.has("cpuset")


def test_version_2_is_used_where_there_is_no_version_1() -> None:
    found = cgroups.parse(V2)
    assert found.roots == [Path("/sys/fs/cgroup")]
