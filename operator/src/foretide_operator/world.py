"""All that the operator reads of the cluster, kept live in memory: one watch cache per kind, indexed by workload."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from foretide_kube.cache import Key as ObjectKey
from foretide_kube.cache import WatchCache, object_key
from foretide_kube.client import KubeClient, Object
from foretide_kube.names import (
    AIWORKLOADS,
    COMPLETION_TIME_MODELS,
    CONFIG_MAPS,
    DEPLOYMENTS,
    JOBS,
    LABEL_MANAGED_BY,
    LABEL_ROLE,
    LABEL_WORKLOAD,
    MANAGED_BY,
    NODE_CLASSES,
    NODES,
    PODS,
    ROLE_PROBE,
    WORKLOAD_PROFILES,
    Resource,
)
from foretide_operator.packed import Packer
from foretide_operator.reduce import reduce_job, reduce_node, reduce_object, reduce_pod

_OURS = f"{LABEL_MANAGED_BY}={MANAGED_BY}"


class ByWorkload:
    """The objects of a cache by the AIWorkload (namespace, name) that they belong to."""

    def __init__(self, cache: WatchCache, workload_of: Callable[[Object], str]) -> None:
        self._workload_of = workload_of
        self._items: defaultdict[ObjectKey, dict[ObjectKey, Object]] = defaultdict(dict)
        self._owners: dict[ObjectKey, str] = {}
        """Under whose name in its namespace an object is kept: its labels may say another by now."""
        self._lock = threading.Lock()
        cache.add_listener(self._hear)

    def of(self, namespace: str, workload: str) -> list[Object]:
        """The objects that belong to a workload now."""
        with self._lock:
            return list(self._items.get((namespace, workload), {}).values())

    def _hear(self, kind: str, item: Object) -> None:
        key, workload = object_key(item), self._workload_of(item) if kind != "DELETED" else ""
        with self._lock:
            if self._owners.get(key, workload) != workload:
                self._forget(key)
            if workload:
                self._items[key[0], workload][key] = item
                self._owners[key] = workload

    def _forget(self, key: ObjectKey) -> None:
        owner = key[0], self._owners.pop(key)
        del self._items[owner][key]
        if not self._items[owner]:
            del self._items[owner]


@dataclass(frozen=True, slots=True)
class World:
    """The caches, by what they hold. Task Pods are all that carry the label ``foretide.dev/workload``."""

    workloads: WatchCache
    node_classes: WatchCache
    profiles: WatchCache
    models: WatchCache
    nodes: WatchCache
    task_pods: WatchCache
    probe_pods: WatchCache
    jobs: WatchCache
    deployments: WatchCache
    config_maps: WatchCache
    pods_by_workload: ByWorkload
    jobs_by_workload: ByWorkload
    profiles_by_workload: ByWorkload
    deployments_by_workload: ByWorkload

    def caches(self) -> Iterator[tuple[Resource, WatchCache]]:
        """Every cache with the resource that it holds."""
        yield AIWORKLOADS, self.workloads
        yield NODE_CLASSES, self.node_classes
        yield WORKLOAD_PROFILES, self.profiles
        yield COMPLETION_TIME_MODELS, self.models
        yield NODES, self.nodes
        yield PODS, self.task_pods
        yield PODS, self.probe_pods
        yield JOBS, self.jobs
        yield DEPLOYMENTS, self.deployments
        yield CONFIG_MAPS, self.config_maps

    def absorb(self, resource: Resource, item: Object) -> None:
        """Take note of what a write gave back, so that the next decision sees it before the watch does."""
        for candidate, cache in self.caches():
            if candidate == resource and cache is not self.probe_pods:
                cache.absorb(item)


def open_world(
    client: KubeClient, *, namespace: str, watch_namespaces: Sequence[str] = (), clock: Callable[[], float]
) -> World:
    """The caches, not started; ``namespace`` is the operator's own. Without ``watch_namespaces`` all are watched."""

    def label_of(item: Object) -> str:
        return str(item["metadata"].get("labels", {}).get(LABEL_WORKLOAD, ""))

    def workload_of_profile(item: Object) -> str:
        return str(item["spec"]["workload"]["name"])

    def cache(
        resource: Resource,
        reduce: Callable[[Object], Object] = reduce_object,
        *,
        is_own: bool = False,
        label_selector: str = "",
    ) -> WatchCache:
        """A cache of the namespaces that are watched, or of the operator's own, which is there while it runs."""
        return WatchCache(
            client,
            resource,
            clock=clock,
            namespaces=(namespace,) if is_own else watch_namespaces,
            lasting=is_own,
            label_selector=label_selector,
            reduce=reduce,
        )

    pod_packer, job_packer = Packer(), Packer()

    def pack_pod(pod: Object) -> Object:
        return pod_packer.pod(reduce_pod(pod))

    def pack_job(job: Object) -> Object:
        return job_packer.job(reduce_job(job))

    task_pods = cache(PODS, pack_pod, label_selector=LABEL_WORKLOAD)
    jobs = cache(JOBS, pack_job, label_selector=_OURS)
    profiles = cache(WORKLOAD_PROFILES, Packer().profile)
    deployments = cache(DEPLOYMENTS, label_selector=_OURS)
    return World(
        workloads=cache(AIWORKLOADS),
        node_classes=cache(NODE_CLASSES),
        profiles=profiles,
        models=cache(COMPLETION_TIME_MODELS),
        nodes=cache(NODES, reduce_node),
        task_pods=task_pods,
        probe_pods=cache(PODS, pack_pod, is_own=True, label_selector=f"{LABEL_ROLE}={ROLE_PROBE}"),
        jobs=jobs,
        deployments=deployments,
        config_maps=cache(CONFIG_MAPS, is_own=True, label_selector=_OURS),
        pods_by_workload=ByWorkload(task_pods, label_of),
        jobs_by_workload=ByWorkload(jobs, label_of),
        profiles_by_workload=ByWorkload(profiles, workload_of_profile),
        deployments_by_workload=ByWorkload(deployments, label_of),
    )
