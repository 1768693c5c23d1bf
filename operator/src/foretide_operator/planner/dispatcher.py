"""Plans all waiting tasks anew whenever something changed, and opens the gates whose time has come.

Level-based: what waits, runs and is opened stands in the API, so a restart or a change of leader needs nothing but to
plan again. Events are coalesced; while anything waits, time itself is reason enough to plan. Whether this process may
write is asked before each write: it may have been stopped in the middle of a turn.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, Protocol

from foretide.placement.expectations import Expectations
from foretide.placement.order import Order
from foretide.placement.placing import Placing
from foretide.placement.plan import Assignment, Plan
from foretide.placement.task import WorkloadPredictions
from foretide.placement.turns import Turns
from foretide.prediction import USUAL_PERCENTILE, PodPrediction
from foretide_kube.client import KubeClient, Object
from foretide_kube.floor import Floor, Node, read_floor
from foretide_kube.images import ImagesByNode
from foretide_kube.measurements import Pair, Wanted
from foretide_kube.pull_speeds import PullSpeeds
from foretide_kube.selected import WorkloadKey
from foretide_kube.task_pods import TaskPod
from foretide_operator.planner.arrivals import Arrivals
from foretide_operator.planner.lags import ReleaseLags
from foretide_operator.planner.metrics import Metrics
from foretide_operator.planner.notes import Notes
from foretide_operator.planner.opening import opening_patch, waiting_patch
from foretide_operator.planner.patience import Patience
from foretide_operator.planner.recording import predict
from foretide_operator.planner.telling import Telling, bare_message, opening_message
from foretide_operator.planner.writing import AwayError, Writer

log = logging.getLogger(__name__)

COALESCE_SECONDS: Final = 0.02
"""Changes come in bunches: a Pod that ends changes thrice."""
TICK_SECONDS: Final = 1.0
"""While tasks wait, a plan is at most so old …"""
REST_SHARE: Final = 20.0
"""… but while nothing changes planning takes no more than a twentieth of the time …"""
LONGEST_TICK_SECONDS: Final = 10.0
"""… and no plan gets older than this."""
IDLE_SECONDS: Final = 2.0
AGAIN_SECONDS: Final = 0.1
"""After a write found the Pod changed: our watch is about to tell."""

INTERNAL_ERROR: Final = "InternalError"
GATED_BY_OTHERS: Final = "GatedByOthers"
"""Somebody else's gate keeps the task as well, so that it cannot be planned: ours is opened at its bound."""

_Mark = tuple[str | None, bool, bool, tuple[str, ...], str | None]


class Facts(Protocol):
    """What is known of the cluster."""

    def pods(self) -> list[TaskPod]:
        """All Pods."""

    def nodes(self) -> dict[str, Node]:
        """All nodes by name."""

    def images(self) -> ImagesByNode:
        """What images nodes have."""

    def workload(self, namespace: str, name: str) -> WorkloadPredictions | None:
        """The published predictions of a workload, or None."""

    def wanted(self) -> Mapping[Pair, Wanted]:
        """The measurements that are under way or next."""

    def selected(self) -> Mapping[WorkloadKey, frozenset[str]]:
        """The classes where workloads may run that may not run on all."""

    def absorb_pod(self, item: Object) -> None:
        """Take note of a Pod as a write gave it back."""

    def is_synced(self) -> bool:
        """Whether everything has been listed once."""


