"""What a command sees of the cluster: all that it may read, once, and the rights that were missing for the rest."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from foretide_cli.reading import Reader, parsed
from foretide_kube.client import KubeClient, Object
from foretide_kube.floor import Node
from foretide_kube.kinds import aiworkload, nodeclass, workloadprofile
from foretide_kube.kinds.aiworkload import AIWorkload
from foretide_kube.kinds.nodeclass import NodeClass
from foretide_kube.kinds.workloadprofile import WorkloadProfile
from foretide_kube.names import AIWORKLOADS, NODE_CLASSES, NODES, PODS, PRIORITY_CLASSES, WORKLOAD_PROFILES
from foretide_kube.node_class_of import ClassClaim, in_order, node_class_of
from foretide_kube.reduced import NodeFacts, facts_of, reduce_node, reduce_pod
from foretide_kube.task_pods import TaskPod


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The cluster as of one moment; what could not be read is empty.

    ``workloads`` are by namespace and name, ``classes`` by name, ``nodes`` with the classes that they belong to.
    ``default_priority`` is what Pods have that name no PriorityClass, None where that may not be read. ``missing``
    names the rights for what was refused, of which ``unread`` are the kinds, by plural, that could not be listed as a
    whole. ``now_seconds`` since the epoch is the moment by the API server's clock; this machine's is
    ``ahead_seconds`` ahead of it.
    """

    now_seconds: float

    workloads: Mapping[tuple[str, str], AIWorkload] = field(default_factory=dict)
    classes: Mapping[str, NodeClass] = field(default_factory=dict)
    nodes: Mapping[str, Node] = field(default_factory=dict)
    pods: tuple[TaskPod, ...] = ()
    profiles: tuple[WorkloadProfile, ...] = ()
    default_priority: int | None = None
    missing: tuple[str, ...] = ()
    unread: frozenset[str] = frozenset()
    ahead_seconds: float = 0.0

    @property
    def is_whole(self) -> bool:
        """Whether all that a plan is made from was read."""
        return self.unread.isdisjoint(each.plural for each in (AIWORKLOADS, NODE_CLASSES, NODES, PODS))

    @property
    def is_counted(self) -> bool:
        """Whether it is known which nodes are there and of which class."""
        return self.unread.isdisjoint(each.plural for each in (NODE_CLASSES, NODES))


def see(client: KubeClient, namespaces: Collection[str], clock: Callable[[], float]) -> Seen:
    """The cluster as ``client`` may see it: all of it, or of our own kinds no more than ``namespaces``.

    ``clock`` gives this machine's seconds since the epoch. ApiError where something else than a right is missing.
    """
    reader = Reader(client)
    workloads = reader.read_all(AIWORKLOADS, parsed(aiworkload.parse))
    classes = reader.read_all(NODE_CLASSES, parsed(nodeclass.parse)) or []
    nodes: list[NodeFacts] = reader.read_all(NODES, lambda item: facts_of(reduce_node(item))) or []
    pods: list[TaskPod] = reader.read_all(PODS, lambda item: facts_of(reduce_pod(item))) or []
    if workloads is None:
        workloads = reader.read_in(namespaces, AIWORKLOADS, parsed(aiworkload.parse))
    profiles = reader.read_all(WORKLOAD_PROFILES, parsed(workloadprofile.parse))
    if profiles is None:
        profiles = reader.read_in(namespaces, WORKLOAD_PROFILES, parsed(workloadprofile.parse))
    priorities = reader.read_all(PRIORITY_CLASSES, _default_priority)
    now_seconds, ahead_seconds = _moment(client.answered_seconds(), clock())
    claims = in_order(ClassClaim.of(each) for each in classes)
    return Seen(
        workloads={(each.metadata.namespace, each.metadata.name): each for each in workloads},
        classes={each.metadata.name: each for each in classes},
        nodes={each.name: Node(each, node_class_of(each.labels, claims).node_class) for each in nodes},
        pods=tuple(pods),
        profiles=tuple(profiles),
        default_priority=None if priorities is None else min(priorities, default=0),
        missing=tuple(reader.missing),
        unread=frozenset(reader.unread),
        now_seconds=now_seconds,
        ahead_seconds=ahead_seconds,
    )


def _default_priority(item: Object) -> int | None:
    """The value of a PriorityClass that counts where none is named; of several the lowest, as in Kubernetes."""
    return int(item["value"]) if item.get("globalDefault") else None


def _moment(answered_seconds: float | None, own_seconds: float) -> tuple[float, float]:
    """The present by the API server's clock, which tells whole seconds, and how far one's own is ahead of it.

    One's own tells it more finely where they agree.
    """
    if answered_seconds is None:
        return own_seconds, 0.0
    now_seconds = min(max(own_seconds, answered_seconds), answered_seconds + 1.0)
    return now_seconds, own_seconds - now_seconds
