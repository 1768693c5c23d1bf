"""The operator's edges: settings, queue, worker, status port, what is said when our kinds are absent."""

from __future__ import annotations

import contextlib
import logging
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter

from foretide_kube.client import ApiError
from foretide_operator.http import StatusServer
from foretide_operator.installation import what_is_missing
from foretide_operator.metrics import Metrics
from foretide_operator.queue import MAX_BACK_OFF_SECONDS, Key, KeyedQueue
from foretide_operator.settings import SettingsError, read_settings
from foretide_operator.worker import Worker

ENVIRONMENT = {
    "FORETIDE_NAMESPACE": "foretide-system",
    "FORETIDE_PROFILER_IMAGE_ONNX": "a",
    "FORETIDE_PROFILER_IMAGE_TORCH": "b",
}


def test_settings_have_documented_defaults() -> None:
    settings = read_settings(ENVIRONMENT)
    assert settings.gates
    assert (settings.scheduler_name, settings.profiles_per_class, settings.job_deadline_seconds) == ("", 1, 600)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FORETIDE_NAMESPACE", ""),
        ("FORETIDE_PROFILER_IMAGE_ONNX", " "),
        ("FORETIDE_IMAGE_PULL_POLICY", "Sometimes"),
        ("FORETIDE_PROFILES_PER_CLASS", "0"),
        ("FORETIDE_PROFILE_MAX_SECONDS", "30s"),
        ("FORETIDE_PROBE_MAX_SECONDS", "-1"),
        ("FORETIDE_GATES", "yes"),
        ("FORETIDE_LOG_LEVEL", "LOUD"),
    ],
)
def test_an_unusable_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        read_settings({**ENVIRONMENT, name: value})


KEYS = st.sampled_from([Key("workload", "a", "x"), Key("workload", "a", "y"), Key("model")])


@given(st.lists(st.tuples(KEYS, st.floats(0, 100)), max_size=30))
def test_every_key_asked_for_is_given_once_at_its_earliest_time(asked: list[tuple[Key, float]]) -> None:
    queue = KeyedQueue()
    for key, due_seconds in asked:
        queue.add(key, due_seconds)
    earliest = {key: min(due for other, due in asked if other == key) for key, _ in asked}
    taken = []
    while len(queue):
        wait_seconds = queue.seconds_to_next(0.0)
        assert wait_seconds is not None
        next_key = queue.take(wait_seconds)
        assert next_key is not None
        assert earliest[next_key] == wait_seconds
        taken.append(next_key)
    assert sorted(taken) == sorted(earliest)
    assert queue.take(1e9) is None


def test_a_key_asked_for_sooner_and_sooner_leaves_nothing_behind_and_loses_no_other() -> None:
    queue, key, later = KeyedQueue(), Key("model"), Key("pairing")
    queue.add(later, 2e6)
    for number in range(10_000):
        queue.add(key, 1e6 - number)
    assert len(queue._heap) < 200
    assert (queue.take(1e6), queue.take(1e6), queue.take(2e6), queue.take(1e9)) == (key, None, later, None)


def test_what_has_time_is_looked_at_when_nothing_is_due_and_every_fifth_time_where_something_always_is() -> None:
    queue, sweep = KeyedQueue(), [Key("workload", "a", name) for name in "xyz"]
    queue.add_unhurried(sweep)
    assert queue.seconds_to_next(0.0) == 0.0
    taken = []
    for _ in range(12):
        queue.add(Key("model"), 0.0)
        taken.append(queue.take(0.0))
    assert [place for place, key in enumerate(taken) if key in sweep] == [4, 9]
    assert (queue.take(0.0), queue.take(0.0)) == (sweep[2], None)


def test_a_look_that_is_due_stands_for_the_one_that_has_time_and_the_other_way_round() -> None:
    queue, key = KeyedQueue(), Key("model")
    for first, second in ((1.0, 9.0), (9.0, 1.0)):
        queue.add_unhurried([key])
        queue.add(key, first)
        queue.add(key, second)
        assert (len(queue), queue.take(1.0), len(queue), queue.take(1e9)) == (1, key, 0, None)
    queue.add(key, 5.0)
    queue.add_unhurried([key])
    assert (queue.take(1.0), queue.seconds_to_next(1.0)) == (key, 4.0), "what is due later is still due later"


