"""The extender on real sockets: both forms, what is malformed, and failing open."""

from __future__ import annotations

import asyncio
import io
import itertools
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import msgspec
import pytest
import yaml
from aiohttp import test_utils
from prometheus_client import CollectorRegistry

from demo.memory import MARKS
from foretide_extender import server
from foretide_extender.metrics import Metrics
from foretide_extender.observing import observe_app
from foretide_extender.records import Records
from foretide_extender.server import (
    Answerer,
    NoState,
    Verb,
    listen_to_scheduler,
    scheduler_routes,
)
from foretide_extender.settings import DEFAULT_MAX_BODY_BYTES, Address
from foretide_extender.state import Snapshot
from foretide_kube.quantity import whole
from foretide_kube.reduced import facts_of, reduce_node, reduce_workload
from tests.extender.cluster_values import NODES, NOW_SECONDS, bind, cluster, node_object, pod_object, workload_object

JSON = {"Content-Type": "application/json"}
CHART_VALUES = yaml.safe_load((Path(__file__).parents[2] / "charts/foretide/values.yaml").read_text("utf-8"))
AT_MOST_RESIDENT_BYTES = MARKS["rss_mib.extender.peak"] * 2**20
"""What `make demo` and `make bench-planner` hold it to, between requests of a usual size."""


class Client(NamedTuple):
    session: aiohttp.ClientSession
    port: int


@asynccontextmanager
async def serving(
    snapshot: Callable[[], Snapshot],
    *,
    deadline_seconds: float = 5.0,
    clock: Callable[[], float] = time.perf_counter,
    is_stale: Callable[[], bool] = lambda: False,
) -> AsyncIterator[tuple[Client, Metrics]]:
    metrics = Metrics()
    answerer = Answerer(
        snapshot,
        metrics,
        deadline_seconds=deadline_seconds,
        now_seconds=lambda: NOW_SECONDS,
        clock_seconds=clock,
        is_stale=is_stale,
    )
    routes = scheduler_routes(answerer, metrics, max_body_bytes=DEFAULT_MAX_BODY_BYTES)
    server = await listen_to_scheduler(routes, metrics, Address("127.0.0.1", 0), max_body_bytes=DEFAULT_MAX_BODY_BYTES)
    port = server.sockets[0].getsockname()[1]
    async with server, aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        yield Client(session, port), metrics


def args(pod: dict[str, Any], *, names: list[str] | None = None, nodes: list[dict[str, Any]] | None = None) -> bytes:
    return msgspec.json.encode(
        {"Pod": pod, "Nodes": None if nodes is None else {"metadata": {}, "items": nodes}, "NodeNames": names}
    )


async def post(client: Client, verb: str, body: bytes) -> tuple[int, Any]:
    async with client.session.post(f"/{verb}", data=io.BytesIO(body), headers=JSON) as response:
        data = await response.read()
        assert response.headers["Content-Length"] == str(len(data))
        return response.status, msgspec.json.decode(data) if response.status == 200 else data.decode()


def value(registry: CollectorRegistry, name: str, **labels: str) -> float:
    return registry.get_sample_value(name, labels) or 0.0


ALL = list(NODES)


async def test_names_are_scored_by_predicted_completion_and_answered_as_names() -> None:
    state = cluster(workload_object())
    async with serving(state.snapshot) as (client, metrics):
        body = args(pod_object(), names=ALL)
        status, passed = await post(client, "filter", body)
        assert status == 200
        assert passed == {
            "NodeNames": ALL,
            "Nodes": None,
            "FailedNodes": {},
            "FailedAndUnresolvableNodes": {},
            "Error": "",
        }
        status, scored = await post(client, "prioritize", body)
        assert status == 200
        assert [item["Host"] for item in scored] == ALL
        score = {item["Host"]: item["Score"] for item in scored}
        assert score["fast-1"] == 10
        assert score["fast-1"] > score["medium-1"] > score["slow-1"] >= 0
        assert all(type(item["Score"]) is int for item in scored)
        assert value(metrics.registry, "foretide_extender_decisions_total", verb="prioritize", source="Measured") == 1


