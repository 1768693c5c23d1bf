"""Reads what may be read: a refusal is remembered as the right that is missing, and the rest goes on."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

from foretide_kube.client import ApiError, KubeClient, Object
from foretide_kube.names import Resource
from foretide_kube.readable import readable

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Selector:
    """Which objects are meant, as the client's lists take it; empty for all."""

    labels: str = ""
    fields: str = ""


ALL: Final = Selector()


class Reader:
    """Reads objects, each as ``reduce`` makes it and without those that it makes nothing of.

    ``missing`` names the rights for what was refused, of which ``unread`` are the kinds, by plural, that could not be
    listed as a whole. Any other ApiError is raised.
    """

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self.missing: list[str] = []
        self.unread: set[str] = set()

    def read_all(
        self, resource: Resource, reduce: Callable[[Object], T | None], selector: Selector = ALL
    ) -> list[T] | None:
        """The objects of all namespaces; None where that is refused."""
        return self._list(resource, reduce, None, selector)

    def read_one(
        self, namespace: str, resource: Resource, reduce: Callable[[Object], T | None], selector: Selector = ALL
    ) -> list[T] | None:
        """The objects of one namespace; None where that is refused."""
        return self._list(resource, reduce, namespace, selector)

    def read_in(self, namespaces: Collection[str], resource: Resource, reduce: Callable[[Object], T | None]) -> list[T]:
        """The objects of ``namespaces``, without those of which that is refused."""
        return [item for each in sorted(namespaces) for item in self._list(resource, reduce, each, ALL) or ()]

    def may(self, right: str, do: Callable[[], T]) -> T | None:
        """What ``do`` gives; None where that is refused, for want of the ``right``, as ``list pods in namespace a``."""
        try:
            return do()
        except ApiError as error:
            if error.status != 403:
                raise
            if right not in self.missing:
                self.missing.append(right)
            return None

    def _list(
        self, resource: Resource, reduce: Callable[[Object], T | None], namespace: str | None, selector: Selector
    ) -> list[T] | None:
        def kept(item: Object) -> Object:
            return {"found": reduce(item)}

        name = f"{resource.plural}.{resource.group}" if resource.group else resource.plural
        where = f" in namespace {namespace}" if namespace else " in all namespaces" if resource.namespaced else ""
        listed = self.may(
            f"list {name}{where}",
            lambda: self._client.list_objects_with_version(
                resource, namespace, label_selector=selector.labels, field_selector=selector.fields, reduce=kept
            ),
        )
        if listed is None:
            self.unread.add(resource.plural)
            return None
        return [item["found"] for item in listed[0] if item["found"] is not None]


def readable_as(parse: Callable[[Object], T]) -> Callable[[Object], T | None]:
    """``parse``, which gives None for an object that is not of its kind's form."""
    return lambda item: readable(partial(parse, item))
