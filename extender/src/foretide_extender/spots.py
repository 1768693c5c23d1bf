"""Where nodes stand for tasks of one sort: of a workload, with the same CPU limit and images.

Such tasks differ by no more than their number of inferences. For them most nodes of a class are as good as one another
and share a *spot*; nodes whose cores the task would have to share do where the same runs on them. Spots are made when
such a task is first asked about; from then on only nodes that changed are looked at again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from foretide.placement.completion import NodeLoad, RunningTask
from foretide.placement.pulls import NO_IMAGES
from foretide.placement.task import WorkloadPredictions
from foretide_extender.pages import Pages
from foretide_extender.state import NodeNow, Snapshot, cpu_millis_in_use
from foretide_kube.task_pods import TaskPod


class TooLate(Exception):  # noqa: N818 - a state, not an error
    """No more time may be spent."""


Check = Callable[[], None]
"""Raises `TooLate` where no more time may be spent."""

_LOOKS_BETWEEN_CHECKS: Final = 64


class _Bound(NamedTuple):
    """A task that runs, by its predicted completion alone, from ``bound_seconds`` on, None where nothing tells that."""

    cpu_millis: int
    median_seconds: float
    upper_seconds: float
    bound_seconds: float | None


@dataclass(frozen=True, slots=True)
class Crowd:
    """What runs on a node whose cores a task would have to share."""

    steady_millis: int
    tasks: tuple[_Bound, ...]

    def load(self, allocatable_millis: int, now_seconds: float) -> NodeLoad:
        """The same as it is at a time, in seconds since the epoch."""
        return NodeLoad(
            allocatable_millis,
            self.steady_millis,
            [
                RunningTask(cpu_millis, median, upper, 0.0 if bound is None else now_seconds - bound)
                for cpu_millis, median, upper, bound in self.tasks
            ],
        )


@dataclass(slots=True, eq=False)
class Spot:
    """What nodes have in common on which a task ends at the same time.

    ``allocatable_millis`` and ``beside_millis``, the CPU of the tasks there, are 0 where they do not matter; ``crowd``
    is what shares the cores; ``lacked`` images have to be pulled first. Until ``measured_until``, in whole seconds
    since the epoch, a measurement is to have the node for itself; 0 for none. ``names`` are the nodes.
    """

    node_class: str | None
    allocatable_millis: int = 0
    beside_millis: int = 0
    lacked: frozenset[str] = NO_IMAGES
    crowd: Crowd | None = None
    measured_until: int = 0
    names: set[str] = field(default_factory=set)

    @property
    def likeness(self) -> tuple[object, ...]:
        """What is equal of spots that are one."""
        return (
            self.node_class,
            self.allocatable_millis,
            self.beside_millis,
            self.lacked,
            self.crowd,
            self.measured_until,
        )

    @property
    def changes_with_time(self) -> bool:
        """Whether a task would end there the sooner the later it is: with what is left of others."""
        return bool(self.measured_until) or (self.crowd is not None and bool(self.crowd.tasks))


class Crowds:
    """What runs on nodes whose cores are asked for by more than they have, put together once for tasks of all sorts."""

    def __init__(self) -> None:
        self._by_node: dict[str, Crowd] = {}

    def of(self, snapshot: Snapshot, node: NodeNow) -> Crowd:
        """What runs on ``node``."""
        found = self._by_node.get(node.name)
        if found is None:
            found = self._by_node[node.name] = _crowd(snapshot, node)
        return found

    def forget(self, names: Iterable[str]) -> None:
        """Look at nodes anew the next time."""
        for name in names:
            self._by_node.pop(name, None)


class Spots:
    """The spots of all nodes.

    ``at`` by node name. Those of them that ``came`` and that are ``gone`` again, and the nodes that ``moved`` to
    another one, are for whoever keeps something of them to take out. ``tight`` are the nodes whose memory left is less
    than what is predicted. Nodes that are ``stale`` are looked at next. ``classes`` are those that any node is of, None
    for nodes of none.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        workload: WorkloadPredictions | None,
        cpu_millis: int,
        image_bytes: Mapping[str, int | None],
        crowds: Crowds,
    ) -> None:
        self.workload = workload
        self.cpu_millis = cpu_millis
        self.image_bytes = image_bytes
        self.at: dict[str, Spot] = {}
        self.tight: set[str] = set()
        self.stale: dict[str, None] = dict.fromkeys(snapshot.nodes.copy())
        self.came: dict[Spot, None] = {}
        self.gone: dict[Spot, None] = {}
        self.moved: list[str] = []
        self.classes: frozenset[str | None] = frozenset()
        self._spots_of: Counter[str | None] = Counter()
        self._crowds = crowds
        self._by_likeness: dict[tuple[object, ...], Spot] = {}
        self._pages: Pages[Spot] = Pages()
        self._places: Pages[Spot] | None = None
        by_class = {} if workload is None else workload.by_class
        self._exposed = {name for name, prediction in by_class.items() if prediction.contention}
        self._needed_bytes = {name: prediction.memory_bytes for name, prediction in by_class.items()}

    def __iter__(self) -> Iterator[Spot]:
        return iter(self._by_likeness.values())

    def __len__(self) -> int:
        return len(self._by_likeness)

    def follow(self, snapshot: Snapshot, check: Check) -> None:
        """Look again at nodes that changed; raises what ``check`` does, and then goes on from there the next time."""
        looks = 0
        while self.stale:
            name, _ = self.stale.popitem()
            node = snapshot.nodes.get(name)
            self._move(name, None if node is None else self._spot(snapshot, node))
            self._weigh(snapshot, name, node)
            looks += 1
            if looks % _LOOKS_BETWEEN_CHECKS == 0:
                check()

    def places(self) -> Pages[Spot]:
        """Where each node is now, for who wants to know later: never changed, and the same until a node moves."""
        if self._places is None:
            self._places = self._pages.copied()
        return self._places

    def _move(self, name: str, spot: Spot | None) -> None:
        before = self.at.get(name)
        if before is spot:
            return
        self.moved.append(name)
        self._places = None
        self._pages.put(name, spot)
        if before is not None:
            before.names.remove(name)
            if not before.names:
                del self._by_likeness[before.likeness]
                self._count(before.node_class, -1)
                if before in self.came:
                    del self.came[before]
                else:
                    self.gone[before] = None
        if spot is None:
            del self.at[name]
            return
        if not spot.names:
            self._by_likeness[spot.likeness] = spot
            self._count(spot.node_class, 1)
            self.came[spot] = None
        spot.names.add(name)
        self.at[name] = spot

    def _count(self, node_class: str | None, change: int) -> None:
        self._spots_of[node_class] += change
        if not self._spots_of[node_class]:
            del self._spots_of[node_class]
        if len(self._spots_of) != len(self.classes):
            self.classes = frozenset(self._spots_of)

    def _spot(self, snapshot: Snapshot, node: NodeNow) -> Spot:
        """Where a task would be there: with others like it where there are any."""
        node_class, cores, beside_millis, lacked, crowd = node.node_class, 0, 0, NO_IMAGES, None
        measured_until = 0
        if self._needed_bytes:  # else no time is known that anything could be added to
            lacked = self._lacked(snapshot, node)
            if node.pods and node_class in self._exposed:
                beside_millis = _beside_millis(snapshot, node)
            if node.free_millis < self.cpu_millis:
                crowd = self._crowds.of(snapshot, node)
            if beside_millis or crowd is not None:
                cores = node.allocatable_millis
            measured_until = node.measured_until
        like = (node_class, cores, beside_millis, lacked, crowd, measured_until)
        return self._by_likeness.get(like) or Spot(*like)

    def _lacked(self, snapshot: Snapshot, node: NodeNow) -> frozenset[str]:
        """The images that the node lacks; what a task that has started there needs is there already."""
        listed = snapshot.images.of(node.name)
        lacked = [image for image, size in self.image_bytes.items() if listed.lack(image, size)]
        if not lacked:
            return NO_IMAGES
        return frozenset(lacked).difference(*(pod.images for pod in node.pods if pod.started_seconds is not None))

    def _weigh(self, snapshot: Snapshot, name: str, node: NodeNow | None) -> None:
        """Whether the node has too little memory left."""
        needed = None if node is None else self._needed_bytes.get(node.node_class or "")
        given = None if node is None else node.allocatable_memory_bytes
        in_use = memory_in_use(snapshot, node) if node is not None and node.pods else 0
        if needed is None or given is None or needed <= given - in_use:
            self.tight.discard(name)
        else:
            self.tight.add(name)


