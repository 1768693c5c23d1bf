"""The relay carries bytes both ways, closes what is closed, and refuses what cannot be reached."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from devcluster import relay


@asynccontextmanager
async def relaying(port: int) -> AsyncIterator[int]:
    listening = relay.listen()
    task = asyncio.create_task(relay.serve(listening, "127.0.0.1", port))
    try:
        yield listening.getsockname()[1]
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def echoing() -> AsyncIterator[int]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        everything = await reader.read()
        writer.write(everything[::-1])
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize("size", [0, 1, 3_000_000])
async def test_a_request_reaches_the_far_side_and_its_answer_comes_back_after_half_close(size: int) -> None:
    async with echoing() as far, relaying(far) as near:
        reader, writer = await asyncio.open_connection("127.0.0.1", near)
        sent = bytes(i % 251 for i in range(size))
        writer.write(sent)
        writer.write_eof()
        assert await asyncio.wait_for(reader.read(), 20) == sent[::-1]
        writer.close()
        await writer.wait_closed()


async def test_connections_do_not_wait_for_each_other() -> None:
    async with echoing() as far, relaying(far) as near:
        _, idle = await asyncio.open_connection("127.0.0.1", near)
        reader, writer = await asyncio.open_connection("127.0.0.1", near)
        writer.write(b"abc")
        writer.write_eof()
        assert await asyncio.wait_for(reader.read(), 20) == b"cba"
        for side in (idle, writer):
            side.close()
            await side.wait_closed()


async def test_a_far_side_that_refuses_closes_the_connection() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        async with relaying(unused.getsockname()[1]) as near:
            reader, writer = await asyncio.open_connection("127.0.0.1", near)
            with contextlib.suppress(ConnectionResetError):
                assert await asyncio.wait_for(reader.read(), 20) == b""
            writer.close()
            with contextlib.suppress(ConnectionResetError):
                await writer.wait_closed()
