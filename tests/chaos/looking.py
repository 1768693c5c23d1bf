"""Gathers what `tests.chaos.verdict` judges: what the witness has seen, and what the API and the operator say now."""

from __future__ import annotations

import time

from foretide_kube.client import Object
from foretide_kube.names import (
    AIWORKLOADS,
    COMPLETION_TIME_MODELS,
    CONFIG_MAPS,
    DEPLOYMENTS,
    JOBS,
    LEASES,
    NODE_CLASSES,
    NODES,
    PODS,
    WORKLOAD_PROFILES,
    Resource,
)
from foretide_operator.pairing import ledger as ledgers
from foretide_operator.pairing.ended import is_waiting_to_be_paired
from tests.chaos.arena import Arena
from tests.chaos.hands import NAMESPACE, Hands
from tests.chaos.verdict import Facts
from tests.chaos.witness import Witness
from tests.faults.parts import PARTS
from tests.faults.readings import scrape
from tests.installed import SYSTEM_NAMESPACE

_REPLICA_SETS = Resource("apps", "v1", "replicasets", "ReplicaSet")
_OWNERS_AND_OWNED = (AIWORKLOADS, WORKLOAD_PROFILES, JOBS, PODS, CONFIG_MAPS, DEPLOYMENTS, _REPLICA_SETS)
_OPERATOR_PORT = 8080
_REST_SECONDS = 20.0
_START_SECONDS = 3.0
"""A mark seen within so long of the operator's start may be of the life before."""


class Looking:
    """Looks again and again; remembers since when the parts are at rest."""

    def __init__(self, arena: Arena, witness: Witness, hands: Hands) -> None:
        self._arena = arena
        self._witness = witness
        self._hands = hands
        self._at_rest: dict[str, tuple[str, float]] = {}

    def look(self) -> Facts:
        """Everything as it is now. Raises ApiError, DevclusterError or OSError where it cannot be asked."""
        client = self._arena.client
        present = [item for resource in _OWNERS_AND_OWNED for item in self._present(resource)]
        tasks, started_seconds = self._counted()
        marks = list(self._witness.marked_seconds.values())
        least = sum(seconds > started_seconds + _START_SECONDS for seconds in marks)
        most = sum(seconds > started_seconds - _START_SECONDS for seconds in marks) + self._vanished()
        stored = client.find(CONFIG_MAPS, ledgers.NAME, SYSTEM_NAMESPACE)
        return Facts(
            pods=tuple(self._witness.all_pods()),
            jobs=tuple(self._witness.all_jobs()),
            gone=frozenset(self._witness.gone),
            let_go=frozenset(self._witness.let_go),
            forgotten=frozenset(self._hands.deleted_owners | self._hands.deleted_jobs),
            rivals=tuple(self._witness.rivals),
            workloads=tuple(client.list_objects(AIWORKLOADS, NAMESPACE)),
            node_classes=tuple(client.list_objects(NODE_CLASSES)),
            model=client.find(COMPLETION_TIME_MODELS, "default"),
            nodes=tuple(client.list_objects(NODES)),
            present=tuple(present),
            leases=tuple(client.list_objects(LEASES, SYSTEM_NAMESPACE)),
            ledger=ledgers.load(stored),
            metric_tasks=tasks,
            metric_bounds=(least, most),
            unsteady=tuple(self._unsteady()),
        )

    def _vanished(self) -> int:
        """The tasks that ended and were deleted before they were marked: they may have been counted."""
        return sum(
            is_waiting_to_be_paired(pod)
            for pod in self._witness.all_pods()
            if pod["metadata"]["uid"] in self._witness.gone
        )

    def _present(self, resource: Resource) -> list[Object]:
        client = self._arena.client
        return [item for space in (NAMESPACE, SYSTEM_NAMESPACE) for item in client.list_objects(resource, space)]

    def _counted(self) -> tuple[float, float]:
        """The tasks that the operator has counted, and when it was started, in seconds since the epoch."""
        address = self._arena.parts.pod_of("operator")["status"]["podIP"]
        with self._arena.cluster.forward(address, _OPERATOR_PORT) as port:
            readings = scrape(port)
        return readings.total("foretide_tasks_ended_total"), readings.total("process_start_time_seconds")

    def _unsteady(self) -> list[str]:
        told = []
        for part in PARTS:
            status = self._arena.parts.container(part)
            identity, now_seconds = str(status.get("containerID")), time.monotonic()
            before = self._at_rest.get(part)
            if before is None or before[0] != identity or not status["ready"]:
                self._at_rest[part] = before = (identity, now_seconds)
            if now_seconds - before[1] < _REST_SECONDS:
                told.append(f"{part}: not at rest, {status['restartCount']} restarts")
        return told