async def test_whole_nodes_are_answered_as_whole_nodes_byte_for_byte_and_without_the_refused() -> None:
    state = cluster(workload_object(deadline_milliseconds=4000))
    nodes = [node_object(name, node_class) for name, node_class in NODES.items()]
    async with serving(state.snapshot) as (client, _):
        status, passed = await post(client, "filter", args(pod_object(), nodes=nodes))
        assert status == 200
        assert passed["NodeNames"] is None
        assert set(passed["FailedAndUnresolvableNodes"]) == {"slow-1", "slow-2"}
        assert passed["Nodes"]["items"] == [node for node in nodes if not node["metadata"]["name"].startswith("slow")]
        assert "DeadlineUnreachable" in passed["FailedAndUnresolvableNodes"]["slow-1"]
        status, scored = await post(client, "prioritize", args(pod_object(), nodes=nodes))
        assert [item["Host"] for item in scored] == ALL


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "BodyEmpty"),
        (b"  \n", "BodyEmpty"),
        (b"{", "NotJson"),
        (args(pod_object(), names=ALL)[:-20], "NotJson"),
        (b"\xff\xfe\x00", "NotJson"),
        (b"[" * 100_000, "WrongForm"),
        (b"[]", "WrongForm"),
        (b"null", "WrongForm"),
        (b"{}", "WrongForm"),
        (b'{"Pod":null,"NodeNames":[]}', "WrongForm"),
        (b'{"Pod":{"metadata":{}},"Nodes":true}', "WrongForm"),
        (b'{"Pod":{"metadata":{}},"Nodes":1234}', "WrongForm"),
        (b'{"Pod":{"metadata":{}}}', "NodesMissing"),
        (b'{"Pod":{"metadata":{}},"Nodes":null,"NodeNames":null}', "NodesMissing"),
        (b'{"Pod":{"metadata":{}},"NodeNames":[1]}', "WrongForm"),
        (b'{"Pod":{"metadata":{"labels":{"a":1}}},"NodeNames":["a"]}', "WrongForm"),
        (b'{"Pod":{"metadata":{}},"Nodes":{"items":[{}]}}', "WrongForm"),
        (b'{"Pod":{"metadata":{}},"Nodes":{"items":[{"metadata":{"name":"a"}},' + b"[" * 5000, "NotJson"),
    ],
)
@pytest.mark.parametrize("verb", ["filter", "prioritize"])
async def test_a_malformed_request_gets_400_with_its_reason_and_harms_nobody(
    verb: str, body: bytes, reason: str
) -> None:
    state = cluster(workload_object())
    async with serving(state.snapshot) as (client, metrics):
        status, text = await post(client, verb, body)
        assert (status, text.split(":")[0]) == (400, reason)
        assert value(metrics.registry, "foretide_extender_errors_total", verb=verb, reason=reason) == 1
        assert (await post(client, verb, args(pod_object(), names=ALL)))[0] == 200


