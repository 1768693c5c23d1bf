"""Who waits to be measured on each node class, read from what the AIWorkloads' statuses say.

The statuses are the record: an operator that begins anew finds the line as it was. A workload whose measurement is
under way has had its turn there, whether or not its status says so yet. Of a change only the entries of its workload
are read again, and put into their place among those of its namespace.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from foretide.profiling.turns import Candidate, Spent, rank
from foretide_kube.cache import Key, WatchCache, object_key
from foretide_kube.client import Object
from foretide_operator.measuring_jobs import Pair

WAITING: Final = "Waiting"
"""The reason of a pair that waits for its turn."""
NODES_BUSY: Final = "NodesBusy"
"""The reason of a pair whose turn has come, and that waits for a node without tasks."""
IN_LINE: Final = frozenset({WAITING, NODES_BUSY})

_Place = tuple[float, str, str]
"""Where a candidate stands among those of its namespace: by its worth, the most first, then by its name."""


class Line:
    """The candidates of each class; safe to be asked while the cache tells of changes."""

    def __init__(self, workloads: WatchCache) -> None:
        self._lock = threading.Lock()
        self._classes: defaultdict[str, defaultdict[str, list[_Place]]] = defaultdict(lambda: defaultdict(list))
        self._entries: dict[Key, dict[str, Candidate]] = {}
        self._passed: set[Key] = set()
        """Those of `_entries` that cannot be looked at."""
        self._changed: set[str] = set()
        workloads.add_listener(self._hear)
        with self._lock:  # what is told meanwhile waits, and is no older than what is read here
            for key, item in workloads.snapshot().items():
                self._replace(key, _entries(item))

    def ahead_of(
        self, namespace: str, name: str, spent: Spent, begun: Collection[Pair] = frozenset()
    ) -> Mapping[str, Candidate]:
        """For each class where another workload waits, the one whose turn is next; ``begun`` had their turn."""
        with self._lock:
            found = {
                node_class: self._first(node_class, spent, {(node_class, namespace, name), *begun})
                for node_class in self._classes
            }
        return {node_class: each for node_class, each in found.items() if each is not None}

    def first(self, node_class: str, spent: Spent, begun: Collection[Pair] = frozenset()) -> Key | None:
        """The workload whose turn is next on a class; None if nobody waits there."""
        with self._lock:
            found = self._first(node_class, spent, begun)
        return None if found is None else (found.namespace, found.name)

    def changed(self) -> set[str]:
        """The classes on which a turn may have come since this was last asked: somebody left, or another is first."""
        with self._lock:
            changed, self._changed = self._changed, set()
            return changed

    def leave(self, namespace: str, name: str) -> None:
        """Let others pass a workload that cannot be looked at, until it can, or changes."""
        key = namespace, name
        with self._lock:
            if key in self._entries:
                self._passed.add(key)
                self._changed.update(self._entries[key])

    def rejoin(self, namespace: str, name: str) -> None:
        """Let nobody pass a workload any more on account of `leave`."""
        key = namespace, name
        with self._lock:
            if key in self._passed:
                self._passed.remove(key)
                self._changed.update(self._entries[key])

    def _first(self, node_class: str, spent: Spent, passed: Collection[Pair]) -> Candidate | None:
        firsts = (
            next(self._candidates(namespace, places, node_class, passed), None)
            for namespace, places in self._classes.get(node_class, {}).items()
        )
        return min(
            (each for each in firsts if each is not None),
            key=lambda each: rank(each, measurements=spent.measurements[node_class, each.namespace]),
            default=None,
        )

    def _candidates(
        self, namespace: str, places: Iterable[_Place], node_class: str, passed: Collection[Pair]
    ) -> Iterator[Candidate]:
        for worth, _, name in places:
            if (node_class, namespace, name) not in passed and (namespace, name) not in self._passed:
                yield Candidate(namespace=namespace, name=name, worth=-worth)

    def _hear(self, kind: str, item: Object) -> None:
        key = object_key(item)
        entries = _entries(item) if kind != "DELETED" else {}
        with self._lock:
            self._replace(key, entries)

    def _replace(self, key: Key, entries: dict[str, Candidate]) -> None:
        self._passed.discard(key)
        before = self._entries.pop(key, {})
        if entries:
            self._entries[key] = entries
        for node_class in before.keys() | entries.keys():
            old, new = before.get(node_class), entries.get(node_class)
            if old == new:
                continue
            namespaces, namespace = self._classes[node_class], key[0]
            first = namespaces[namespace][:1]
            if old is not None:
                del namespaces[namespace][bisect_left(namespaces[namespace], _place(old))]
            if new is not None:
                insort(namespaces[namespace], _place(new))
            if new is None or namespaces[namespace][:1] != first:
                self._changed.add(node_class)
            if not namespaces[namespace]:
                del namespaces[namespace]
            if not namespaces:
                del self._classes[node_class]


def _place(candidate: Candidate) -> _Place:
    return -candidate.worth, candidate.namespace, candidate.name


def _entries(item: Object) -> dict[str, Candidate]:
    """The classes that a workload waits for."""
    namespace, name = object_key(item)
    if item["metadata"].get("deletionTimestamp") is not None:
        return {}
    profiles = item.get("status", {}).get("profiles", {})
    return {
        row["nodeClass"]: Candidate(namespace=namespace, name=name, worth=row.get("worthPermille", 0) / 1e3)
        for row in profiles.get("classes", [])
        if row["reason"] in IN_LINE
    }
