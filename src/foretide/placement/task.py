"""What placement knows of a task and of the workload that it performs.

A *task* is one Pod that performs ``inferences`` of a workload once; a *service* answers requests of one inference each,
never ends, and is counted by its CPU alone; its predictions are those of a request. Predictions are looked up here and
nowhere else, so that who scores and who records agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from foretide.placement.waiting import wait_bound_seconds
from foretide.prediction import USUAL_PERCENTILE, Prediction


@dataclass(frozen=True, slots=True)
class Task:
    """What one Pod asks for.

    ``inferences`` is None where the workload's own number holds. ``cpu_millis`` is the limit of the Pod's containers
    together, None where one of them has none; so is ``memory_limit_bytes``.
    """

    inferences: int | None = None
    cpu_millis: int | None = None
    memory_limit_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class WorkloadPredictions:
    """What is published of a workload: its defaults, and its predictions by node class, made for ``cpu_millis``.

    ``is_service`` says that its Pods answer requests and never end; ``latency_seconds`` is what these should keep to.
    ``max_wait_seconds`` is the longest that a task may be held back, None where the workload does not say. Nodes are
    compared by the time that ``percentile`` of tasks, or of requests, in per cent, keep to. ``measuring`` has the
    classes on which it is being measured, or is next to be, and the seconds that this is expected to take; the Pod that
    measures may use ``cpu_millis`` and ``memory_limit_bytes``.
    """

    inferences: int
    cpu_millis: int
    deadline_seconds: float | None
    by_class: Mapping[str, Prediction]
    is_service: bool = False
    max_wait_seconds: float | None = None
    percentile: int = USUAL_PERCENTILE
    latency_seconds: float | None = None
    measuring: Mapping[str, float] = field(default_factory=dict)
    memory_limit_bytes: int = 0

    def inferences_of(self, task: Task) -> int:
        """How many inferences ``task`` performs."""
        return self.inferences if task.inferences is None else task.inferences

    def cpu_millis_of(self, task: Task) -> int:
        """The CPU that ``task`` may use; without a limit it counts as the workload says."""
        return self.cpu_millis if task.cpu_millis is None else task.cpu_millis

    def prediction_for(self, task: Task, node_class: str | None) -> Prediction | None:
        """The prediction of ``task`` on a node of ``node_class``, for its own CPU limit; None if there is none."""
        prediction = None if node_class is None else self.by_class.get(node_class)
        if prediction is None:
            return None
        return prediction.scaled_to_cpu(predicted_millis=self.cpu_millis, actual_millis=self.cpu_millis_of(task))

    def wait_bound_seconds_of(self, task: Task) -> float:
        """The longest that ``task`` may be held back, from its creation."""
        inferences = self.inferences_of(task)
        predictions = (self.prediction_for(task, node_class) for node_class in self.by_class)
        completions = [each.completion_seconds(inferences) for each in predictions if each is not None]
        return wait_bound_seconds(self.max_wait_seconds, completions)