def padded(size: int) -> bytes:
    """A request of so many bytes, full of node names."""
    head, name = args(pod_object(), names=["fast-1"])[:-2], ',"node-000001"'
    names = name * ((size - len(head) - 2) // len(name))
    return head + (names + " " * (size - len(head) - 2 - len(names)) + "]}").encode()


@pytest.mark.parametrize("verb", ["filter", "prioritize"])
async def test_a_request_just_below_the_limit_is_answered_within_the_memory_that_the_chart_gives(verb: Verb) -> None:
    given_bytes = whole(CHART_VALUES["extender"]["resources"]["limits"]["memory"])
    body = padded(DEFAULT_MAX_BODY_BYTES - 1)
    async with serving(cluster(workload_object()).snapshot) as (client, _):
        assert (await post(client, verb, body))[0] == 200
        assert (await post(client, verb, body + b"  "))[0] == 400
    answerer = Answerer(
        cluster(workload_object()).snapshot,
        Metrics(),
        deadline_seconds=60.0,
        now_seconds=lambda: NOW_SECONDS,
        clock_seconds=time.perf_counter,
    )
    tracemalloc.start()
    try:
        answerer.answer(verb, body)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        gathered_bytes = 2 * len(body)  # as it arrives, and in one piece
    assert AT_MOST_RESIDENT_BYTES + gathered_bytes + peak_bytes < given_bytes


async def test_a_huge_request_is_refused_before_it_is_read() -> None:
    async with serving(cluster().snapshot) as (client, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
        writer.write(
            f"POST /filter HTTP/1.1\r\nHost: x\r\nContent-Length: {DEFAULT_MAX_BODY_BYTES + 1}\r\n\r\n".encode()
        )
        answer = await asyncio.wait_for(reader.readuntil(b"bytes\n"), 10)
        assert answer.startswith(b"HTTP/1.1 400")
        assert b"BodyTooLarge" in answer
        writer.close()
        assert (await post(client, "filter", args(pod_object(), names=ALL)))[0] == 200


async def test_a_huge_request_of_unknown_length_is_refused_too() -> None:
    async def stream() -> AsyncIterator[bytes]:
        for _ in range(DEFAULT_MAX_BODY_BYTES // 2**20 + 2):
            yield b" " * 2**20

    async with serving(cluster().snapshot) as (client, _):
        try:
            async with client.session.post("/filter", data=stream(), headers=JSON) as response:
                assert response.status == 400
                assert "BodyTooLarge" in await response.text()
        except aiohttp.ClientConnectionError:
            pass  # the server may close before all has been sent
        assert (await post(client, "filter", args(pod_object(), names=ALL)))[0] == 200


async def test_a_client_that_goes_away_in_the_middle_harms_nobody() -> None:
    async with serving(cluster(workload_object()).snapshot) as (client, _):
        _, writer = await asyncio.open_connection("127.0.0.1", client.port)
        writer.write(b'POST /filter HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"Pod":')
        await writer.drain()
        writer.close()
        assert (await post(client, "filter", args(pod_object(), names=ALL)))[0] == 200


async def test_a_late_decision_is_answered_open_and_what_it_reckoned_is_kept() -> None:
    state = cluster(workload_object(deadline_milliseconds=4000))
    names = [f"slow-{number}" for number in range(1000)]
    for name in names:
        state.node_changed("ADDED", facts_of(reduce_node(node_object(name, "slow"))))
    ticks = itertools.count()
    async with serving(state.snapshot, deadline_seconds=3.5, clock=lambda: float(next(ticks))) as (client, metrics):
        body = args(pod_object(), names=[*names, "fast-1"])
        status, passed = await post(client, "filter", body)
        assert (status, passed["NodeNames"]) == (200, [*names, "fast-1"])
        fail_open = {"verb": "filter", "reason": "DeadlineExceeded"}
        assert value(metrics.registry, "foretide_extender_fail_open_total", **fail_open) == 1
        for _ in range(10):
            status, passed = await post(client, "filter", body)
        assert (status, passed["NodeNames"]) == (200, ["fast-1"])
        assert value(metrics.registry, "foretide_extender_fail_open_total", **fail_open) < 10


@pytest.mark.parametrize(("waited_seconds", "is_in_time"), [(0.04, True), (0.06, False)])
def test_what_has_waited_for_longer_than_a_decision_may_take_is_answered_open(
    waited_seconds: float,
    is_in_time: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    metrics = Metrics()
    answerer = Answerer(
        cluster(workload_object(deadline_milliseconds=4000)).snapshot,
        metrics,
        deadline_seconds=0.05,
        now_seconds=lambda: NOW_SECONDS,
        clock_seconds=lambda: 0.0,
    )
    reply = msgspec.json.decode(answerer.answer("filter", args(pod_object(), names=ALL), waited_seconds))
    assert (set(reply["FailedAndUnresolvableNodes"]) == {"slow-1", "slow-2"}) == is_in_time
    scored = msgspec.json.decode(answerer.answer("prioritize", args(pod_object(), names=ALL), waited_seconds))
    assert ({item["Score"] for item in scored} == {0}) != is_in_time
    answerer.answer("filter", args(pod_object(workload=None), names=ALL), waited_seconds)
    for verb in ("filter", "prioritize"):
        counted = value(metrics.registry, "foretide_extender_fail_open_total", verb=verb, reason="Overloaded")
        assert counted == (not is_in_time)


def test_what_the_user_forbids_is_refused_though_there_is_no_time_for_predictions() -> None:
    state, metrics = cluster(workload_object(selector={"matchLabels": {"tier": "slow"}})), Metrics()
    answerer = Answerer(
        state.snapshot, metrics, deadline_seconds=0.05, now_seconds=lambda: NOW_SECONDS, clock_seconds=lambda: 0.0
    )
    reply = msgspec.json.decode(answerer.answer("filter", args(pod_object(), names=ALL), 0.06))
    assert reply["NodeNames"] == ["slow-1", "slow-2"]
    assert value(metrics.registry, "foretide_extender_fail_open_total", verb="filter", reason="Overloaded") == 1
    kept = answerer.records.find("team", "task-1")
    assert kept is not None
    assert (kept.filter_source, kept.filter_failed_open, len(kept.refused)) == ("", "Overloaded", 4)


async def test_of_requests_that_come_together_those_are_answered_open_that_would_be_late() -> None:
    state, slow_seconds = cluster(workload_object()), [0.0] * 8 + [0.6]

    def slow() -> Snapshot:
        if slow_seconds:
            time.sleep(slow_seconds.pop(0))  # holds the thread, as a decision would that cannot be cut short
        return state.snapshot()

    async with serving(slow, deadline_seconds=0.5) as (client, metrics):
        body = args(pod_object(), names=ALL)
        for _ in range(3):
            answers = await asyncio.gather(*(post(client, "filter", body) for _ in range(8)))
            assert all(answer == answers[0] for answer in answers)
        assert 0 < value(metrics.registry, "foretide_extender_fail_open_total", verb="filter", reason="Overloaded") < 8


def test_scores_that_take_too_long_to_write_down_are_left_out_and_soon_are_there_to_be_copied() -> None:
    state, metrics, seconds = cluster(workload_object()), Metrics(), [0.0]
    names = [f"node-{number:05d}" for number in range(20_000)]
    for name in names:
        state.node_changed("ADDED", facts_of(reduce_node(node_object(name, "slow"))))

    def slow_clock() -> float:
        seconds[0] += 0.001
        return seconds[0]

    answerer = Answerer(
        state.snapshot, metrics, deadline_seconds=60.0, now_seconds=lambda: NOW_SECONDS, clock_seconds=slow_clock
    )
    body = args(pod_object(), names=[*names, "fast-1"])
    answerer.answer("prioritize", args(pod_object(), names=names[:1]))  # has all reckoned that there is to reckon
    open_, scored = (msgspec.json.decode(answerer.answer("prioritize", body, waited)) for waited in (59.9975, 0.0))
    assert [item["Host"] for item in open_] == [item["Host"] for item in scored] == [*names, "fast-1"]
    assert {item["Score"] for item in open_} == {0}
    assert scored[-1]["Score"] == 10 > scored[0]["Score"]
    fail_open = {"verb": "prioritize", "reason": "DeadlineExceeded"}
    assert value(metrics.registry, "foretide_extender_fail_open_total", **fail_open) == 1


def test_what_changed_is_reckoned_ahead_so_that_the_next_decision_is_in_time() -> None:
    state, metrics, ticks = cluster(workload_object()), Metrics(), itertools.count()
    answerer = Answerer(
        state.snapshot,
        metrics,
        deadline_seconds=1.5,
        now_seconds=lambda: NOW_SECONDS,
        clock_seconds=lambda: float(next(ticks)),
    )
    body = args(pod_object(), names=ALL)
    answerer.answer("filter", body)
    changed = workload_object(deadline_milliseconds=4000)
    state.workload_changed(("team", "resnet"), facts_of(reduce_workload(changed)))
    for number in range(1000):
        state.node_changed("ADDED", facts_of(reduce_node(node_object(f"new-{number}", "slow"))))
    for _ in range(50):
        answerer.look_ahead()
    refused = msgspec.json.decode(answerer.answer("filter", body))["FailedAndUnresolvableNodes"]
    assert set(refused) == {"slow-1", "slow-2"}
    name = "foretide_extender_fail_open_total"
    assert value(metrics.registry, name, verb="filter", reason="DeadlineExceeded") == 0


@pytest.mark.parametrize("verb", ["filter", "prioritize"])
async def test_what_goes_wrong_while_the_reply_is_written_is_answered_open_and_begun_anew(
    verb: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    state = cluster(workload_object(deadline_milliseconds=4000))
    body = args(pod_object(), names=ALL)
    fail_open = {"verb": verb, "reason": "InternalError"}
    async with serving(state.snapshot) as (client, metrics):
        usual = await post(client, verb, body)
        encode = getattr(server, f"encode_{verb}")
        left = [1]

        def broken(*arguments: Any) -> bytes:
            left[0] -= 1
            if left[0] == 0:
                raise KeyError
            found: bytes = encode(*arguments)
            return found

        monkeypatch.setattr(server, f"encode_{verb}", broken)
        status, opened = await post(client, verb, body)
        assert status == 200
        assert opened["NodeNames"] == ALL if verb == "filter" else {each["Score"] for each in opened} == {0}
        assert value(metrics.registry, "foretide_extender_fail_open_total", **fail_open) == 1
        assert value(metrics.registry, "foretide_extender_decisions_total", verb=verb, source="Equal") == 1
        assert await post(client, verb, body) == usual
    assert "KeyError" in caplog.text


async def test_an_answer_that_cannot_be_kept_to_be_explained_is_given_all_the_same(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    state = cluster(workload_object())
    body = args(pod_object(), names=ALL)

    def broken(*_: Any) -> None:
        raise MemoryError

    async with serving(state.snapshot) as (client, metrics):
        usual = [await post(client, verb, body) for verb in ("filter", "prioritize")]
        for verb in ("filtered", "prioritized"):
            monkeypatch.setattr(Records, verb, broken)
        assert [await post(client, verb, body) for verb in ("filter", "prioritize")] == usual
        assert value(metrics.registry, "foretide_extender_decisions_total", verb="filter", source="Measured") == 2
    assert "could not be kept" in caplog.text


def test_who_looks_at_the_cluster_beside_leaves_what_is_kept_as_it_is() -> None:
    state = cluster(workload_object())
    answerer = Answerer(
        state.snapshot, Metrics(), deadline_seconds=1.0, now_seconds=lambda: NOW_SECONDS, clock_seconds=time.monotonic
    )
    body = args(pod_object(), names=ALL)
    answerer.answer("prioritize", body)
    kept = answerer._standings
    standing = next(iter(kept._kept.values()))
    for number in range(3):
        bind(state, pod_object(f"busy-{number}", node="fast-1"))
        assert len(answerer.look().nodes["fast-1"].pods) == number + 1
    answerer.answer("prioritize", body)
    assert list(kept._kept.values()) == [standing]


async def test_other_pods_are_answered_without_a_look_at_the_state() -> None:
    def broken() -> Snapshot:
        raise AssertionError

    async with serving(broken, deadline_seconds=0.0) as (client, metrics):
        body = args(pod_object(workload=None), names=ALL)
        status, passed = await post(client, "filter", body)
        assert (status, passed["NodeNames"]) == (200, ALL)
        assert await post(client, "prioritize", body) == (200, [{"Host": name, "Score": 0} for name in ALL])
        assert value(metrics.registry, "foretide_extender_decisions_total", verb="filter", source="Untouched") == 1
        assert value(metrics.registry, "foretide_extender_fail_open_total", verb="filter", reason="InternalError") == 0


@pytest.mark.parametrize("workload", ["resnet", None])
async def test_names_are_given_back_as_they_came_however_odd_they_are(workload: str | None) -> None:
    odd = ["fast-1", "unknown", 'quote"', "back\\slash", "tab\t", "\u00fc", "\u2028", "\U0001f422", ""]
    async with serving(cluster(workload_object()).snapshot) as (client, _):
        for planned in (None, "fast-1"):
            pod = pod_object(workload=workload, annotations={"foretide.dev/planned-node": planned} if planned else None)
            for names in (odd, odd[:1], odd[1:2], odd[5:]):
                body = args(pod, names=names)
                assert (await post(client, "filter", body))[1]["NodeNames"] == names
                assert [each["Host"] for each in (await post(client, "prioritize", body))[1]] == names


async def test_an_error_in_a_decision_fails_open_and_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> Snapshot:
        raise RuntimeError("state is broken")

    async with serving(broken) as (client, metrics):
        assert (await post(client, "filter", args(pod_object(), names=ALL)))[1]["NodeNames"] == ALL
        assert value(metrics.registry, "foretide_extender_fail_open_total", verb="filter", reason="InternalError") == 1
    assert "state is broken" in caplog.text


@asynccontextmanager
async def observing(
    metrics: Metrics, *, missing: list[str], stuck: list[str]
) -> AsyncIterator[Callable[[str], Awaitable[tuple[int, str]]]]:
    app = observe_app(metrics, waiting_for=lambda: missing, stuck=lambda: stuck)
    async with test_utils.TestClient(test_utils.TestServer(app)) as client:

        async def get(path: str) -> tuple[int, str]:
            async with client.get(path) as response:
                return response.status, await response.text()

        yield get


async def test_before_the_first_list_answers_are_open_and_readiness_names_what_is_missing() -> None:
    def not_synced() -> Snapshot:
        raise NoState

    async with serving(not_synced) as (client, metrics):
        assert (await post(client, "filter", args(pod_object(), names=ALL)))[1]["NodeNames"] == ALL
        assert value(metrics.registry, "foretide_extender_fail_open_total", verb="filter", reason="NotSynced") == 1
        missing = ["pods"]
        async with observing(metrics, missing=missing, stuck=[]) as get:
            status, text = await get("/readyz")
            assert (status, "pods" in text) == (503, True)
            assert (await get("/healthz"))[0] == 200
            missing.clear()
            assert (await get("/readyz"))[0] == 200
            text = (await get("/metrics"))[1]
    assert 'foretide_extender_fail_open_total{reason="NotSynced",verb="filter"} 1.0' in text
    assert "foretide_extender_request_duration_seconds_bucket" in text


async def test_what_was_known_is_used_on_while_nothing_is_heard_and_counted() -> None:
    state = cluster(workload_object(deadline_milliseconds=4000))
    stale = [False]
    async with serving(state.snapshot, is_stale=lambda: stale[0]) as (client, metrics):
        body = args(pod_object(), names=ALL)
        for is_stale in (False, True):
            stale[0] = is_stale
            refused = (await post(client, "filter", body))[1]["FailedAndUnresolvableNodes"]
            assert set(refused) == {"slow-1", "slow-2"}
            counted = value(metrics.registry, "foretide_extender_stale_decisions_total", verb="filter")
            assert counted == is_stale


async def test_a_watch_that_has_stopped_is_named_by_both_probes() -> None:
    async with observing(Metrics(), missing=[], stuck=["nodes"]) as get:
        for path in ("/readyz", "/healthz"):
            status, text = await get(path)
            assert (status, "nodes" in text) == (503, True)


async def test_an_empty_list_of_nodes_is_answered_with_an_empty_list() -> None:
    async with serving(cluster(workload_object()).snapshot) as (client, _):
        for body in (args(pod_object(), names=[]), args(pod_object(), nodes=[])):
            assert (await post(client, "filter", body))[0] == 200
            assert await post(client, "prioritize", body) == (200, [])
