"""One kept-alive connection to an extender, as kube-scheduler has it, that costs next to nothing itself."""

from __future__ import annotations

import re
import socket
from types import TracebackType
from typing import Final, NamedTuple, Self

from bench.extender.acceptance import Verb

_RECEIVED_AT_ONCE: Final = 1 << 18
_STATUS: Final = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class Head(NamedTuple):
    """The head of an answer: its status, and where in what was received the body begins and ends."""

    status: int
    begin: int
    end: int


def head_of(received: bytearray, until: int | None = None) -> Head | None:
    """The head in what was ``received`` so far; None while it is not whole, ConnectionError where it is none."""
    at = received.find(b"\r\n\r\n", 0, until)
    if at < 0:
        return None
    head = bytes(received[: at + 2])
    status, length = _STATUS.match(head), _LENGTH.search(head)
    if status is None or length is None:
        raise ConnectionError(f"an answer without status or length: {head!r}")
    return Head(int(status[1]), at + 4, at + 4 + int(length[1]))


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
        received, head = 0, None
        while head is None:
            received = self._fill(received)
            head = head_of(self._buffer, received)
        if head.end > len(self._buffer):
            self._buffer.extend(bytes(head.end - len(self._buffer)))
        while received < head.end:
            received = self._fill(received)
        if received > head.end:
            raise ConnectionError(f"more than one answer: {bytes(self._buffer[head.end : received])[:200]!r}")
        self._body = (head.begin, head.end)
        return head.status

    def _fill(self, received: int) -> int:
        with memoryview(self._buffer) as view:
            more = self._socket.recv_into(view[received:])
        if not more:
            raise ConnectionError("the other end closed the connection")
        return received + more