def test_failures_wait_longer_each_time_up_to_a_bound_and_success_forgets_them() -> None:
    queue, key = KeyedQueue(), Key("model")
    delays = [queue.failed(key, 0.0) for _ in range(12)]
    assert delays == sorted(delays)
    assert delays[-1] == MAX_BACK_OFF_SECONDS
    queue.succeeded(key)
    assert queue.failed(key, 0.0) == delays[0]


def worker(look: Callable[[Key], None]) -> tuple[Worker, KeyedQueue, Metrics]:
    queue, metrics = KeyedQueue(), Metrics()
    return Worker(queue, look, lambda _: None, metrics, lambda: 1.0), queue, metrics


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ApiError(409, "Conflict", "changed"), "conflict"),
        (ApiError(503, "Unavailable", "down"), "failed"),
        (ValueError("a mistake of ours"), "error"),
    ],
)
def test_a_look_that_fails_is_tried_again_and_the_worker_goes_on(
    error: Exception, outcome: str, caplog: pytest.LogCaptureFixture
) -> None:
    def look(_: Key) -> None:
        raise error

    works, queue, metrics = worker(look)
    queue.add(Key("model"), 0.0)
    with caplog.at_level(logging.WARNING):
        assert works.step()
    assert len(queue) == 1
    assert queue.take(1.0) is None, "not before its delay"
    assert metrics.registry.get_sample_value("foretide_reconciles_total", {"kind": "model", "outcome": outcome}) == 1.0
    assert "model" in caplog.text


def fetch(server: StatusServer, path: str, address: str = "127.0.0.1") -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{address}:{server.port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_the_port_tells_alive_from_ready() -> None:
    registry = CollectorRegistry()
    Counter("foretide_looks", "Looks.", registry=registry).inc(3)
    problems = {"alive": "", "ready": "aiworkloads.foretide.dev is missing"}
    server = StatusServer(registry, alive=lambda: problems["alive"], ready=lambda: problems["ready"], port=0)
    server.start()
    try:
        assert fetch(server, "/healthz") == (200, "ok\n")
        assert fetch(server, "/readyz") == (503, "aiworkloads.foretide.dev is missing\n")
        problems["ready"] = ""
        assert fetch(server, "/readyz?verbose")[0] == 200
        assert "foretide_looks_total 3.0" in fetch(server, "/metrics")[1]
        assert fetch(server, "/etc/passwd")[0] == 404
    finally:
        server.stop()


@contextlib.contextmanager
def serving() -> Iterator[StatusServer]:
    server = StatusServer(CollectorRegistry(), alive=lambda: "", ready=lambda: "", port=0)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine knows no IPv6")
def test_the_port_answers_in_clusters_of_either_family_of_addresses() -> None:
    with serving() as server:
        assert fetch(server, "/healthz", "127.0.0.1") == fetch(server, "/healthz", "[::1]") == (200, "ok\n")


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\n"])
def test_a_connection_on_which_nothing_comes_is_closed(monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr("foretide_operator.http.IDLE_SECONDS", 0.05)
    with serving() as server, socket.create_connection(("127.0.0.1", server.port), timeout=20) as idle:
        idle.sendall(sent)
        assert idle.recv(1) == b""


class Discovery:
    """The one request that is made, answered as given."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def raw(self, method: str, path: str) -> Any:
        assert (method, path) == ("GET", "/apis/foretide.dev/v1alpha1")
        if isinstance(self._answer, Exception):
            raise self._answer
        return {"resources": [{"name": name} for name in self._answer]}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (["aiworkloads", "nodeclasses", "workloadprofiles", "completiontimemodels", "aiworkloads/status"], None),
        (["aiworkloads", "nodeclasses"], "workloadprofiles.foretide.dev, completiontimemodels.foretide.dev"),
        (ApiError(404, "NotFound", "no such group"), "aiworkloads.foretide.dev"),
        (ApiError(0, "NotReached", "refused"), "does not answer"),
    ],
)
def test_absent_kinds_are_named_with_what_to_do(answer: Any, said: str | None) -> None:
    problem = what_is_missing(Discovery(answer))  # type: ignore[arg-type]
    if said is None:
        assert problem == ""
    else:
        assert said in problem
