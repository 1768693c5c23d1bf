"""The Jobs that measure, told apart from all others as they change: looking through all Jobs at each look costs more.

The Jobs themselves are the record; what is kept here follows from them alone, so a restart finds it as it was.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from foretide_kube.cache import Key, WatchCache, object_key
from foretide_kube.client import Object
from foretide_kube.names import (
    LABEL_JOB_NODE_CLASS,
    LABEL_ROLE,
    LABEL_WORKLOAD,
    ROLE_PROBE,
    ROLE_PROFILE,
)
from foretide_operator.outcome import finished_condition

MEASURING_ROLES: Final = frozenset({ROLE_PROFILE, ROLE_PROBE})

Pair = tuple[str, str, str]
"""A workload on a node class: (node class, namespace, name)."""


class MeasuringJobs:
    """Profile and probe Jobs; safe to be asked while the cache tells of changes."""

    def __init__(self, jobs: WatchCache) -> None:
        self._lock = threading.Lock()
        self._unfinished = _Sieve(lambda job: finished_condition(job) is None)
        self._profiling = _Sieve(lambda job: role_of(job) == ROLE_PROFILE)
        self._probes = _Sieve(lambda job: role_of(job) == ROLE_PROBE)
        self._begun_of: tuple[Object, ...] = ()
        self._begun: frozenset[Pair] = frozenset()
        jobs.add_listener(self._hear)
        with self._lock:  # what is told meanwhile waits, and is no older than what is read here
            for key, job in jobs.snapshot().items():
                self._note(key, job)

    @property
    def unfinished(self) -> tuple[Object, ...]:
        """Those that have not ended."""
        with self._lock:
            return self._unfinished.kept()

    @property
    def profiling(self) -> tuple[Object, ...]:
        """Profile Jobs, ended ones included; the same tuple while they are the same."""
        with self._lock:
            return self._profiling.kept()

    @property
    def probes(self) -> tuple[Object, ...]:
        """Probe Jobs, ended ones included."""
        with self._lock:
            return self._probes.kept()

    @property
    def begun(self) -> frozenset[Pair]:
        """The pairs of which a measurement is under way."""
        unfinished = self.unfinished
        if self._begun_of is not unfinished:
            self._begun = frozenset(_pair_of(job) for job in unfinished if role_of(job) == ROLE_PROFILE)
            self._begun_of = unfinished
        return self._begun

    def _hear(self, kind: str, job: Object) -> None:
        with self._lock:
            self._note(object_key(job), None if kind == "DELETED" else job)

    def _note(self, key: Key, job: Object | None) -> None:
        if job is not None and role_of(job) not in MEASURING_ROLES:
            job = None  # it may have been one of those that measure
        for sieve in (self._unfinished, self._profiling, self._probes):
            sieve.note(key, job)


class _Sieve:
    """The objects of which something is true."""

    def __init__(self, holds: Callable[[Object], bool]) -> None:
        self._holds = holds
        self._items: dict[Key, Object] = {}
        self._kept: tuple[Object, ...] | None = ()

    def note(self, key: Key, item: Object | None) -> None:
        """Take note of an object as it is now; None if it is gone."""
        if item is not None and self._holds(item):
            self._items[key] = item
            self._kept = None
        elif self._items.pop(key, None) is not None:
            self._kept = None

    def kept(self) -> tuple[Object, ...]:
        """All of them, the same tuple while none changed."""
        if self._kept is None:
            self._kept = tuple(self._items.values())
        return self._kept


def _pair_of(job: Object) -> Pair:
    labels = job["metadata"]["labels"]
    return labels.get(LABEL_JOB_NODE_CLASS, ""), job["metadata"]["namespace"], labels.get(LABEL_WORKLOAD, "")


def role_of(item: Object) -> str:
    """What a Job or Pod of ours is for; empty where it does not say."""
    return str(item["metadata"].get("labels", {}).get(LABEL_ROLE, ""))
