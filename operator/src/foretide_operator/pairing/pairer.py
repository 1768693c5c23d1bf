"""Pairs all ended Pods that wait for it in one go: rows stored, sums stored, Pods marked, metrics counted.

Whatever is interrupted is done again from the start and changes nothing twice: rows have an identity, the ledger
knows the Pods that it counted, the mark on the Pod comes after both, and metrics begin at zero with the process. A Pod
whose mark was made and not answered for is seen marked or gone later, and counted then.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Final

from foretide.contention import Coefficients
from foretide_kube.client import ApiError, KubeClient, Object
from foretide_kube.kinds import aiworkload
from foretide_kube.kinds.aiworkload import AIWorkload, workload_key
from foretide_kube.kinds.common import to_time
from foretide_kube.kinds.workloadprofile import WorkloadProfile
from foretide_kube.names import ANNOTATION_PAIRED, CONFIG_MAPS, LABEL_WORKLOAD, PODS
from foretide_kube.readable import readable
from foretide_operator.actions import Action, Apply, Patch
from foretide_operator.apply import apply_actions
from foretide_operator.co_runners import Tenancy
from foretide_operator.fleet import Fleet
from foretide_operator.metrics import Metrics
from foretide_operator.packed import profile_of
from foretide_operator.pairing.ended import Ended, is_waiting_to_be_paired, may_be_predicted_yet, ran_for, read_ended
from foretide_operator.pairing.ledger import Ledger
from foretide_operator.pairing.watch import Told, tell
from foretide_operator.pods import image_of
from foretide_operator.services.targets import service_pods
from foretide_operator.settings import Settings
from foretide_operator.training import table as tables
from foretide_operator.training.table import ObservationTable
from foretide_operator.world import World

log = logging.getLogger(__name__)

GRACE_SECONDS: Final = 10.0
"""How long a prediction is waited for once a Pod was seen ended: the planner may be a moment behind."""


@dataclass(frozen=True, slots=True)
class Paired:
    """The workloads (namespace, name) whose tasks were paired, and when to look again for those that must wait.

    ``refused`` is why a Pod could not be marked, so that it has to be looked at again; all else is done.
    """

    workloads: frozenset[tuple[str, str]]
    recheck_seconds: float | None
    refused: ApiError | None


class Pairer:
    """Keeps the ledger; ``load`` it first. ``monotonic`` gives the seconds of waits: a wall clock may jump."""

    def __init__(
        self,
        client: KubeClient,
        world: World,
        settings: Settings,
        metrics: Metrics,
        *,
        monotonic: Callable[[], float],
    ) -> None:
        self._client = client
        self._world = world
        self._settings = settings
        self._metrics = metrics
        self._monotonic = monotonic
        self._ledger = Ledger()
        self._unanswered: dict[str, Ended] = {}
        self._awaited_until_seconds: dict[str, float] = {}

    @property
    def ledger(self) -> Ledger:
        """The sums as they are stored."""
        return self._ledger

    def load(self, ledger: Ledger) -> None:
        """Begin with what was stored."""
        self._ledger = ledger

    def look(
        self,
        table: ObservationTable,
        fleet: Fleet,
        coefficients: Coefficients,
        owner: Object | None,
        now: datetime,
    ) -> Paired:
        """Pair what can be paired now. Raises ApiError if something could not be stored; nothing is lost then.

        ``coefficients`` are those of contention, to tell what a task would have taken alone.
        """
        waiting = [pod for pod in self._world.task_pods.snapshot().values() if is_waiting_to_be_paired(pod)]
        services = {pod["metadata"]["uid"] for pod in service_pods(waiting, self._world.workloads.snapshot())}
        waiting = [pod for pod in waiting if pod["metadata"]["uid"] not in services]  # they end no task
        self._count_unanswered({pod["metadata"]["uid"] for pod in waiting})
        delays = self._seconds_to_wait(waiting)
        over = [pod for pod in waiting if pod["metadata"]["uid"] not in delays]
        ended = self._read_all(over, fleet, coefficients) if over else []
        refused = None
        if ended:
            self._store(ended, table, owner, now)
            self._unanswered.update((task.uid, task) for task in ended)
            refused = self._mark(ended, now)
        paired = frozenset((task.namespace, task.workload) for task in ended)
        return Paired(paired, min(delays.values()) + 0.1 if delays else None, refused)

    def _seconds_to_wait(self, waiting: Sequence[Object]) -> dict[str, float]:
        """How long the predictions that may still come are waited for, by Pod; the others wait no more."""
        now_seconds = self._monotonic()
        self._awaited_until_seconds = {
            uid: self._awaited_until_seconds.get(uid, now_seconds + GRACE_SECONDS)
            for uid in (pod["metadata"]["uid"] for pod in waiting if may_be_predicted_yet(pod))
        }
        return {
            uid: until_seconds - now_seconds
            for uid, until_seconds in self._awaited_until_seconds.items()
            if until_seconds > now_seconds
        }

    def _read_all(self, over: Sequence[Object], fleet: Fleet, coefficients: Coefficients) -> list[Ended]:
        nodes = {pod["spec"].get("nodeName") for pod in over}
        there = (pod for pod in self._world.task_pods.snapshot().values() if pod["spec"].get("nodeName") in nodes)
        tenancy = Tenancy(there, self._world.workloads.snapshot())
        return [self._read(pod, fleet, tenancy, coefficients) for pod in over]

    def _read(self, pod: Object, fleet: Fleet, tenancy: Tenancy, coefficients: Coefficients) -> Ended:
        node = pod["spec"].get("nodeName") or ""
        workload = self._workload_of(pod)
        signature = None
        if workload is not None and workload.status.key == workload_key(workload.spec):
            signature = workload.status.signature
        company = tenancy.company_of(pod, self._world.nodes.get(node))
        ended = read_ended(pod, workload, fleet.class_of.get(node), signature, company)
        if ended.ending == "PredictionRefused":
            log.warning("the prediction on Pod %s/%s is not believed: %s", ended.namespace, ended.name, ended.reason)
        return replace(ended, told=self._told(ended, pod, workload, coefficients))

    def _told(self, ended: Ended, pod: Object, workload: AIWorkload | None, coefficients: Coefficients) -> Told | None:
        """What the task says of the profile that its class is predicted by."""
        if ended.row is None or ended.environment is None or workload is None:
            return None
        profile = self._profile_of(workload, ended.node_class)
        if profile is None:
            return None
        in_use = image_of(workload.spec, self._settings)
        return tell(
            ended.row,
            ended.environment,
            None if ended.pairing is None else ended.pairing.prediction,
            profile=profile,
            coefficients=coefficients,
            node=pod["spec"].get("nodeName") or "",
            is_of_image_in_use=any(container.get("image") == in_use for container in pod["spec"]["containers"]),
        )

    def _profile_of(self, workload: AIWorkload, node_class: str) -> WorkloadProfile | None:
        """The profile that is published as the prediction for a class."""
        measured = {p.node_class: p.measured_time for p in workload.status.predictions}.get(node_class)
        for item in self._world.profiles_by_workload.of(workload.metadata.namespace, workload.metadata.name):
            profile = readable(partial(profile_of, item))
            if profile is not None and (profile.spec.node_class, profile.spec.measured_time) == (node_class, measured):
                return profile
        return None

    def _workload_of(self, pod: Object) -> AIWorkload | None:
        metadata = pod["metadata"]
        item = self._world.workloads.get(metadata["labels"][LABEL_WORKLOAD], metadata["namespace"])
        workload = readable(lambda: aiworkload.parse(item)) if item is not None else None
        return workload if workload is not None and ran_for(pod, workload) else None

    def _store(self, ended: Sequence[Ended], table: ObservationTable, owner: Object | None, now: datetime) -> None:
        table.extend(task.row for task in ended if task.row is not None)
        stored = self._world.config_maps.snapshot().values()
        actions: list[Action] = tables.store(table, stored, self._settings.namespace, owner)
        waiting = {task.uid for task in ended}
        alive = {item["metadata"]["uid"] for item in self._world.workloads.snapshot().values()}
        ledger = self._ledger.plus(ended, annotated=set(self._ledger.counted) - waiting, alive=alive)
        if ledger != self._ledger:
            actions.append(Apply(CONFIG_MAPS, ledger.to_config_map(self._settings.namespace, owner)))
        apply_actions(actions, self._client, self._world, own_namespace=self._settings.namespace, now=now)
        self._ledger = ledger

    def _mark(self, ended: Sequence[Ended], now: datetime) -> ApiError | None:
        refused: ApiError | None = None
        for task in ended:
            body: Object = {"metadata": {"uid": task.uid, "annotations": {ANNOTATION_PAIRED: to_time(now)}}}
            mark = Patch(PODS, task.namespace, task.name, body)
            try:
                apply_actions([mark], self._client, self._world, own_namespace=self._settings.namespace, now=now)
            except ApiError as error:
                if error.is_transient:
                    return error
                log.warning("Pod %s/%s cannot be marked as paired: %s", task.namespace, task.name, error)
                refused = error  # the others must not wait for a Pod that takes no annotation
                continue
            self._metrics.count(self._unanswered.pop(task.uid))
        return refused

    def _count_unanswered(self, waiting: Collection[str]) -> None:
        """Count those that were stored, and wait no more: they are marked, though nobody said so, or gone."""
        for uid in [uid for uid in self._unanswered if uid not in waiting]:
            self._metrics.count(self._unanswered.pop(uid))
