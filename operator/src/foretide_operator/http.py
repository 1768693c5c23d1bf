"""The operator's own port, open from the first second: /metrics, /healthz (is it alive), /readyz (can it work)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

PORT: Final = 8080

Check = Callable[[], str]
"""Gives what is wrong, in one line; empty if nothing is."""


class StatusServer:
    """Serves on a daemon thread; ``alive`` and ``ready`` are asked on every request."""

    def __init__(self, registry: CollectorRegistry, *, alive: Check, ready: Check, port: int = PORT) -> None:
        class Handler(BaseHTTPRequestHandler):
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

        self._server = ThreadingHTTPServer(("", port), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="status", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop answering and close the port."""
        self._server.shutdown()
        self._server.server_close()
