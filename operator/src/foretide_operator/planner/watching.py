"""The planner's view of the cluster: Pods, nodes, workloads and node classes, each watched and cut down."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import msgspec

from foretide.placement.task import WorkloadPredictions
from foretide_kube.cache import Key, WatchCache, object_key
from foretide_kube.client import KubeClient, Object
from foretide_kube.floor import Node
from foretide_kube.images import NO_LIST, ImagesByNode
from foretide_kube.kinds.common import EVERYTHING
from foretide_kube.measurements import LONGEST_AWAITED_SECONDS, Pair, Wanted, wanted_of
from foretide_kube.names import AIWORKLOADS, NODE_CLASSES, NODES, PODS, Resource
from foretide_kube.node_class_of import ClassClaim, in_order, node_class_of
from foretide_kube.reduced import (
    NodeFacts,
    class_selector_of,
    constraints_of,
    facts_of,
    reduce_class,
    reduce_node,
    reduce_pod,
    reduce_workload,
)
from foretide_kube.selected import Selections, WorkloadKey
from foretide_kube.task_pods import TaskPod

WATCH_SECONDS: Final = 60
"""How long a watch lasts: a quiet one, or one whose connection is dead, is told from its end."""


class View:
    """Watches, of what lies in namespaces in those alone that are given, if any; readers see what was last heard."""

    def __init__(self, client: KubeClient, namespaces: Sequence[str] = (), *, clock: Callable[[], float]) -> None:
        def watch(resource: Resource, reduce: Callable[[Object], Object]) -> WatchCache:
            return WatchCache(
                client, resource, clock=clock, namespaces=namespaces, reduce=reduce, watch_seconds=WATCH_SECONDS
            )

        self._pods = watch(PODS, reduce_pod)
        self._nodes = watch(NODES, reduce_node)
        self._workloads = watch(AIWORKLOADS, reduce_workload)
        self._classes = watch(NODE_CLASSES, reduce_class)
        self._claims: tuple[ClassClaim, ...] = ()
        self._nodes_by_name: tuple[object, object, dict[str, Node]] = (None, None, {})
        self._images: tuple[object, ImagesByNode] = (None, ImagesByNode({}))
        self._classes.add_listener(lambda _event, _item: self._read_claims())
        self._selections = Selections()
        self._classes.add_listener(self._note_class)
        self._workloads.add_listener(self._note_selector)
        self._clock = clock
        self._wanted: dict[Key, dict[Pair, tuple[Wanted, float]]] = {}
        """Measurements, and since when each is told of."""
        self._workloads.add_listener(self._note_measurements)
        self._caches = {
            "nodeclasses": self._classes,
            "aiworkloads": self._workloads,
            "nodes": self._nodes,
            "pods": self._pods,
        }

    def on_pod(self, listener: Callable[[str, TaskPod], None]) -> None:
        """Call ``listener`` with ADDED, MODIFIED or DELETED and the Pod; add it before `start`."""
        self._pods.add_listener(lambda event, item: listener(event, facts_of(item)))

    def on_class(self, listener: Callable[[str], None]) -> None:
        """Call ``listener`` with the name of each node class that there is; add it before `start`."""
        self._classes.add_listener(lambda _event, item: listener(item["metadata"]["name"]))

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` when what is known of a node, workload or class changed; add it before `start`.

        Heartbeats of kubelets and counts in a status change nothing here.
        """
        for cache in (self._classes, self._workloads, self._nodes):
            cache.add_listener(_news(listener))

    def start(self) -> None:
        """Begin to list and watch."""
        for cache in self._caches.values():
            cache.start()

    def stop(self) -> None:
        """Ask the watches to end."""
        for cache in self._caches.values():
            cache.stop()

    @property
    def resources(self) -> tuple[str, ...]:
        """What is watched."""
        return tuple(self._caches)

    def waiting_for(self) -> list[str]:
        """The resources that have not been listed yet."""
        return [name for name, cache in self._caches.items() if not cache.is_synced]

    def age_seconds(self, resource: str) -> float:
        """Seconds since the API server last said anything of ``resource``."""
        return self._caches[resource].age_seconds()

    def unreadable(self, resource: str) -> int:
        """How many objects of ``resource`` could not be read as a whole."""
        return self._caches[resource].unreadable

    def pods(self) -> list[TaskPod]:
        """All Pods."""
        return [facts_of(item) for item in self._pods.snapshot().values()]

    def pod(self, namespace: str, name: str) -> TaskPod | None:
        """One Pod, or None."""
        item = self._pods.get(name, namespace)
        return None if item is None else facts_of(item)

    def workload(self, namespace: str, name: str) -> WorkloadPredictions | None:
        """The published predictions of a workload, or None if it is absent or cannot be read."""
        item = self._workloads.get(name, namespace)
        return None if item is None else facts_of(item)

    def wanted(self) -> dict[Pair, Wanted]:
        """The measurements that are under way or next."""
        late_seconds = self._clock() - LONGEST_AWAITED_SECONDS
        return {
            pair: replace(each, is_awaited=since_seconds > late_seconds)
            for told in list(self._wanted.values())
            for pair, (each, since_seconds) in told.items()
        }

    def selected(self) -> Mapping[WorkloadKey, frozenset[str]]:
        """The classes where workloads may run that may not run on all."""
        return self._selections.by_workload

    def class_of(self, node: str) -> str | None:
        """The class of a node, or None."""
        found = self.nodes().get(node)
        return None if found is None else found.node_class

    def nodes(self) -> dict[str, Node]:
        """All nodes by name, with their classes."""
        snapshot, claims = self._nodes.snapshot(), self._claims
        of_snapshot, of_claims, known = self._nodes_by_name
        if snapshot is of_snapshot and claims is of_claims:
            return known
        found = [facts_of(item) for item in snapshot.values()]
        made = {facts.name: Node(facts, node_class_of(facts.labels, claims).node_class) for facts in found}
        self._nodes_by_name = (snapshot, claims, made)  # in one step: several threads ask
        return made

    def images(self) -> ImagesByNode:
        """What images nodes have."""
        nodes = self.nodes()
        of_nodes, known = self._images
        if nodes is not of_nodes:
            known = ImagesByNode({name: node.facts.images for name, node in nodes.items()})
            self._images = (nodes, known)  # in one step, as in `nodes`
        return known

    def absorb_pod(self, item: Object) -> None:
        """Take note of a Pod as a write gave it back, before the watch tells of it."""
        self._pods.absorb(item)

    def is_synced(self) -> bool:
        """Whether everything has been listed once."""
        return not self.waiting_for()

    def _note_measurements(self, event: str, item: Object) -> None:
        """Keep those workloads that are measured, of thousands."""
        key, workload = object_key(item), facts_of(item)
        found = {} if event == "DELETED" or workload is None else wanted_of(*key, workload, constraints_of(item))
        if found:
            since_seconds = {pair: since for pair, (_, since) in self._wanted.get(key, {}).items()}
            now_seconds = self._clock()
            self._wanted[key] = {pair: (each, since_seconds.get(pair, now_seconds)) for pair, each in found.items()}
        else:
            self._wanted.pop(key, None)

    def _note_class(self, event: str, item: Object) -> None:
        found = None if event == "DELETED" else facts_of(item)
        self._selections.class_changed(item["metadata"]["name"], None if found is None else found.metadata.labels)

    def _note_selector(self, event: str, item: Object) -> None:
        selector = EVERYTHING if event == "DELETED" else class_selector_of(item)
        self._selections.workload_changed(object_key(item), selector)

    def _read_claims(self) -> None:
        known = [facts_of(item) for _, item in sorted(self._classes.snapshot().items())]
        self._claims = in_order(ClassClaim.of(node_class) for node_class in known if node_class is not None)


def _news(listener: Callable[[], None]) -> Callable[[str, Object], None]:
    """A listener of a cache that passes on only changes of the facts, those of a node's images left aside."""
    known: dict[Key, object] = {}

    def heard(event: str, item: Object) -> None:
        key = object_key(item)
        if event == "DELETED":
            known.pop(key, None)
        else:
            facts = facts_of(item)
            if isinstance(facts, NodeFacts):
                facts = msgspec.structs.replace(facts, images=NO_LIST)
            if key in known and known[key] == facts:
                return
            known[key] = facts
        listener()

    return heard