def sizes_of(snapshot: Snapshot, images: Iterable[str], check: Check) -> Mapping[str, int | None]:
    """The sizes of images in bytes, None where no node tells it; raises what ``check`` does."""
    found = {}
    for image in images:
        is_known = snapshot.images.is_size_known(image)
        found[image] = snapshot.images.size_bytes(image)
        if not is_known:
            check()
    return found


def memory_in_use(snapshot: Snapshot, node: NodeNow) -> int:
    """The memory in bytes of what is bound to a node: what it requests, of our tasks at least what is predicted."""
    total = 0
    for pod in node.pods:
        workload = _workload_of(snapshot, pod)
        prediction = None if workload is None else workload.by_class.get(node.node_class or "")
        predicted = 0 if prediction is None else prediction.memory_bytes
        limit = pod.task.memory_limit_bytes
        total += max(pod.requests.memory_bytes, predicted if limit is None else min(predicted, limit))
    return total


def _beside_millis(snapshot: Snapshot, node: NodeNow) -> int:
    """The CPU of the tasks on a node; services are always there, so that what they cost is in every measurement."""
    workloads = ((pod, _workload_of(snapshot, pod)) for pod in node.pods if pod.is_task)
    return sum(cpu_millis_in_use(pod) for pod, workload in workloads if workload is None or not workload.is_service)


def _crowd(snapshot: Snapshot, node: NodeNow) -> Crowd:
    steady = 0
    tasks: list[_Bound] = []
    for pod in node.pods:
        workload = _workload_of(snapshot, pod)
        prediction = None if workload is None else workload.prediction_for(pod.task, node.node_class)
        if workload is None or prediction is None or workload.is_service:
            steady += cpu_millis_in_use(pod)
            continue
        inferences = workload.inferences_of(pod.task)
        median = prediction.completion_seconds(inferences)
        upper = prediction.completion_seconds(inferences, bound="upper")
        tasks.append(_Bound(cpu_millis_in_use(pod), median, upper, pod.bound_seconds))
    return Crowd(steady, tuple(tasks))


def _workload_of(snapshot: Snapshot, pod: TaskPod) -> WorkloadPredictions | None:
    """What is known of what a task performs; None for other Pods."""
    return snapshot.workloads.get((pod.namespace, pod.workload)) if pod.is_task else None
