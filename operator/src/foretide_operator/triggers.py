"""Which change asks for which look: listeners of the caches that put keys into the queue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from foretide_kube.client import Object
from foretide_kube.names import LABEL_JOB_NODE_CLASS, LABEL_ROLE, LABEL_WORKLOAD, ROLE_PROBE
from foretide_operator.controller import ALL, MODEL, NODE_CLASSES, PAIRING, TABLE, WORKLOADS, turn_of
from foretide_operator.pairing.ended import is_waiting_to_be_paired
from foretide_operator.queue import Key, KeyedQueue
from foretide_operator.world import World

SETTLE_SECONDS: Final = 0.2
"""Changes come in flocks; what is asked for within this time is one look."""

WAITING_SECONDS: Final = 2.0
"""The planner writes on Pods that wait whenever it plans anew, and nothing but a line of the status depends on it."""


class Triggers:
    """Puts keys into the queue; ``monotonic`` gives seconds that only grow."""

    def __init__(self, queue: KeyedQueue, monotonic: Callable[[], float]) -> None:
        self._queue = queue
        self._monotonic = monotonic

    def connect(self, world: World) -> None:
        """Have every change ask for the looks that depend on it."""
        world.workloads.add_listener(self._on_workload)
        world.jobs.add_listener(self._on_job)
        world.task_pods.add_listener(self._on_pod)
        world.deployments.add_listener(lambda _, item: self._ask_for_workload(item))
        world.probe_pods.add_listener(lambda _, __: self.ask(NODE_CLASSES))
        world.nodes.add_listener(lambda _, __: self.ask(NODE_CLASSES, delay_seconds=1.0))
        world.node_classes.add_listener(lambda _, __: self.ask(NODE_CLASSES, MODEL, WORKLOADS, delay_seconds=1.0))
        world.profiles.add_listener(lambda _, __: self.ask(TABLE, delay_seconds=1.0))
        world.models.add_listener(lambda _, __: self.ask(MODEL))
        world.config_maps.add_listener(lambda _, __: self.ask(MODEL, delay_seconds=1.0))

    def ask(self, *keys: Key, delay_seconds: float = SETTLE_SECONDS) -> None:
        """Ask for looks, after a moment in which more may be asked for."""
        due_seconds = self._monotonic() + delay_seconds
        for key in keys:
            self._queue.add(key, due_seconds)

    def ask_for_everything(self, due_seconds: float) -> None:
        """Ask for a look at everything, as at the start and from time to time."""
        for key in ALL:
            self._queue.add(key, due_seconds)

    def _ask_for_workload(self, item: Object, delay_seconds: float = SETTLE_SECONDS) -> None:
        workload = item["metadata"].get("labels", {}).get(LABEL_WORKLOAD)
        if workload:
            self.ask(Key("workload", item["metadata"]["namespace"], workload), delay_seconds=delay_seconds)

    def _on_workload(self, kind: str, item: Object) -> None:
        metadata = item["metadata"]
        self.ask(Key("workload", metadata["namespace"], metadata["name"]))
        if kind != "DELETED":
            self.ask(TABLE, delay_seconds=2.0)  # profiles wait for the signature

    def _on_job(self, _: str, item: Object) -> None:
        self._ask_for_workload(item)
        labels = item["metadata"].get("labels", {})
        if labels.get(LABEL_ROLE) == ROLE_PROBE:
            self.ask(NODE_CLASSES)
        if labels.get(
            LABEL_JOB_NODE_CLASS
        ):  # a place on that class may be free, or the next in line may begin beside it
            self.ask(turn_of(labels[LABEL_JOB_NODE_CLASS]))

    def _on_pod(self, kind: str, item: Object) -> None:
        is_waiting = bool(item["spec"].get("schedulingGates"))
        self._ask_for_workload(item, delay_seconds=WAITING_SECONDS if is_waiting else SETTLE_SECONDS)
        if kind != "DELETED" and is_waiting_to_be_paired(item):
            self.ask(PAIRING, delay_seconds=1.0)
