"""Tasks as they really came and went, recorded so that any policy can be tried on them again. A JSON file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Self

import msgspec

from foretide.placement.plan import Expected, NodeState
from foretide.placement.resources import Resources
from foretide.placement.timeline import Lags
from foretide.simulate.cluster import SimTask
from foretide.simulate.parts import Part, Positive, ScenarioError, Share
from foretide.simulate.world import World

_Amount = Annotated[int, msgspec.Meta(ge=0)]


class TracedResources(Part, frozen=True, kw_only=True):
    """Amounts as `foretide.placement.resources.Resources` has them."""

    cpu_millis: _Amount = 0
    memory_bytes: _Amount = 0
    pods: _Amount = 1
    extended: dict[str, _Amount] = msgspec.field(default_factory=dict)

    @classmethod
    def of(cls, resources: Resources) -> Self:
        """To be written."""
        return cls(
            cpu_millis=resources.cpu_millis,
            memory_bytes=resources.memory_bytes,
            pods=resources.pods,
            extended=dict(resources.extended),
        )

    def read(self) -> Resources:
        """As placement takes them."""
        return Resources(self.cpu_millis, self.memory_bytes, self.pods, self.extended)


class TracedNode(Part, frozen=True, kw_only=True):
    """A node, and what was there beside the tasks all the time."""

    name: str
    node_class: str
    allocatable: TracedResources
    in_use: TracedResources
    steady_cpu_millis: _Amount = 0


class TracedLags(Part, frozen=True, kw_only=True):
    """`foretide.placement.timeline.Lags` of a class."""

    release_seconds: Share
    open_to_bind_seconds: Share


class TracedExpectation(Part, frozen=True, kw_only=True):
    """What was predicted, from the binding to the container's end: the median and the 95 % quantile."""

    median_seconds: Positive
    upper_seconds: Positive


class TracedTask(Part, frozen=True, kw_only=True):
    """A task: what it asked for, what was known of it, and what became of it. Times are since the trace's begin.

    ``seconds`` are what it took on the class where it ran, and on others what like tasks took there. Where it ran and
    when is empty for a task that nobody recorded to its end. Deadline and bound count from its arrival.
    """

    name: str
    workload: str
    arrival_seconds: Share
    requests: TracedResources
    cpu_millis: _Amount
    seconds: dict[str, Positive]
    predicted: dict[str, TracedExpectation]
    deadline_seconds: float | None = None
    wait_bound_seconds: Share | None = None
    node: str = ""
    bound_seconds: float | None = None
    finish_seconds: float | None = None


class Trace(Part, frozen=True, kw_only=True):
    """All of it; can be simulated like a `foretide.simulate.scenario.Scenario`."""

    name: str
    nodes: Annotated[list[TracedNode], msgspec.Meta(min_length=1)]
    lags_by_class: dict[str, TracedLags]
    traced: Annotated[list[TracedTask], msgspec.Meta(min_length=1)]
    seed: int = 0

    def __post_init__(self) -> None:
        classes = {node.node_class for node in self.nodes}
        for task in self.traced:
            missing = sorted(classes - set(task.seconds))
            if missing:
                raise ScenarioError(f"task {task.name}: seconds lacks class {missing[0]}; give its seconds there")

    @classmethod
    def read(cls, path: Path) -> Trace:
        """The trace of a JSON file; ScenarioError says what is wrong with it, and where."""
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except msgspec.DecodeError as error:
            raise ScenarioError(f"{path}: {error}") from error

    def write(self, path: Path) -> None:
        """Write the file, in lines that people can read."""
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n")

    @property
    def task_count(self) -> int:
        """How many there are."""
        return len(self.traced)

    @property
    def tasks_per_second(self) -> float:
        """How many came per second on average."""
        times = [task.arrival_seconds for task in self.traced]
        return len(times) / max(max(times) - min(times), 1.0)

    def node_states(self) -> list[NodeState]:
        """Every node."""
        return [
            NodeState(node.name, node.node_class, node.allocatable.read(), node.in_use.read(), node.steady_cpu_millis)
            for node in self.nodes
        ]

    def lags(self) -> dict[str, Lags]:
        """Of each class."""
        return {
            name: Lags(release_seconds=each.release_seconds, open_to_bind_seconds=each.open_to_bind_seconds)
            for name, each in self.lags_by_class.items()
        }

    def world(self) -> World:
        """Nothing befalls its nodes: what did is in the times that were recorded."""
        return World()

    def sim_tasks(self) -> list[SimTask]:
        """Every task in order of arrival."""
        return [_sim_task(task) for task in sorted(self.traced, key=lambda task: (task.arrival_seconds, task.name))]


def record(
    name: str,
    tasks: Sequence[SimTask],
    nodes: Sequence[NodeState],
    lags: Mapping[str, Lags],
    ran: Mapping[str, tuple[str, float, float]],
) -> Trace:
    """A trace of ``tasks``, whose times are of one clock; ``ran`` gives node, binding and end by key."""
    begin = min(task.arrival_seconds for task in tasks)
    return Trace(
        name=name,
        nodes=[
            TracedNode(
                name=node.name,
                node_class=node.node_class or "",
                allocatable=TracedResources.of(node.allocatable),
                in_use=TracedResources.of(node.in_use),
                steady_cpu_millis=node.steady_cpu_millis,
            )
            for node in nodes
        ],
        lags_by_class={
            name: TracedLags(
                release_seconds=round(each.release_seconds, 3), open_to_bind_seconds=each.open_to_bind_seconds
            )
            for name, each in lags.items()
        },
        traced=[_traced(task, begin, ran.get(task.key)) for task in tasks],
    )


def _traced(task: SimTask, begin: float, ran: tuple[str, float, float] | None) -> TracedTask:
    node, bound, finish = ran or ("", None, None)
    return TracedTask(
        name=task.key,
        workload=task.workload,
        arrival_seconds=round(task.arrival_seconds - begin, 3),
        requests=TracedResources.of(task.requests),
        cpu_millis=task.cpu_millis,
        seconds={name: round(seconds, 3) for name, seconds in task.true_seconds.items()},
        predicted={
            name: TracedExpectation(
                median_seconds=round(each.median_seconds, 3), upper_seconds=round(each.upper_seconds, 3)
            )
            for name, each in task.expected.items()
        },
        deadline_seconds=round(task.deadline_seconds, 3) if task.deadline_seconds < math.inf else None,
        wait_bound_seconds=(
            round(task.latest_open_seconds - task.arrival_seconds, 3) if task.latest_open_seconds < math.inf else None
        ),
        node=node,
        bound_seconds=None if bound is None else round(bound - begin, 3),
        finish_seconds=None if finish is None else round(finish - begin, 3),
    )


def _sim_task(task: TracedTask) -> SimTask:
    bound = task.wait_bound_seconds
    return SimTask(
        key=task.name,
        workload=task.workload,
        arrival_seconds=task.arrival_seconds,
        requests=task.requests.read(),
        cpu_millis=task.cpu_millis,
        true_seconds=task.seconds,
        expected={name: Expected(each.median_seconds, each.upper_seconds) for name, each in task.predicted.items()},
        deadline_seconds=math.inf if task.deadline_seconds is None else task.deadline_seconds,
        latest_open_seconds=math.inf if bound is None else task.arrival_seconds + bound,
    )
