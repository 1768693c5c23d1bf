"""A scenario: which nodes there are, which workloads, how tasks of them arrive, and what befalls them.

A YAML file, checked on reading; files that it names lie beside it.
"""

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
from foretide.simulate.arrivals import Arrivals, Replay, arrival_times
from foretide.simulate.cluster import SimTask
from foretide.simulate.fleet import NodeGroup, NodeLoss
from foretide.simulate.parts import MEBI, Count, InFile, Part, Positive, ScenarioError, Share
from foretide.simulate.prediction_errors import LogNormal, Residuals
from foretide.simulate.recorded import arrival_seconds, log_residuals
from foretide.simulate.workloads import TaskSeconds, WorkloadSpec
from foretide.simulate.world import World
from foretide.yaml_documents import YamlError, decode

MOST_RESIDUAL: Final = 10.0
"""Nothing takes twenty thousand times as long as was predicted."""


class Scenario(Part, frozen=True, kw_only=True):
    """All of it. ``load`` 1 offers as much work as the fleet can do if every workload went to every slot equally often.

    Recorded arrivals need neither ``load``, which stretches them, nor ``tasks``, which takes the first of them only.
    ``time_deviation`` is of one task's log seconds about its workload's on a class; ``prediction_deviation`` of a
    workload's prediction on a class about what it truly takes there, unless ``prediction_residuals`` are given: the
    logarithms of actual over predicted times. Every ``model_update_seconds`` predictions follow what has ended.
    """

    name: str
    nodes: Annotated[list[NodeGroup], msgspec.Meta(min_length=1)]
    workloads: Annotated[list[WorkloadSpec], msgspec.Meta(min_length=1)]
    arrivals: Arrivals
    load: Positive | None = None
    tasks: Count | None = None
    time_deviation: Share = 0.05
    prediction_deviation: Share = 0.15
    prediction_residuals: Annotated[list[float], msgspec.Meta(min_length=1)] | InFile | None = None
    model_update_seconds: Positive | None = None
    node_loss: NodeLoss = NodeLoss()
    seed: int = 0

    def __post_init__(self) -> None:
        problem = next(_problems(self), None)
        if problem is not None:
            raise ScenarioError(problem)

    @classmethod
    def read(cls, path: Path) -> Scenario:
        """The scenario of a YAML file; ScenarioError says what is wrong with it, and where."""
        try:
            found: Scenario = decode(path.read_bytes(), type=cls)
            return found.with_files(path.parent)
        except (YamlError, msgspec.ValidationError, ScenarioError) as error:
            raise ScenarioError(f"{path}: {error}") from error

    def with_files(self, folder: Path) -> Scenario:
        """The same with what stands in other files, which are named from ``folder``."""
        arrivals, residuals = self.arrivals, self.prediction_residuals
        if isinstance(arrivals, Replay) and arrivals.file:
            arrivals = Replay(seconds=arrival_seconds(folder / arrivals.file))
        if isinstance(residuals, InFile):
            residuals = log_residuals(folder / residuals.file)
        return msgspec.structs.replace(self, arrivals=arrivals, prediction_residuals=residuals)

    def node_states(self) -> list[NodeState]:
        """Every node, named by its class."""
        return [node for group in self.nodes for node in group.nodes()]

    def lags(self) -> dict[str, Lags]:
        """Of each class."""
        return {group.node_class: Lags(release_seconds=group.release_seconds) for group in self.nodes}

    def world(self) -> World:
        """What befalls nodes and predictions."""
        return World(
            classes={group.node_class: group.truth() for group in self.nodes},
            failures=self.node_loss.failures(self.nodes),
            update_seconds=self.model_update_seconds or math.inf,
        )

    @property
    def task_count(self) -> int:
        """How many there are."""
        recorded = len(self.arrivals.seconds) if isinstance(self.arrivals, Replay) else 0
        return self.tasks or recorded

    @property
    def tasks_per_second(self) -> float:
        """How many tasks arrive per second on average."""
        if self.load is None and isinstance(self.arrivals, Replay):
            return self.arrivals.tasks_per_second
        return (self.load or 0.0) * self._capacity()

    def sim_tasks(self) -> list[SimTask]:
        """Every task in order of arrival; the same for the same scenario."""
        chance = random.Random(self.seed)  # noqa: S311  no secret
        predicted = self._predicted(chance)
        startup = {workload.name: workload.startup() for workload in self.workloads}
        best = {each.name: min(TaskSeconds(each.seconds, 1.0, each.startup()).values()) for each in self.workloads}
        bounds = {
            name: wait_bound_seconds(None, [each.median_seconds for each in expected.values()])
            for name, expected in predicted.items()
        }
        requests = {each.name: Resources(each.cpu_millis, each.memory_mebibytes * MEBI, 1) for each in self.workloads}
        images = {workload.name: workload.pulled() for workload in self.workloads}
        weights = [workload.weight for workload in self.workloads]
        out = []
        arrivals = arrival_times(self.arrivals, self.tasks_per_second, chance)
        for number, arrival in zip(range(self.task_count), arrivals, strict=False):
            workload = chance.choices(self.workloads, weights)[0]
            name, deadline = workload.name, workload.deadline_factor
            one = math.exp(chance.gauss(0.0, self.time_deviation))
            out.append(
                SimTask(
                    key=f"{number:06d}-{name}",
                    workload=name,
                    arrival_seconds=arrival,
                    requests=requests[name],
                    cpu_millis=workload.cpu_millis,
                    true_seconds=TaskSeconds(workload.seconds, one, startup[name]),
                    expected=predicted[name],
                    deadline_seconds=math.inf if deadline is None else deadline * best[name],
                    latest_open_seconds=arrival + bounds[name],
                    team=workload.team,
                    image=images[name],
                )
            )
        return out

    def _predicted(self, chance: random.Random) -> dict[str, dict[str, Expected]]:
        """By workload and class."""
        errors: LogNormal | Residuals = LogNormal(self.prediction_deviation)
        if self.prediction_residuals is not None:
            if isinstance(self.prediction_residuals, InFile):
                raise ScenarioError("predictionResiduals: the file is not read yet, see Scenario.with_files")
            errors = Residuals(self.prediction_residuals)
            chance = random.Random(f"{self.seed} residuals")  # noqa: S311  no secret
        upper = errors.upper(self.time_deviation)
        found: dict[str, dict[str, Expected]] = {}
        for workload in self.workloads:
            startup, of_workload = workload.startup(), found.setdefault(workload.name, {})
            for group in self.nodes:
                name = group.node_class
                off = errors.draw(chance)
                work = workload.predicted.get(name, workload.seconds[name] * off)
                of_workload[name] = Expected(
                    work + startup[name], work * upper + startup[name], startup_seconds=startup[name]
                )
        return found

    def _capacity(self) -> float:
        total = sum(workload.weight for workload in self.workloads)
        rate = 0.0
        for group in self.nodes:
            name = group.node_class
            slot_seconds = sum(
                workload.weight
                / total
                * (workload.seconds[name] + workload.startup()[name] + group.release_seconds)
                / max(
                    min(group.cpu_millis // workload.cpu_millis, group.memory_mebibytes // workload.memory_mebibytes), 1
                )
                for workload in self.workloads
            )
            rate += group.count / slot_seconds
        return rate


def _problems(scenario: Scenario) -> Iterator[str]:
    """What is wrong with it, and what would do."""
    classes = [group.node_class for group in scenario.nodes]
    if len(set(classes)) != len(classes):
        yield "nodes: a class occurs twice; give each class one group"
    names = [workload.name for workload in scenario.workloads]
    if len(set(names)) != len(names):
        yield "workloads: a name occurs twice; give each workload its own"
    for workload in scenario.workloads:
        yield from _workload_problems(workload, scenario.nodes)
    yield from _image_problems(scenario)
    if isinstance(scenario.prediction_residuals, list):
        odd = [each for each in scenario.prediction_residuals if not abs(each) <= MOST_RESIDUAL]
        if odd:
            yield f"predictionResiduals: {odd[0]} is not a log(actual / predicted); give logarithms: 0.1 is 10 % longer"
    yield from _arrival_problems(scenario)
    nodes = {node.name for group in scenario.nodes for node in group.nodes()} if scenario.node_loss.losses else set()
    for loss in scenario.node_loss.losses:
        if loss.node not in nodes:
            yield f"nodeLoss: there is no node {loss.node}; they are named {classes[0]}-0000 and so on"


def _workload_problems(workload: WorkloadSpec, groups: list[NodeGroup]) -> Iterator[str]:
    classes = {group.node_class for group in groups}
    for field, known in (
        ("seconds", workload.seconds),
        ("predicted", workload.predicted or workload.seconds),
        ("startupSeconds", workload.startup()),
    ):
        missing = sorted(classes - set(known))
        if missing:
            yield f"workload {workload.name}: {field} lacks class {missing[0]}; give its seconds there"
    if not any(
        workload.cpu_millis <= group.cpu_millis and workload.memory_mebibytes <= group.memory_mebibytes
        for group in groups
    ):
        asked = f"{workload.cpu_millis} m CPU and {workload.memory_mebibytes} MiB"
        yield f"workload {workload.name}: {asked} fit on no node; ask for less or add larger nodes"


def _image_problems(scenario: Scenario) -> Iterator[str]:
    sizes: dict[str, float] = {}
    for workload in scenario.workloads:
        image = workload.image
        if image is None:
            continue
        if sizes.setdefault(image.name, image.mebibytes) != image.mebibytes:
            yield f"workload {workload.name}: image {image.name} has another size elsewhere; give one size"
        for group in scenario.nodes:
            if image.name not in group.images and group.pull_mebibytes_per_second is None:
                yield (
                    f"nodes of class {group.node_class} neither hold image {image.name} of workload {workload.name} "
                    "(images) nor say how fast they pull it (pullMebibytesPerSecond); give one of them"
                )


def _arrival_problems(scenario: Scenario) -> Iterator[str]:
    arrivals = scenario.arrivals
    if not isinstance(arrivals, Replay):
        if scenario.load is None:
            yield "load is missing; say how much work is to arrive, 1 is what the fleet can do"
        if scenario.tasks is None:
            yield "tasks is missing; say how many are to arrive"
    elif not arrivals.file and scenario.tasks is not None and scenario.tasks > len(arrivals.seconds):
        yield f"tasks is {scenario.tasks}, but {len(arrivals.seconds)} arrivals are recorded; leave it out to take all"
