"""A live copy of one resource: listed once, watched on, listed again when the server forgot.

Readers take `snapshot()`, an immutable mapping that is replaced, never changed, so that no lock is held while anyone
reads. Listeners are called on the watching thread, after the snapshot holds the change; what a writer hands to `absorb`
is told to them on the writer's thread. One change is told to all before the next is made, so that nobody hears of
changes in another order. Versions are compared as numbers, as Kubernetes permits for objects of one resource, so that
an object never goes back in time. An object that cannot be read keeps none of the others from being seen.

Of several namespaces each is listed and watched by itself, since the API knows one or all: a copy is as young as the
oldest part of it. One that is gone holds nothing up: nothing is there, though the right to look went with it.
"""

from __future__ import annotations

import logging
import math
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from foretide_kube.client import ApiError, KubeClient, Object
from foretide_kube.names import Resource
from foretide_kube.watched import is_leaving

log = logging.getLogger(__name__)

_DELETED_REMEMBERED = 1024
_GONE_SECONDS = 30.0
"""So often it is asked whether a namespace is there again."""
_SHORTEST_WATCH_SECONDS = 1.0
"""A watch that ends sooner without a word is a fault of the server's, and waited for as for one."""

Key = tuple[str, str]
"""(namespace, name); the namespace of a cluster-scoped object is empty."""

Listener = Callable[[str, Object], None]
"""Called with ADDED, MODIFIED or DELETED and the object (for DELETED: the last state known)."""


