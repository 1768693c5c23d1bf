"""The service as a container starts it: a real model, real HTTP, clients that mean well and clients that do not."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from prometheus_client.parser import text_string_to_metric_families

from examples.models import make_onnx
from foretide_profiler import runtimes
from foretide_profiler.cgroups import Limits
from foretide_profiler.commands import Process
from foretide_profiler.requests import ModelRequest, ServeCall
from foretide_profiler.serving.connections import Connections, Stage
from foretide_profiler.serving.protocol import RequestError
from foretide_profiler.serving.server import SPARE_CONNECTIONS
from foretide_profiler.serving.service import Service
from tests.profiler.conftest import Profiler, small_model
from tests.profiler.served import Answer, Served, slow_model, until

SHAPE = (2, 3, 8, 8)
BATCH = np.random.default_rng(3).standard_normal(SHAPE, dtype=np.float32)
CHUNKED = b"POST /infer HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("served") / "small.onnx"
    path.write_bytes(small_model().SerializeToString())
    return path


@pytest.fixture(scope="module")
def service(model: Path) -> Iterator[Served]:
    with Served("--source", "ONNX", "--file", model, "--batch-size", 2) as served:
        yield served


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Served]:
    """One that lets three wait, and takes its time."""
    with Served("--source", "ONNX", "--file", slow_model(tmp_path / "slow.onnx"), "--queue", 3) as served:
        yield served


SLOW_BATCH = np.ones((1, 512, 512), np.float32)


def document(**changes: Any) -> dict[str, Any]:
    given = {"name": "x", "datatype": "FP32", "shape": list(SHAPE), "data": BATCH.ravel().tolist()} | changes
    return {"id": "seven", "inputs": [given]}


def post(service: Served, body: Any) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return service.ask("POST", "/infer", data, {"Content-Type": "application/json"})


def test_an_answer_holds_what_the_model_gives_whether_asked_in_json_or_in_bytes(service: Served, model: Path) -> None:
    (expected,) = ort.InferenceSession(str(model)).run(None, {"x": BATCH})
    for answer, identity in (
        (post(service, document()), "seven"),
        (post(service, document(data=BATCH.tolist())), "seven"),
        (service.infer(BATCH), None),
    ):
        assert answer.status == 200, answer.body
        assert int(answer.headers["Foretide-Inference-Microseconds"]) > 0
        assert int(answer.headers["Foretide-Queue-Microseconds"]) >= 0
        (output,) = answer.document["outputs"]
        assert (output["name"], output["datatype"], output["shape"]) == ("y", "FP32", [2, 4])
        np.testing.assert_allclose(np.reshape(output["data"], (2, 4)), expected, rtol=1e-5)
        assert answer.document.get("id") == identity
        assert answer.document["model_name"] == "small"


def test_the_service_tells_what_its_model_takes(service: Served) -> None:
    told = service.ask("GET", "/model").document
    assert told["inputs"] == [{"name": "x", "datatype": "FP32", "shape": list(SHAPE)}]
    assert told["platform"].startswith("onnxruntime ")
    assert service.ask("GET", "/healthz").body == b"ok\n"
    assert service.ask("GET", "/readyz").status == 200


@pytest.mark.parametrize(
    ("body", "status", "reason", "field"),
    [
        (b"", 400, "RequestInvalid", "body"),
        (b"{}", 400, "RequestInvalid", "body"),
        (b"[" * 2000, 400, "RequestInvalid", "body"),
        ({"inputs": []}, 400, "RequestInvalid", "body"),
        ({"inputs": document()["inputs"] * 2}, 400, "RequestInvalid", "body"),
        (document(name="z"), 400, "InputRefused", "inputs[0].name"),
        (document(datatype="FP64"), 400, "InputRefused", "inputs[0].datatype"),
        (document(shape=[1, 3, 8, 8]), 400, "InputRefused", "inputs[0].shape"),
        (document(shape=[-2, -3, 8, 8]), 400, "InputRefused", "inputs[0].shape"),
        (document(data=[1.0]), 400, "InputRefused", "inputs[0].data"),
        (document(data="abc"), 400, "InputRefused", "inputs[0].data"),
        (document(data={"a": 1}), 400, "InputRefused", "inputs[0].data"),
        (document(data=["1"] * 384), 400, "InputRefused", "inputs[0].data"),
        (document(data=[None] * 384), 400, "InputRefused", "inputs[0].data"),
        (document(data=[[1.0, 2.0], [3.0]]), 400, "InputRefused", "inputs[0].data"),
        (document(data=BATCH.reshape(3, 2, 8, 8).tolist()), 400, "InputRefused", "inputs[0].data"),
        (document(data=[True] * 384), 400, "InputRefused", "inputs[0].data"),
        (b"x" * 90_000, 413, "BodyTooLarge", "body"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_bad_body_is_refused_with_its_reason_and_field(
    service: Served, body: Any, status: int, reason: str, field: str
) -> None:
    answer = post(service, body)
    told = answer.document
    assert (answer.status, told["reason"], told["field"]) == (status, reason, field)
    assert told["error"] == f"{reason} ({field}): {told['message']}"


def test_bytes_of_another_length_are_refused(service: Served) -> None:
    answer = service.ask("POST", "/infer", b"1234", {"Content-Type": "application/octet-stream"})
    assert (answer.status, answer.document["reason"]) == (400, "InputRefused")
    assert answer.document["message"] == "4 bytes; FP32 of shape 2,3,8,8 are 1536"


@pytest.mark.parametrize(
    ("data", "status", "reason"),
    [
        (b"POST /infer HTTP/1.1\r\nHost: x\r\n\r\n", 411, "LengthRequired"),
        (CHUNKED, 411, "LengthRequired"),
        (b"POST /infer HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 411, "LengthRequired"),
        (b"POST /infer HTTP/1.1\r\nContent-Length: -2\r\n\r\n{}", 400, "RequestInvalid"),
        (b"POST /infer HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n{}", 400, "RequestInvalid"),
        (b"POST /infer HTTP/1.1\r\nContent-Length: 20\r\n\r\n{}", 400, "BodyIncomplete"),
        (b"POST /other HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", 404, "NotFound"),
        (b"POST /infer HTTP/1.1\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\n{}", 415, "ContentTypeUnsup"),
        (b"GET /nothing HTTP/1.1\r\n\r\n", 404, "NotFound"),
        (b"DELETE /infer HTTP/1.1\r\n\r\n", 501, "RequestInvalid"),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", 400, "RequestInvalid"),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", 414, "RequestInvalid"),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431, "RequestInvalid"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_what_is_no_proper_request_is_refused_and_the_connection_closed(
    service: Served, data: bytes, status: int, reason: str
) -> None:
    found = service.raw(data)
    assert f" {status} ".encode() in found.splitlines()[0] or reason.encode() in found, found
    assert reason.encode() in found
    assert b"GET /healthz" not in found


def test_what_follows_a_body_that_nobody_read_is_not_taken_for_a_request(service: Served) -> None:
    hidden = b"GET /model HTTP/1.1\r\n\r\n"
    found = service.raw(b"GET /healthz HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(hidden), hidden))
    assert found.count(b"HTTP/1.1 ") == 1
    assert b"platform" not in found


def test_it_answers_on_all_addresses_whatever_their_family(service: Served) -> None:
    own = Path("/proc/net/if_inet6")
    has_ipv6 = own.exists() and f"{1:032x}" in own.read_text()
    for host in ("127.0.0.1", "::1") if has_ipv6 else ("127.0.0.1",):
        with socket.create_connection((host, service.port), timeout=30) as connection:
            connection.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            assert connection.makefile("rb").readline() == b"HTTP/1.1 200 OK\r\n"


def test_several_requests_share_a_connection(service: Served) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
        reader = connection.makefile("rb")
        for _ in range(3):
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            lines = list(iter(reader.readline, b"\r\n"))
            assert lines[0] == b"HTTP/1.1 200 OK\r\n"
            assert reader.read(3) == b"ok\n"


def test_who_holds_all_connections_open_keeps_nobody_out(service: Served) -> None:
    held = []
    try:
        for _ in range(SPARE_CONNECTIONS + 40):
            connection = socket.create_connection(("127.0.0.1", service.port), timeout=30)
            connection.sendall(b"POST /infer HTTP/1.1\r\nContent-Le")
            held.append(connection)
        assert service.ask("GET", "/readyz").status == 200
        assert service.infer(BATCH).status == 200
        assert held[0].recv(1) == b""  # the one that made us wait for longest
    finally:
        for connection in held:
            connection.close()


def test_every_request_is_counted_once_in_the_report_and_in_the_metrics(model: Path) -> None:
    with Served("--source", "ONNX", "--file", model, "--batch-size", 2) as service:
        for _ in range(5):
            assert service.infer(BATCH).status == 200
        post(service, b"{}")
        report = service.report()
        assert (report.requests, report.refused, report.failed) == (5, 0, 1)
        assert report.ahead[0] == 5
        assert 0 < report.inference_microseconds <= report.latency_microseconds
        text = service.ask("GET", "/metrics").body.decode()
        samples = {
            (sample.name, tuple(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
        assert samples["foretide_service_request_duration_seconds_count", ()] == 5
        assert samples["foretide_service_request_duration_seconds_bucket", (("le", "+Inf"),)] == 5
        assert samples["foretide_service_request_duration_seconds_sum", ()] == report.latency_microseconds / 1e6
        assert samples["foretide_service_inference_duration_seconds_count", ()] == 5
        assert samples["foretide_service_requests_ahead_bucket", (("le", "0.0"),)] == 5
        assert samples["foretide_service_failed_total", (("reason", "RequestInvalid"),)] == 1
        assert samples["foretide_service_requests_in_flight", ()] == 0
        status, last = service.stop()
        assert (status, last.requests, last.boot) == (0, 5, report.boot)


def test_where_too_many_wait_others_are_refused_and_told_when_to_come_back(slow: Served) -> None:
    answers: list[Answer] = []

    def burst() -> bool:
        with ThreadPoolExecutor(12) as pool:
            answers.extend(pool.map(lambda _: slow.infer(SLOW_BATCH), range(12)))
        return any(answer.status == 503 for answer in answers)

    until("somebody is refused", burst)
    served = [answer for answer in answers if answer.status == 200]
    refused = [answer for answer in answers if answer.status == 503]
    assert len(served) + len(refused) == len(answers)
    for answer in refused:
        assert answer.document["reason"] == "QueueFull"
        assert int(answer.headers["Retry-After"]) >= 1
    report = slow.report()
    assert (report.requests, report.refused) == (len(served), len(refused))
    assert sum(report.ahead[1:4]) >= 3  # who filled the queue
    assert sum(report.ahead[4:]) == 0


def test_told_to_stop_it_answers_all_whom_it_let_in_and_ends_well(slow: Served) -> None:
    has_failed = threading.Event()

    def ask_until_refused(_: int) -> int:
        answered = 0
        try:
            while (answer := slow.infer(SLOW_BATCH)).status == 200 and not has_failed.is_set():
                answered += 1
        except ConnectionError:
            return answered  # its port is closed: nobody was let in
        assert answer.document["reason"] == "Stopping"
        assert answer.headers["Connection"] == "close"
        return answered

    with ThreadPoolExecutor(3) as pool:
        asked = pool.map(ask_until_refused, range(3))
        try:
            until("all three were let in", lambda: slow.report().requests >= 6)
            status, last = slow.stop()
        except BaseException:
            has_failed.set()  # else the pool would wait for those who ask for ever
            raise
        assert last.requests == sum(asked)
    assert status == 0


def test_while_it_ends_it_is_alive_but_not_ready(tmp_path: Path) -> None:
    file = slow_model(tmp_path / "slow.onnx")
    model = ModelRequest("ONNX", "", file, None, None, "float32", 1, "fp32")
    service = Service(ServeCall(model, port=0, queue=2))
    for path in ("/readyz", "/model"):
        with pytest.raises(RequestError, match="being loaded"):
            service.read(path)
    assert service.read("/healthz")[1] == b"ok\n"
    process = Process(0, 0, Limits(1000, None, 1))
    service.open(runtimes.load(model, process.limits), process)
    assert service.read("/readyz")[1] == b"ok\n"
    assert service.drain(60.0, Connections(most=1, clock=time.monotonic))
    with pytest.raises(RequestError) as refused:
        service.read("/readyz")
    assert (refused.value.status, refused.value.reason) == (503, "Stopping")
    with pytest.raises(RequestError, match="try another Pod"):
        service.infer(SLOW_BATCH.tobytes(), "application/octet-stream")
    assert service.read("/healthz")[1] == b"ok\n"


@pytest.mark.parametrize(("stage", "ends_well"), [("reading", True), ("writing", True), ("working", False)])
def test_a_client_that_does_not_take_its_answer_is_no_failure_of_the_service(
    model: Path, stage: Stage, *, ends_well: bool
) -> None:
    service = Service(ServeCall(ModelRequest("ONNX", "", model, None, None, "float32", 1, "fp32"), port=0, queue=2))
    connections = Connections(most=1, clock=time.monotonic)
    here, there = socket.socketpair()
    with here, there:
        connections.admit(here)
        connections.is_now(here, stage)
        assert service.drain(0.1, connections) is ends_well


def test_refused_in_the_report_are_those_for_whom_there_was_no_room_and_in_the_metrics_all(model: Path) -> None:
    request = ModelRequest("ONNX", "", model, None, None, "float32", 1, "fp32")
    service = Service(ServeCall(request, port=0, queue=2))
    for reason in ("NotReady", "NotReady", "Stopping", "QueueFull", "Overloaded", "Overloaded"):
        service.turned_away(RequestError(503, reason, "try again later"))
    report = service.figures.report()
    assert (report.refused, report.failed) == (3, 0)
    text = service.figures.exposition(0)
    for reason, count in {"NotReady": 2, "Stopping": 1, "QueueFull": 1, "Overloaded": 2}.items():
        assert f'foretide_service_refused_total{{reason="{reason}"}} {count}' in text


def test_a_token_that_no_vocabulary_has_fails_that_request_alone(tmp_path: Path) -> None:
    file = make_onnx.build(tmp_path)["token-encoder"]
    with Served("--source", "ONNX", "--file", file, "--input", 96, "--data-type", "int64") as service:
        good = np.ones((1, 96), np.int64)
        answer = service.infer(good + 10**9)
        assert (answer.status, answer.document["reason"]) == (500, "InferenceFailed")
        assert service.infer(good).status == 200
        too_large = {"name": service.ask("GET", "/model").document["inputs"][0]["name"], "datatype": "INT64"}
        for number in (2**63, 1.5, True):
            answer = post(service, {"inputs": [{**too_large, "shape": [1, 96], "data": [number] * 96}]})
            assert (answer.status, answer.document["reason"]) == (400, "InputRefused")
        report = service.report()
        assert (report.requests, report.failed) == (1, 4)


def test_a_model_that_cannot_be_served_is_a_failure_with_its_reason(profiler: Profiler, tmp_path: Path) -> None:
    status, document_ = profiler("serve", "--source", "ONNX", "--file", tmp_path / "absent.onnx", "--port", 0)
    assert (status, document_["reason"], document_["field"]) == (1, "ModelFileMissing", "model.file.path")


def test_a_port_that_is_taken_is_a_failure_with_its_reason(profiler: Profiler, model: Path) -> None:
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        status, document_ = profiler("serve", "--source", "ONNX", "--file", model, "--port", port)
    assert (status, document_["reason"], document_["field"]) == (1, "PortUnavailable", "port")


@pytest.mark.parametrize(("option", "value"), [("queue", 0), ("queue", 257), ("port", 70_000)])
def test_a_queue_or_a_port_that_cannot_be_is_a_wrong_call(profiler: Profiler, option: str, value: int) -> None:
    status, document_ = profiler("serve", "--source", "ONNX", "--file", "/m", f"--{option}", value)
    assert (status, document_["reason"], document_["field"]) == (2, "InvalidArgument", option)
