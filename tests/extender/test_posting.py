"""HTTP as the extender speaks it, on real sockets: what it takes, what it refuses, and how long it waits."""

from __future__ import annotations

import asyncio
import socket
import time
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import pytest

from foretide_extender.posting import JSON, TEXT, Answer, Body, PostProtocol, Route
from foretide_extender.reception import MOST_CONNECTIONS, Reception

MOST_BYTES = 1000
ECHO = b"POST /echo HTTP/1.1\r\nHost: x\r\n"


def echo(body: Body, _: float) -> Answer:
    if body == b"break":
        raise RuntimeError("broken")
    return Answer(HTTPStatus.OK, JSON, bytes(body))


_TOO_LARGE = Answer(HTTPStatus.BAD_REQUEST, TEXT, b"too large")
ROUTES = {b"/echo": Route(echo, lambda: _TOO_LARGE)}


@asynccontextmanager
async def serving(
    routes: Mapping[bytes, Route] = ROUTES,
    *,
    most_bytes: int = 2**30,
    most_connections: int = MOST_CONNECTIONS,
    **bounds: Any,
) -> AsyncIterator[tuple[tuple[str, int], Counter[str]]]:
    """An address that is listened at, and why connections were given up."""
    given_up: Counter[str] = Counter()
    reception = Reception(
        most_bytes=most_bytes, gave_up=lambda reason: given_up.update([reason]), most_connections=most_connections
    )
    server = await asyncio.get_running_loop().create_server(
        lambda: PostProtocol(routes, reception, **{"max_body_bytes": MOST_BYTES, **bounds}), "127.0.0.1", 0
    )
    async with server, asyncio.timeout(20):
        yield server.sockets[0].getsockname(), given_up


@asynccontextmanager
async def connected(**bounds: Any) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    async with serving(**bounds) as (address, _):
        reader, writer = await asyncio.open_connection(*address)
        try:
            yield reader, writer
        finally:
            writer.close()


@asynccontextmanager
async def several(
    address: tuple[str, int], count: int
) -> AsyncIterator[list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]:
    pairs = [await asyncio.open_connection(*address) for _ in range(count)]
    try:
        yield pairs
    finally:
        for _, writer in pairs:
            writer.close()


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
    return int(head.split()[1]), await reader.readexactly(int(fields.get(b"content-length", b"0")))


async def is_closed(reader: asyncio.StreamReader) -> bool:
    """Whether the other end closes, be it with a reset because it read not all."""
    try:
        return await reader.read() == b""
    except ConnectionResetError:
        return True


def posted(body: bytes, *fields: bytes) -> bytes:
    return b"%sContent-Length: %d\r\n%s\r\n%s" % (ECHO, len(body), b"".join(b"%s\r\n" % each for each in fields), body)


