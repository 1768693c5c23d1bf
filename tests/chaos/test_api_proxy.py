"""The proxy hands on what it is given, and spoils it as each fault says; upstream is a real server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from tests.chaos.api_faults import API_FAULTS, ApiFault, Request, Treatment, status_body, treat
from tests.chaos.api_proxy import Proxy, serving

LINE = b'{"type":"ADDED","object":{}}\n'
MANY = 40


class Upstream:
    """Counts what was made, and watches that tell a line every tenth of a second."""

    def __init__(self) -> None:
        self.made = 0
        self.seen: list[tuple[str, str, bytes]] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append((request.raw_path, request.headers.get("Authorization", ""), await request.read()))
        if request.query.get("watch") != "true":
            self.made += request.method != "GET"
            return web.json_response({"made": self.made}, status=201 if request.method == "POST" else 200)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        try:
            while True:
                await response.write(LINE)
                await asyncio.sleep(0.1)
        except ConnectionError:
            return response


class Setting:
    """A proxy before an upstream, and a client of it."""

    def __init__(self, upstream: Upstream, proxy: Proxy, client: aiohttp.ClientSession) -> None:
        self.upstream = upstream
        self.proxy = proxy
        self.client = client


@pytest.fixture
async def setting() -> AsyncIterator[Setting]:
    upstream = Upstream()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", upstream.answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    where = "127.0.0.1"
    async with (
        serving(upstream=url, authority=None, host=where, port=0, certificate=None, seed=1) as (proxy, port),
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client,
    ):
        yield Setting(upstream, proxy, client)
    await runner.cleanup()


async def statuses(setting: Setting, method: str) -> list[int]:
    """What many requests are answered with; 0 where the connection breaks."""
    found = []
    for _ in range(MANY):
        try:
            async with setting.client.request(method, "/api/v1/pods", json={}) as answer:
                await answer.read()
                found.append(answer.status)
        except aiohttp.ClientError:
            found.append(0)
    return found


async def test_what_is_asked_and_answered_goes_through_as_it_is(setting: Setting) -> None:
    path = "/apis/batch/v1/jobs?labelSelector=a%3Db&limit=500"
    async with setting.client.post(path, data=b"[1]", headers={"Authorization": "Bearer x"}) as answer:
        assert (answer.status, await answer.json()) == (201, {"made": 1})
    assert setting.upstream.seen == [(path, "Bearer x", b"[1]")]


@pytest.mark.parametrize(
    ("fault", "status", "reason"),
    [("TooManyRequests", 429, "TooManyRequests"), ("InternalErrors", 500, "InternalError")],
)
async def test_half_of_all_requests_are_refused_and_not_made(
    setting: Setting, fault: ApiFault, status: int, reason: str
) -> None:
    setting.proxy.begin(fault)
    found = await statuses(setting, "POST")
    hits = setting.proxy.end(fault)
    assert set(found) == {201, status}
    assert found.count(status) == hits == MANY - setting.upstream.made
    assert json.loads(status_body(status))["reason"] == reason


async def test_conflicts_meet_replacements_and_patches_alone(setting: Setting) -> None:
    setting.proxy.begin("Conflicts")
    assert set(await statuses(setting, "PATCH")) == {200, 409}
    assert setting.proxy.end("Conflicts") == MANY - setting.upstream.made
    setting.proxy.begin("Conflicts")
    assert set(await statuses(setting, "GET")) == {200}
    assert setting.proxy.end("Conflicts") == 0


async def test_a_lost_answer_is_to_a_write_that_was_made(setting: Setting) -> None:
    setting.proxy.begin("AnswersLost")
    found = await statuses(setting, "POST")
    assert found.count(0) == setting.proxy.end("AnswersLost") > 0
    assert setting.upstream.made == MANY


async def test_after_the_end_of_a_fault_nothing_is_spoilt(setting: Setting) -> None:
    for fault in API_FAULTS:
        setting.proxy.begin(fault)
        setting.proxy.end(fault)
    assert set(await statuses(setting, "PATCH")) == {200}


async def told(setting: Setting) -> bytes:
    """All that a watch tells until it ends or breaks off."""
    heard = b""
    async with setting.client.get("/api/v1/pods?watch=true") as answer:
        try:
            async with asyncio.timeout(10):
                async for chunk in answer.content.iter_any():
                    heard += chunk
        except aiohttp.ClientError:
            return heard
    return heard + b"END"


async def test_a_watch_is_dropped_in_the_middle_of_a_line(setting: Setting) -> None:
    setting.proxy.begin("WatchesDropped")
    heard = await told(setting)
    assert heard.startswith(LINE)
    assert not heard.endswith((b"\n", b"END"))
    assert setting.proxy.end("WatchesDropped") == 1


async def test_a_watch_is_told_that_its_version_is_too_old(setting: Setting) -> None:
    setting.proxy.begin("WatchesExpired")
    *_, last, end = (await told(setting)).split(b"\n")
    assert json.loads(last)["object"]["code"] == 410
    assert end == b"END"
    assert setting.proxy.end("WatchesExpired") == 1


async def test_a_watch_is_held_and_tells_all_of_it_in_the_end(setting: Setting) -> None:
    setting.proxy.begin("WatchesHeld")
    async with setting.client.get("/api/v1/pods?watch=true") as answer:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.5):
                await answer.content.read(1)
        assert setting.proxy.end("WatchesHeld") == 1
        async with asyncio.timeout(10):
            assert await answer.content.readexactly(5 * len(LINE)) == 5 * LINE


def test_late_answers_are_not_later_than_said_and_leave_watches_alone() -> None:
    delays = [treat(Request("GET", is_watch=False), "AnswersLate", tenth / 10).late_seconds for tenth in range(10)]
    assert delays == sorted(delays[:5]) + [0.0] * 5
    assert 0 < max(delays) <= 3.0
    assert treat(Request("GET", is_watch=True), "AnswersLate", 0.1) == Treatment()
