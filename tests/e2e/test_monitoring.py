"""A real Prometheus beside a real cluster: rules say of tasks what their Pods say, and every panel has data."""

from __future__ import annotations

import http.client
import json
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

import msgspec
import numpy as np
import pytest
import yaml

from examples.models import make_onnx
from foretide.prediction import PodPrediction
from foretide.results import RunResult
from foretide.termination_message import parse
from foretide_kube.client import Object
from foretide_kube.names import (
    AIWORKLOADS,
    ANNOTATION_PAIRED,
    ANNOTATION_PREDICTION,
    LABEL_ROLE,
    LABEL_WORKLOAD,
    PODS,
)
from tests.chart.rendering import render
from tests.e2e.prometheus import Prometheus, scraping
from tests.e2e.workloads import onnx_service, onnx_workload, put_file
from tests.installed import SYSTEM_NAMESPACE, Installed
from tests.monitoring.expressions import as_asked, queries

pytestmark = [pytest.mark.cluster, pytest.mark.prometheus]
NAMESPACE = "monitoring"
TASKS = 6


class Task(NamedTuple):
    """Seconds of work of one that ended: as predicted, with the interval, and as its runner says."""

    lower: float
    predicted: float
    upper: float
    actual: float


class Watched(NamedTuple):
    """What was done while Prometheus looked, since ``began_seconds``; tasks by node class."""

    prometheus: Prometheus
    began_seconds: float
    counted_before: float
    tasks: dict[str, list[Task]]


def run_pods(installed: Installed, workload: str) -> list[Object]:
    selector = f"{LABEL_WORKLOAD}={workload},{LABEL_ROLE}=run"
    return installed.client.list_objects(PODS, NAMESPACE, label_selector=selector)


def task_of(pod: Object) -> tuple[str, Task]:
    prediction = msgspec.json.decode(pod["metadata"]["annotations"][ANNOTATION_PREDICTION], type=PodPrediction)
    result = parse(pod["status"]["containerStatuses"][0]["state"]["terminated"]["message"].encode())
    assert isinstance(result, RunResult)
    work = prediction.work_milliseconds
    milliseconds = work.lower, work.median, work.upper, result.work_end - result.work_begin
    return prediction.node_class, Task(*(each / 1e3 for each in milliseconds))


def run_tasks(installed: Installed, content: bytes) -> dict[str, list[Task]]:
    """Tasks with a deadline, more than the fast node takes at once, paired."""
    put_file(installed.client, "tasks", content, NAMESPACE)
    manifest = onnx_workload("tasks", content)
    manifest["spec"] |= {
        "objective": {"deadlineMilliseconds": 600_000},
        "run": {"mode": "Job", "completions": TASKS, "parallelism": TASKS},
    }
    installed.client.create(AIWORKLOADS, manifest, NAMESPACE)
    installed.wait_condition("tasks", "RunComplete", NAMESPACE, status="True", timeout_seconds=300)

    def paired() -> list[Object] | None:
        found = [each for each in run_pods(installed, "tasks") if ANNOTATION_PAIRED in each["metadata"]["annotations"]]
        return found if len(found) == TASKS else None

    by_class: dict[str, list[Task]] = defaultdict(list)
    for pod in installed.until("all tasks paired", paired):
        node_class, task = task_of(pod)
        by_class[node_class].append(task)
    return by_class


def serve(installed: Installed, content: bytes) -> None:
    """Begin a service."""
    put_file(installed.client, "served", content, NAMESPACE)
    installed.client.create(AIWORKLOADS, onnx_service("served", content), NAMESPACE)


def post(port: int, body: bytes) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", "/infer", body, {"Content-Type": "application/octet-stream"})
    assert connection.getresponse().status == 200
    connection.close()


def ask_the_service(installed: Installed, prometheus: Prometheus) -> None:
    """Ask it some things, have Prometheus see what it says of them, and end it."""
    installed.wait_condition("served", "Available", NAMESPACE, status="True", timeout_seconds=300)
    (pod,) = run_pods(installed, "served")
    prometheus.discover()
    body = np.zeros((1, 3, 256, 256), np.float32).tobytes()
    with installed.cluster.forward(pod["status"]["podIP"], 8080) as port:
        for _ in range(5):
            post(port, body)
        count = f'foretide_service_request_duration_seconds_count{{workload="served", namespace="{NAMESPACE}"}}'
        installed.until("five requests seen at the Pod", lambda: prometheus.value(count) == 5.0)
    told = "node_class_quantity:foretide_service_bias:ratio1d"
    # Not ended before: what a Pod says last is lost where it is gone before the operator has heard of it once.
    installed.until("the rules of the service's minute", lambda: prometheus.now(told))
    installed.client.patch(AIWORKLOADS, "served", {"spec": {"suspend": True}}, NAMESPACE)


