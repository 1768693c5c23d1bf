"""One kept-alive connection to an extender, as kube-scheduler has it, that costs next to nothing itself."""

from __future__ import annotations

import re
import socket
from types import TracebackType
from typing import Final, Self

from bench.extender.acceptance import Verb

_RECEIVED_AT_ONCE: Final = 1 << 18
_STATUS: Final = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class Connection:
    """Asks on one connection, with the headers of Go's HTTP client; OSError where the other end is gone or late."""

    def __init__(self, port: int, *, timeout_seconds: float = 60.0) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout_seconds)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._host = f"127.0.0.1:{port}".encode()
        self._buffer = bytearray(_RECEIVED_AT_ONCE)
        self._body = (0, 0)

    def ask(self, verb: Verb, body: bytes) -> int:
        """Post ``body``, wait for the whole answer, and return its status."""
        self._socket.sendall(
            b"POST /%s HTTP/1.1\r\nHost: %s\r\nUser-Agent: Go-http-client/1.1\r\nContent-Length: %d\r\n"
            b"Content-Type: application/json\r\nAccept-Encoding: gzip\r\n\r\n" % (verb.encode(), self._host, len(body)),
            socket.MSG_MORE,
        )
        self._socket.sendall(body)
        return self._receive()

    def answer(self) -> bytes:
        """The body of the latest answer."""
        begin, end = self._body
        return bytes(memoryview(self._buffer)[begin:end])

    def close(self) -> None:
        """Let the connection go."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _receive(self) -> int:
        received, head_end = 0, -1
        while head_end < 0:
            received = self._fill(received)
            head_end = self._buffer.find(b"\r\n\r\n", 0, received)
        head = bytes(self._buffer[: head_end + 2])
        status, length = _STATUS.match(head), _LENGTH.search(head)
        if status is None or length is None:
            raise ConnectionError(f"an answer without status or length: {head!r}")
        end = head_end + 4 + int(length[1])
        if end > len(self._buffer):
            self._buffer.extend(bytes(end - len(self._buffer)))
        while received < end:
            received = self._fill(received)
        if received > end:
            raise ConnectionError(f"more than one answer: {bytes(self._buffer[end:received])[:200]!r}")
        self._body = (head_end + 4, end)
        return int(status[1])

    def _fill(self, received: int) -> int:
        with memoryview(self._buffer) as view:
            more = self._socket.recv_into(view[received:])
        if not more:
            raise ConnectionError("the other end closed the connection")
        return received + more
