"""Reads all that a look at one object needs: from the caches, and Events from the API only where something is stuck."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

from foretide.profiling.turns import Spent
from foretide.results import InspectResult, ProbeResult, ProfileResult
from foretide.signature import Signature
from foretide_kube.cache import Key as ObjectKey
from foretide_kube.client import KubeClient, Object
from foretide_kube.ended_pods import bound_milliseconds
from foretide_kube.kinds import aiworkload, nodeclass
from foretide_kube.kinds.aiworkload import AIWorkload, workload_key
from foretide_kube.names import (
    AIWORKLOADS,
    EVENTS,
    LABEL_JOB_NODE_CLASS,
    LABEL_WORKLOAD,
    ROLE_INSPECT,
    ROLE_PROBE,
    ROLE_PROFILE,
    ROLE_RUN,
)
from foretide_kube.readable import readable
from foretide_kube.times import seconds_since
from foretide_operator.attempts import Attempt
from foretide_operator.fleet import ClassMembers, Fleet, read_fleet
from foretide_operator.line import Line
from foretide_operator.measuring import controller_of, holds_place
from foretide_operator.measuring_jobs import MeasuringJobs, role_of
from foretide_operator.nodeclass.facts import Facts as NodeClassFacts
from foretide_operator.outcome import (
    BLOCKED_AFTER_SECONDS,
    Failed,
    KeptFailure,
    Outcome,
    finished_condition,
    latest_pod,
    read_outcome,
    told_by_pod,
)
from foretide_operator.packed import profile_of, whole
from foretide_operator.pairing.ledger import Ledger
from foretide_operator.services.ledger import ServiceLedger
from foretide_operator.settings import Settings
from foretide_operator.spending import Spending
from foretide_operator.training.table import ObservationTable
from foretide_operator.workload.facts import Facts as WorkloadFacts
from foretide_operator.world import World

_EXPECTED: Final[Mapping[str, type[Any]]] = {
    ROLE_INSPECT: InspectResult,
    ROLE_PROFILE: ProfileResult,
    ROLE_PROBE: ProbeResult,
}
_PENDING_SECONDS: Final = 20.0
_POD_MADE: Final = "Created pod: "
_PODS_ASKED_ABOUT: Final = 3


class Gatherer:
    """Gathers facts from the world; one thread at a time."""

    def __init__(self, client: KubeClient, world: World, settings: Settings) -> None:
        self._client = client
        self._world = world
        self._settings = settings
        self._fleet_of: tuple[object, object] | None = None
        self._fleet = Fleet({}, {})
        self._line = Line(world.workloads)
        self._spending = Spending(settings)
        self._measuring_jobs = MeasuringJobs(world.jobs)

    @property
    def spending(self) -> Spending:
        """Reckons what was spent; its bookings are to be stored."""
        return self._spending

    def next_on(self, node_class: str, spent: Spent) -> ObjectKey | None:
        """The workload whose turn to be measured on a class is next; None if nobody waits there."""
        return self._line.first(node_class, spent, self._measuring_jobs.begun)

    def changed_lines(self) -> set[str]:
        """The classes on which a turn may have come, because the line is another since this was last asked."""
        return self._line.changed()

    def leave_line(self, namespace: str, name: str) -> None:
        """Let other workloads be measured before one that cannot be looked at."""
        self._line.leave(namespace, name)

    def rejoin_line(self, namespace: str, name: str) -> None:
        """Give a workload that can be looked at again its place in the line."""
        self._line.rejoin(namespace, name)

    def fleet(self) -> Fleet:
        """The nodes by class, as of now."""
        seen = (self._world.node_classes.snapshot(), self._world.nodes.snapshot())
        if self._fleet_of is None or any(a is not b for a, b in zip(seen, self._fleet_of, strict=True)):
            found = [readable(partial(nodeclass.parse, item)) for item in seen[0].values() if is_alive(item)]
            classes = [node_class for node_class in found if node_class is not None]
            self._fleet = read_fleet(classes, seen[1].values())
            self._fleet_of = seen
        return self._fleet

    def workload_facts(
        self,
        item: Object,
        *,
        ledger: Ledger,
        services: ServiceLedger,
        refusals: Mapping[str, Failed],
        spent: Spent,
        considered_time: str,
        rest_seconds: float,
        now: datetime,
    ) -> WorkloadFacts:
        """What is known of an AIWorkload whose status shall rest for so long; KindError if it is none."""
        workload = aiworkload.parse(item)
        namespace, name = workload.metadata.namespace, workload.metadata.name
        jobs = [job for job in self._world.jobs_by_workload.of(namespace, name) if is_alive(job)]
        pods = self._world.pods_by_workload.of(namespace, name)
        key = workload_key(workload.spec)
        found = [readable(partial(profile_of, item)) for item in self._world.profiles_by_workload.of(namespace, name)]
        profiles = [profile for profile in found if profile is not None]
        replaced = {profile.spec.replaced.name for profile in profiles if profile.spec.replaced is not None}
        classes = selected(workload, self.fleet())
        watches = {each.name: ledger.watch_of(workload.metadata.uid, each.name) for each in classes}
        return WorkloadFacts(
            workload=workload,
            classes=classes,
            nodes=tuple(self._world.nodes.snapshot().values()),
            workload_pods=self._world.task_pods.snapshot().values(),
            workloads=self._world.workloads.snapshot(),
            attempts=self._attempts(
                [whole(job) for job in jobs if role_of(job) in {ROLE_INSPECT, ROLE_PROFILE}],
                pods,
                signature=workload.status.signature,
                now=now,
            ),
            profiles=tuple(p for p in profiles if p.spec.workload.key == key and p.metadata.name not in replaced),
            superseded=tuple(profile for profile in profiles if profile.metadata.name in replaced),
            watches={name: watch for name, watch in watches.items() if watch is not None},
            measuring=self._measuring(now),
            refusals=refusals,
            spent=spent,
            ahead=self._line.ahead_of(namespace, name, spent, self._measuring_jobs.begun),
            considered_time=considered_time,
            run_jobs=tuple(job for job in jobs if role_of(job) == ROLE_RUN),
            deployments=tuple(filter(is_alive, self._world.deployments_by_workload.of(namespace, name))),
            run_pods=tuple(pod for pod in pods if role_of(pod) in {"", ROLE_RUN}),
            actuals=ledger.of_workload(workload.metadata.uid),
            service=services.of_workload(workload.metadata.uid),
            settings=self._settings,
            now=now,
            rest_seconds=rest_seconds,
        )

    def node_class_facts(
        self, name: str, *, owner: Object | None, refusals: Mapping[str, Failed], now: datetime
    ) -> NodeClassFacts | None:
        """What is known of a NodeClass; None if it is gone. ``owner`` is what its Jobs are to belong to."""
        members = self.fleet().classes.get(name)
        if members is None:
            return None
        jobs = [job for job in self.probe_jobs() if job["metadata"]["labels"].get(LABEL_JOB_NODE_CLASS) == name]
        return NodeClassFacts(
            members=members,
            attempts=self._attempts(jobs, list(self._world.probe_pods.snapshot().values()), signature=None, now=now),
            measuring=self._measuring(now)[name],
            workload_pods=self._world.task_pods.snapshot().values(),
            workloads=self._world.workloads.snapshot(),
            owner=owner,
            refusals=refusals,
            settings=self._settings,
            now=now,
        )

    def probe_jobs(self) -> list[Object]:
        """The probe Jobs: those of the operator's own namespace, where no one else may make any."""
        own = self._settings.namespace
        return [job for job in self._measuring_jobs.probes if job["metadata"]["namespace"] == own and is_alive(job)]

    def spent(self, table: ObservationTable, now: datetime) -> Spent:
        """What was spent on measurements in the last day."""
        jobs = self._measuring_jobs.profiling
        return self._spending.of(table, jobs, self._controlling_workload, self._bound, now_seconds=now.timestamp())

    def _bound(self, job: Object) -> int | None:
        """When the first of a Job's Pods was bound, in milliseconds since the epoch; None where none is known to be."""
        metadata = job["metadata"]
        pods = self._world.pods_by_workload.of(metadata["namespace"], metadata["labels"].get(LABEL_WORKLOAD, ""))
        own = (pod for pod in map(whole, pods) if (controller_of(pod) or {}).get("uid") == metadata["uid"])
        return min((bound for pod in own if (bound := bound_milliseconds(pod)) is not None), default=None)

    def _measuring(self, now: datetime) -> Counter[str]:
        """Measurements under way per node class."""
        return Counter(
            job["metadata"]["labels"].get(LABEL_JOB_NODE_CLASS, "")
            for job in self._measuring_jobs.unfinished
            if holds_place(job, self._controlling_workload(job), self._settings, now)
        )

    def _controlling_workload(self, job: Object) -> Object | None:
        controller = controller_of(job)
        if controller is None or controller["kind"] != AIWORKLOADS.kind:
            return None
        return self._world.workloads.get(controller["name"], job["metadata"]["namespace"])

    def _attempts(
        self, jobs: Iterable[Object], pods: Sequence[Object], *, signature: Signature | None, now: datetime
    ) -> tuple[Attempt, ...]:
        attempts = []
        pods = [whole(pod) for pod in pods]
        for job in jobs:
            uid = job["metadata"]["uid"]
            own = [pod for pod in pods if (controller_of(pod) or {}).get("uid") == uid]
            outcome: Outcome = read_outcome(
                job,
                own,
                self._events(job, own) if _is_stuck(job, own, now) else (),
                expected=_EXPECTED[role_of(job)],
                signature=signature if role_of(job) == ROLE_PROFILE else None,
                now=now,
            )
            attempts.append(Attempt(job, outcome))
        return tuple(attempts)

    def _events(self, job: Object, pods: Sequence[Object]) -> list[Object]:
        """Events about a Job and its latest Pods, those that are gone included: the Job's own Events name them."""
        metadata = job["metadata"]
        namespace = metadata["namespace"]
        about_job = f"involvedObject.kind=Job,involvedObject.uid={metadata['uid']}"
        found = self._client.list_objects(EVENTS, namespace, field_selector=about_job)
        made = [
            event["message"].removeprefix(_POD_MADE)
            for event in sorted(found, key=lambda event: event.get("lastTimestamp") or "")
            if event.get("message", "").startswith(_POD_MADE)
        ]
        known = [pod["metadata"]["name"] for pod in pods]
        for name in list(dict.fromkeys([*known, *made]))[-_PODS_ASKED_ABOUT:]:
            about_pod = f"involvedObject.kind=Pod,involvedObject.name={name}"
            found += self._client.list_objects(EVENTS, namespace, field_selector=about_pod)
        return found


def selected(workload: AIWorkload, fleet: Fleet) -> tuple[ClassMembers, ...]:
    """The node classes that a workload selects, by name."""
    return tuple(
        members
        for name, members in sorted(fleet.classes.items())
        if workload.spec.node_class_selector.matches(members.node_class.metadata.labels)
    )


def is_alive(item: Object) -> bool:
    """Whether an object is not being deleted."""
    return item["metadata"].get("deletionTimestamp") is None


def _is_stuck(job: Object, pods: Sequence[Object], now: datetime) -> bool:
    """Whether Events are worth a request: a Job without a Pod, a Pod that waits and says not why, a deadline passed."""
    if finished_condition(job) is not None:
        is_late = any(c.get("reason") == "DeadlineExceeded" for c in job["status"].get("conditions", []))
        return is_late and KeptFailure.of(job) is None
    age_seconds = seconds_since(job["metadata"].get("creationTimestamp"), now)
    pod = latest_pod(pods)
    if pod is None:
        return age_seconds >= BLOCKED_AFTER_SECONDS
    is_silent = pod["status"].get("phase") == "Pending" and told_by_pod(pod, now) is None
    return age_seconds >= _PENDING_SECONDS and is_silent
