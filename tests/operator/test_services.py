"""Services read and paired: Pods asked, hostile answers, each request counted once whatever is interrupted."""

from __future__ import annotations

import base64
import contextlib
import itertools
import socket
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretide.prediction import Interval, Prediction
from foretide.service_report import (
    BOUNDS_AHEAD,
    BOUNDS_MICROSECONDS,
    MAX_REPORT_BYTES,
    ReportError,
    ServiceReport,
    encode,
)
from foretide_kube.client import ApiError
from foretide_kube.kinds import aiworkload
from foretide_kube.kinds.common import plain
from foretide_kube.names import AIWORKLOADS, CONFIG_MAPS, NODE_CLASSES, NODES, PODS
from foretide_operator.fleet import Fleet
from foretide_operator.metrics import Metrics
from foretide_operator.pairing.pairer import Pairer
from foretide_operator.services import ledger as ledgers
from foretide_operator.services.fetching import UnreachableError, fetch
from foretide_operator.services.ledger import Seen, advance
from foretide_operator.services.pairer import ServicePairer
from foretide_operator.services.reader import Readings, ServiceReader
from foretide_operator.services.targets import MOST_ASKED, last_words, reading_of, service_pods, to_ask
from foretide_operator.training.table import ObservationTable
from tests.operator.cluster_objects import NOW, SETTINGS, ago, node, node_class_object, uid, workload_object
from tests.operator.memory_api import MemoryApi
from tests.profiler.conftest import small_model
from tests.profiler.served import Served

FLEET = Fleet({}, {"f1": "fast", "s1": "slow"})
BOOT = "a" * 32


def report(requests: int, *, boot: str = BOOT, up_milliseconds: int = 60_000, refused: int = 0) -> ServiceReport:
    """Requests alone in their Pod, of 20 ms and an inference of 18."""
    latency, inference = [[0] * (len(BOUNDS_MICROSECONDS) + 1) for _ in range(2)]
    ahead = [0] * len(BOUNDS_AHEAD)
    latency[55], inference[54], ahead[0] = requests, requests, requests
    return ServiceReport(
        boot=boot,
        up_milliseconds=up_milliseconds,
        latency=tuple(latency),
        inference=tuple(inference),
        ahead=tuple(ahead),
        latency_microseconds=20_000 * requests,
        inference_microseconds=18_000 * requests,
        refused=refused,
    )


def service_object(name: str = "cnn", **spec: Any) -> Any:
    rows = [
        Prediction(
            node_class=name,
            work_microseconds_per_inference=Interval(
                lower=microseconds // 2, median=microseconds, upper=microseconds * 2
            ),
            startup_milliseconds=900,
            memory_bytes=1,
            source="Measured",
        )
        for name, microseconds in (("fast", 18_000), ("slow", 60_000))
    ]
    status = plain(aiworkload.AIWorkloadStatus(predictions=tuple(rows)))
    spec = {"run": {"mode": "Deployment"}, "objective": {"latencyMilliseconds": 50}} | spec
    return workload_object(name, status=status, **spec)


def service_pod(name: str = "cnn-x1", *, workload: str = "cnn", node_name: str = "f1", **status: Any) -> Any:
    return {
        "metadata": {
            "name": name,
            "namespace": "team",
            "uid": uid(),
            "labels": {"foretide.dev/workload": workload, "foretide.dev/role": "run"},
            "creationTimestamp": ago(300),
            "ownerReferences": [{"kind": "ReplicaSet", "name": f"{workload}-1", "uid": "rs", "controller": True}],
        },
        "spec": {"nodeName": node_name, "containers": [{"name": "profiler", "resources": {}}]},
        "status": {
            "phase": "Running",
            "podIP": "10.0.0.9",
            "hostIP": "10.99.0.1",
            "containerStatuses": [{"name": "profiler", "state": {"running": {"startedAt": ago(290)}}}],
            **status,
        },
    }


