"""A scenario: which nodes there are, which workloads, and how tasks of them arrive. A YAML file, checked on reading."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import msgspec

from foretide.placement.plan import Expected, NodeState
from foretide.placement.resources import Resources
from foretide.placement.timeline import Lags
from foretide.placement.waiting import wait_bound_seconds
from foretide.simulate.cluster import SimTask

UPPER_DEVIATIONS: Final = 1.645
"""From the median of a log-normal to its 95 % quantile."""
_MEBI: Final = 2**20

Positive = Annotated[float, msgspec.Meta(gt=0)]
Share = Annotated[float, msgspec.Meta(ge=0)]
Count = Annotated[int, msgspec.Meta(ge=1)]


class ScenarioError(ValueError):
    """A scenario that cannot be simulated; the message names field, value and what would do."""


class Part(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A part of a file: camelCase keys, unknown ones are errors."""


class NodeGroup(Part, frozen=True, kw_only=True):
    """Nodes of one class, all alike; ``release_seconds`` pass from a container's end until its requests are free."""

    node_class: str
    count: Count
    cpu_millis: Count
    memory_mebibytes: Count
    release_seconds: Share = 1.8


class WorkloadSpec(Part, frozen=True, kw_only=True):
    """A workload: what its tasks ask for, what they take on each class, and how often they come.

    ``seconds`` are medians from the binding to the container's end. ``predicted`` are the medians that the model gives
    (without them those of ``seconds``, off by the scenario's ``prediction_deviation``). Each task's deadline is
    ``deadline_factor`` times the best class's seconds. ``team`` is whose tasks they are (in a cluster: the namespace).
    """

    name: str
    seconds: dict[str, Positive]
    predicted: dict[str, Positive] = {}
    weight: Positive = 1.0
    cpu_millis: Count = 1000
    memory_mebibytes: Count = 256
    deadline_factor: Positive | None = None
    team: str = ""


class Poisson(Part, frozen=True, kw_only=True, tag_field="process", tag="Poisson"):
    """One by one, at random."""


class Bursts(Part, frozen=True, kw_only=True, tag_field="process", tag="Bursts"):
    """So many at once, the bursts at random."""

    size: Count


class Diurnal(Part, frozen=True, kw_only=True, tag_field="process", tag="Diurnal"):
    """Poisson, its rate a sine of this period between 1 - ``swing`` and 1 + ``swing`` times the mean."""

    period_seconds: Positive = 86_400.0
    swing: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.8


