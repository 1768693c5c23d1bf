"""What the extender says of itself; names of Pods and nodes never become labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from http import HTTPStatus
from typing import Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from foretide_extender.certificates import Certificates
from foretide_extender.decide import Source

FailOpenReason = Literal["Overloaded", "NotSynced", "DeadlineExceeded", "InternalError"]
"""Why a request about a task is answered without a decision."""

_BUCKETS_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25)


class Metrics:
    """The metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.request_duration_seconds = Histogram(
            "foretide_extender_request_duration_seconds",
            "Time from the body read to the answer ready, by verb: filter, prioritize.",
            ["verb"],
            buckets=_BUCKETS_SECONDS,
            registry=self.registry,
        )
        self.errors = Counter(
            "foretide_extender_errors_total",
            "Requests that were answered with status 400, by reason.",
            ["verb", "reason"],
            registry=self.registry,
        )
        self.fail_open = Counter(
            "foretide_extender_fail_open_total",
            "Requests about tasks that were answered without a decision: all nodes pass, scores are equal.",
            ["verb", "reason"],
            registry=self.registry,
        )
        self.decisions = Counter(
            "foretide_extender_decisions_total",
            "Answers by source: Measured, Learned, Fallback, ClassSpeed, Equal, or Untouched (not a task of Foretide).",
            ["verb", "source"],
            registry=self.registry,
        )
        for verb in ("filter", "prioritize"):  # what a series begins with is no increase to Prometheus
            for source in get_args(Source):
                self.decisions.labels(verb, source)
            for reason in get_args(FailOpenReason):
                self.fail_open.labels(verb, reason)
        self.stale_decisions = Counter(
            "foretide_extender_stale_decisions_total",
            "Decisions on data from before the API server stopped answering: see foretide_extender_watch_age_seconds.",
            ["verb"],
            registry=self.registry,
        )
        self.refusals = Counter(
            "foretide_extender_node_refusals_total",
            "Nodes refused in filter, by reason.",
            ["reason"],
            registry=self.registry,
        )
        self.overruled = Counter(
            "foretide_extender_overruled_total",
            "Filter calls where a check would have left no node and was set aside, by its reason.",
            ["reason"],
            registry=self.registry,
        )
        self._connections_given_up = Counter(
            "foretide_extender_connections_given_up_total",
            "Connections of the scheduler's port that were closed by the extender, by reason.",
            ["reason"],
            registry=self.registry,
        )
        self._http_refusals = Counter(
            "foretide_extender_http_refusals_total",
            "Answers of the scheduler's port to requests other than filter and prioritize, by HTTP status.",
            ["status"],
            registry=self.registry,
        )
        self._watch_age_seconds = Gauge(
            "foretide_extender_watch_age_seconds",
            "Seconds since the API server last sent anything about a resource.",
            ["resource"],
            registry=self.registry,
        )

    def took(self, verb: str, seconds: float) -> None:
        """Count a request and its time."""
        self.request_duration_seconds.labels(verb).observe(seconds)

    def decided(self, verb: str, source: str) -> None:
        """Count an answer by what it rests on."""
        self.decisions.labels(verb, source).inc()

    def gave_up(self, reason: str) -> None:
        """Count a connection that was given up."""
        self._connections_given_up.labels(reason).inc()

    def refused(self, status: HTTPStatus) -> None:
        """Count an answer to what is not spoken here."""
        self._http_refusals.labels(str(status.value)).inc()

    def show_watch_ages(self, resources: Sequence[str], age_seconds: Callable[[str], float]) -> None:
        """Show the age of each watch as it is when somebody looks."""
        for resource in resources:
            self._watch_age_seconds.labels(resource).set_function(partial(age_seconds, resource))

    def show_certificates(self, certificates: Certificates) -> None:
        """Show when the certificates in force expire, and whether changed ones could not be used."""
        self.registry.register(_CertificateCollector(certificates))


class _CertificateCollector(Collector):
    """Reads of ``certificates`` what holds when somebody looks; files may come and go."""

    def __init__(self, certificates: Certificates) -> None:
        self._certificates = certificates

    def collect(self) -> Iterator[Metric]:
        not_after = GaugeMetricFamily(
            "foretide_extender_certificate_not_after_timestamp_seconds",
            "When the first of the certificates in use from a file expires, in seconds since the epoch.",
            labels=["file"],
        )
        for path, seconds in self._certificates.not_after_seconds.items():
            not_after.add_metric([path], seconds)
        yield not_after
        yield GaugeMetricFamily(
            "foretide_extender_certificate_reload_failed",
            "1 while changed certificates cannot be used and the previous ones stay in use.",
            value=float(self._certificates.has_failed),
        )