class Life:
    """One life of the pairing, made anew after each kill."""

    def __init__(self, api: MemoryApi) -> None:
        self.metrics = Metrics()
        self.pairer = ServicePairer(api.client, api.world, SETTINGS, self.metrics)
        found = api.find(CONFIG_MAPS, ledgers.NAME, SETTINGS.namespace)
        self.pairer.load(ledgers.load(found))

    def hear(self, pod: Any, *reports: ServiceReport, now: datetime = NOW) -> frozenset[tuple[str, str]]:
        for each in reports:
            self.pairer.readings.put(reading_of(pod, each))
        return self.pairer.look(FLEET, None, now)

    def value(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


@pytest.fixture
def api() -> MemoryApi:
    found = MemoryApi()
    found.put(NODES, node("f1", "fast"))
    found.put(NODE_CLASSES, node_class_object("fast"))
    found.put(AIWORKLOADS, service_object())
    return found


def actuals(api: MemoryApi, life: Life) -> Any:
    (workload,) = api.all(AIWORKLOADS)
    return life.pairer.ledger.of_workload(workload["metadata"]["uid"])


def test_a_minute_is_held_against_the_prediction_for_the_pods_class(api: MemoryApi) -> None:
    pod, life = api.put(PODS, service_pod()), Life(api)
    assert life.hear(pod, report(40, refused=2)) == {("team", "cnn")}
    told = actuals(api, life)
    assert (told.minutes, told.requests, told.refused, told.judged_minutes, told.met_minutes) == (1, 40, 2, 1, 1)
    assert 18_000 < told.observed_latency_microseconds < 22_000
    assert told.in_flight_permille == 1000
    assert 18_000 < told.predicted_latency_microseconds < 36_000
    assert told.observed_to_predicted_permille == pytest.approx(
        1000 * told.observed_latency_microseconds / told.predicted_latency_microseconds, rel=0.01
    )
    assert life.value("foretide_service_minutes_total", node_class="fast", source="Measured") == 1
    assert life.value("foretide_service_objective_total", outcome="met") == 1
    assert life.value("foretide_service_reports_total", outcome="Paired") == 1
    assert life.value(
        "foretide_service_predicted_seconds_total", node_class="fast", quantity="inference"
    ) == pytest.approx(0.018)


def test_pods_of_one_workload_count_together_and_each_by_its_own_class(api: MemoryApi) -> None:
    life = Life(api)
    quick, late = api.put(PODS, service_pod("a")), api.put(PODS, service_pod("b", node_name="s1"))
    life.pairer.readings.put(reading_of(quick, report(30)))
    life.hear(late, report(10))
    told = actuals(api, life)
    assert (told.minutes, told.requests) == (2, 40)
    assert told.predicted_latency_microseconds > 30_000
    assert life.value("foretide_service_minutes_total", node_class="slow", source="Measured") == 1


def test_a_report_that_comes_twice_or_late_counts_once_and_idle_pods_write_nothing(api: MemoryApi) -> None:
    pod, life = api.put(PODS, service_pod()), Life(api)
    life.hear(pod, report(40))
    writes = api.writes
    life.hear(pod, report(40))
    life.hear(pod, report(40, up_milliseconds=120_000))
    life.hear(pod, report(10, up_milliseconds=30_000))
    assert api.writes == writes
    assert actuals(api, life).requests == 40
    life.hear(pod, report(55, up_milliseconds=180_000))
    assert (actuals(api, life).requests, actuals(api, life).minutes) == (55, 2)


def test_a_container_that_started_anew_counts_from_nothing_and_its_last_words_once(api: MemoryApi) -> None:
    pod, life = api.put(PODS, service_pod()), Life(api)
    life.hear(pod, report(40))
    life.hear(pod, report(43, up_milliseconds=70_000), report(5, boot="b" * 32, up_milliseconds=9_000))
    assert actuals(api, life).requests == 48
    life.hear(pod, report(43, up_milliseconds=70_000))  # the last words are read again with every event of the Pod
    assert actuals(api, life).requests == 48


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.booleans(), st.booleans()), min_size=1, max_size=8),
    st.frozensets(st.integers(1, 12), max_size=4),
)
def test_whatever_is_interrupted_every_request_counts_exactly_once(
    steps: list[tuple[int, bool, bool]], fail_at: frozenset[int]
) -> None:
    """Each step: so many more requests, whether the container starts anew, whether the operator does."""
    api = MemoryApi(fail_at=fail_at)
    api.put(AIWORKLOADS, service_object())
    pod, life = api.put(PODS, service_pod()), Life(api)
    boots = (f"{number:032x}" for number in itertools.count())
    boot, count, up, total = next(boots), 0, 0, 0
    for requests, is_reborn, is_killed in steps:
        if is_reborn:
            boot, count, up = next(boots), 0, 0
        count, up, total = count + requests, up + 60_000, total + requests
        with contextlib.suppress(ApiError):
            life.hear(pod, report(count, boot=boot, up_milliseconds=up))
        if is_killed:
            life = Life(api)
        for _ in range(5):  # what could not be stored is read again before anything else happens to the Pod
            with contextlib.suppress(ApiError):
                life.hear(pod, report(count, boot=boot, up_milliseconds=up))
                break
    told = actuals(api, Life(api))
    assert (told.requests if told is not None else 0) == total


