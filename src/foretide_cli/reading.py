"""Lists kinds of objects as far as the user may, and names the rights that were missing for the rest."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import TypeVar

from foretide_kube.client import ApiError, KubeClient, Object
from foretide_kube.names import Resource
from foretide_kube.readable import readable

T = TypeVar("T")


class Reader:
    """Lists kinds, each object as ``reduce`` makes it and without those that it makes nothing of.

    A refusal is remembered as a right that is ``missing``, and its kind as ``unread``; any other ApiError is raised.
    """

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self.missing: list[str] = []
        self.unread: set[str] = set()

    def read_all(
        self, resource: Resource, reduce: Callable[[Object], T | None], *, label_selector: str = ""
    ) -> list[T] | None:
        """The objects of all namespaces; None where that is refused."""
        return self._list(resource, reduce, None, label_selector)

    def read_in(
        self,
        namespaces: Collection[str],
        resource: Resource,
        reduce: Callable[[Object], T | None],
        *,
        label_selector: str = "",
    ) -> list[T]:
        """The objects of ``namespaces``, without those of which that is refused."""
        return [
            item for each in sorted(namespaces) for item in self._list(resource, reduce, each, label_selector) or ()
        ]

    def _list(
        self, resource: Resource, reduce: Callable[[Object], T | None], namespace: str | None, label_selector: str
    ) -> list[T] | None:
        def kept(item: Object) -> Object:
            return {"found": reduce(item)}

        try:
            items, _ = self._client.list_objects_with_version(
                resource, namespace, label_selector=label_selector, reduce=kept
            )
        except ApiError as error:
            if error.status != 403:
                raise
            name = f"{resource.plural}.{resource.group}" if resource.group else resource.plural
            where = f" in namespace {namespace}" if namespace else " in all namespaces" if resource.namespaced else ""
            self.missing.append(f"list {name}{where}")
            self.unread.add(resource.plural)
            return None
        return [item["found"] for item in items if item["found"] is not None]


def parsed(parse: Callable[[Object], T]) -> Callable[[Object], T | None]:
    """``parse``, with None for what is not of its kind's form; the log says so once."""
    return lambda item: readable(partial(parse, item))
