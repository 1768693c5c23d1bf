"""An API server in values: the small cluster of the extender's tests, as commands of the CLI list it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from foretide_kube.client import ApiError, Object
from foretide_kube.kinds.aiworkload import parse, workload_key
from foretide_kube.names import Resource
from tests.extender.cluster_values import FACTORS, NODES, class_object, node_object, workload_object
from tests.planner.planner_values import READY

MANIFEST = """
apiVersion: foretide.dev/v1alpha1
kind: AIWorkload
metadata: {name: mine, namespace: team}
spec:
  model: {source: TorchVision, name: resnet18}
  input: {shape: [3, 224, 224]}
  inferences: 100
  resources: {limits: {cpu: "1", memory: 512Mi}}
"""
"""The same work as the AIWorkload `resnet`, which takes 0.5 s and 10 ms an inference on the fastest class."""


def published(name: str = "resnet", *, namespace: str = "team", spec: Object | None = None, **options: Any) -> Object:
    """An AIWorkload with predictions that are of its present key."""
    item = workload_object(name, **options)
    item["metadata"]["namespace"] = namespace
    item["spec"] |= spec or {}
    item["status"]["key"] = workload_key(parse(item).spec)
    return item


def nodes(images: Mapping[str, list[Object]], classes: Mapping[str, str | None] = NODES) -> list[Object]:
    """Nodes of ``classes``, Ready, with the images that they list."""
    items = [node_object(name, node_class) for name, node_class in classes.items()]
    for item in items:
        item["status"] |= {"conditions": [READY], "images": images.get(item["metadata"]["name"], [])}
    return items


class Lister:
    """Answers lists; kinds that are ``refused`` in all namespaces together, or ``everywhere``, are not."""

    def __init__(
        self,
        *,
        workloads: Iterable[Object] = (),
        pods: Iterable[Object] = (),
        profiles: Iterable[Object] = (),
        priority_classes: Iterable[Object] = (),
        models: Iterable[Object] = (),
        images: Mapping[str, list[Object]] | None = None,
        refused: Iterable[str] = (),
        everywhere: bool = False,
    ) -> None:
        self.items = {
            "aiworkloads": list(workloads),
            "nodeclasses": [class_object(name) for name in FACTORS],
            "nodes": nodes(images or {}),
            "pods": list(pods),
            "workloadprofiles": list(profiles),
            "priorityclasses": list(priority_classes),
            "completiontimemodels": list(models),
        }
        self.clock_seconds: float | None = None
        self._refused, self._everywhere = frozenset(refused), everywhere

    def answered_seconds(self) -> float | None:
        return self.clock_seconds

    def list_objects_with_version(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",  # noqa: ARG002 - for those who choose by labels it is empty
        reduce: Callable[[Object], Object],
    ) -> tuple[list[Object], str]:
        if resource.plural in self._refused and (namespace is None or self._everywhere):
            raise ApiError(403, "Forbidden", f"{resource.plural} is forbidden")
        found = [
            item
            for item in self.items[resource.plural]
            if (namespace is None or item["metadata"].get("namespace") == namespace)
            and label_selector in {"", *item["metadata"].get("labels", {})}
        ]
        return [reduce({"kind": resource.kind, **item}) for item in found], "1"