def test_what_cannot_be_stored_is_not_counted_in_metrics_and_comes_again(api: MemoryApi) -> None:
    pod, life = api.put(PODS, service_pod()), Life(api)
    api.fail_at = frozenset({api.writes + 1})
    with pytest.raises(ApiError):
        life.hear(pod, report(40))
    assert life.value("foretide_service_minutes_total", node_class="fast", source="Measured") == 0
    life.pairer.look(FLEET, None, NOW)
    assert life.value("foretide_service_minutes_total", node_class="fast", source="Measured") == 1
    assert actuals(api, life).requests == 40


def test_a_pod_that_lies_counts_for_its_own_workload_alone_and_in_metrics_as_one_minute(api: MemoryApi) -> None:
    api.put(AIWORKLOADS, service_object("other"))
    pod, life = api.put(PODS, service_pod()), Life(api)
    lie = report(10**9, up_milliseconds=10**13)
    life.hear(pod, lie)
    assert life.value("foretide_service_minutes_total", node_class="fast", source="Measured") == 1
    assert life.value("foretide_service_observed_seconds_total", node_class="fast", quantity="latency") < 1.0
    other = next(item for item in api.all(AIWORKLOADS) if item["metadata"]["name"] == "other")
    assert life.pairer.ledger.of_workload(other["metadata"]["uid"]) is None
    life.hear(pod, msgspec.structs.replace(report(3), up_milliseconds=10**13 + 1))
    assert life.value("foretide_service_reports_total", outcome="Refused") == 1


@pytest.mark.parametrize(
    "change",
    [{"node_name": "elsewhere"}, {"workload": "gone"}],
    ids=["a node of no class", "a workload that is gone"],
)
def test_what_is_not_predicted_is_not_paired(api: MemoryApi, change: dict[str, str]) -> None:
    pod, life = api.put(PODS, service_pod(**change)), Life(api)
    assert life.hear(pod, report(40)) == frozenset()
    assert life.value("foretide_service_reports_total", outcome="Unpredicted") == 1


def test_a_pod_of_a_namesake_that_is_gone_is_not_paired(api: MemoryApi) -> None:
    pod = service_pod()
    pod["metadata"]["creationTimestamp"] = ago(5_000)
    life = Life(api)
    assert life.hear(api.put(PODS, pod), report(40)) == frozenset()


def test_what_is_kept_goes_with_its_workloads_and_some_time_after_its_pods(api: MemoryApi) -> None:
    pod, life = api.put(PODS, service_pod()), Life(api)
    life.hear(pod, report(40))
    api.delete(PODS, pod["metadata"]["name"], "team")
    second = api.put(PODS, service_pod("second"))
    uids = {each["metadata"]["uid"] for each in (pod, second)}
    life.hear(second, report(1))
    assert set(life.pairer.ledger.seen) == uids
    life.hear(second, report(2, up_milliseconds=70_000), now=NOW + timedelta(seconds=590))
    assert set(life.pairer.ledger.seen) == uids
    life.hear(second, report(3, up_milliseconds=80_000), now=NOW + timedelta(seconds=610))
    assert set(life.pairer.ledger.seen) == {second["metadata"]["uid"]}
    api.delete(AIWORKLOADS, "cnn", "team")
    life.hear(second, report(4, up_milliseconds=90_000))
    assert not life.pairer.ledger.sums


