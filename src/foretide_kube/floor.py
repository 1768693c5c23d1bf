"""From what the API says of Pods and Nodes to the inputs of the plan: what waits, what runs, what has room.

Pure. All Pods count on their nodes, not only ours. What is opened and not bound yet holds the place that was planned
for it for a while; what then is still not bound is left out (`foretide.placement.turns`). A task that somebody else
opened, or that never had a gate, takes the first room there is: it is pending, and left out alike once there was room
for a while.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from foretide.placement.coming import WINDOW_SECONDS, expected_arrivals
from foretide.placement.expectations import Expectations
from foretide.placement.order import Order
from foretide.placement.placing import Placing
from foretide.placement.plan import NodeState, Plan, Running, Waiting
from foretide.placement.pulls import NO_IMAGES, PullTimes
from foretide.placement.resources import Resources
from foretide.placement.task import WorkloadPredictions
from foretide.placement.timeline import Lags
from foretide.placement.together import plan_together
from foretide.placement.turns import Turns
from foretide_kube.measurements import Pair, Wanted, read_measurements
from foretide_kube.missing_images import MissingImages
from foretide_kube.names import GATE_PLAN, ROLE_PROFILE
from foretide_kube.places import Places
from foretide_kube.reduced import NodeFacts
from foretide_kube.selected import WorkloadKey
from foretide_kube.task_pods import TaskPod
from foretide_kube.times import epoch_seconds

_CLOCK_TOLERANCE_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class Node:
    """A node and the class that it belongs to."""

    facts: NodeFacts
    node_class: str | None


@dataclass(frozen=True, slots=True)
class Floor:
    """The inputs of `foretide.placement.together.plan_together`, and what the plan's keys mean.

    ``pods`` are those that wait and ``names`` those of all tasks and measurements, by UID. ``overdue`` are tasks that
    cannot be planned (somebody else's gate keeps them as well) and whose bound has passed; ``looser_until_seconds`` is
    when the first opened or pending task leaves or enters the plan again, None if none will. ``image_bytes`` are the
    sizes of images that tasks need, where a node tells them. ``unread`` says of which Pods nothing but their requests
    could be made out, and why. ``kept`` are nodes that measurements have for themselves
    (`foretide_kube.measurements`).
    """

    waiting: tuple[Waiting, ...]
    pending: tuple[Waiting, ...]
    coming: tuple[Waiting, ...]
    running: tuple[Running, ...]
    nodes: tuple[NodeState, ...]
    groups: Mapping[Hashable, frozenset[str] | None]
    pods: Mapping[str, TaskPod]
    names: Mapping[str, str]
    overdue: tuple[TaskPod, ...] = ()
    looser_until_seconds: float | None = None
    image_bytes: Mapping[str, int] = field(default_factory=dict)
    unread: tuple[str, ...] = ()
    kept: tuple[Running, ...] = ()

    def plan(
        self,
        now_seconds: float,
        *,
        order: Order,
        previous: Plan | None = None,
        lags: Mapping[str, Lags] | None = None,
        pull_bytes_per_second: Mapping[str, float] | None = None,
    ) -> tuple[Plan, Placing]:
        """The plan of all that waits here, and all nodes with what it placed; the rest as `plan_together` has it.

        ``pull_bytes_per_second`` is how fast images are pulled, by node class, as far as that is known. Measurements
        keep their nodes unless more tasks would miss their deadlines by that.
        """

        def planned(running: tuple[Running, ...]) -> tuple[Plan, Placing]:
            looked: list[Placing] = []
            made = plan_together(
                self.waiting,
                running,
                self.nodes,
                now_seconds=now_seconds,
                pending=self.pending,
                groups=self.groups,
                lags=lags,
                pull_times=PullTimes(self.image_bytes, pull_bytes_per_second or {}),
                coming=self.coming,
                previous=previous,
                order=order,
                look=looked.append,
            )
            return made, looked[0]

        found = planned((*self.running, *self.kept))
        late = self._late(found[0]) if self.kept else 0
        if late:
            without = planned(self.running)
            if self._late(without[0]) < late:
                return without
        return found

    def _late(self, made: Plan) -> int:
        """How many tasks are expected to end after they should have."""
        ends = {each.key: each.finish_seconds for each in (*made.assignments, *made.pending)}
        dues = ((ends[task.key], task.due_seconds) for task in (*self.waiting, *self.pending))
        return sum((math.inf if end is None else end) > due for end, due in dues)


def read_floor(
    pods: Collection[TaskPod],
    nodes: Mapping[str, Node],
    workload_of: Callable[[TaskPod], WorkloadPredictions | None],
    *,
    now_seconds: float,
    turns: Turns | None = None,
    expectations: Expectations | None = None,
    wanted: Mapping[Pair, Wanted] | None = None,
    selected: Mapping[WorkloadKey, frozenset[str]] | None = None,
) -> Floor:
    """The floor as of ``now_seconds`` since the epoch.

    ``turns`` are what is remembered of Pods that could be bound; ``expectations`` are kept between floors; ``wanted``
    are measurements that are under way or next; ``selected`` are the classes where workloads may run that not all may.
    """
    expectations = expectations or Expectations()
    expectations.begin_round()
    usable = {name: node for name, node in nodes.items() if node.facts.is_ready}
    reader = _Reader(
        usable,
        workload_of,
        turns or Turns(),
        now_seconds=now_seconds,
        expectations=expectations,
        selected=selected or {},
    )
    for pod in pods:
        reader.take(pod)
    kept = reader.measurements(wanted or {})
    lacks, image_bytes = reader.missing.find({name: node.facts.images for name, node in usable.items()})
    waiting, pending = sorted(reader.waiting, key=_in_order), sorted(reader.pending, key=_in_order)
    return Floor(
        waiting=tuple(each for _, each in waiting),
        coming=tuple(expected_arrivals(reader.recent, reader.as_recent, now_seconds)),
        pending=tuple(each for _, each in pending),
        running=tuple(reader.running),
        nodes=tuple(
            _node_state(node, reader.held.get(name, ()), lacks.get(name, NO_IMAGES))
            for name, node in sorted(usable.items())
        ),
        groups=reader.places.groups,
        pods={pod.uid: pod for pod, _ in waiting},
        names={pod.uid: pod.name for pod in pods if pod.is_task} | {pod.uid: pod.name for pod in reader.measuring},
        overdue=tuple(reader.overdue),
        looser_until_seconds=min(reader.turns_seconds, default=None),
        image_bytes=image_bytes,
        unread=tuple(reader.unread),
        kept=kept,
    )


def _in_order(each: tuple[TaskPod, Waiting]) -> tuple[float, str, str]:
    pod, _ = each
    return pod.created_seconds or 0.0, pod.namespace, pod.name


def latest_open_seconds(pod: TaskPod, workload: WorkloadPredictions | None, now_seconds: float) -> float:
    """When the gate of ``pod`` opens whatever the plan says; at once where nothing is known of its workload."""
    if pod.created_seconds is None or workload is None:
        return now_seconds
    return pod.created_seconds + workload.wait_bound_seconds_of(pod.task)


class _Reader:
    """Sorts Pods into the plan's terms; what many of them have in common is reckoned once."""

    def __init__(
        self,
        nodes: Mapping[str, Node],
        workload_of: Callable[[TaskPod], WorkloadPredictions | None],
        turns: Turns,
        *,
        now_seconds: float,
        expectations: Expectations,
        selected: Mapping[WorkloadKey, frozenset[str]],
    ) -> None:
        self._expectations = expectations
        self._selected = selected
        self._nodes = nodes
        self._workload_of = workload_of
        self._turns = turns
        self._now = now_seconds
        self._workloads: dict[tuple[str, str], WorkloadPredictions | None] = {}
        self.places = Places(
            {name: node.facts for name, node in nodes.items()}, {name: node.node_class for name, node in nodes.items()}
        )
        self.missing = MissingImages(now_seconds)
        self.held: dict[str, list[TaskPod]] = {}
        self.running: list[Running] = []
        self.waiting: list[tuple[TaskPod, Waiting]] = []
        self.pending: list[tuple[TaskPod, Waiting]] = []
        self.recent: list[tuple[float, TaskPod]] = []
        self._since = now_seconds - WINDOW_SECONDS
        self.overdue: list[TaskPod] = []
        self.turns_seconds: list[float] = []
        self.unread: list[str] = []
        self.measuring: list[TaskPod] = []

    def take(self, pod: TaskPod) -> None:
        """Put a Pod where it belongs; whatever is wrong with one, the others are planned."""
        try:
            if pod.images:
                self.missing.take(pod)
            if not pod.is_finished:
                self._take(pod)
            if pod.is_task and pod.created_seconds is not None and pod.created_seconds >= self._since:
                self.recent.append((pod.created_seconds, pod))
        except Exception as error:  # noqa: BLE001 - anybody may write on a Pod what nobody thought of
            self.unread.append(f"{pod.namespace}/{pod.name}: {error!r}")
            if pod.node is not None:
                self.held.setdefault(pod.node, []).append(pod)
            elif pod.gates == (GATE_PLAN,):
                self.waiting.append((pod, self._unplaced(pod, None, self._now)))

    def measurements(self, wanted: Mapping[Pair, Wanted]) -> tuple[Running, ...]:
        """Put the Pods that measure where they belong, once all others are; gives the nodes that are kept."""
        if not wanted and not self.measuring:
            return ()
        tasks: dict[str, list[Running]] = {}
        for each in self.running:
            tasks.setdefault(each.node, []).append(each)
        found = read_measurements(
            self.measuring,
            wanted,
            {name: node.facts for name, node in self._nodes.items()},
            {name: node.node_class for name, node in self._nodes.items()},
            tasks,
            endless={name for name, pods in self.held.items() if any(map(self._is_endless_task, pods))},
            now_seconds=self._now,
        )
        self.running += found.running
        for pod in found.others:
            self.held.setdefault(pod.node or "", []).append(pod)
        return found.kept

    def _is_endless_task(self, pod: TaskPod) -> bool:
        """Whether a Pod of whose end nothing is known is a task, and no service: that is always there."""
        workload = self._workload(pod) if pod.is_task else None
        return pod.is_task and (workload is None or not workload.is_service)

    def _take(self, pod: TaskPod) -> None:
        if pod.node is not None:
            task = self._bound(pod)
            if task is not None:
                self.running.append(task)
            elif pod.role == ROLE_PROFILE and pod.workload:
                self.measuring.append(pod)
            else:
                self.held.setdefault(pod.node, []).append(pod)
        elif not pod.is_task or pod.is_deleting:
            return
        elif pod.gates == (GATE_PLAN,):
            self.waiting.append((pod, self.as_waiting(pod)))
        elif pod.is_gated:
            if self._now >= latest_open_seconds(pod, self._workload(pod), self._now):
                self.overdue.append(pod)
        elif not pod.gates:
            opened = _opened_seconds(pod, self._now)
            if opened is not None and pod.planned_node is not None:
                self._take_opened(pod, pod.planned_node, opened)
            else:
                self._take_pending(pod)

    def _take_opened(self, pod: TaskPod, node: str, opened_seconds: float) -> None:
        stand, turn_seconds = self._turns.of_opened(pod.uid, opened_seconds, self._now)
        if stand == "again":
            self.waiting.append((pod, self.as_waiting(pod)))
        elif stand == "reserved":
            reserved = self._at(pod, node, self._now)
            if reserved is not None:
                self.running.append(reserved)
            else:
                self.held.setdefault(node, []).append(pod)
        if turn_seconds is not None:
            self.turns_seconds.append(turn_seconds)

    def _take_pending(self, pod: TaskPod) -> None:
        stand, turn_seconds = self._turns.of_pending(pod.uid, self._now)
        if stand != "paused":
            self.pending.append((pod, self.as_waiting(pod)))
        if turn_seconds is not None:
            self.turns_seconds.append(turn_seconds)

    def _workload(self, pod: TaskPod) -> WorkloadPredictions | None:
        """The pod's workload, the same for all its Pods however it changes while they are read."""
        key = (pod.namespace, pod.workload)
        if key not in self._workloads:
            self._workloads[key] = self._workload_of(pod)
        return self._workloads[key]

    def _bound(self, pod: TaskPod) -> Running | None:
        """A bound task whose end can be expected."""
        bound = pod.bound_seconds if pod.bound_seconds is not None else self._now
        written = pod.prediction
        # Whole numbers, since anybody may have written one that is too large for a float.
        if (
            written is not None
            and abs(written.bound_milliseconds - round(bound * 1e3)) <= _CLOCK_TOLERANCE_SECONDS * 1e3
        ):
            bound = written.bound_milliseconds / 1e3
            if written.pull_milliseconds and written.node == pod.node:
                bound += self._pulled_seconds(pod)
        return self._at(pod, pod.node or "", bound)

    def _pulled_seconds(self, pod: TaskPod) -> float:
        """What a task that was thought to pull its images took longer to start than usual.

        Once it has started, what is expected of it counts from so much later. The node's clock is held against itself.
        """
        node, workload = self._nodes.get(pod.node or ""), self._workload(pod) if pod.is_task else None
        usual = None if node is None or workload is None else workload.prediction_for(pod.task, node.node_class)
        if usual is None or pod.starting_seconds is None:
            return 0.0
        return max(pod.starting_seconds - usual.startup_milliseconds / 1e3, 0.0)

    def _at(self, pod: TaskPod, name: str, bound_seconds: float) -> Running | None:
        """A task that is on a node, or about to be; None if its end cannot be expected."""
        node, workload = self._nodes.get(name), self._workload(pod) if pod.is_task else None
        if node is None or workload is None or workload.is_service or node.node_class is None:
            return None
        expected = self._expectations.on_class(pod.task, workload, node.node_class)
        if expected is None:
            return None
        return Running(
            key=pod.uid,
            node=name,
            requests=pod.requests,
            cpu_millis=workload.cpu_millis_of(pod.task),
            bound_seconds=min(bound_seconds, self._now),
            expected=expected,
            images=self._needed(pod) if pod.started_seconds is None else NO_IMAGES,
        )

    def _needed(self, pod: TaskPod) -> frozenset[str]:
        """The images of a task that has not started: it waits for them where they are lacked."""
        if pod.images:
            self.missing.need(pod.images)
        return pod.images

    def as_recent(self, pod: TaskPod) -> Waiting | None:
        """A task that came lately, ended or not; None for a service, or where nothing can be made of it."""
        try:
            workload = self._workload(pod)
            return None if workload is None or workload.is_service else self.as_waiting(pod)
        except Exception:  # noqa: BLE001 - as in `take`, which tells of those that matter
            return None

    def as_waiting(self, pod: TaskPod) -> Waiting:
        """A task to be planned."""
        workload = self._workload(pod)
        task = self._unplaced(pod, workload, latest_open_seconds(pod, workload, self._now))
        if workload is None:
            return task
        due = math.inf
        if workload.deadline_seconds is not None and pod.created_seconds is not None:
            due = pod.created_seconds + workload.deadline_seconds
        return replace(
            task,
            cpu_millis=workload.cpu_millis_of(pod.task),
            expected=self._expectations.on_classes(pod.task, workload),
            due_seconds=due,
        )

    def _unplaced(self, pod: TaskPod, workload: WorkloadPredictions | None, latest_open_seconds: float) -> Waiting:
        """A task of which nothing is expected."""
        return Waiting(
            key=pod.uid,
            requests=pod.requests,
            cpu_millis=pod.requests.cpu_millis,
            expected={},
            latest_open_seconds=latest_open_seconds,
            group=self.places.group_of(
                pod.constraints,
                workload,
                pod.task.memory_limit_bytes,
                self._selected.get((pod.namespace, pod.workload)),
            ),
            arrival_seconds=pod.created_seconds,
            priority=pod.priority,
            team=pod.namespace,
            images=self._needed(pod),
        )


def _opened_seconds(pod: TaskPod, now_seconds: float) -> float | None:
    """When our planner opened a task; None where it is not told of, or before its time: that was not ours."""
    opened = epoch_seconds(pod.plan.opened_time) if pod.plan is not None else None
    return None if opened is None or opened > now_seconds + _CLOCK_TOLERANCE_SECONDS else opened


def _node_state(node: Node, pods: Sequence[TaskPod], lacks: frozenset[str]) -> NodeState:
    extended: Counter[str] = Counter()
    for pod in pods:
        extended.update(pod.requests.extended)
    return NodeState(
        name=node.facts.name,
        node_class=node.node_class,
        allocatable=node.facts.allocatable,
        in_use=Resources(
            sum(pod.requests.cpu_millis for pod in pods),
            sum(pod.requests.memory_bytes for pod in pods),
            sum(pod.requests.pods for pod in pods),
            extended,
        ),
        steady_cpu_millis=sum(
            pod.task.cpu_millis if pod.is_task and pod.task.cpu_millis is not None else pod.requests.cpu_millis
            for pod in pods
        ),
        lacks=lacks,
    )
