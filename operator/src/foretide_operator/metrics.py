"""The operator's metrics; labels are bounded, and never names of Pods, nodes or workloads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.process_collector import ProcessCollector

from foretide.contention import Contention
from foretide.latency import ServicePairing
from foretide.pairing import IntervalOutcome, Quantity
from foretide.prediction import BLIND_FACTOR, Source
from foretide.vetting import Exclusion
from foretide_operator.gates.openings import Reason
from foretide_operator.pairing.ended import Ended, Ending
from foretide_operator.training.versions import Outcome

RATIO_BUCKETS: Final = (0.25, 0.5, 0.667, 0.8, 0.909, 1.0, 1.1, 1.25, 1.5, 2.0, 4.0)
IN_FLIGHT_BUCKETS: Final = (1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 9.0, 17.0, 33.0, 65.0, 129.0)
QUANTITIES: Final[tuple[Quantity, ...]] = get_args(Quantity)
SERVICE_QUANTITIES: Final = ("inference", "latency")
MOST_TIMES_OFF: Final = BLIND_FACTOR
"""How many times what a task really took its prediction counts for at most. Whoever owns a Pod can write any prediction
on it: one forged must not outweigh the time that the Pod held its node, which the API bears out. As wide as the widest
interval, and not refused beyond, so that the worst of our own errors still count as such."""


class Metrics:
    """All metrics on a registry of their own; one object per process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        registry = self.registry
        by_quantity = ("node_class", "quantity")
        self.tasks = Counter(
            "foretide_tasks_ended",
            "Tasks that ended: Paired, Unpredicted, PredictionRefused (the one on the Pod does not fit it) or Failed.",
            ("ending",),
            registry=registry,
        )
        self.resolved = Counter(
            "foretide_predictions_resolved",
            "Predictions compared with what happened, by source: Measured, Learned, Fallback.",
            ("node_class", "source"),
            registry=registry,
        )
        self.predicted = Counter(
            "foretide_predicted_seconds",
            "Sum of predicted seconds of resolved predictions (work, startup, completion), each up to 20 times what "
            "the task took: a Pod's owner can write any prediction on it.",
            by_quantity,
            registry=registry,
        )
        self.actual = Counter(
            "foretide_actual_seconds",
            "Sum of actual seconds of resolved predictions.",
            by_quantity,
            registry=registry,
        )
        self.absolute_error = Counter(
            "foretide_prediction_absolute_error_seconds",
            "Sum of absolute differences of predicted and actual seconds.",
            by_quantity,
            registry=registry,
        )
        self.ratio = Histogram(
            "foretide_actual_to_predicted_ratio",
            "Actual over predicted seconds of resolved predictions.",
            by_quantity,
            buckets=RATIO_BUCKETS,
            registry=registry,
        )
        self.interval = Counter(
            "foretide_prediction_interval",
            "Where actual work lay against its 90 % interval: below, inside, above.",
            ("node_class", "outcome"),
            registry=registry,
        )
        self.deadline = Counter(
            "foretide_deadline", "Tasks with a deadline, met or missed.", ("outcome",), registry=registry
        )
        self.service_reports = Counter(
            "foretide_service_reports",
            "Reports of services, by outcome: Paired, Idle, Unpredicted, Unreachable, Refused, LeftOut.",
            ("outcome",),
            registry=registry,
        )
        self.service_minutes = Counter(
            "foretide_service_minutes",
            "Minutes of service Pods whose requests were compared with the prediction.",
            ("node_class", "source"),
            registry=registry,
        )
        self.service_predicted = Counter(
            "foretide_service_predicted_seconds",
            "Sum over these minutes of predicted seconds: of an inference, or of latencies at their percentile and "
            "load.",
            by_quantity,
            registry=registry,
        )
        self.service_observed = Counter(
            "foretide_service_observed_seconds",
            "Sum over these minutes of observed seconds.",
            by_quantity,
            registry=registry,
        )
        self.service_ratio = Histogram(
            "foretide_service_observed_to_predicted_ratio",
            "Observed over predicted seconds of these minutes.",
            by_quantity,
            buckets=RATIO_BUCKETS,
            registry=registry,
        )
        self.service_in_flight = Histogram(
            "foretide_service_in_flight",
            "Requests in a Pod when one arrived, itself included; mean of each of these minutes.",
            ("node_class",),
            buckets=IN_FLIGHT_BUCKETS,
            registry=registry,
        )
        self.service_objective = Counter(
            "foretide_service_objective",
            "Minutes of service Pods with an objective: met where its percentile of requests kept to it, or missed.",
            ("outcome",),
            registry=registry,
        )
        self.gates_opened = Counter(
            "foretide_gates_opened_without_plan",
            "Gates that the operator opened because no plan did, by reason: PlannerSilent, WaitedTooLong.",
            ("reason",),
            registry=registry,
        )
        self.model_info = Info("foretide_model", "The model version in use.", registry=registry)
        self.model_trained = Gauge(
            "foretide_model_trained_timestamp_seconds",
            "When the training of the version in use began.",
            registry=registry,
        )
        self.observations = Gauge("foretide_model_observations", "Rows of the training table.", registry=registry)
        self.training = Counter(
            "foretide_trainings", "Trainings that ended, trained or failed.", ("outcome",), registry=registry
        )
        self.versions = Counter(
            "foretide_model_versions",
            "Versions of the model, by outcome: Served, Rejected, RolledBack.",
            ("outcome",),
            registry=registry,
        )
        self.excluded = Gauge(
            "foretide_model_excluded_observations",
            "Observations that the latest training left out, by reason: Implausible, Incoherent.",
            ("reason",),
            registry=registry,
        )
        self.contention = Gauge(
            "foretide_contention_coefficient",
            "Contention: a task takes 1 + this x the share of the node's cores that others use times as long, by "
            "workload kind (ComputeBound, MemoryBound); 0 where it is not used.",
            ("node_class", "workload_kind"),
            registry=registry,
        )
        self.profile_measured = Gauge(
            "foretide_profile_measured_timestamp_seconds",
            "When the newest profile of a node class was measured.",
            ("node_class",),
            registry=registry,
        )
        self.reconciles = Counter(
            "foretide_reconciles",
            "Reconciliations, by kind and outcome: done, conflict (the object had changed), failed, error (a bug).",
            ("kind", "outcome"),
            registry=registry,
        )
        self.reconcile_seconds = Histogram(
            "foretide_reconcile_duration_seconds",
            "Seconds that a reconciliation took, requests included.",
            ("kind",),
            buckets=(0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0),
            registry=registry,
        )
        self.queue_length = Gauge(
            "foretide_reconcile_queue_length", "Objects waiting to be reconciled.", registry=registry
        )

        for ending in get_args(Ending):
            self.tasks.labels(ending)
        for outcome in ("met", "missed"):
            self.deadline.labels(outcome)
            self.service_objective.labels(outcome)
        for outcome in ("trained", "failed"):
            self.training.labels(outcome)
        for became in get_args(Outcome):
            self.versions.labels(became)
        for reason in Reason:
            self.gates_opened.labels(reason)

    def know_classes(self, node_classes: Iterable[str]) -> None:
        """Begin every sum of a node class at 0: what a series begins with is no increase to Prometheus."""
        for name in node_classes:
            for source in get_args(Source):
                self.resolved.labels(name, source)
                self.service_minutes.labels(name, source)
            for outcome in get_args(IntervalOutcome):
                self.interval.labels(name, outcome)
            self.service_in_flight.labels(name)
            for each in (self.predicted, self.actual, self.absolute_error, self.ratio):
                for quantity in QUANTITIES:
                    each.labels(name, quantity)
            for each in (self.service_predicted, self.service_observed, self.service_ratio):
                for served in SERVICE_QUANTITIES:
                    each.labels(name, served)

    def tell_contention(self, learned: Iterable[tuple[str, Iterable[Contention]]]) -> None:
        """Show what was learned by node class, and no longer what was known before."""
        self.contention.clear()
        for name, contentions in learned:
            for each in contentions:
                self.contention.labels(name, each.kind).set(each.coefficient_permille / 1e3)

    def tell_excluded(self, exclusions: Iterable[Exclusion]) -> None:
        """Show how many observations the newest training left out."""
        self.excluded.clear()
        for each in exclusions:
            self.excluded.labels(each.reason).inc(each.observations)

    def count(self, ended: Ended) -> None:
        """Count one ended task; to be called once per Pod."""
        self.tasks.labels(ended.ending).inc()
        pairing = ended.pairing
        if pairing is None:
            return
        name = pairing.prediction.node_class
        self.resolved.labels(name, pairing.prediction.source).inc()
        most_seconds = MOST_TIMES_OFF * max(
            pairing.actual_completion_milliseconds / 1e3, 1.0
        )  # times are whole seconds
        for quantity in QUANTITIES:
            actual_milliseconds = pairing.actual_milliseconds(quantity)
            if actual_milliseconds is None:
                continue
            actual = actual_milliseconds / 1e3
            predicted = min(pairing.predicted_milliseconds(quantity) / 1e3, most_seconds)
            self.predicted.labels(name, quantity).inc(predicted)
            self.actual.labels(name, quantity).inc(actual)
            self.absolute_error.labels(name, quantity).inc(abs(predicted - actual))
            if predicted > 0:
                self.ratio.labels(name, quantity).observe(min(actual / predicted, MOST_TIMES_OFF))
        self.interval.labels(name, pairing.interval_outcome).inc()
        if pairing.is_deadline_met is not None:
            self.deadline.labels("met" if pairing.is_deadline_met else "missed").inc()

    def count_service(self, pairing: ServicePairing) -> None:
        """Count a minute of a service's Pod; it weighs the same however many requests it is said to have had."""
        name = pairing.node_class
        self.service_minutes.labels(name, pairing.source).inc()
        self.service_in_flight.labels(name).observe(pairing.in_flight)
        for quantity, predicted, observed in (
            ("inference", pairing.predicted_inference_seconds, pairing.observed_inference_seconds),
            ("latency", pairing.predicted_latency_seconds, pairing.observed_latency_seconds),
        ):
            self.service_predicted.labels(name, quantity).inc(predicted)
            self.service_observed.labels(name, quantity).inc(min(observed, MOST_TIMES_OFF * predicted))
            if predicted > 0:
                self.service_ratio.labels(name, quantity).observe(min(observed / predicted, MOST_TIMES_OFF))
        if pairing.is_met is not None:
            self.service_objective.labels("met" if pairing.is_met else "missed").inc()