def test_what_a_pod_said_last_counts_once_though_it_is_looked_at_after_the_pod_is_gone(api: MemoryApi) -> None:
    pod, life = api.put(PODS, service_pod()), Life(api)
    life.hear(pod, report(1000))
    api.delete(PODS, pod["metadata"]["name"], "team")
    life.hear(api.put(PODS, service_pod("second")), report(1))
    life = Life(api)
    life.hear(pod, report(1005, up_milliseconds=90_000))
    assert actuals(api, life).requests == 1006
    life.hear(api.put(PODS, service_pod("third")), report(1), now=NOW + timedelta(seconds=700))
    life.hear(pod, report(1009, up_milliseconds=99_000))
    assert actuals(api, life).requests == 1007
    assert life.value("foretide_service_reports_total", outcome="LeftOut") == 1


def test_of_more_pods_than_are_kept_none_counts_twice(api: MemoryApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledgers, "MOST_PODS", 3)
    pods, life = [api.put(PODS, service_pod(f"p{number}")) for number in range(5)], Life(api)
    for requests in (10, 20, 30):
        for pod in pods:
            life.pairer.readings.put(reading_of(pod, report(requests, up_milliseconds=1000 * requests)))
        life.pairer.look(FLEET, None, NOW)
        life = Life(api)
    assert actuals(api, life).requests == 5 * 10 + 3 * 20
    late = service_pod("late")
    late["metadata"]["creationTimestamp"] = ago(-60)
    life.hear(api.put(PODS, late), report(7))
    assert actuals(api, life).requests == 5 * 10 + 3 * 20 + 7


def test_reports_of_one_namespace_that_fill_the_ledger_cost_that_namespace_alone(
    api: MemoryApi, caplog: pytest.LogCaptureFixture
) -> None:
    rng = np.random.default_rng(1)

    def noise(up_milliseconds: int) -> ServiceReport:
        first, second = rng.integers(10**9, 10**10, (2, len(BOUNDS_MICROSECONDS) + 1)).tolist()
        return msgspec.structs.replace(
            report(0, up_milliseconds=up_milliseconds), latency=tuple(first), inference=tuple(second)
        )

    pod, life, hostile = api.put(PODS, service_pod()), Life(api), []
    for number in range(800):
        item = service_pod(f"noise-{number}", workload="none")
        item["metadata"]["namespace"] = "noisy"
        hostile.append(api.put(PODS, item))
    for each in hostile:
        life.pairer.readings.put(reading_of(each, noise(1)))
    life.hear(pod, report(40))
    life.hear(pod, report(42, up_milliseconds=90_000))
    stored = api.find(CONFIG_MAPS, ledgers.NAME, SETTINGS.namespace)
    assert stored is not None
    assert len(base64.b64decode(stored["binaryData"]["services.json.gz"])) < 2**20
    assert actuals(api, Life(api)).requests == 42
    assert f"{len(hostile) // 2} of namespace noisy are not counted any more" in caplog.text
    for each in hostile:
        life.pairer.readings.put(reading_of(each, noise(10**18)))
    life.hear(pod, report(43, up_milliseconds=99_000))
    assert actuals(api, Life(api)).requests == 43
    assert life.value("foretide_service_reports_total", outcome="LeftOut") == len(hostile) // 2


def test_what_is_refused_counts_though_nothing_is_answered_meanwhile(api: MemoryApi) -> None:
    pod, life = api.put(PODS, service_pod()), Life(api)
    life.hear(pod, report(40, refused=2))
    assert life.hear(pod, report(40, refused=9, up_milliseconds=120_000)) == {("team", "cnn")}
    told = actuals(api, life)
    assert (told.minutes, told.judged_minutes, told.requests, told.refused) == (1, 1, 40, 9)
    assert life.value("foretide_service_minutes_total", node_class="fast", source="Measured") == 1


def test_last_words_that_are_heard_after_the_next_life_has_begun_count_once(api: MemoryApi) -> None:
    pod, life = api.put(PODS, service_pod()), Life(api)
    life.hear(pod, report(40))
    life.hear(pod, report(5, boot="b" * 32, up_milliseconds=9_000))
    for _ in range(2):
        life.hear(pod, report(43, up_milliseconds=70_000))
    life.hear(pod, report(6, boot="b" * 32, up_milliseconds=69_000))
    assert actuals(api, life).requests == 49


