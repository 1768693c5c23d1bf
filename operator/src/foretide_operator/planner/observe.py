"""The planner's port: /metrics, /healthz and /readyz, by the standard library's server, which is small."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

Check = Callable[[], str]
"""Says what is wrong, or nothing."""


def serve(port: int, registry: CollectorRegistry, *, unhealthy: Check, unready: Check) -> ThreadingHTTPServer:
    """Serve on all interfaces on a daemon thread; OSError if the port is taken. Call `shutdown` at the end."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 10.0

        def do_GET(self) -> None:
            match self.path.partition("?")[0]:
                case "/metrics":
                    self._say(200, generate_latest(registry), CONTENT_TYPE_LATEST)
                case "/healthz":
                    self._judge(unhealthy())
                case "/readyz":
                    self._judge(unready())
                case _:
                    self._say(404, b"try /metrics, /healthz or /readyz\n")

        def _judge(self, problem: str) -> None:
            self._say(503 if problem else 200, f"{problem or 'ok'}\n".encode())

        def _say(self, status: int, body: bytes, content_type: str = "text/plain; charset=utf-8") -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
            """Say nothing: probes come every few seconds."""

    server = ThreadingHTTPServer(("", port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="observe", daemon=True).start()
    return server
