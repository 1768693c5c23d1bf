"""What a command sees of the cluster: all that it may read, once, and the rights that were missing for the rest."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from foretide_kube.client import ApiError, KubeClient, Object
from foretide_kube.floor import Node
from foretide_kube.kinds import aiworkload, nodeclass, workloadprofile
from foretide_kube.kinds.aiworkload import AIWorkload
from foretide_kube.kinds.nodeclass import NodeClass
from foretide_kube.kinds.workloadprofile import WorkloadProfile
from foretide_kube.names import AIWORKLOADS, NODE_CLASSES, NODES, PODS, WORKLOAD_PROFILES, Resource
from foretide_kube.node_class_of import ClassClaim, in_order, node_class_of
from foretide_kube.readable import readable
from foretide_kube.reduced import NodeFacts, facts_of, reduce_node, reduce_pod
from foretide_kube.task_pods import TaskPod

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The cluster as of one moment; what could not be read is empty.

    ``workloads`` are by namespace and name, ``classes`` by name, ``nodes`` with the classes that they belong to.
    ``missing`` names the rights for what was refused; with ``is_whole`` all that a plan is made from was read.
    """

    workloads: Mapping[tuple[str, str], AIWorkload] = field(default_factory=dict)
    classes: Mapping[str, NodeClass] = field(default_factory=dict)
    nodes: Mapping[str, Node] = field(default_factory=dict)
    pods: tuple[TaskPod, ...] = ()
    profiles: tuple[WorkloadProfile, ...] = ()
    missing: tuple[str, ...] = ()
    is_whole: bool = True


def see(client: KubeClient, namespaces: Collection[str]) -> Seen:
    """The cluster as ``client`` may see it: all of it, or of our own kinds no more than ``namespaces``.

    ApiError where something else than a right is missing.
    """
    reader = _Reader(client)
    workloads = reader.read_all(AIWORKLOADS, _readable(aiworkload.parse))
    classes = reader.read_all(NODE_CLASSES, _readable(nodeclass.parse)) or []
    nodes: list[NodeFacts] = reader.read_all(NODES, lambda item: facts_of(reduce_node(item))) or []
    pods: list[TaskPod] = reader.read_all(PODS, lambda item: facts_of(reduce_pod(item))) or []
    is_whole = not reader.missing
    if workloads is None:
        workloads = reader.read_in(namespaces, AIWORKLOADS, _readable(aiworkload.parse))
    profiles = reader.read_in(namespaces, WORKLOAD_PROFILES, _readable(workloadprofile.parse))
    claims = in_order(ClassClaim.of(each) for each in classes)
    return Seen(
        workloads={(each.metadata.namespace, each.metadata.name): each for each in workloads},
        classes={each.metadata.name: each for each in classes},
        nodes={each.name: Node(each, node_class_of(each.labels, claims).node_class) for each in nodes},
        pods=tuple(pods),
        profiles=tuple(profiles),
        missing=tuple(reader.missing),
        is_whole=is_whole,
    )


class _Reader:
    """Lists kinds, each object as ``reduce`` makes it and without those that it makes nothing of.

    A refusal is remembered as a right that is missing; any other ApiError is raised.
    """

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self.missing: list[str] = []

    def read_all(self, resource: Resource, reduce: Callable[[Object], T | None]) -> list[T] | None:
        """The objects of all namespaces; None where that is refused."""
        return self._list(resource, reduce, None)

    def read_in(self, namespaces: Collection[str], resource: Resource, reduce: Callable[[Object], T | None]) -> list[T]:
        """The objects of ``namespaces``, without those of which that is refused."""
        return [item for each in sorted(namespaces) for item in self._list(resource, reduce, each) or ()]

    def _list(self, resource: Resource, reduce: Callable[[Object], T | None], namespace: str | None) -> list[T] | None:
        def kept(item: Object) -> Object:
            return {"found": reduce(item)}

        try:
            items, _ = self._client.list_objects_with_version(resource, namespace, reduce=kept)
        except ApiError as error:
            if error.status != 403:
                raise
            name = f"{resource.plural}.{resource.group}" if resource.group else resource.plural
            where = f" in namespace {namespace}" if namespace else " in all namespaces" if resource.namespaced else ""
            self.missing.append(f"list {name}{where}")
            return None
        return [item["found"] for item in items if item["found"] is not None]


def _readable(parse: Callable[[Object], T]) -> Callable[[Object], T | None]:
    return lambda item: readable(partial(parse, item))