def object_key(item: Mapping[str, Any]) -> Key:
    """The cache key of an object."""
    metadata = item["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


class _Watch:
    """How the watch of one namespace stands, of all where it is None."""

    def __init__(self, namespace: str | None, now_seconds: float) -> None:
        self.namespace = namespace
        self.synced = threading.Event()
        self.last_contact = self.last_move = now_seconds
        self.failures = 0
        self.is_lost = False

    def covers(self, key: Key) -> bool:
        """Whether it tells of the object at ``key``."""
        return self.namespace is None or self.namespace == key[0]


class WatchCache:
    """Watches one resource on a daemon thread, or on one for each of ``namespaces``; without any, in all namespaces.

    ``clock`` gives monotonic seconds. ``reduce`` may cut an object down to what its readers need, to save memory; if
    it raises, the object stays as it was known, and if it gives ``unreadable`` along, that says what is missing. Either
    is logged once for each list. A listener that raises is logged and the others still hear; the watch goes on. No
    listener may call `absorb`. Whether ``namespaces`` are still there is asked, unless they are ``lasting``.
    """

    def __init__(
        self,
        client: KubeClient,
        resource: Resource,
        *,
        clock: Callable[[], float],
        namespaces: Sequence[str] = (),
        lasting: bool = False,
        label_selector: str = "",
        field_selector: str = "",
        reduce: Callable[[Object], Object] | None = None,
        watch_seconds: int = 240,
    ) -> None:
        self._client = client
        self._resource = resource
        self._clock = clock
        self._lasting = lasting
        self._label_selector = label_selector
        self._field_selector = field_selector
        self._reduce = reduce or (lambda item: item)
        self._watch_seconds = watch_seconds
        self._items: dict[Key, Object] = {}
        self._deleted: dict[Key, int] = {}
        self._snapshot: Mapping[Key, Object] | None = MappingProxyType({})
        self._unreadable: set[Key] = set()
        self._lock = threading.Lock()
        self._telling = threading.Lock()
        self._listeners: list[Listener] = []
        self._stopped = threading.Event()
        places = namespaces if namespaces and resource.namespaced else (None,)
        self._watches = [_Watch(place, clock()) for place in places]
        name = f"watch-{resource.plural}"
        self._threads = [
            threading.Thread(target=self._run, args=(watch,), name=name, daemon=True) for watch in self._watches
        ]

    def add_listener(self, listener: Listener) -> None:
        """Call ``listener`` on every change; add it before `start` to hear all."""
        self._listeners.append(listener)

    def start(self) -> None:
        """Begin to list and watch."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ask the threads to end; each does so at the latest when its running watch times out."""
        self._stopped.set()

    def wait_synced(self, timeout_seconds: float) -> bool:
        """Whether the first lists arrived within ``timeout_seconds``."""
        end_seconds = time.monotonic() + timeout_seconds
        return all(watch.synced.wait(max(0.0, end_seconds - time.monotonic())) for watch in self._watches)

    @property
    def is_synced(self) -> bool:
        """Whether the first lists have arrived."""
        return all(watch.synced.is_set() for watch in self._watches)

    def age_seconds(self) -> float:
        """Seconds since the server last said anything; the end of a watch, if nothing else, is a word too."""
        return self._clock() - min(watch.last_contact for watch in self._watches)

    def still_seconds(self) -> float:
        """Seconds since a watching thread last asked or heard anything, be it in vain; infinite once one has ended.

        It asks on at least every ten seconds while the server is away, and hears of the end of a watch that is quiet.
        """
        is_over = any(thread.ident is not None and not thread.is_alive() for thread in self._threads)
        return math.inf if is_over else self._clock() - min(watch.last_move for watch in self._watches)

    @property
    def unreadable(self) -> int:
        """How many objects could not be read as a whole when last seen."""
        return len(self._unreadable)

    def snapshot(self) -> Mapping[Key, Object]:
        """All objects now, by (namespace, name)."""
        with self._lock:
            if self._snapshot is None:
                self._snapshot = MappingProxyType(dict(self._items))
            return self._snapshot

    def get(self, name: str, namespace: str = "") -> Object | None:
        """One object, or None."""
        return self._items.get((namespace, name))

    def absorb(self, item: Object) -> None:
        """Take note of an object that a write gave back, before the watch tells of it.

        Ignored if the cache knows the object in that version or a later one, or that it was deleted since.
        """
        self._hear("MODIFIED", item)

    def _run(self, watch: _Watch) -> None:
        while not self._stopped.is_set():
            watch.last_move = self._clock()
            try:
                version = self._relist(watch)
                if version is None:
                    self._stopped.wait(_GONE_SECONDS)
                else:
                    self._follow(watch, version)
            except ApiError as error:
                if self._stopped.is_set():
                    return
                watch.failures += 1
                delay_seconds = min(10.0, 0.25 * 2 ** min(watch.failures, 6)) * random.uniform(0.5, 1.0)  # noqa: S311
                if not error.is_expired:
                    log.warning("watch of %s: %s; again in %.1f s", self._resource.plural, error, delay_seconds)
                self._stopped.wait(delay_seconds)
            except Exception:
                log.exception("watch of %s failed; again in 5 s", self._resource.plural)
                self._stopped.wait(5.0)

    def _relist(self, watch: _Watch) -> str | None:
        """List what is there; the version to watch on from, None where a namespace goes or is gone."""
        self._unreadable.difference_update([key for key in tuple(self._unreadable) if watch.covers(key)])
        leaves = watch.namespace is not None and not self._lasting and is_leaving(self._client, watch.namespace)
        try:
            items, version = self._client.list_objects_with_version(
                self._resource,
                watch.namespace,
                label_selector=self._label_selector,
                field_selector=self._field_selector,
                reduce=self._cut,
            )
        except ApiError as error:
            if not leaves or error.status != HTTPStatus.FORBIDDEN:
                raise
            self._lose(watch)
            return None
        watch.last_contact = self._clock()
        fresh = {object_key(item): item for item in items}
        listed = int(version) if version.isdigit() else 0
        for key in filter(watch.covers, self._items.keys() - fresh.keys()):
            known = self._items[key]
            if _version(known) <= listed:
                self._apply("DELETED", key, known)
        for key, item in fresh.items():
            self._apply("MODIFIED", key, item)
        watch.is_lost = False
        watch.synced.set()
        return version

    def _lose(self, watch: _Watch) -> None:
        """Take note that nothing can be there any more."""
        if not watch.is_lost:
            log.warning("watch of %s: namespace %s is gone or going", self._resource.plural, watch.namespace)
        watch.is_lost = True
        watch.last_contact = self._clock()
        for key in filter(watch.covers, tuple(self._items)):
            self._apply("DELETED", key, self._items[key])
        watch.synced.set()

    def _follow(self, watch: _Watch, version: str) -> None:
        while not self._stopped.is_set():
            is_silent, began_seconds = True, self._clock()
            watch.last_move = began_seconds
            for kind, item in self._client.watch(
                self._resource,
                watch.namespace,
                resource_version=version,
                label_selector=self._label_selector,
                field_selector=self._field_selector,
                timeout_seconds=self._watch_seconds,
            ):
                watch.last_contact = watch.last_move = self._clock()
                is_silent, watch.failures = False, 0
                version = item["metadata"]["resourceVersion"]
                if kind != "BOOKMARK":
                    self._hear(kind, item)
                if self._stopped.is_set():
                    return
            if is_silent and self._clock() - began_seconds < _SHORTEST_WATCH_SECONDS:
                raise ApiError(0, "WatchClosed", "the server ended the watch at once without a reason")
            watch.last_contact = self._clock()  # its end is a word as well: nothing happened meanwhile

    def _hear(self, kind: str, item: Object) -> None:
        key, reduced = object_key(item), self._cut(item)
        if reduced is not None:
            self._apply(kind, key, reduced)
        if kind == "DELETED":
            self._unreadable.discard(key)

    def _cut(self, item: Object) -> Object | None:
        """The object as its readers need it; if that fails, as it was known, and None if it was not."""
        key, reduced, problem = object_key(item), None, None
        try:
            reduced = self._reduce(item)
            problem = reduced.get("unreadable")
        except Exception as error:  # noqa: BLE001 - whatever it is, it shall not freeze the watch
            problem = f"{type(error).__name__}: {error}"
            known = self._items.get(key)
            reduced = known if known is not None and _uid(known) == _uid(item) else None
        if problem is None:
            self._unreadable.discard(key)
        elif key not in self._unreadable:
            self._unreadable.add(key)
            log.warning("%s %s cannot be read as a whole: %s", self._resource.plural, "/".join(key), problem[:300])
        return reduced

    def _apply(self, kind: str, key: Key, item: Object) -> None:
        with self._telling:
            self._change(kind, key, item)

    def _change(self, kind: str, key: Key, item: Object) -> None:
        """Change the items and tell the listeners, in words that fit what was known; nothing if it was known."""
        with self._lock:
            known = self._items.get(key)
            if kind == "DELETED":
                self._items.pop(key, None)
                self._remember_deleted(key, _version(item))
            elif 0 < _version(item) <= (self._deleted.get(key, -1) if known is None else _version(known)):
                return
            else:
                self._items[key] = item
                kind = "ADDED" if known is None else "MODIFIED"
            self._snapshot = None
        if known is not None and kind == "MODIFIED" and _uid(known) != _uid(item):
            self._tell("DELETED", key, known)  # a namesake took its place while nobody watched
            kind = "ADDED"
        self._tell(kind, key, item)

    def _tell(self, kind: str, key: Key, item: Object) -> None:
        for listener in self._listeners:
            try:
                listener(kind, item)
            except Exception:
                log.exception("a listener of %s failed on %s %s", self._resource.plural, kind, key)

    def _remember_deleted(self, key: Key, version: int) -> None:
        self._deleted.pop(key, None)
        self._deleted[key] = version
        if len(self._deleted) > _DELETED_REMEMBERED:
            del self._deleted[next(iter(self._deleted))]


def _version(item: Mapping[str, Any]) -> int:
    text = item["metadata"].get("resourceVersion", "")
    return int(text) if text.isdigit() else 0


def _uid(item: Mapping[str, Any]) -> str:
    return str(item["metadata"].get("uid", ""))