@pytest.mark.parametrize(
    "pieces",
    [
        [posted(b"one"), posted(b""), posted(b"x" * MOST_BYTES)],
        [posted(b"one") + posted(b"two") + posted(b"three")],
        [bytes([byte]) for byte in posted(b"one") + posted(b"two")],
        [ECHO + b"Transfer-Encoding: chunked\r\n\r\n2\r\non\r\n", b"1\r\ne\r\n0\r\n\r\n", posted(b"two")],
    ],
)
async def test_requests_are_answered_in_order_however_they_come(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    bodies = [part.rpartition(b"\r\n\r\n")[2] for part in whole.split(ECHO)[1:]]
    if b"chunked" in whole:
        bodies[0] = b"one"
    async with connected() as (reader, writer):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        assert [await answer(reader) for _ in bodies] == [(200, body) for body in bodies]


@pytest.mark.parametrize("fields", [(), (b"Connection: close",)])
async def test_a_large_body_comes_as_it_was_sent_and_the_next_after_it(fields: tuple[bytes, ...]) -> None:
    large = b"".join(b"%d," % number for number in range(500_000))
    async with connected(max_body_bytes=2**23) as (reader, writer):
        writer.write(posted(large, *fields) + (b"" if fields else posted(b"next")))
        assert await answer(reader) == (200, large)
        if fields:
            assert await is_closed(reader)
        else:
            assert await answer(reader) == (200, b"next")
            writer.write(posted(large))
            assert await answer(reader) == (200, large)


async def test_who_waits_for_leave_to_send_gets_it() -> None:
    async with connected() as (reader, writer):
        writer.write(ECHO + b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert await answer(reader) == (100, b"")
        writer.write(b"one")
        assert await answer(reader) == (200, b"one")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"POST /other HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 404),
        (b"GET /echo HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (posted(b"break"), 500),
        (posted(b"x" * (MOST_BYTES + 1)), 400),
        (ECHO + b"Transfer-Encoding: chunked\r\n\r\n3e9\r\n" + b"x" * (MOST_BYTES + 1) + b"\r\n0\r\n\r\n", 400),
    ],
)
async def test_what_cannot_be_answered_harms_no_request_after_it(
    request_: bytes, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected() as (reader, writer):
        writer.write(request_ + posted(b"next"))
        assert (await answer(reader))[0] == status
        assert await answer(reader) == (200, b"next")
    assert ("broken" in caplog.text) == (status == 500)


async def test_a_body_that_is_too_large_is_refused_before_it_comes() -> None:
    async with connected() as (reader, writer):
        writer.write(ECHO + b"Content-Length: 1000000\r\nExpect: 100-continue\r\n\r\n")
        assert await answer(reader) == (400, b"too large")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"\x16\x03\x01 no HTTP\r\n\r\n", 400),
        (ECHO + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (ECHO + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\n", 400),
        (ECHO + b"X: " + b"x" * 2**17, 431),
        (posted(b"one", b"Connection: close"), 200),
        (b"POST /echo HTTP/1.0\r\nContent-Length: 3\r\n\r\none", 200),
        (posted(b"one", b"Connection: Upgrade", b"Upgrade: h2c"), 400),
        (ECHO + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"x" * 2**17 + b"\r\n", 431),
        (ECHO + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: " + b"x" * 2**17, 431),
        (ECHO + b"Content-Length: 1000000\r\nExpect: 100-continue\r\n\r\n", 400),
    ],
)
async def test_after_what_leaves_no_way_on_the_connection_is_closed(request_: bytes, status: int) -> None:
    async with connected() as (reader, writer):
        writer.write(request_ + posted(b"next"))
        head = await reader.readuntil(b"\r\n\r\n")
        assert int(head.split()[1]) == status
        assert b"\r\nConnection: close\r\n" in head
        length = int(head.partition(b"Content-Length: ")[2].split()[0])
        await reader.readexactly(length)
        assert await is_closed(reader)


@pytest.mark.parametrize("target", [b"/echo?timeout=1s", b"http://extender.example:8888/echo"])
async def test_a_query_and_a_host_in_what_is_asked_for_change_nothing(target: bytes) -> None:
    async with connected() as (reader, writer):
        writer.write(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\none" % target)
        assert await answer(reader) == (200, b"one")


async def test_to_head_there_is_no_body_that_the_next_answer_could_be_taken_for() -> None:
    async with connected() as (reader, writer):
        writer.write(b"HEAD /echo HTTP/1.1\r\nHost: x\r\n\r\n" + posted(b"next"))
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 405 " in head
        assert b"\r\nAllow: POST\r\n" in head
        assert await answer(reader) == (200, b"next")


async def test_who_speaks_http_1_0_is_given_no_leave_that_he_would_take_for_the_answer() -> None:
    async with connected() as (reader, writer):
        writer.write(b"POST /echo HTTP/1.0\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\none")
        assert await answer(reader) == (200, b"one")


async def test_many_requests_at_once_do_not_count_as_the_head_of_the_next() -> None:
    async with connected() as (reader, writer):
        writer.write(posted(b"x") * 2000 + ECHO[:10])
        for _ in range(2000):
            assert await answer(reader) == (200, b"x")
        writer.write(posted(b"next")[10:])
        assert await answer(reader) == (200, b"next")


async def test_a_body_in_many_pieces_takes_little_more_than_its_bytes() -> None:
    most = 2**19
    seen: list[Body] = []

    def keep(body: Body, _: float) -> Answer:
        seen.append(body)
        return Answer(HTTPStatus.OK, JSON, b"")

    async with serving({b"/echo": Route(keep, lambda: _TOO_LARGE)}, max_body_bytes=most) as (address, _):
        reader, writer = await asyncio.open_connection(*address)
        tracemalloc.start()
        try:
            writer.write(ECHO + b"Transfer-Encoding: chunked\r\n\r\n")
            for _ in range(most // 2**14):
                writer.write(b"8\r\nxxxxxxxx\r\n" * 2**11)
                await writer.drain()
            writer.write(b"0\r\n\r\n")
            assert (await answer(reader))[0] == 200
            assert tracemalloc.get_traced_memory()[1] < 8 * most
        finally:
            tracemalloc.stop()
            writer.close()
    assert [bytes(body) for body in seen] == [b"x" * most]


async def test_who_takes_no_answer_for_long_is_given_up() -> None:
    routes = {b"/echo": Route(lambda _, __: Answer(HTTPStatus.OK, JSON, b"x" * 2**24), lambda: _TOO_LARGE)}
    async with serving(routes, request_seconds=0.1) as (address, given_up):
        with socket.create_connection(address) as client:
            client.sendall(posted(b""))
            await asyncio.sleep(1)
            assert given_up == {"RequestUnfinished": 1}


async def test_what_is_not_spoken_here_is_counted() -> None:
    refused: list[HTTPStatus] = []
    reception = Reception(most_bytes=2**30, gave_up=lambda _: None, refused=refused.append)
    server = await asyncio.get_running_loop().create_server(
        lambda: PostProtocol(ROUTES, reception, max_body_bytes=MOST_BYTES), "127.0.0.1", 0
    )
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"POST /other HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n" + posted(b"one") + b"?\r\n\r\n")
        assert [(await answer(reader))[0] for _ in range(3)] == [404, 200, 400]
        writer.close()
    assert refused == [HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST]


async def test_a_request_that_does_not_come_to_its_end_is_given_up() -> None:
    async with connected(request_seconds=0.1) as (reader, writer):
        writer.write(posted(b"one"))
        assert await answer(reader) == (200, b"one")
        writer.write(ECHO + b"Content-Le")
        assert await is_closed(reader)


async def test_a_connection_is_kept_for_long_and_not_for_ever() -> None:
    async with connected(request_seconds=0.05, idle_seconds=0.5) as (reader, writer):
        for _ in range(4):
            await asyncio.sleep(0.2)
            writer.write(posted(b"one"))
            assert await answer(reader) == (200, b"one")
        assert await is_closed(reader)


async def test_who_takes_no_answers_is_not_asked_for_more() -> None:
    count = 0

    def much(_: Body, __: float) -> Answer:
        nonlocal count
        count += 1
        return Answer(HTTPStatus.OK, JSON, b"x" * 2**18)

    routes = {b"/echo": Route(much, lambda: _TOO_LARGE)}
    async with connected(routes=routes) as (reader, writer):
        for _ in range(100):
            writer.write(posted(b"one"))
            await asyncio.sleep(0.001)
        taken = count
        assert taken < 90
        for _ in range(100):
            assert (await answer(reader))[0] == 200
    assert count == 100


async def test_of_too_many_connections_the_one_that_was_answered_longest_ago_is_closed() -> None:
    async with serving(most_connections=3) as (address, given_up), several(address, 3) as pairs:
        for index in (1, 2, 0, 1):
            pairs[index][1].write(posted(b"one"))
            assert await answer(pairs[index][0]) == (200, b"one")
        async with several(address, 1) as (another,):
            assert await is_closed(pairs[2][0])
            for reader, writer in (*pairs[:2], another):
                writer.write(posted(b"one"))
                assert await answer(reader) == (200, b"one")
    assert given_up == {"TooManyConnections": 1}


async def test_of_bodies_that_are_too_much_together_the_one_that_takes_longest_is_given_up() -> None:
    large = 2**20
    awaited = ECHO + b"Content-Length: %d\r\nExpect: 100-continue\r\n\r\n" % large
    chunked = ECHO + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (large, b"x" * large)
    async with serving(max_body_bytes=large, most_bytes=2 * large) as (address, given_up), several(address, 3) as pairs:
        for reader, writer in pairs[:2]:
            writer.write(awaited)
            assert await answer(reader) == (100, b"")
        pairs[2][1].write(chunked)
        assert await answer(pairs[2][0]) == (200, b"x" * large)
        assert await is_closed(pairs[0][0])
        pairs[1][1].write(b"x" * large)
        assert await answer(pairs[1][0]) == (200, b"x" * large)
    assert given_up == {"TooManyBytes": 1}


async def test_answers_that_nobody_takes_are_thrown_away_where_they_are_too_much() -> None:
    large = 2**24  # more than the sockets of both ends hold
    asked, is_asked = 0, asyncio.Event()

    def much(_: Body, __: float) -> Answer:
        nonlocal asked
        asked += 1
        if asked == 4:
            is_asked.set()
        return Answer(HTTPStatus.OK, JSON, b"x" * large)

    def taken_bytes(client: socket.socket) -> int:
        count = 0
        try:
            while data := client.recv(2**16):
                count += len(data)
                if count > large:
                    break
        except ConnectionResetError:
            pass
        return count

    async with serving({b"/echo": Route(much, lambda: _TOO_LARGE)}, most_bytes=large) as (address, given_up):
        clients = [socket.create_connection(address) for _ in range(4)]
        for client in clients:
            client.sendall(posted(b""))
        await is_asked.wait()
        counts = [await asyncio.to_thread(taken_bytes, client) for client in clients]
        for client in clients:
            client.close()
        assert [count > large for count in sorted(counts)] == [False, False, False, True]
        assert given_up == {"TooManyBytes": 3}


async def test_who_answers_is_told_how_long_the_request_may_have_waited_behind_others() -> None:
    waited: dict[bytes, float] = {}
    blocked_seconds = 0.3

    def slow(body: Body, waited_seconds: float) -> Answer:
        waited[bytes(body)] = waited_seconds
        if body == b"slow":
            other.sendall(posted(b"meanwhile"))
            time.sleep(blocked_seconds)
        return Answer(HTTPStatus.OK, JSON, b"")

    async with serving({b"/echo": Route(slow, lambda: _TOO_LARGE)}) as (address, _), several(address, 3) as pairs:
        with socket.create_connection(address) as other:
            other.sendall(posted(b"first"))
            first = await asyncio.to_thread(other.recv, 10_000)
            for (_, writer), body in zip(pairs, (b"slow", b"together", b"with it"), strict=True):
                writer.write(posted(body))
            for reader, _ in pairs:
                await answer(reader)
            pairs[0][1].write(posted(b"next"))
            await answer(pairs[0][0])
            assert await asyncio.to_thread(other.recv, 10_000) == first
            await asyncio.sleep(0.01)  # the turn in which it was answered is over
            pairs[1][1].write(posted(b"later"))
            await answer(pairs[1][0])
    long = {body for body, seconds in waited.items() if seconds >= blocked_seconds}
    assert long == {b"together", b"with it", b"meanwhile"}