def test_last_words_that_are_told_again_make_no_pod_idle(api: MemoryApi) -> None:
    pod, life = api.put(PODS, service_pod()), Life(api)
    life.hear(pod, report(40))
    life.hear(pod, report(5, boot="b" * 32, up_milliseconds=9_000))
    life.hear(pod, report(40))
    assert life.value("foretide_service_reports_total", outcome="Idle") == 0
    life.hear(pod, report(5, boot="b" * 32, up_milliseconds=69_000))
    assert life.value("foretide_service_reports_total", outcome="Idle") == 1


def test_a_ledger_that_cannot_be_read_begins_anew(caplog: pytest.LogCaptureFixture) -> None:
    assert ledgers.load({"binaryData": {"services.json.gz": "AAAA"}}) == ledgers.ServiceLedger()
    assert "sums of services start from zero" in caplog.text


def test_more_boots_than_are_remembered_are_read_on_but_never_one_of_them_again() -> None:
    seen = Seen(report=report(1, boot="0" * 32))
    for number in range(1, 4):
        step = advance(seen, report(1, boot=f"{number:032x}"))
        assert step is not None
        seen = step[0]
    assert advance(seen, report(9, boot="0" * 32)) is None
    with pytest.raises(ReportError):
        advance(Seen(report=report(9)), report(1, up_milliseconds=70_000))


def test_only_running_pods_of_our_deployments_with_an_address_of_their_own_are_asked(api: MemoryApi) -> None:
    asked = service_pod("asked")
    no_service = service_pod("task", workload="job")
    api.put(AIWORKLOADS, workload_object("job", run={"mode": "Job"}))
    by_hand = service_pod("by-hand")
    by_hand["metadata"]["ownerReferences"] = []
    measured = service_pod("measured")
    measured["metadata"]["labels"]["foretide.dev/role"] = "profile"
    for pod in (asked, no_service, by_hand, measured):
        api.put(PODS, pod)
    on_host = api.put(PODS, service_pod("on-host", podIP="10.99.0.1"))
    api.put(PODS, service_pod("pending", podIP=""))
    api.put(PODS, service_pod("ended", containerStatuses=[{"state": {"terminated": {"exitCode": 0}}}]))
    pods = list(service_pods(api.world.task_pods.snapshot().values(), api.world.workloads.snapshot()))
    assert {pod["metadata"]["name"] for pod in pods} == {"asked", "on-host", "pending", "ended"}
    assert [pod["metadata"]["name"] for pod, _ in to_ask(pods, {})] == ["asked"]
    assert on_host["status"]["podIP"] == on_host["status"]["hostIP"]


def test_of_too_many_pods_those_are_asked_that_were_not_for_longest() -> None:
    pods = [service_pod(f"p{number}") for number in range(MOST_ASKED + 3)]
    asked = {pod["metadata"]["uid"]: 100.0 - number for number, pod in enumerate(pods)}
    chosen = to_ask(pods, asked)
    assert len(chosen) == MOST_ASKED
    assert [pod["metadata"]["name"] for pod, _ in chosen[:2]] == [f"p{MOST_ASKED + 2}", f"p{MOST_ASKED + 1}"]


def test_the_last_words_of_a_pod_are_reports_and_nothing_else() -> None:
    ended = {"terminated": {"exitCode": 0, "message": encode(report(7)).decode()}}
    earlier = {"terminated": {"exitCode": 0, "message": encode(report(3, boot="c" * 32)).decode()}}
    statuses = [{"state": ended, "lastState": earlier}, {"state": {"terminated": {"message": "{}\ud800"}}}, {}]
    assert [each.requests for each in last_words(service_pod(containerStatuses=statuses))] == [3, 7]


def test_the_pods_of_a_service_end_no_task(api: MemoryApi) -> None:
    state = {"state": {"terminated": {"exitCode": 0, "finishedAt": ago(30), "message": encode(report(7)).decode()}}}
    api.put(PODS, service_pod(phase="Succeeded", containerStatuses=[state]))
    metrics = Metrics()
    minutes = itertools.count(0.0, 60.0)
    pairer = Pairer(api.client, api.world, SETTINGS, metrics, monotonic=lambda: next(minutes))
    assert not any(pairer.look(ObservationTable(), FLEET, {}, None, NOW).workloads for _ in range(2))
    assert metrics.registry.get_sample_value("foretide_tasks_ended_total", {"ending": "Unpredicted"}) == 0.0


