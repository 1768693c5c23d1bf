"""What the planner says of itself; names of Pods and nodes never become labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.process_collector import ProcessCollector

from foretide.prediction import Source


class Metrics:
    """The metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.predictions = Counter(
            "foretide_predictions_total",
            "Predictions written on Pods, once for each Pod, by source: Measured, Learned, Fallback.",
            ["node_class", "source"],
            registry=self.registry,
        )
        self.not_predicted = Counter(
            "foretide_planner_not_predicted_total",
            "Tasks that were bound and for which no prediction could be written, by reason.",
            ["reason"],
            registry=self.registry,
        )
        self.write_errors = Counter(
            "foretide_planner_write_errors_total",
            "Writes to Pods that failed and were retried or given up, by the API's reason.",
            ["reason"],
            registry=self.registry,
        )
        self.gates_opened = Counter(
            "foretide_planner_gates_opened_total",
            "Gates opened, by reason: Planned, or why without a plan.",
            ["reason"],
            registry=self.registry,
        )
        self.regret_seconds = Counter(
            "foretide_placement_regret_seconds_total",
            "Sum over planned gates of predicted seconds by which a task would have ended sooner on a node of another "
            "class, as predicted then; 0 where on none.",
            registry=self.registry,
        )
        self.planned_seconds = Counter(
            "foretide_placement_predicted_seconds_total",
            "Sum over planned gates of predicted seconds from the opening to the end on the planned node.",
            registry=self.registry,
        )
        self.aimed_again = Counter(
            "foretide_planner_aimed_again_total",
            "Tasks that were not bound where they were planned and got another node.",
            registry=self.registry,
        )
        self.plan_errors = Counter(
            "foretide_planner_plan_errors_total", "Plans that were not made.", registry=self.registry
        )
        self.plan_seconds = Histogram(
            "foretide_planner_plan_duration_seconds",
            "Seconds to gather the inputs of a plan and make it.",
            buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0),
            registry=self.registry,
        )
        self.waiting = Gauge("foretide_planner_waiting", "Tasks that wait in the plan.", registry=self.registry)
        self._leader = Gauge("foretide_planner_leader", "1 while this process holds the Lease.", registry=self.registry)
        self._pending = Gauge(
            "foretide_planner_pending", "Pods that wait for their prediction to be written.", registry=self.registry
        )
        self._watch_age_seconds = Gauge(
            "foretide_planner_watch_age_seconds",
            "Seconds since the API server last sent anything about a resource.",
            ["resource"],
            registry=self.registry,
        )
        self._unreadable = Gauge(
            "foretide_planner_unreadable_objects",
            "Objects that could not be read as a whole, by resource; the log says which and why.",
            ["resource"],
            registry=self.registry,
        )

    def know_class(self, node_class: str) -> None:
        """Begin the counts of a node class at 0: what a series begins with is no increase to Prometheus."""
        for source in get_args(Source):
            self.predictions.labels(node_class, source)

    def show(self, *, is_leader: Callable[[], bool], pending: Callable[[], int]) -> None:
        """Show leadership and the queue as they are when somebody looks."""
        self._leader.set_function(lambda: float(is_leader()))
        self._pending.set_function(lambda: float(pending()))

    def show_watches(
        self, resources: Sequence[str], *, age_seconds: Callable[[str], float], unreadable: Callable[[str], int]
    ) -> None:
        """Show the age of each watch, and what it could not read, as it is when somebody looks."""
        for resource in resources:
            self._watch_age_seconds.labels(resource).set_function(partial(age_seconds, resource))
            self._unreadable.labels(resource).set_function(partial(unreadable, resource))
