"""Carry connections from a port of the host's loopback to an address inside a cluster's network namespace.

The listening socket is made in the host's namespace by `listen`; the program below runs inside the cluster's and is
given the socket, so that it accepts on one side and connects on the other. It uses the standard library alone and runs
as a file.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

_CHUNK_BYTES = 65_536


def listen() -> socket.socket:
    """Return a socket that listens on a free port of 127.0.0.1 in this process's namespace."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.bind(("127.0.0.1", 0))
    listening.listen(128)
    return listening


def argv(descriptor: int, host: str, port: int) -> list[str]:
    """Return the relay's command line; it shall run where `host` can be reached and inherit `descriptor`."""
    return [sys.executable, "-I", "-S", str(Path(__file__).resolve()), str(descriptor), host, str(port)]


async def serve(listening: socket.socket, host: str, port: int) -> None:
    """Relay until cancelled; connections that are open then are closed."""
    open_connections: set[asyncio.Task[None]] = set()

    async def connected(near_in: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(_relay(near_in, near_out, host, port))
        open_connections.add(task)
        task.add_done_callback(open_connections.discard)

    server = await asyncio.start_server(connected, sock=listening, limit=_CHUNK_BYTES)
    try:
        async with server:
            await server.serve_forever()
    finally:
        for task in open_connections:
            task.cancel()
        await asyncio.gather(*open_connections, return_exceptions=True)


async def _relay(near_in: asyncio.StreamReader, near_out: asyncio.StreamWriter, host: str, port: int) -> None:
    async with _closing(near_out):
        try:
            far_in, far_out = await asyncio.open_connection(host, port)
        except OSError:
            near_out.transport.abort()
            return
        async with _closing(far_out):
            await asyncio.gather(_copy(near_in, far_out), _copy(far_in, near_out))


@contextlib.asynccontextmanager
async def _closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    try:
        yield
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(_CHUNK_BYTES):
            target.write(data)
            await target.drain()
        if target.can_write_eof():
            target.write_eof()
            return
    target.transport.abort()


if __name__ == "__main__":
    asyncio.run(serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2], int(sys.argv[3])))