def test_readings_keep_the_latest_of_each_life_and_forget_what_is_done() -> None:
    readings, pod = Readings(), service_pod()
    for requests, up in ((5, 50), (9, 90), (7, 70)):
        readings.put(reading_of(pod, report(requests, up_milliseconds=up * 1000)))
    (kept,) = readings.waiting()
    assert kept.report.requests == 9
    readings.put(reading_of(pod, report(12, up_milliseconds=120_000)))
    readings.drop([kept])
    assert [each.report.requests for each in readings.waiting()] == [12]


@contextlib.contextmanager
def answering(*parts: bytes, pause_seconds: float = 0.0) -> Iterator[int]:
    """A server that says this to who asks, whatever that is."""
    stopped = threading.Event()

    def serve(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                for part in parts:
                    if stopped.wait(pause_seconds):
                        return
                    connection.sendall(part)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        stopped.set()
    thread.join(10)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"


def test_a_report_is_fetched_however_it_comes_apart() -> None:
    whole = HEAD + encode(report(4))
    with answering(*(whole[start : start + 200] for start in range(0, len(whole), 200))) as port:
        assert fetch("127.0.0.1", port, within_seconds=60.0).requests == 4


@pytest.mark.parametrize(
    ("parts", "error"),
    [
        ((b"HTTP/1.1 503 Service Unavailable\r\n\r\n{}",), UnreachableError),
        ((b"HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/\r\n\r\n",), UnreachableError),
        ((b"SSH-2.0-x\r\n",), UnreachableError),
        ((b"",), UnreachableError),
        ((HEAD + b"{}",), ReportError),
        ((HEAD + encode(report(4))[:-9],), ReportError),
        ((HEAD, *(b"x" * 4096 for _ in range(1 + MAX_REPORT_BYTES // 1024))), UnreachableError),
    ],
    ids=["503", "redirect", "not HTTP", "nothing", "no report", "cut off", "without end"],
)
def test_whatever_else_comes_is_no_report(parts: tuple[bytes, ...], error: type[Exception]) -> None:
    with answering(*parts) as port, pytest.raises(error):
        fetch("127.0.0.1", port, within_seconds=60.0)


def test_who_drips_holds_the_question_for_its_time_and_no_longer() -> None:
    drops = (b"x" for _ in range(10_000))
    with (
        answering(*drops, pause_seconds=0.05) as port,
        pytest.raises(UnreachableError, match=r"no whole answer in time|timed out"),
    ):
        fetch("127.0.0.1", port, within_seconds=0.4)


def test_nobody_there_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(UnreachableError):
        fetch("127.0.0.1", port)


def test_a_round_through_a_real_service_ends_in_the_ledger(api: MemoryApi, tmp_path: Path) -> None:
    file = tmp_path / "small.onnx"
    file.write_bytes(small_model().SerializeToString())
    pod = api.put(PODS, service_pod(podIP="127.0.0.1"))
    life, heard = Life(api), []
    with Served("--source", "ONNX", "--file", file) as service:
        reader = ServiceReader(
            api.world,
            life.pairer.readings,
            life.metrics,
            lambda: heard.append(1),
            clock=time.monotonic,
            port=service.port,
        )
        for _ in range(3):
            assert service.infer(np.zeros((1, 3, 8, 8), np.float32)).status == 200
        reader.turn()
        life.pairer.look(FLEET, None, NOW)
        assert actuals(api, life).requests == 3
        service.infer(np.zeros((1, 3, 8, 8), np.float32))
        _, last = service.stop()
    ended = {"state": {"terminated": {"exitCode": 0, "message": encode(last).decode()}}}
    pod["status"] |= {"phase": "Succeeded", "containerStatuses": [ended]}
    api.put(PODS, pod)
    reader.turn()
    life.pairer.look(FLEET, None, NOW)
    assert actuals(api, life).requests == 4
    assert heard == [1, 1]
