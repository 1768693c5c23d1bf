"""The port of a service: HTTP/1.1 by the standard library, within the bounds of `…serving.connections`.

POST /infer     one inference over one batch       GET /readyz    whether requests are answered
GET  /model     what that takes                    GET /healthz   whether the process is any good
GET  /metrics   for Prometheus                     GET /report    the same for the operator (JSON)
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Protocol, cast

from foretide_profiler.serving.connections import REQUEST_SECONDS, Connections
from foretide_profiler.serving.protocol import BYTES, JSON, RequestError

SPARE_CONNECTIONS: Final = 32
"""Besides those of requests that wait: probes, and clients that think."""
_LONGEST_LENGTH: Final = 18


class Answers(Protocol):
    """Who gives the answers; each may raise RequestError."""

    def read(self, path: str) -> tuple[str, bytes]:
        """The type and the body of what is to be read there."""

    def most_bytes(self, content_type: str) -> int:
        """The longest body that can be a request, of this type; the request is refused where none is taken now."""

    def hold(self, content_type: str, size_bytes: int) -> Callable[[], None]:
        """Make room for a request; what is given back is called when its answer is gone."""

    def infer(self, body: bytearray, content_type: str) -> tuple[bytes, Mapping[str, str]]:
        """The body of an answer, and headers that tell what it took."""

    def turned_away(self, error: RequestError) -> None:
        """Count a request that is answered by this error."""


class Port:
    """Listens from the beginning, on threads of its own. Raises OSError where the port is not to be had."""

    def __init__(self, answers: Answers, *, port: int, most_waiting: int) -> None:
        self.connections = Connections(most=most_waiting + SPARE_CONNECTIONS, clock=time.monotonic)
        self._server = _Server(port, answers, self.connections)
        self.number: int = self._server.server_address[1]
        self._stopped = threading.Event()
        for name, run in (("http", self._server.serve_forever), ("deadlines", self._keep_deadlines)):
            threading.Thread(target=run, name=name, daemon=True).start()

    def close(self) -> None:
        """Accept nothing any more; what is being written goes on as long as the process lives."""
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()

    def _keep_deadlines(self) -> None:
        while not self._stopped.wait(1.0):
            self.connections.cut_late()


class _Server(ThreadingHTTPServer):
    address_family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, port: int, answers: Answers, connections: Connections) -> None:
        self.answers = answers
        self.connections = connections
        super().__init__(("", port), _Handler)

    def server_bind(self) -> None:
        """Listen on IPv4 and IPv6 alike: a Pod may have an address of either alone."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ANN401, ARG002 - as inherited
        return self.connections.admit(request)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - as inherited
        self.connections.gone(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as inherited
        """Say nothing: clients go away when they like."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "foretide"
    sys_version = ""
    timeout = REQUEST_SECONDS
    connection: socket.socket

    def setup(self) -> None:
        super().setup()
        server = cast("_Server", self.server)
        self._answers, self._connections = server.answers, server.connections

    def do_GET(self) -> None:
        if "content-length" in self.headers or "transfer-encoding" in self.headers:
            self.close_connection = True  # nobody reads that body: what follows it is no request
        try:
            content_type, body = self._answers.read(self.path.partition("?")[0])
        except RequestError as error:
            self._refuse(error)
        else:
            self._answer(HTTPStatus.OK, content_type, body)

    def do_POST(self) -> None:
        free: Callable[[], None] | None = None
        is_read = False
        try:
            content_type, length = self._announced()
            free = self._answers.hold(content_type, length)
            body = self._body(length)
            is_read = True
            self._connections.is_now(self.connection, "working")
            answer, headers = self._answers.infer(body, content_type)
        except RequestError as error:
            self._answers.turned_away(error)
            self.close_connection = self.close_connection or not is_read or error.reason == "Stopping"
            self._refuse(error)
        else:
            self._answer(HTTPStatus.OK, JSON, answer, headers)
        finally:
            if free is not None:
                free()

    def _announced(self) -> tuple[str, int]:
        """The type of the body that follows, and its length."""
        if self.path.partition("?")[0] != "/infer":
            raise RequestError(404, "NotFound", "requests go to POST /infer", "path")
        found = self.headers.get_content_type() if "content-type" in self.headers else JSON
        if found not in {JSON, BYTES}:
            message = f"{found[:64]} is not supported; send {JSON} or {BYTES}"
            raise RequestError(415, "ContentTypeUnsupported", message, "content-type")
        most_bytes = self._answers.most_bytes(found)
        values = self.headers.get_all("content-length") or []
        if "transfer-encoding" in self.headers or len(values) != 1:
            message = "send Content-Length once; chunked bodies are not supported"
            raise RequestError(411, "LengthRequired", message, "body")
        text = values[0].strip()
        if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST_LENGTH):
            raise RequestError(400, "RequestInvalid", f"{text[:32]!r} is not a length", "content-length")
        if int(text) > most_bytes:
            message = f"{text} bytes; of {found} at most {most_bytes} are read" + (
                f"; send {BYTES}, which takes the least" if found == JSON else ""
            )
            raise RequestError(413, "BodyTooLarge", message, "body")
        return found, int(text)

    def _body(self, length: int) -> bytearray:
        body = bytearray(length)
        come = self.rfile.readinto(body)
        if come < length:
            raise RequestError(400, "BodyIncomplete", f"{come} bytes came of {length}", "body")
        return body

    def _refuse(self, error: RequestError) -> None:
        headers = {} if error.retry_seconds is None else {"Retry-After": str(error.retry_seconds)}
        self._answer(error.status, JSON, error.document(), headers)

    def _answer(self, status: int, content_type: str, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self._connections.is_now(self.connection, "writing")
        self.send_response(status)
        told = {"Content-Type": content_type, "Content-Length": str(len(body)), **(headers or {})}
        for name, value in told.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self._connections.is_now(self.connection, "reading")

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What is no request at all is refused in the same words as others."""
        self.close_connection = True
        self._refuse(RequestError(int(code), "RequestInvalid", explain or message or "not an HTTP request"))

    def log_message(self, *_: object) -> None:
        """Say nothing: probes come every few seconds."""
