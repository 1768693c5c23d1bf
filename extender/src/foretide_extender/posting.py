"""HTTP/1.1 as kube-scheduler speaks it to an extender: a body is posted, read as a whole, and answered in one write.

A web framework costs several times as much for each request as the answer itself. This keeps to what the protocol
needs: connections kept alive, bodies of known length or in chunks, ``Expect: 100-continue``, and bounds on what
a caller may send and how long he may take. An answer is made as soon as its request is there, before anything else is
read, so that answers come in order; it is told how long its request may have waited for others to be answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final, NamedTuple

import httptools

from foretide_extender.reception import Reception

log = logging.getLogger(__name__)

JSON: Final = b"application/json"
TEXT: Final = b"text/plain; charset=utf-8"
MOST_HEAD_BYTES: Final = 64 * 2**10
"""A request that has more beside its body than that and than the body is refused: a long head, or tiny chunks."""
REQUEST_SECONDS: Final = 30.0
IDLE_SECONDS: Final = 3600.0

Body = bytes | bytearray
"""What was posted; a large body is not copied once more to be bytes."""


class Answer(NamedTuple):
    """What is sent back."""

    status: HTTPStatus
    content_type: bytes
    body: bytes


class Route(NamedTuple):
    """What is done with a body that is posted to a path, after so many seconds of waiting; and with one too large."""

    answer: Callable[[Body, float], Answer]
    too_large: Callable[[], Answer]


class PostProtocol(asyncio.BufferedProtocol):
    """One connection of a ``reception``; ``routes`` by path, bodies of at most ``max_body_bytes``.

    A request of which not all has come, or whose answer is not taken, is given up after between ``request_seconds`` and
    twice as long; a connection on which nothing is asked for ``idle_seconds`` is closed.
    """

    def __init__(
        self,
        routes: Mapping[bytes, Route],
        reception: Reception,
        *,
        max_body_bytes: int,
        request_seconds: float = REQUEST_SECONDS,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._routes = routes
        self._reception = reception
        self._max_body_bytes = max_body_bytes
        self._request_seconds = request_seconds
        self._longest_idle_seconds = idle_seconds
        self._large: bytearray | None = None
        self._large_bytes = 0
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._carrier: asyncio.WriteTransport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._came_seconds = 0.0
        self._answered_seconds = 0.0
        self._answered = 0
        self._answered_before = 0
        self._was_unfinished = False
        self._idle_seconds = 0.0
        self._is_asked = False
        self._begun = 0
        self._taken_bytes = 0
        self._body: Body = b""
        self._forget_request()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport, carrier: asyncio.WriteTransport | None = None) -> None:
        """Begin to watch the time; ``carrier`` is what the transport sends through, where it is not a socket's own."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a stream, not datagrams
        self._transport, self._carrier = transport, carrier
        self._reception.enter(self)
        self._timer = asyncio.get_running_loop().call_later(self._request_seconds, self._look_at_time)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Nothing is left to do."""
        self._transport = None
        self._reception.leave(self)
        if self._timer is not None:
            self._timer.cancel()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        """Where to put what comes: of a large body, where the whole of it will be."""
        return self._reception.buffer if self._large is None else memoryview(self._large)[self._large_bytes :]

    def buffer_updated(self, nbytes: int) -> None:
        """Read what came, and answer what is whole."""
        if self._transport is None or self._transport.is_closing():
            return
        # Who waits for an answer before he asks again cannot have asked before that.
        self._came_seconds = max(self._reception.came_seconds(), self._answered_seconds)
        if self._large is None:
            self._parse(self._reception.buffer[:nbytes])
        else:
            self._large_bytes += nbytes
            if self._large_bytes == len(self._large):
                self._complete(self._large)
        self._reception.weigh(self)

    def take(self, data: bytes) -> None:
        """Take what came before anybody asked where to put it."""
        left = memoryview(data)
        while left and self._transport is not None and not self._transport.is_closing():
            buffer = self.get_buffer(len(left))
            count = min(len(buffer), len(left))
            buffer[:count] = left[:count]
            self.buffer_updated(count)
            left = left[count:]

    def _parse(self, data: memoryview) -> None:
        begun, taken_bytes = self._begun - self._is_asked, self._taken_bytes
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._close()  # it was refused; nothing else is spoken here
        except httptools.HttpParserError as error:
            log.warning("not HTTP: %s", error)
            self._refuse(HTTPStatus.BAD_REQUEST)
        else:
            if self._is_asked and self._begun == begun + 1:  # all of it is of one request
                self._beside_bytes += len(data) - (self._taken_bytes - taken_bytes)
                if self._beside_bytes > MOST_HEAD_BYTES + len(self._body):
                    self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
                    return
            is_awaited = self._has_head and self._is_asked and not self._is_refused
            if is_awaited and self._missing_bytes() > len(self._reception.buffer):
                self._receive_large()

    def pause_writing(self) -> None:
        """Take no more requests from who does not take the answers."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on."""
        if self._transport is not None:
            self._transport.resume_reading()
            self._reception.weigh(self)

    # What the reception calls.

    def held_bytes(self) -> int:
        """How much is held for this connection: of a request that is not whole, and of answers that were not taken."""
        if self._transport is None:
            return 0
        body_bytes = len(self._body) if self._large is None else len(self._large)
        received_bytes = body_bytes if self._is_asked and not self._is_refused else 0
        return received_bytes + self._unsent_bytes(self._transport)

    def give_up(self) -> None:
        """Let go of what was received and of answers that nobody takes."""
        self._large, self._body = None, b""
        if self._transport is not None:
            self._transport.abort()

    # What the parser calls.

    def on_message_begin(self) -> None:
        """A request begins."""
        self._is_asked = True
        self._begun += 1
        self._forget_request()

    def _forget_request(self) -> None:
        self._path = b""
        self._body = b""
        self._length = 0
        self._beside_bytes = 0
        self._has_head = False
        self._is_continued = False
        self._is_upgrade = False
        self._is_refused = False

    def on_url(self, url: bytes) -> None:
        """What is asked for, maybe in pieces."""
        self._path += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header."""
        key = name.lower()
        if key == b"content-length":
            self._length = int(value)  # the parser has seen to it that this is a number
        elif key == b"expect":
            self._is_continued = value.lower() == b"100-continue"
        elif key == b"upgrade":
            self._is_upgrade = True

    def on_headers_complete(self) -> None:
        """All but the body is there."""
        self._has_head = True
        if self._is_upgrade:
            self._refuse(HTTPStatus.BAD_REQUEST)  # the parser takes what follows for another protocol
        elif self._length > self._max_body_bytes:
            self._refuse_body()
        elif self._is_continued and self._transport is not None and self._parser.get_http_version() != "1.0":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """A piece of the body; what is refused already is read to its end, so that the next request can be."""
        self._taken_bytes += len(body)
        if self._is_refused:
            return
        if not self._body:
            self._body = body
        else:
            if isinstance(self._body, bytes):
                self._body = bytearray(self._body)
            self._body += body
        if len(self._body) > self._max_body_bytes:
            self._refuse_body()

    def on_message_complete(self) -> None:
        """The request is whole."""
        body, self._body = self._body, b""
        self._complete(body)

    def _missing_bytes(self) -> int:
        return self._length - len(self._body)

    def _receive_large(self) -> None:
        """Have what is left of a large body put where it belongs, past the parser, which would copy it twice."""
        self._large, self._large_bytes = bytearray(self._length), len(self._body)
        self._large[: self._large_bytes] = self._body
        self._body = b""

    def _complete(self, body: Body) -> None:
        self._is_asked = False
        self._answered += 1
        self._reception.enter(self)
        is_kept = self._parser.should_keep_alive()
        if not self._is_refused:
            self._send(self._answer(body), is_last=not is_kept)
        self._answered_seconds = asyncio.get_running_loop().time()
        if not is_kept:
            self._close()
        elif self._large is not None:
            self._large, self._large_bytes = None, 0
            self._parser = httptools.HttpRequestParser(self)

    def _answer(self, body: Body) -> Answer:
        route = self._route()
        if route is None:
            return self._plain(HTTPStatus.NOT_FOUND)
        if self._parser.get_method() != b"POST":
            return self._plain(HTTPStatus.METHOD_NOT_ALLOWED)
        try:
            return route.answer(body, asyncio.get_running_loop().time() - self._came_seconds)
        except Exception:
            log.exception("no answer to %s", self._path.decode(errors="replace"))
            return self._plain(HTTPStatus.INTERNAL_SERVER_ERROR)

    def _route(self) -> Route | None:
        """What is asked for, whatever query comes with it, and whether or not a host is named."""
        known = self._routes.get(self._path)
        if known is None:
            with contextlib.suppress(httptools.HttpParserInvalidURLError):
                return self._routes.get(httptools.parse_url(self._path).path)
        return known

    def _refuse_body(self) -> None:
        """Answer before the body is read; who waits for leave to send it may send something else."""
        route = self._route()
        self._is_refused = True
        self._body = b""
        is_last = self._is_continued
        self._send(self._plain(HTTPStatus.NOT_FOUND) if route is None else route.too_large(), is_last=is_last)
        if is_last:
            self._close()

    def _refuse(self, status: HTTPStatus) -> None:
        """Answer that this is not what is spoken here."""
        self._is_refused = True
        self._send(self._plain(status), is_last=True)
        self._close()

    def _plain(self, status: HTTPStatus) -> Answer:
        self._reception.refused(status)
        return Answer(status, TEXT, f"{status.phrase}\n".encode())

    def _send(self, answer: Answer, *, is_last: bool) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        head = b"HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n%s%s\r\n" % (
            answer.status.value,
            answer.status.phrase.encode(),
            answer.content_type,
            len(answer.body),
            b"Allow: POST\r\n" if answer.status is HTTPStatus.METHOD_NOT_ALLOWED else b"",
            b"Connection: close\r\n" if is_last else b"",
        )
        is_bare = self._has_head and self._parser.get_method() == b"HEAD"
        # Not by writelines: that of Python 3.12 and 3.13 never says that too much is unsent, nor is done with no bytes.
        self._transport.write(b"".join((head, b"" if is_bare else answer.body)))

    def _unsent_bytes(self, transport: asyncio.Transport) -> int:
        carried_bytes = 0 if self._carrier is None else self._carrier.get_write_buffer_size()
        return transport.get_write_buffer_size() + carried_bytes

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _look_at_time(self) -> None:
        """Close where a request or its answer does not come to its end, or no request comes."""
        is_same = self._answered == self._answered_before
        self._idle_seconds = self._idle_seconds + self._request_seconds if is_same else 0.0
        is_unfinished = self._is_asked or (self._transport is not None and self._unsent_bytes(self._transport) > 0)
        is_slow = is_same and is_unfinished and self._was_unfinished
        self._answered_before, self._was_unfinished = self._answered, is_unfinished
        if is_slow:
            self._reception.gave_up("RequestUnfinished")
            self.give_up()
        elif self._idle_seconds >= self._longest_idle_seconds:
            self._close()
        else:
            self._timer = asyncio.get_running_loop().call_later(self._request_seconds, self._look_at_time)