class Dispatcher:
    """A daemon thread that plans and opens while ``is_leader`` says so.

    ``clock`` gives monotonic seconds, ``now_seconds`` those since the epoch.
    """

    def __init__(
        self,
        client: KubeClient,
        facts: Facts,
        metrics: Metrics,
        *,
        namespace: str,
        order: Order = "Balanced",
        is_leader: Callable[[], bool],
        clock: Callable[[], float],
        now_seconds: Callable[[], float],
    ) -> None:
        self._order = order
        self._writer = Writer(client, facts, metrics, namespace=namespace, clock=clock, now_seconds=now_seconds)
        self._facts = facts
        self._metrics = metrics
        self._is_leader = is_leader
        self._clock = clock
        self._now_seconds = now_seconds
        self._lags = ReleaseLags()
        self._pull_speeds = PullSpeeds()
        self._arrivals = Arrivals(clock)
        self._expectations = Expectations()
        self._made: Plan | None = None
        self._marks: dict[str, _Mark] = {}
        self._tries: dict[str, int] = {}
        self._patience = Patience()
        self._unread: tuple[str, ...] = ()
        self._notes = Notes(clock)
        self._changed = threading.Event()
        self._stopped = threading.Event()
        self._last_beat_seconds = clock()
        self._is_failing = False
        self._thread = threading.Thread(target=self._run, name="dispatch", daemon=True)

    def start(self) -> None:
        """Begin to plan."""
        self._thread.start()

    def stop(self) -> None:
        """End after the turn that is under way."""
        self._stopped.set()
        self._changed.set()
        self._thread.join(timeout=5.0)

    def wake(self) -> None:
        """Plan anew soon: something changed."""
        self._changed.set()

    def pull_bytes_per_second(self) -> Mapping[str, float]:
        """How fast images are pulled, by node class, as far as that was seen; any thread may ask."""
        return self._pull_speeds.by_class()

    def silent_seconds(self) -> float:
        """Seconds since the last sign of life: a plan made, a write done, or a rest with nothing amiss."""
        return self._clock() - self._last_beat_seconds

    def heard(self, event: str, pod: TaskPod) -> None:
        """Take note of a Pod that appeared, changed or was deleted; what we wrote ourselves is no news."""
        is_known = pod.is_task and self._workload_of(pod) is not None
        self._pull_speeds.heard(event, pod, self._facts.images, self._class_of, is_known=is_known)
        mark = None if event == "DELETED" else _mark(pod)
        before = self._marks.get(pod.uid)
        if mark == before:
            return
        if before is None and pod.is_gated:
            self._arrivals.add(pod.uid)
        if mark is None:
            self._marks.pop(pod.uid, None)
            self._tries.pop(pod.uid, None)
        else:
            self._marks[pod.uid] = mark
        if before is not None and not before[1] and (mark is None or pod.is_finished):
            if pod.node is not None and pod.requests.cpu_millis:
                self._arrivals.freed(pod.node)
            if pod.is_finished:
                self._learn_release(pod)
        self._changed.set()

    def go_round(self) -> float:
        """Take a turn if this process leads; the seconds to rest. Where no plan can be made there is no sign of life.

        So the Lease is lost, and not sought again before a plan can be made: others open the gates.
        """
        self._changed.clear()
        wait_seconds = IDLE_SECONDS
        try:
            if self._facts.is_synced():
                if self._is_leader():
                    wait_seconds = self.turn()
                else:
                    self._metrics.waiting.set(0)
                    if self._is_failing:
                        self._plan()
        except Exception:
            log.exception("the plan was not made; again in %.0f s", TICK_SECONDS)
            self._metrics.plan_errors.inc()
            self._is_failing = True
            return TICK_SECONDS
        self._is_failing = False
        self._beat()
        return wait_seconds

    def turn(self) -> float:
        """Plan once, open what is due, tell some of the rest; the seconds after which to plan again anyway."""
        began = self._clock()
        floor, made, placing = self._plan()
        rest_seconds = REST_SHARE * (self._clock() - began)
        tick_seconds = min(max(TICK_SECONDS, rest_seconds), LONGEST_TICK_SECONDS)
        opened: list[Assignment] = []
        try:
            failed = self._open_due(floor, made, Telling(floor, placing), opened)
            if opened or any(self._writer.is_paused(pod) for pod in failed):
                self._changed.set()  # places were taken, or are free after all; the rest is planned around them
            elif failed:
                tick_seconds = AGAIN_SECONDS
            else:
                self._tell(floor, made)
        except AwayError:
            log.warning("nothing is written until the API server answers again")
        if self._may_write():
            self._writer.tell(is_in_haste=self._changed.is_set, beat=self._beat)
        waiting = len(made.assignments) - len(opened)
        self._metrics.waiting.set(waiting)
        again_seconds = max(self._writer.seconds_to_next_try(), rest_seconds)
        if not waiting:
            return min(self._until(floor), again_seconds)
        arriving_seconds = self._arrivals.seconds_left()
        if arriving_seconds > 0.0:
            return arriving_seconds
        return min(tick_seconds, again_seconds)

    def _plan(self) -> tuple[Floor, Plan, Placing]:
        with self._metrics.plan_seconds.time():
            now = self._now_seconds()
            pods = self._facts.pods()
            self._forget_all_but({pod.uid for pod in pods})
            floor = read_floor(
                [pod for pod in pods if pod.node is not None or not self._writer.is_paused(pod)],
                self._facts.nodes(),
                self._workload_of,
                now_seconds=now,
                turns=Turns({**self._tries, **self._patience.tries}, self._patience.since_seconds),
                expectations=self._expectations,
                wanted=self._facts.wanted(),
                selected=self._facts.selected(),
            )
            made, placing = floor.plan(
                now,
                order=self._order,
                previous=self._made,
                lags=self._lags.by_class(),
                pull_bytes_per_second=self._pull_speeds.by_class(),
            )
        self._made = made
        self._patience.saw(made)
        if floor.unread and floor.unread != self._unread:
            log.error("of these Pods only the requests could be read: %s", "; ".join(floor.unread))
        self._unread = floor.unread
        return floor, made, placing

    def _forget_all_but(self, uids: set[str]) -> None:
        """Drop what is kept of Pods that are no more: one may have been deleted while it was being written on."""
        self._writer.forget_all_but(uids)
        self._notes.forget_all_but(uids)
        self._patience.forget_all_but(uids)
        for uid in set(self._tries) - uids:
            self._tries.pop(uid, None)

    def _open_due(self, floor: Floor, made: Plan, telling: Telling, opened: list[Assignment]) -> list[TaskPod]:
        """Open what is due, as long as this process leads, and add it to ``opened``; those that were not."""
        failed: list[TaskPod] = []
        for each in made.due():
            if not self._may_write():
                break
            pod = floor.pods[each.key]
            if self._arrivals.is_held(pod.uid, each.node):
                continue
            if self._attempt(pod, partial(self._open, pod, each)):
                opened.append(each)
                self._announce(pod, each, telling)
            else:
                failed.append(pod)
        for pod in floor.overdue:
            if not self._may_write():
                break
            bare = Assignment(pod.uid, made.made_seconds, reason=GATED_BY_OTHERS)
            if self._attempt(pod, partial(self._open, pod, bare)):
                self._announce(pod, bare, telling)
        return failed

    def _attempt(self, pod: TaskPod, write: Callable[[], bool]) -> bool:
        """Do what is to be done with one Pod; whatever goes wrong with it, the others still have their turn."""
        try:
            return write()
        except AwayError:
            raise
        except Exception:
            log.exception("%s/%s is left out for a while", pod.namespace, pod.name)
            self._writer.pause(pod, INTERNAL_ERROR)
            return False

    def _may_write(self) -> bool:
        return self._is_leader() and not self._stopped.is_set()

    def _beat(self) -> None:
        if not self._is_failing:
            self._last_beat_seconds = self._clock()

    def _until(self, floor: Floor) -> float:
        """Seconds until a task that could be bound and is not is to be looked at again."""
        if floor.looser_until_seconds is None:
            return IDLE_SECONDS
        return min(max(floor.looser_until_seconds - self._now_seconds(), 0.0), IDLE_SECONDS)

    def _open(self, pod: TaskPod, assignment: Assignment) -> bool:
        now = self._now_seconds()
        prediction = self._prediction(pod, assignment, now)
        patch = opening_patch(pod, assignment, prediction, now)
        if not self._write(pod, patch):
            return False
        was_gated = pod.is_gated
        self._tries[pod.uid] = 1 if was_gated else self._tries.get(pod.uid, 1) + 1
        self._notes.forget(pod.uid)
        if was_gated:
            self._metrics.gates_opened.labels(assignment.reason or "Planned").inc()
            if prediction is not None:
                self._metrics.predictions.labels(prediction.node_class, prediction.source).inc()
        else:
            self._metrics.aimed_again.inc()
        return True

    def _announce(self, pod: TaskPod, assignment: Assignment, telling: Telling) -> None:
        """Tell what was opened: it is, whatever becomes of the words."""
        try:
            workload = self._workload_of(pod)
            percent = USUAL_PERCENTILE if workload is None else workload.percentile
            node_class = None if assignment.node is None else self._class_of(assignment.node)
            outlook = telling.outlook(assignment, node_class, percent)
            now_seconds = self._now_seconds()
            words = opening_message(pod, assignment, outlook, now_seconds)
            if pod.is_gated and outlook.here is not None:
                self._metrics.planned_seconds.inc(max(outlook.here.finish_seconds - now_seconds, 0.0))
                self._metrics.regret_seconds.inc(outlook.regret_seconds)
        except Exception:
            log.exception("%s/%s was opened, but its times could not be reported", pod.namespace, pod.name)
            words = bare_message(pod, assignment)
        self._writer.announce(pod, words)

    def _prediction(self, pod: TaskPod, assignment: Assignment, now: float) -> PodPrediction | None:
        node = self._facts.nodes().get(assignment.node) if assignment.node is not None else None
        if node is None:
            return None
        workload = self._workload_of(pod)
        made = predict(
            pod,
            node.facts.name,
            node.node_class,
            workload,
            bound_milliseconds=round(now * 1e3),
            pull_milliseconds=round(assignment.pull_seconds * 1e3),
        )
        return made if isinstance(made, PodPrediction) else None

    def _tell(self, floor: Floor, made: Plan) -> None:
        """Write where waiting tasks are expected, the next first, as far as it is news."""
        now = self._now_seconds()
        for pod, each in self._notes.news(floor, made, now):
            if self._changed.is_set() or not self._may_write():
                return
            self._attempt(pod, partial(self._note, pod, each, floor.names.get(each.waits_for or "", ""), now))

    def _note(self, pod: TaskPod, assignment: Assignment, waits_for: str, now: float) -> bool:
        is_written = self._write(pod, waiting_patch(pod, assignment, waits_for))
        if is_written:
            self._notes.wrote(pod, assignment, now)
        return is_written

    def _write(self, pod: TaskPod, patch: Object) -> bool:
        is_written = self._writer.patch(pod, patch)
        self._beat()
        return is_written

    def _learn_release(self, pod: TaskPod) -> None:
        node = self._facts.nodes().get(pod.node or "")
        if pod.is_task and pod.ended_seconds is not None and node is not None and node.node_class is not None:
            self._lags.saw_release(node.node_class, self._now_seconds() - pod.ended_seconds)

    def _class_of(self, node: str) -> str | None:
        found = self._facts.nodes().get(node)
        return None if found is None else found.node_class

    def _workload_of(self, pod: TaskPod) -> WorkloadPredictions | None:
        return self._facts.workload(pod.namespace, pod.workload)

    def _run(self) -> None:
        while not self._stopped.is_set():
            until = self._clock() + self.go_round()
            while not self._stopped.is_set() and (left := until - self._clock()) > 0.0:
                if self._changed.wait(min(left, IDLE_SECONDS)):
                    self._stopped.wait(COALESCE_SECONDS)
                    break
                self._beat()


def _mark(pod: TaskPod) -> _Mark:
    """What of a Pod can change the plan."""
    return pod.node, pod.is_finished, pod.is_deleting, pod.gates, pod.planned_node