class Scenario(Part, frozen=True, kw_only=True):
    """All of it. ``load`` 1 offers as much work as the fleet can do if every workload went to every slot equally often.

    ``time_deviation`` is of one task's log seconds about its workload's on a class; ``prediction_deviation`` of a
    workload's prediction on a class about what it truly takes there.
    """

    name: str
    nodes: Annotated[list[NodeGroup], msgspec.Meta(min_length=1)]
    workloads: Annotated[list[WorkloadSpec], msgspec.Meta(min_length=1)]
    arrivals: Poisson | Bursts | Diurnal
    load: Positive
    tasks: Count
    time_deviation: Share = 0.05
    prediction_deviation: Share = 0.15
    seed: int = 0

    def __post_init__(self) -> None:
        classes = [group.node_class for group in self.nodes]
        if len(set(classes)) != len(classes):
            raise ScenarioError("nodes: a class occurs twice; give each class one group")
        for workload in self.workloads:
            for field, known in (("seconds", workload.seconds), ("predicted", workload.predicted or workload.seconds)):
                missing = sorted(set(classes) - set(known))
                if missing:
                    raise ScenarioError(
                        f"workload {workload.name}: {field} lacks class {missing[0]}; give its seconds there"
                    )
            if not any(
                workload.cpu_millis <= group.cpu_millis and workload.memory_mebibytes <= group.memory_mebibytes
                for group in self.nodes
            ):
                asked = f"{workload.cpu_millis} m CPU and {workload.memory_mebibytes} MiB"
                raise ScenarioError(
                    f"workload {workload.name}: {asked} fit on no node; ask for less or add larger nodes"
                )

    @classmethod
    def read(cls, path: Path) -> Scenario:
        """The scenario of a YAML file; ScenarioError says what is wrong with it, and where."""
        try:
            return msgspec.yaml.decode(path.read_bytes(), type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ScenarioError(f"{path}: {error}") from error

    def node_states(self) -> list[NodeState]:
        """Every node, named by its class."""
        return [
            NodeState(
                f"{group.node_class}-{number:04d}",
                group.node_class,
                Resources(group.cpu_millis, group.memory_mebibytes * _MEBI, 110),
            )
            for group in self.nodes
            for number in range(group.count)
        ]

    def lags(self) -> dict[str, Lags]:
        """Of each class."""
        return {group.node_class: Lags(release_seconds=group.release_seconds) for group in self.nodes}

    @property
    def tasks_per_second(self) -> float:
        """How many tasks arrive per second on average."""
        return self.load * self._capacity()

    def sim_tasks(self) -> list[SimTask]:
        """Every task in order of arrival; the same for the same scenario."""
        chance = random.Random(self.seed)  # noqa: S311  no secret
        predicted = {workload.name: self._predicted(workload, chance) for workload in self.workloads}
        weights = [workload.weight for workload in self.workloads]
        out = []
        for number, arrival in zip(range(self.tasks), self._arrivals(chance), strict=False):
            workload = chance.choices(self.workloads, weights)[0]
            one = math.exp(chance.gauss(0.0, self.time_deviation))
            completions = [each.median_seconds for each in predicted[workload.name].values()]
            deadline = workload.deadline_factor
            out.append(
                SimTask(
                    key=f"{number:06d}-{workload.name}",
                    workload=workload.name,
                    arrival_seconds=arrival,
                    requests=Resources(workload.cpu_millis, workload.memory_mebibytes * _MEBI, 1),
                    cpu_millis=workload.cpu_millis,
                    true_seconds={name: seconds * one for name, seconds in workload.seconds.items()},
                    expected=predicted[workload.name],
                    deadline_seconds=math.inf if deadline is None else deadline * min(workload.seconds.values()),
                    latest_open_seconds=arrival + wait_bound_seconds(None, completions),
                    team=workload.team,
                )
            )
        return out

    def _predicted(self, workload: WorkloadSpec, chance: random.Random) -> dict[str, Expected]:
        spread = math.exp(UPPER_DEVIATIONS * math.hypot(self.prediction_deviation, self.time_deviation))
        out = {}
        for group in self.nodes:
            name = group.node_class
            off = math.exp(chance.gauss(0.0, self.prediction_deviation))
            median = workload.predicted.get(name, workload.seconds[name] * off)
            out[name] = Expected(median, median * spread)
        return out

    def _capacity(self) -> float:
        total = sum(workload.weight for workload in self.workloads)
        rate = 0.0
        for group in self.nodes:
            slot_seconds = sum(
                workload.weight
                / total
                * (workload.seconds[group.node_class] + group.release_seconds)
                / max(
                    min(group.cpu_millis // workload.cpu_millis, group.memory_mebibytes // workload.memory_mebibytes), 1
                )
                for workload in self.workloads
            )
            rate += group.count / slot_seconds
        return rate

    def _arrivals(self, chance: random.Random) -> Iterator[float]:
        rate, now = self.tasks_per_second, 0.0
        while True:
            match self.arrivals:
                case Bursts(size=size):
                    now += chance.expovariate(rate / size)
                    yield from [now] * size
                case Diurnal(period_seconds=period, swing=swing):
                    now += chance.expovariate(rate * (1.0 + swing))
                    if chance.random() * (1.0 + swing) <= 1.0 + swing * math.sin(2.0 * math.pi * now / period):
                        yield now
                case _:
                    now += chance.expovariate(rate)
                    yield now
