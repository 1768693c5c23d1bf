"""The port of operator and planner, open from the first second: /metrics, /healthz (alive), /readyz (able to work)."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

PORT: Final = 8080
IDLE_SECONDS: Final = 10.0
"""A connection on which nothing comes for so long is closed: each has a thread."""

Check = Callable[[], str]
"""Gives what is wrong, in one line; empty if nothing is."""


class _Server(ThreadingHTTPServer):
    """Listens on every address of both families, or of the old one alone where the node knows no other."""

    daemon_threads = True
    address_family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


class StatusServer:
    """Serves on a daemon thread; ``alive`` and ``ready`` are asked on every request. OSError if the port is taken."""

    def __init__(self, registry: CollectorRegistry, *, alive: Check, ready: Check, port: int = PORT) -> None:
        class Handler(BaseHTTPRequestHandler):
            timeout = IDLE_SECONDS

            def do_GET(self) -> None:
                match self.path.partition("?")[0]:
                    case "/metrics":
                        self._answer(HTTPStatus.OK, generate_latest(registry), CONTENT_TYPE_LATEST)
                    case "/healthz":
                        self._check(alive)
                    case "/readyz":
                        self._check(ready)
                    case _:
                        self._answer(HTTPStatus.NOT_FOUND, b"try /metrics, /healthz or /readyz\n")

            def _check(self, check: Check) -> None:
                problem = check()
                status = HTTPStatus.SERVICE_UNAVAILABLE if problem else HTTPStatus.OK
                self._answer(status, f"{problem or 'ok'}\n".encode())

            def _answer(self, status: HTTPStatus, body: bytes, content_type: str = "text/plain; charset=utf-8") -> None:
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing: probes come every few seconds."""

        self._server = _Server(("", port), Handler)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="status", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop answering and close the port."""
        self._server.shutdown()
        self._server.server_close()
