"""What became of one task, from its creation to the end of its container."""

from __future__ import annotations

from dataclasses import dataclass, field

from demo.pod_times import PodTimes
from foretide.placement.resources import Resources
from foretide.prediction import PodPrediction
from foretide.results import RunResult


@dataclass
class Task:
    """One task; times are seconds since the epoch.

    ``pod`` tells when the Pod that performed it was seen bound and ended; ``trouble`` says what went wrong on the way.
    """

    name: str
    workload: str
    wave: int
    created_seconds: float
    deadline_seconds: float | None
    requests: Resources = field(default_factory=Resources)
    node: str = ""
    node_class: str = ""
    prediction: PodPrediction | None = None
    result: RunResult | None = None
    pod: PodTimes | None = None
    paired: bool = False
    trouble: str = ""

    @property
    def is_ended(self) -> bool:
        """Whether its container has reported."""
        return self.result is not None

    @property
    def is_released(self) -> bool:
        """Whether its Pod was seen in a terminal phase."""
        return self.pod is not None and self.pod.released_seconds is not None

    @property
    def ended_seconds(self) -> float:
        """When its last inference was done."""
        return self._ended().work_end / 1e3

    @property
    def turnaround_seconds(self) -> float:
        """From the task's creation to its last inference done."""
        return self.ended_seconds - self.created_seconds

    @property
    def work_seconds(self) -> float:
        """From the model loaded to the last inference done."""
        result = self._ended()
        return (result.work_end - result.work_begin) / 1e3

    @property
    def completion_seconds(self) -> float | None:
        """From bound, as seen on the watch, to the last inference done; None if the binding was not seen."""
        bound = None if self.pod is None else self.pod.bound_seconds
        return None if bound is None else self.ended_seconds - bound

    @property
    def met_deadline(self) -> bool:
        """Whether it ended within its deadline; a task without one always does."""
        return self.deadline_seconds is None or self.turnaround_seconds <= self.deadline_seconds

    def _ended(self) -> RunResult:
        if self.result is None:
            raise ValueError(f"task {self.name} has not ended")
        return self.result
