"""The watches that feed the state: which objects, cut down how, and whether all have been listed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from foretide_extender.state import ClusterState
from foretide_kube.cache import WatchCache, object_key
from foretide_kube.client import KubeClient, Object
from foretide_kube.names import AIWORKLOADS, NODE_CLASSES, NODES, PODS
from foretide_kube.reduced import class_selector_of, facts_of, reduce_class, reduce_node, reduce_pod, reduce_workload

STALE_SECONDS: Final = 90.0
"""What is known of a resource is stale when nothing was heard of it for so long: the server sends a word a minute."""
STUCK_SECONDS: Final = 600.0
"""A watch that neither asked nor heard anything for so long hangs: it waits 255 s at most for an answer."""

_IN_FLIGHT = "spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed"


class Watches:
    """Watches Nodes, NodeClasses, and in ``namespaces`` (none: all) AIWorkloads and Pods in flight, into ``state``."""

    def __init__(
        self, client: KubeClient, state: ClusterState, namespaces: Sequence[str] = (), *, clock: Callable[[], float]
    ) -> None:
        pods = WatchCache(
            client, PODS, clock=clock, namespaces=namespaces, field_selector=_IN_FLIGHT, reduce=reduce_pod
        )
        nodes = WatchCache(client, NODES, clock=clock, reduce=reduce_node)
        workloads = WatchCache(client, AIWORKLOADS, clock=clock, namespaces=namespaces, reduce=reduce_workload)
        classes = WatchCache(client, NODE_CLASSES, clock=clock, reduce=reduce_class)
        pods.add_listener(lambda event, item: state.pod_changed(event, facts_of(item)))
        nodes.add_listener(lambda event, item: state.node_changed(event, facts_of(item)))
        workloads.add_listener(
            lambda event, item: state.workload_changed(object_key(item), _present(event, item), class_selector_of(item))
        )
        classes.add_listener(lambda event, item: state.class_changed(object_key(item)[1], _present(event, item)))
        self._caches = {"nodeclasses": classes, "aiworkloads": workloads, "nodes": nodes, "pods": pods}

    def start(self) -> None:
        """Begin to list and watch."""
        for cache in self._caches.values():
            cache.start()

    def stop(self) -> None:
        """Ask the watches to end."""
        for cache in self._caches.values():
            cache.stop()

    def waiting_for(self) -> list[str]:
        """The resources that have not been listed yet."""
        return [name for name, cache in self._caches.items() if not cache.is_synced]

    def is_stale(self) -> bool:
        """Whether there is a resource that nothing was heard of for `STALE_SECONDS`."""
        return any(cache.age_seconds() > STALE_SECONDS for cache in self._caches.values())

    def stuck(self) -> list[str]:
        """The resources whose watch has ended, or done nothing for `STUCK_SECONDS`, be the API server there or away."""
        return [name for name, cache in self._caches.items() if cache.still_seconds() > STUCK_SECONDS]

    def age_seconds(self, resource: str) -> float:
        """Seconds since the API server last said anything of ``resource``."""
        return self._caches[resource].age_seconds()

    @property
    def resources(self) -> tuple[str, ...]:
        """What is watched."""
        return tuple(self._caches)


def _present(event: str, item: Object) -> Any:  # noqa: ANN401 - as `facts_of`
    return None if event == "DELETED" else facts_of(item)
