"""From what the API says of Pods and Nodes to the inputs of the plan: what waits, what runs, what has room.

Pure. All Pods count on their nodes, not only ours. What is opened and not bound yet holds the place that was planned
for it for a while; what then is still not bound (a volume, a quota, an affinity that only the scheduler knows) is
left out for a while, longer each time, so that its place is not kept idle.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from foretide.placement.admission import Candidate, Demand, admit
from foretide.placement.plan import Expected, NodeState, Running, Waiting
from foretide.placement.resources import Resources
from foretide.placement.task import Task, WorkloadPredictions
from foretide_kube.constraints import Constraints
from foretide_kube.names import GATE_PLAN
from foretide_kube.reduced import NodeFacts
from foretide_kube.task_pods import TaskPod, epoch_seconds

RESERVED_SECONDS: Final = 5.0
"""So long an opened task keeps the place that was planned for it; the scheduler needs a twentieth of a second."""
TOGETHER_SECONDS: Final = 2.0
"""Creation times are whole seconds, and a Job makes its Pods one after the other."""
FIRST_PAUSE_SECONDS: Final = 10.0
LONGEST_PAUSE_SECONDS: Final = 300.0
_CLOCK_TOLERANCE_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class Node:
    """A node and the class that it belongs to."""

    facts: NodeFacts
    node_class: str | None


@dataclass(frozen=True, slots=True)
class Floor:
    """The inputs of `foretide.placement.plan.plan`, and what the plan's keys mean.

    ``pods`` are those that wait and ``names`` those of all tasks, by UID. ``overdue`` are tasks that cannot be planned
    (somebody else's gate keeps them as well) and whose bound has passed; ``looser_until_seconds`` is when the first
    opened task leaves or enters the plan again, None if none will.
    """

    waiting: tuple[Waiting, ...]
    running: tuple[Running, ...]
    nodes: tuple[NodeState, ...]
    groups: Mapping[Hashable, frozenset[str] | None]
    pods: Mapping[str, TaskPod]
    names: Mapping[str, str]
    overdue: tuple[TaskPod, ...] = ()
    looser_until_seconds: float | None = None


def read_floor(
    pods: Collection[TaskPod],
    nodes: Mapping[str, Node],
    workload_of: Callable[[TaskPod], WorkloadPredictions | None],
    *,
    tries: Mapping[str, int],
    now_seconds: float,
) -> Floor:
    """The floor as of ``now_seconds`` since the epoch; ``tries`` says how often each opened Pod, by UID, was aimed."""
    usable = {name: node for name, node in nodes.items() if node.facts.is_ready}
    reader = _Reader(usable, workload_of, tries, now_seconds)
    for pod in pods:
        if not pod.is_finished:
            reader.take(pod)
    waiting = sorted(reader.waiting, key=lambda pod: (pod.created_seconds or 0.0, pod.namespace, pod.name))
    return Floor(
        waiting=tuple(
            reader.as_waiting(pod, arrival) for pod, arrival in zip(waiting, _arrivals(waiting), strict=True)
        ),
        running=tuple(reader.running),
        nodes=tuple(_node_state(node, reader.held.get(name, ())) for name, node in sorted(usable.items())),
        groups=_groups({pod.constraints for pod in waiting}, usable),
        pods={pod.uid: pod for pod in waiting},
        names={pod.uid: pod.name for pod in pods if pod.is_task},
        overdue=tuple(reader.overdue),
        looser_until_seconds=min(reader.turns_seconds, default=None),
    )


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
        tries: Mapping[str, int],
        now_seconds: float,
    ) -> None:
        self._nodes = nodes
        self._workload_of = workload_of
        self._tries = tries
        self._now = now_seconds
        self._largest = _largest_memory_bytes(nodes)
        self._workloads: dict[tuple[str, str], WorkloadPredictions | None] = {}
        self._expected: dict[tuple[int, Task], Mapping[str, Expected]] = {}
        self._admitted: dict[tuple[int, Task], Mapping[str, Expected]] = {}
        self.held: dict[str, list[TaskPod]] = {}
        self.running: list[Running] = []
        self.waiting: list[TaskPod] = []
        self.overdue: list[TaskPod] = []
        self.turns_seconds: list[float] = []

    def take(self, pod: TaskPod) -> None:
        """Put a Pod that has not ended where it belongs."""
        if pod.node is not None:
            task = self._bound(pod)
            if task is not None:
                self.running.append(task)
            else:
                self.held.setdefault(pod.node, []).append(pod)
        elif not pod.is_task or pod.is_deleting:
            return
        elif pod.gates == (GATE_PLAN,):
            self.waiting.append(pod)
        elif pod.is_gated:
            if self._now >= latest_open_seconds(pod, self._workload(pod), self._now):
                self.overdue.append(pod)
        elif not pod.gates and pod.planned_node is not None:
            self._take_opened(pod, pod.planned_node)

    def _take_opened(self, pod: TaskPod, node: str) -> None:
        stand, turn_seconds = _opened(pod, self._tries.get(pod.uid, 1), self._now)
        if turn_seconds is not None:
            self.turns_seconds.append(turn_seconds)
        if stand == "again":
            self.waiting.append(pod)
        elif stand == "reserved":
            reserved = self._at(pod, node, self._now)
            if reserved is not None:
                self.running.append(reserved)
            else:
                self.held.setdefault(node, []).append(pod)

    def _workload(self, pod: TaskPod) -> WorkloadPredictions | None:
        """The pod's workload, the same for all its Pods however it changes while they are read."""
        key = (pod.namespace, pod.workload)
        if key not in self._workloads:
            self._workloads[key] = self._workload_of(pod)
        return self._workloads[key]

    def _bound(self, pod: TaskPod) -> Running | None:
        """A bound task whose end can be expected."""
        bound = pod.bound_seconds if pod.bound_seconds is not None else self._now
        written = pod.prediction.bound_milliseconds / 1e3 if pod.prediction is not None else bound
        return self._at(pod, pod.node or "", written if abs(written - bound) <= _CLOCK_TOLERANCE_SECONDS else bound)

    def _at(self, pod: TaskPod, name: str, bound_seconds: float) -> Running | None:
        """A task that is on a node, or about to be; None if its end cannot be expected."""
        node, workload = self._nodes.get(name), self._workload(pod) if pod.is_task else None
        if node is None or workload is None or workload.is_service or node.node_class is None:
            return None
        expected = self._expect(pod.task, workload).get(node.node_class)
        if expected is None:
            return None
        return Running(
            key=pod.uid,
            node=name,
            requests=pod.requests,
            cpu_millis=workload.cpu_millis_of(pod.task),
            bound_seconds=min(bound_seconds, self._now),
            expected=expected,
        )

    def as_waiting(self, pod: TaskPod, arrival_seconds: float) -> Waiting:
        """A task to be planned, on the classes where the extender would not refuse it for its memory."""
        workload = self._workload(pod)
        expected: Mapping[str, Expected] = {} if workload is None else self._admit(pod.task, workload)
        return Waiting(
            key=pod.uid,
            requests=pod.requests,
            cpu_millis=workload.cpu_millis_of(pod.task) if workload is not None else pod.requests.cpu_millis,
            expected=expected,
            latest_open_seconds=latest_open_seconds(pod, workload, self._now),
            group=pod.constraints,
            arrival_seconds=arrival_seconds,
        )

    def _expect(self, task: Task, workload: WorkloadPredictions) -> Mapping[str, Expected]:
        key = (id(workload), task)
        if key not in self._expected:
            inferences = workload.inferences_of(task)
            predictions = {name: workload.prediction_for(task, name) for name in workload.by_class}
            self._expected[key] = {
                name: Expected(each.completion_seconds(inferences), each.completion_seconds(inferences, bound="upper"))
                for name, each in predictions.items()
                if each is not None
            }
        return self._expected[key]

    def _admit(self, task: Task, workload: WorkloadPredictions) -> Mapping[str, Expected]:
        key = (id(workload), task)
        if key not in self._admitted:
            names = list(self._largest)
            candidates = [Candidate(workload.prediction_for(task, name), self._largest[name]) for name in names]
            demand = Demand(workload.inferences_of(task), task.memory_limit_bytes, None)
            expected = self._expect(task, workload)
            self._admitted[key] = {
                name: expected[name]
                for name, refusal in zip(names, admit(candidates, demand).refusals, strict=True)
                if refusal is None and name in expected
            }
        return self._admitted[key]


def _arrivals(pods: Sequence[TaskPod]) -> list[float]:
    """When each of ``pods``, in order of creation, arrived: those created within a moment arrived together."""
    arrivals: list[float] = []
    for pod in pods:
        created = pod.created_seconds or 0.0
        is_together = bool(arrivals) and created - arrivals[-1] <= TOGETHER_SECONDS
        arrivals.append(arrivals[-1] if is_together else created)
    return arrivals


def _largest_memory_bytes(nodes: Mapping[str, Node]) -> dict[str, int | None]:
    """The memory of the largest node of each class, by name; None where one does not say."""
    largest: dict[str, int | None] = {}
    for node in nodes.values():
        if node.node_class is not None:
            memory, known = node.facts.allocatable_memory_bytes, largest.get(node.node_class, 0)
            largest[node.node_class] = None if memory is None or known is None else max(memory, known)
    return dict(sorted(largest.items()))


def _opened(pod: TaskPod, tries: int, now_seconds: float) -> tuple[str, float | None]:
    """Where an opened and unbound task stands (reserved, paused or again), and when that changes.

    An opening that is not told of, or told of before its time, was not ours: it reserves nothing.
    """
    opened = epoch_seconds(pod.plan.opened_time) if pod.plan is not None else None
    if opened is None or opened > now_seconds + _CLOCK_TOLERANCE_SECONDS:
        opened = now_seconds - RESERVED_SECONDS
    reserved_until = opened + RESERVED_SECONDS
    if now_seconds < reserved_until:
        return "reserved", reserved_until
    again = reserved_until + min(FIRST_PAUSE_SECONDS * 2.0 ** min(tries - 1, 16), LONGEST_PAUSE_SECONDS)
    return ("paused", again) if now_seconds < again else ("again", None)


def _node_state(node: Node, pods: Sequence[TaskPod]) -> NodeState:
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
    )


def _groups(asked: Collection[Constraints], nodes: Mapping[str, Node]) -> dict[Hashable, frozenset[str] | None]:
    groups: dict[Hashable, frozenset[str] | None] = {}
    for constraints in asked:
        allowed = frozenset(
            name for name, node in nodes.items() if constraints.allow(name, node.facts.labels, node.facts.taints)
        )
        groups[constraints] = None if len(allowed) == len(nodes) else allowed
    return groups
