"""The cluster as the extender knows it: events in, immutable snapshots out.

All of it is derived from objects in the API, so a restart loses nothing: what is in flight on a node are the Pods that
are bound to it and have not ended. Watch threads change the state one after the other; who decides takes a snapshot
without waiting for them. It says which nodes changed since the last, so that what was reckoned of the others holds.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from foretide.observation import DeviceFeatures
from foretide.placement.speed import class_speeds
from foretide.placement.task import WorkloadPredictions
from foretide_kube.images import ImagesByNode, NodeImages
from foretide_kube.kinds.common import EVERYTHING, LabelSelector
from foretide_kube.kinds.nodeclass import NodeClass
from foretide_kube.measurements import Pair, begun_seconds, by_pair, measures
from foretide_kube.node_class_of import ClassClaim, in_order, node_class_of
from foretide_kube.published import features_of
from foretide_kube.pull_speeds import PullSpeeds
from foretide_kube.reduced import NodeFacts
from foretide_kube.selected import Selections, WorkloadKey
from foretide_kube.task_pods import TaskPod


@dataclass(frozen=True, slots=True, eq=False)
class NodeNow:
    """A node and what is bound to it.

    ``free_millis`` is its CPU less what everything bound may use, negative where limits exceed the cores. Until
    ``measured_until``, in whole seconds since the epoch, a measurement is expected to have it for itself; 0 for none.
    """

    name: str
    node_class: str | None
    allocatable_millis: int
    free_millis: int
    allocatable_memory_bytes: int | None
    pods: tuple[TaskPod, ...]
    measured_until: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """The cluster at one moment.

    ``nodes`` by name, ``workloads`` by (namespace, name), ``speeds`` relative by node class, ``images`` of nodes and
    how fast these pull, by class. ``selected`` are the classes where a workload may run; one without may everywhere.
    Since the moment ``after`` no other nodes than those ``changed`` became different, neither by themselves nor by what
    the workloads of their Pods are. Thousands of nodes are not copied for one that changed: what became of a node after
    the moment may be seen in ``nodes`` already, and the next snapshot tells of it.
    """

    nodes: MappingProxyType[str, NodeNow] = field(default_factory=lambda: MappingProxyType({}))
    workloads: Mapping[WorkloadKey, WorkloadPredictions] = field(default_factory=dict)
    speeds: Mapping[str, float] = field(default_factory=dict)
    images: ImagesByNode = field(default_factory=lambda: ImagesByNode({}))
    pull_bytes_per_second: Mapping[str, float] = field(default_factory=dict)
    selected: Mapping[WorkloadKey, frozenset[str]] = field(default_factory=dict)
    changed: frozenset[str] = frozenset()
    moment: object = field(default_factory=object)
    after: object = None


def cpu_millis_in_use(pod: TaskPod) -> int:
    """The CPU that a bound Pod is counted with: our tasks use all they may, others what they reserve."""
    limit = pod.task.cpu_millis
    return limit if pod.is_task and limit is not None else pod.requests.cpu_millis


def _nodes_of(pods: Iterable[TaskPod]) -> list[str]:
    return [pod.node for pod in pods if pod.node is not None]


class ClusterState:
    """Takes changes from watch threads and gives snapshots to the one thread that decides."""

    def __init__(self) -> None:
        self._writing = threading.Lock()
        self._facts: dict[str, NodeFacts] = {}
        self._pods: dict[str, dict[str, TaskPod]] = {}
        self._node_of_pod: dict[str, str] = {}
        self._measuring: dict[WorkloadKey, dict[str, TaskPod]] = {}
        self._believed: dict[WorkloadKey, Mapping[Pair, TaskPod]] = {}
        self._class_by_node: dict[str, str | None] = {}
        self._claims: dict[str, ClassClaim] = {}
        self._ordered_claims: tuple[ClassClaim, ...] = ()
        self._probes: dict[str, DeviceFeatures] = {}
        self._selections = Selections()
        self._pull_speeds = PullSpeeds()
        self._latest = Snapshot()
        # What a snapshot is made of. Each is changed in one step, so that no reader waits for a writer.
        self._nodes: dict[str, NodeNow] = {}
        self._nodes_view = MappingProxyType(self._nodes)
        self._workloads: dict[WorkloadKey, WorkloadPredictions] = {}
        self._speeds: Mapping[str, float] = {}
        self._lists: dict[str, NodeImages] = {}
        self._images: tuple[int, ImagesByNode] = (0, ImagesByNode({}))
        self._changed: deque[str] = deque()
        self._writes = 0
        self._writes_seen = 0
        self._list_writes = 0

    def snapshot(self) -> Snapshot:
        """The state now."""
        if self._writes != self._writes_seen:
            self._writes_seen = self._writes
            changed = frozenset(self._changed.popleft() for _ in range(len(self._changed)))
            self._latest = Snapshot(
                nodes=self._nodes_view,
                workloads=MappingProxyType(self._workloads.copy()),
                speeds=self._speeds,
                images=self._all_lists(),
                pull_bytes_per_second=self._pull_speeds.by_class(),
                selected=self._selections.by_workload,
                changed=changed,
                after=self._latest.moment,
            )
        return self._latest

    def node_changed(self, event: str, facts: NodeFacts) -> None:
        """Take note of a Node."""
        with self._writing:
            before = self._facts.pop(facts.name, None)
            class_before = self._class_by_node.get(facts.name)
            if event != "DELETED":
                self._facts[facts.name] = facts
            after = self._facts.get(facts.name)
            if (None if before is None else before.images) != (None if after is None else after.images):
                if after is None:
                    del self._lists[facts.name]
                else:
                    self._lists[facts.name] = after.images
                self._list_writes += 1
            if after is None:
                self._class_by_node.pop(facts.name, None)
            else:
                self._class_by_node[facts.name] = node_class_of(facts.labels, self._ordered_claims).node_class
            touched = [facts.name]
            if class_before != self._class_by_node.get(facts.name):
                there = (self._pods.get(facts.name) or {}).values()
                for key in {(pod.namespace, pod.workload) for pod in there if measures(pod)}:
                    touched += self._believe_anew(key)
            self._refresh(dict.fromkeys(touched))

    def pod_changed(self, event: str, pod: TaskPod) -> None:
        """Take note of a Pod, bound or not."""
        with self._writing:
            before = self._node_of_pod.get(pod.uid)
            if event != "DELETED" and before is not None and self._pods[before][pod.uid] == pod:
                return
            is_known = (pod.namespace, pod.workload) in self._workloads
            self._pull_speeds.heard(event, pod, self._all_lists, self._class_by_node.get, is_known=is_known)
            touched = []
            if before is not None:
                del self._node_of_pod[pod.uid]
                old = self._pods[before].pop(pod.uid)
                touched.append(before)
                if measures(old):
                    touched += self._note_measuring(old, is_there=False)
            if event != "DELETED" and pod.node is not None and not pod.is_finished:
                self._node_of_pod[pod.uid] = pod.node
                self._pods.setdefault(pod.node, {})[pod.uid] = pod
                touched.append(pod.node)
                if measures(pod):
                    touched += self._note_measuring(pod, is_there=True)
            self._refresh(dict.fromkeys(touched))

    def workload_changed(
        self, key: WorkloadKey, predictions: WorkloadPredictions | None, selector: LabelSelector = EVERYTHING
    ) -> None:
        """Take note of the AIWorkload ``key`` (namespace, name); None where it is gone or cannot be read.

        It may run on the classes that ``selector`` selects.
        """
        if predictions is None:
            selector = EVERYTHING
        with self._writing:
            is_selector_news = self._selections.workload_changed(key, selector)
            if self._workloads.get(key) == predictions and not is_selector_news:
                return
            if predictions is None:
                self._workloads.pop(key, None)
            else:
                self._workloads[key] = predictions
            there = [
                name
                for name, pods in self._pods.items()
                if any((pod.namespace, pod.workload) == key for pod in pods.values())
            ]
            self._refresh(there)

    def class_changed(self, name: str, found: NodeClass | None) -> None:
        """Take note of a NodeClass; None where it is gone or cannot be read."""
        with self._writing:
            claim = None if found is None else ClassClaim.of(found)
            is_same_claim = self._claims.get(name) == claim
            if found is None or claim is None:
                self._claims.pop(name, None)
                self._probes.pop(name, None)
            else:
                self._claims[name] = claim
                self._probes[name] = features_of(found)
            self._selections.class_changed(name, None if found is None else found.metadata.labels)
            self._speeds = MappingProxyType(class_speeds(self._probes))
            if not is_same_claim:
                self._ordered_claims = in_order(self._claims.values())
                for node, facts in self._facts.items():
                    self._class_by_node[node] = node_class_of(facts.labels, self._ordered_claims).node_class
                self._believed.clear()
            self._refresh(() if is_same_claim else self._facts)

    def _all_lists(self) -> ImagesByNode:
        """What images nodes have: made when it is asked for, since on the first list of nodes each of them is news."""
        writes = self._list_writes
        made_of, images = self._images
        if made_of != writes:
            images = images.changed(self._lists.copy())
            self._images = writes, images
        return images

    def _note_measuring(self, pod: TaskPod, *, is_there: bool) -> list[str]:
        """Take note of a Pod that says it measures, or said so; the nodes of those believed before or after."""
        key = (pod.namespace, pod.workload)
        before = _nodes_of(self._believed_of(key).values())
        pods = self._measuring.setdefault(key, {})
        if is_there:
            pods[pod.uid] = pod
        else:
            pods.pop(pod.uid, None)
        if not pods:
            del self._measuring[key]
        return before + self._believe_anew(key)

    def _believe_anew(self, key: WorkloadKey) -> list[str]:
        """Look again which Pods are believed that say they measure a workload; the nodes of these, before and after."""
        before = _nodes_of(self._believed.pop(key, {}).values())
        return before + _nodes_of(self._believed_of(key).values())

    def _believed_of(self, key: WorkloadKey) -> Mapping[Pair, TaskPod]:
        """Of the Pods that say they measure a workload the one on each class that is believed."""
        if key not in self._measuring:
            return {}
        if key not in self._believed:
            self._believed[key] = by_pair(self._measuring[key].values(), self._class_by_node)
        return self._believed[key]

    def _measured_until(self, node_class: str | None, pods: tuple[TaskPod, ...]) -> int:
        """Until when a measurement has a node for itself: nobody's, where a task is beside it."""
        measuring = [pod for pod in pods if measures(pod)]
        if not measuring or node_class is None or any(map(self._is_task_that_ends, pods)):
            return 0
        found = 0
        for pod in measuring:
            key = (pod.namespace, pod.workload)
            workload, believed = self._workloads.get(key), self._believed_of(key).get((*key, node_class))
            begun = begun_seconds(pod)
            is_measured = workload is not None and node_class in workload.measuring
            if workload is not None and is_measured and believed is pod and begun is not None:
                found = max(found, math.ceil(begun + workload.measuring[node_class]))
        return found

    def _is_task_that_ends(self, pod: TaskPod) -> bool:
        workload = self._workloads.get((pod.namespace, pod.workload)) if pod.is_task else None
        return pod.is_task and (workload is None or not workload.is_service)

    def _refresh(self, names: Iterable[str]) -> None:
        """Have the nodes as they are now, and let who reads know."""
        for name in names:
            pods, facts = self._pods.get(name), self._facts.get(name)
            if not pods:
                self._pods.pop(name, None)
            if facts is None:
                self._nodes.pop(name, None)
            else:
                self._nodes[name] = self._now(facts, tuple(pods.values()) if pods else ())
            self._changed.append(name)
        self._writes += 1

    def _now(self, facts: NodeFacts, pods: tuple[TaskPod, ...]) -> NodeNow:
        cores = facts.allocatable.cpu_millis
        return NodeNow(
            facts.name,
            self._class_by_node[facts.name],
            cores,
            cores - sum(map(cpu_millis_in_use, pods)),
            facts.allocatable_memory_bytes,
            pods,
            self._measured_until(self._class_by_node[facts.name], pods),
        )