@pytest.fixture(scope="module")
def watched(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Tasks and a service that come and go while Prometheus looks."""
    installed.namespace(NAMESPACE)
    folder = tmp_path_factory.mktemp("prometheus")
    content = make_onnx.build(tmp_path_factory.mktemp("models"))["edge-cnn"].read_bytes()
    with scraping(installed, folder) as prometheus:
        installed.until("Prometheus ready", prometheus.is_ready)
        prometheus.discover()
        installed.until("three targets", lambda: len(prometheus.now('up{job="foretide"} == 1')) == 3)
        installed.until("nothing missed any more", lambda: prometheus.now("ALERTS") == {})
        began_seconds = time.time()
        before = prometheus.value("sum(foretide_prediction_interval_total)")
        serve(installed, content)
        tasks = run_tasks(installed, content)
        ask_the_service(installed, prometheus)
        yield Watched(prometheus, began_seconds, before, tasks)


def test_rules_say_of_tasks_what_their_pods_say(installed: Installed, watched: Watched) -> None:
    counted = "sum(foretide_prediction_interval_total)"
    installed.until(
        "all tasks counted", lambda: watched.prometheus.value(counted) - watched.counted_before == float(TASKS)
    )
    by_class = watched.tasks
    assert sum(map(len, by_class.values())) == TASKS
    for node_class, tasks in by_class.items():
        actual = sum(each.actual for each in tasks)
        wape = sum(abs(each.predicted - each.actual) for each in tasks) / actual
        bias = sum(each.predicted - each.actual for each in tasks) / actual
        inside = sum(each.lower <= each.actual <= each.upper for each in tasks) / len(tasks)
        of_work = f'{{node_class="{node_class}", quantity="work"}}'
        rules = {
            f"node_class_quantity:foretide_wape:ratio1d{of_work}": wape,
            f"node_class_quantity:foretide_bias:ratio1d{of_work}": bias,
            f'node_class:foretide_interval_coverage:ratio1d{{node_class="{node_class}"}}': inside,
        }
        for expression, expected in rules.items():  # what an increase begins with is reckoned to within a scrape
            told = watched.prometheus.value(expression)
            assert told == pytest.approx(expected, rel=0.03, abs=0.01), expression


def test_every_query_of_the_dashboard_has_data(watched: Watched) -> None:
    silent = [
        f"{title}: {expression}"
        for title, expression in queries()
        if not watched.prometheus.has_data(as_asked(expression, "1m"), watched.began_seconds)
    ]
    assert silent == []


def test_no_alert_was_firing_or_about_to_while_all_was_well(watched: Watched) -> None:
    seconds = int(time.time() - watched.began_seconds)
    assert watched.prometheus.now(f"count_over_time(ALERTS[{seconds}s])") == {}


def test_the_service_of_the_chart_reaches_every_port_with_metrics_by_its_name(installed: Installed) -> None:
    service = render("monitoring.serviceMonitor.enabled=true")["Service", "foretide-metrics"]
    kubectl = installed.cluster.kubectl
    kubectl("apply", "-f", "-", stdin=yaml.safe_dump(service))

    def reached() -> set[tuple[str, int]]:
        words = ["get", "endpointslices", "-n", SYSTEM_NAMESPACE, "-l", "kubernetes.io/service-name=foretide-metrics"]
        slices = json.loads(kubectl(*words, "-o", "json"))["items"]
        return {
            (endpoint["targetRef"]["name"].rsplit("-", 2)[0], port["port"])
            for each in slices
            for endpoint in each["endpoints"]
            for port in each["ports"] or []
        }

    wanted = {("foretide-operator", 8080), ("foretide-operator", 8081), ("foretide-scheduler", 8082)}
    installed.until("all ports behind the Service", lambda: reached() == wanted)
    kubectl("delete", "service", "foretide-metrics", "-n", SYSTEM_NAMESPACE)
