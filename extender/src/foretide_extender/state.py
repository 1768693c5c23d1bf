"""The cluster as the extender knows it: events in, immutable snapshots out.

All of it is derived from objects in the API, so a restart loses nothing: what is in flight on a node are the Pods that
are bound to it and have not ended. Watch threads change the state; decisions read a snapshot, which is copied from
it only when something changed.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from foretide.observation import DeviceFeatures
from foretide.placement.speed import class_speeds
from foretide.placement.task import WorkloadPredictions
from foretide_kube.images import ImagesByNode
from foretide_kube.kinds.nodeclass import NodeClass
from foretide_kube.node_class_of import ClassClaim, in_order, node_class_of
from foretide_kube.published import features_of
from foretide_kube.pull_speeds import PullSpeeds
from foretide_kube.reduced import NodeFacts
from foretide_kube.task_pods import TaskPod


@dataclass(frozen=True, slots=True, eq=False)
class NodeKind:
    """What nodes have in common that are equal for a decision. One instance for each combination, compared as such."""

    node_class: str | None
    allocatable_millis: int
    allocatable_memory_bytes: int | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The cluster at one moment.

    ``kinds`` and ``free_millis`` (allocatable CPU minus what everything bound may use, negative where limits exceed
    the cores) by node name, ``pods`` in flight by node name, ``workloads`` by (namespace, name), ``speeds`` relative
    by node class, ``images`` of nodes and how fast these pull, by class.
    """

    kinds: Mapping[str, NodeKind] = field(default_factory=dict)
    free_millis: Mapping[str, int] = field(default_factory=dict)
    pods: Mapping[str, tuple[TaskPod, ...]] = field(default_factory=dict)
    workloads: Mapping[tuple[str, str], WorkloadPredictions] = field(default_factory=dict)
    speeds: Mapping[str, float] = field(default_factory=dict)
    images: ImagesByNode = field(default_factory=lambda: ImagesByNode({}))
    pull_bytes_per_second: Mapping[str, float] = field(default_factory=dict)


def cpu_millis_in_use(pod: TaskPod) -> int:
    """The CPU that a bound Pod is counted with: our tasks use all they may, others what they reserve."""
    limit = pod.task.cpu_millis
    return limit if pod.is_task and limit is not None else pod.requests.cpu_millis


class ClusterState:
    """Takes changes from watch threads and gives snapshots to any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._nodes: dict[str, NodeFacts] = {}
        self._pods: dict[str, dict[str, TaskPod]] = {}
        self._node_of_pod: dict[str, str] = {}
        self._workloads: dict[tuple[str, str], WorkloadPredictions] = {}
        self._claims: dict[str, ClassClaim] = {}
        self._ordered_claims: tuple[ClassClaim, ...] = ()
        self._probes: dict[str, DeviceFeatures] = {}
        self._interned: dict[tuple[str | None, int, int | None], NodeKind] = {}
        self._kinds: dict[str, NodeKind] = {}
        self._free_millis: dict[str, int] = {}
        self._bound: dict[str, tuple[TaskPod, ...]] = {}
        self._speeds: Mapping[str, float] = {}
        self._images: ImagesByNode | None = None
        self._pull_speeds = PullSpeeds()
        self._snapshot: Snapshot | None = None

    def snapshot(self) -> Snapshot:
        """The state now."""
        with self._lock:
            if self._snapshot is None:
                self._snapshot = Snapshot(
                    kinds=MappingProxyType(dict(self._kinds)),
                    free_millis=MappingProxyType(dict(self._free_millis)),
                    pods=MappingProxyType(dict(self._bound)),
                    workloads=MappingProxyType(dict(self._workloads)),
                    speeds=self._speeds,
                    images=self._lists(),
                    pull_bytes_per_second=self._pull_speeds.by_class(),
                )
            return self._snapshot

    def node_changed(self, event: str, facts: NodeFacts) -> None:
        """Take note of a Node."""
        with self._lock:
            before = self._nodes.pop(facts.name, None)
            if event != "DELETED":
                self._nodes[facts.name] = facts
            after = self._nodes.get(facts.name)
            if (None if before is None else before.images) != (None if after is None else after.images):
                self._images = None
            self._refresh_node(facts.name)
            self._snapshot = None

    def pod_changed(self, event: str, pod: TaskPod) -> None:
        """Take note of a Pod, bound or not."""
        with self._lock:
            before = self._node_of_pod.get(pod.uid)
            if event != "DELETED" and before is not None and self._pods[before][pod.uid] == pod:
                return
            is_known = (pod.namespace, pod.workload) in self._workloads
            self._pull_speeds.heard(event, pod, self._lists, self._class_of, is_known=is_known)
            if before is not None:
                del self._node_of_pod[pod.uid]
                del self._pods[before][pod.uid]
                self._refresh_node(before)
            if event != "DELETED" and pod.node is not None and not pod.is_finished:
                self._node_of_pod[pod.uid] = pod.node
                self._pods.setdefault(pod.node, {})[pod.uid] = pod
                self._refresh_node(pod.node)
            self._snapshot = None

    def workload_changed(self, key: tuple[str, str], predictions: WorkloadPredictions | None) -> None:
        """Take note of the AIWorkload ``key`` (namespace, name); None where it is gone or cannot be read."""
        with self._lock:
            if predictions is None:
                self._workloads.pop(key, None)
            else:
                self._workloads[key] = predictions
            self._snapshot = None

    def class_changed(self, name: str, found: NodeClass | None) -> None:
        """Take note of a NodeClass; None where it is gone or cannot be read."""
        with self._lock:
            claim = None if found is None else ClassClaim.of(found)
            is_same_claim = self._claims.get(name) == claim
            if found is None or claim is None:
                self._claims.pop(name, None)
                self._probes.pop(name, None)
            else:
                self._claims[name] = claim
                self._probes[name] = features_of(found)
            self._speeds = MappingProxyType(class_speeds(self._probes))
            if not is_same_claim:
                self._ordered_claims = in_order(self._claims.values())
                for node in self._nodes:
                    self._refresh_node(node)
            self._snapshot = None

    def _lists(self) -> ImagesByNode:
        """What images nodes have: made when it is asked for, since on the first list of nodes each of them is news."""
        if self._images is None:
            self._images = ImagesByNode({name: each.images for name, each in self._nodes.items()})
        return self._images

    def _class_of(self, node: str) -> str | None:
        kind = self._kinds.get(node)
        return None if kind is None else kind.node_class

    def _refresh_node(self, name: str) -> None:
        pods = self._pods.get(name)
        if pods:
            self._bound[name] = tuple(pods.values())
        else:
            self._pods.pop(name, None)
            self._bound.pop(name, None)
        facts = self._nodes.get(name)
        if facts is None:
            self._kinds.pop(name, None)
            self._free_millis.pop(name, None)
            return
        node_class = node_class_of(facts.labels, self._ordered_claims).node_class
        form = (node_class, facts.allocatable.cpu_millis, facts.allocatable_memory_bytes)
        self._kinds[name] = self._interned.setdefault(form, NodeKind(*form))
        self._free_millis[name] = facts.allocatable.cpu_millis - sum(
            cpu_millis_in_use(pod) for pod in self._bound.get(name, ())
        )
