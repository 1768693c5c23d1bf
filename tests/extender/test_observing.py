"""The port for observers under those who are slow or many, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from foretide_extender import observing
from foretide_extender.metrics import Metrics
from foretide_extender.observing import MOST_CONNECTIONS, listen_to_observers, observe_app
from foretide_extender.settings import Address

UNFINISHED = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: "
PROBE = b"GET /healthz HTTP/1.1\r\nHost: x\r\n%s\r\n"
LARGE = b"a" * 2**20

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def listening() -> AsyncIterator[int]:
    """The port, on which /slow takes its time and /large sends much."""

    async def slow(_: web.Request) -> web.Response:
        await asyncio.sleep(0.5)
        return web.Response(text="at last")

    async def large(_: web.Request) -> web.Response:
        return web.Response(body=32 * LARGE)

    app = observe_app(Metrics(), waiting_for=list, stuck=list)
    app.router.add_get("/slow", slow)
    app.router.add_get("/large", large)
    runner = await listen_to_observers(app, Address("127.0.0.1", 0))
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def send(port: int, data: bytes) -> Stream:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    return reader, writer


async def rest(stream: Stream) -> bytes:
    """What comes until the other side closes."""
    received = b""
    async with asyncio.timeout(20.0):
        try:
            while data := await stream[0].read(2**16):
                received += data
        except ConnectionResetError:
            pass
    stream[1].close()
    return received


async def status(stream: Stream) -> int:
    async with asyncio.timeout(20.0):
        head = await stream[0].readuntil(b"\r\n\r\n")
        await stream[0].readexactly(int(head.lower().partition(b"content-length: ")[2].split()[0]))
    return int(head.split()[1])


async def test_a_head_that_is_not_finished_is_waited_for_some_time_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observing, "IDLE_SECONDS", 0.2)
    async with listening() as port:
        assert await rest(await send(port, UNFINISHED)) == b""
        assert await rest(await send(port, b"")) == b""


async def test_a_request_in_hand_is_no_idle_connection_but_has_an_end_too(monkeypatch: pytest.MonkeyPatch) -> None:
    request = b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"
    monkeypatch.setattr(observing, "IDLE_SECONDS", 0.2)
    async with listening() as port:
        assert b"at last" in await rest(await send(port, request))
        monkeypatch.setattr(observing, "REQUEST_SECONDS", 0.2)
        assert await rest(await send(port, request)) == b""


async def test_who_does_not_take_the_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observing, "IDLE_SECONDS", 0.2)
    async with listening() as port:
        stream = await send(port, b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.sleep(1.0)
        assert len(await rest(stream)) < 32 * len(LARGE)


async def test_of_too_many_connections_the_one_used_longest_ago_makes_way_and_probes_are_answered() -> None:
    async with listening() as port:
        probing = await send(port, PROBE % b"")
        assert await status(probing) == 200
        waiting = [await send(port, UNFINISHED) for _ in range(MOST_CONNECTIONS - 1)]
        probing[1].write(PROBE % b"")
        assert await status(probing) == 200
        late = await send(port, PROBE % b"")
        assert await status(late) == 200
        assert await rest(waiting[0]) == b"", "the first of them has made way"
        probing[1].write(PROBE % b"")
        assert await status(probing) == 200
        for _, writer in (probing, late, *waiting):
            writer.close()


@pytest.mark.parametrize(
    "head",
    [
        PROBE % (b"X: " + b"a" * 5000 + b"\r\n"),
        PROBE % (b"X: a\r\n" * 40),
        b"GET /healthz?" + b"a" * 5000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=["a long field", "many fields", "a long address"],
)
async def test_a_head_that_is_larger_than_anybody_needs_is_refused_and_fills_no_log(
    head: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening() as port:
        stream = await send(port, head)
        assert await status(stream) in {400, 431}
        stream[1].close()
    assert not caplog.records


async def test_an_error_of_the_extender_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> list[str]:
        raise RuntimeError("probes are broken")

    app = observe_app(Metrics(), waiting_for=list, stuck=broken)
    runner = await listen_to_observers(app, Address("127.0.0.1", 0))
    try:
        stream = await send(runner.addresses[0][1], PROBE % b"")
        assert await status(stream) == 500
        stream[1].close()
    finally:
        await runner.cleanup()
    assert "probes are broken" in caplog.text
