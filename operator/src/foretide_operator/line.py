"""Who waits to be measured on each node class, read from what the AIWorkloads' statuses say.

The statuses are the record: an operator that begins anew finds the line as it was. Of a change only the entries of its
workload are read again, and a class's line is looked through only if one of its entries changed.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from foretide.profiling.turns import Candidate, Spent, rank
from foretide_kube.cache import Key, WatchCache, object_key
from foretide_kube.client import Object

WAITING: Final = "Waiting"
"""The reason of a pair that waits for its turn."""


class Line:
    """The candidates of each class; safe to be asked while the cache tells of changes."""

    def __init__(self, workloads: WatchCache) -> None:
        self._lock = threading.Lock()
        self._classes: defaultdict[str, dict[Key, Candidate]] = defaultdict(dict)
        self._entries: dict[Key, dict[str, Candidate]] = {}
        self._first: dict[str, list[Candidate]] = {}
        self._ranked_by: Spent | None = None
        self._left: set[str] = set()
        workloads.add_listener(self._hear)
        with self._lock:  # what is told meanwhile waits, and is no older than what is read here
            for key, item in workloads.snapshot().items():
                self._replace(key, _entries(item))

    def ahead_of(self, namespace: str, name: str, spent: Spent) -> Mapping[str, Candidate]:
        """For each class where another workload waits, the one whose turn is next."""
        with self._lock:
            out = {}
            for node_class in self._classes:
                for each in self._first_two(node_class, spent):
                    if (each.namespace, each.name) != (namespace, name):
                        out[node_class] = each
                        break
            return out

    def next_up(self, spent: Spent) -> set[Key]:
        """Who is first now where somebody left the line since this was last asked: their turn may have come."""
        with self._lock:
            left, self._left = self._left, set()
            return {(each.namespace, each.name) for name in left for each in self._first_two(name, spent)[:1]}

    def leave(self, namespace: str, name: str) -> None:
        """Let others pass a workload that cannot be looked at, until its status changes."""
        with self._lock:
            self._replace((namespace, name), {})

    def _first_two(self, node_class: str, spent: Spent) -> list[Candidate]:
        if self._ranked_by is not spent:
            self._first.clear()
            self._ranked_by = spent
        if node_class not in self._first:
            ranked = sorted(
                self._classes[node_class].values(),
                key=lambda each: rank(each, measurements=spent.measurements[node_class, each.namespace]),
            )
            self._first[node_class] = ranked[:2]
        return self._first[node_class]

    def _hear(self, kind: str, item: Object) -> None:
        key = object_key(item)
        entries = _entries(item) if kind != "DELETED" else {}
        with self._lock:
            self._replace(key, entries)

    def _replace(self, key: Key, entries: dict[str, Candidate]) -> None:
        before = self._entries.pop(key, {})
        if entries:
            self._entries[key] = entries
        for node_class in before.keys() | entries.keys():
            if before.get(node_class) == entries.get(node_class):
                continue
            self._first.pop(node_class, None)
            if node_class in entries:
                self._classes[node_class][key] = entries[node_class]
            else:
                del self._classes[node_class][key]
                self._left.add(node_class)


def _entries(item: Object) -> dict[str, Candidate]:
    """The classes that a workload waits for."""
    namespace, name = object_key(item)
    if item["metadata"].get("deletionTimestamp") is not None:
        return {}
    profiles = item.get("status", {}).get("profiles", {})
    return {
        row["nodeClass"]: Candidate(namespace=namespace, name=name, worth=row.get("worthPermille", 0) / 1e3)
        for row in profiles.get("classes", [])
        if row["reason"] == WAITING
    }
