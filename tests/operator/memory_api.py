"""An API server in memory for the controller's edge: it stores, numbers, merges, and fails when told to."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from typing import Any

from foretide_kube.cache import WatchCache, object_key
from foretide_kube.client import ApiError, KubeClient, Object
from foretide_kube.names import LABEL_WORKLOAD, Resource
from foretide_operator.world import World, open_world
from tests.operator.cluster_objects import ago, uid


class MemoryApi:
    """The verbs that the operator uses, and a World that hears of everything at once.

    ``fail_at`` are the numbers of writes, from 1, that answer 503 and change nothing; those of ``lose_at`` are made and
    their answers lost.
    """

    def __init__(self, *, fail_at: frozenset[int] = frozenset(), lose_at: frozenset[int] = frozenset()) -> None:
        self.objects: dict[tuple[str, str, str], Object] = {}
        self.writes = 0
        self.fail_at = fail_at
        self.lose_at = lose_at
        self._versions = itertools.count(100)
        client: Any = self
        self.client: KubeClient = client
        self.world: World = open_world(client, namespace="foretide-system", clock=lambda: 0.0)

    def put(self, resource: Resource, body: Object) -> Object:
        """Store an object as a user or a controller of Kubernetes would."""
        item = copy.deepcopy(body)
        metadata = item["metadata"]
        metadata.setdefault("uid", uid())
        metadata.setdefault("creationTimestamp", ago(60))
        metadata.setdefault("generation", 1)
        metadata["resourceVersion"] = str(next(self._versions))
        item = {"apiVersion": resource.api_version, "kind": resource.kind, **item}
        namespace, name = object_key(item)
        self.objects[resource.plural, namespace, name] = item
        self._tell(resource, "MODIFIED", item)
        return copy.deepcopy(item)

    def all(self, resource: Resource) -> list[Object]:
        return [item for (plural, _, _), item in self.objects.items() if plural == resource.plural]

    def create(self, resource: Resource, body: Object, namespace: str | None = None) -> Object:
        self._write()
        if (resource.plural, namespace or "", body["metadata"]["name"]) in self.objects:
            raise ApiError(409, "AlreadyExists", body["metadata"]["name"])
        return self._answer(self.put(resource, body))

    def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object:
        found = self.find(resource, name, namespace)
        if found is None:
            raise ApiError(404, "NotFound", name)
        return found

    def find(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None:
        return copy.deepcopy(self.objects.get((resource.plural, namespace or "", name)))

    def list_objects(
        self, resource: Resource, namespace: str | None = None, *, field_selector: str = "", **_: Any
    ) -> list[Object]:
        name = field_selector.removeprefix("metadata.name=")
        found = [item for item in self.all(resource) if namespace in {None, item["metadata"].get("namespace")}]
        return [item for item in found if name in {"", item["metadata"]["name"]}]

    def patch(
        self,
        resource: Resource,
        name: str,
        body: Any,
        namespace: str | None = None,
        *,
        patch_type: str = "merge",
        **_: Any,
    ) -> Object:
        self._write()
        found = self.find(resource, name, namespace)
        if patch_type == "apply":
            metadata = {**(found or body)["metadata"], **body["metadata"]}
            return self._answer(self.put(resource, {**(found or {}), **body, "metadata": metadata}))
        if found is None:
            raise ApiError(404, "NotFound", name)
        if patch_type == "json":
            if found["metadata"]["uid"] != body[0]["value"]:
                raise ApiError(422, "Invalid", "the test operation failed")
            found["status"] = body[1]["value"]
            return self._answer(self.put(resource, found))
        return self._answer(self.put(resource, _merged(found, body)))

    def delete(self, resource: Resource, name: str, namespace: str | None = None, **_: Any) -> bool:
        self._write()
        item = self.objects.pop((resource.plural, namespace or "", name), None)
        if item is not None:
            item["metadata"]["resourceVersion"] = str(next(self._versions))
            self._tell(resource, "DELETED", item)
        return item is not None

    def _write(self) -> None:
        self.writes += 1
        if self.writes in self.fail_at:
            raise ApiError(503, "ServiceUnavailable", f"write {self.writes} fails")

    def _answer(self, item: Object) -> Object:
        if self.writes in self.lose_at:
            raise ApiError(0, "NotReached", f"the answer to write {self.writes} is lost")
        return item

    def _tell(self, resource: Resource, kind: str, item: Object) -> None:
        for candidate, cache in self.world.caches():
            if candidate == resource and _is_watched(self.world, cache, item):
                cache._apply(kind, object_key(item), cache._reduce(copy.deepcopy(item)))


def _is_watched(world: World, cache: WatchCache, item: Object) -> bool:
    has_workload = LABEL_WORKLOAD in item["metadata"].get("labels", {})
    selects: dict[int, Callable[[], bool]] = {
        id(world.task_pods): lambda: has_workload,
        id(world.probe_pods): lambda: not has_workload,
    }
    return selects.get(id(cache), lambda: True)()


def _merged(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merged(result.get(key), value)
    return result
