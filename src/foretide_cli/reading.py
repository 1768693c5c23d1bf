"""Reads as far as the user may, and names the rights that were missing for the rest."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import Final, TypeVar

from foretide_kube.client import ApiError, KubeClient, Object
from foretide_kube.names import Resource
from foretide_kube.readable import readable

T = TypeVar("T")

_TOLD_EVERY: Final = 500


class Reader:
    """Reads objects, each as ``reduce`` makes it and without those that it makes nothing of.

    ``missing`` names the rights for what was refused, of which ``unread`` are the kinds, by plural, that could not be
    listed as a whole. Any other ApiError is raised. ``progress`` is told what is being read, and how much of it was.
    """

    def __init__(self, client: KubeClient, progress: Callable[[str], None] = lambda _words: None) -> None:
        self._client = client
        self._progress = progress
        self.missing: list[str] = []
        self.unread: set[str] = set()

    def read_all(
        self,
        resource: Resource,
        reduce: Callable[[Object], T | None],
        *,
        label_selector: str = "",
        field_selector: str = "",
    ) -> list[T] | None:
        """The objects of all namespaces; None where that is refused."""
        return self._list(resource, reduce, None, label_selector, field_selector)

    def read_one(
        self,
        namespace: str,
        resource: Resource,
        reduce: Callable[[Object], T | None],
        *,
        label_selector: str = "",
        field_selector: str = "",
    ) -> list[T] | None:
        """The objects of one namespace; None where that is refused."""
        return self._list(resource, reduce, namespace, label_selector, field_selector)

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
            item for each in sorted(namespaces) for item in self._list(resource, reduce, each, label_selector, "") or ()
        ]

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
        self,
        resource: Resource,
        reduce: Callable[[Object], T | None],
        namespace: str | None,
        label_selector: str,
        field_selector: str,
    ) -> list[T] | None:
        name = f"{resource.plural}.{resource.group}" if resource.group else resource.plural
        where = f" in namespace {namespace}" if namespace else " in all namespaces" if resource.namespaced else ""
        count = 0

        def kept(item: Object) -> Object:
            nonlocal count
            count += 1
            if count % _TOLD_EVERY == 0:
                self._progress(f"reading {name}{where}: {count:,}")
            return {"found": reduce(item)}

        self._progress(f"reading {name}{where}")
        listed = self.may(
            f"list {name}{where}",
            lambda: self._client.list_objects_with_version(
                resource, namespace, label_selector=label_selector, field_selector=field_selector, reduce=kept
            ),
        )
        if listed is None:
            self.unread.add(resource.plural)
            return None
        return [item["found"] for item in listed[0] if item["found"] is not None]


def parsed(parse: Callable[[Object], T]) -> Callable[[Object], T | None]:
    """``parse``, with None for what is not of its kind's form; the log says so once."""
    return lambda item: readable(partial(parse, item))
