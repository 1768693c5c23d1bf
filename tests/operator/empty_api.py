"""An API server with nothing in it, for whole processes that only start and stop: lists are empty, watches silent."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_KINDS = {
    "aiworkloads": "AIWorkload",
    "nodeclasses": "NodeClass",
    "workloadprofiles": "WorkloadProfile",
    "completiontimemodels": "CompletionTimeModel",
}
_LISTED = {*_KINDS, "nodes", "pods", "jobs", "deployments", "configmaps"}
_VERSION = {"groupVersion": "foretide.dev/v1alpha1", "version": "v1alpha1"}
_DISCOVERY: dict[str, Any] = {
    "/api": {"versions": ["v1"]},
    "/api/v1": {  # kopf watches nothing before it has seen that there are namespaces
        "resources": [
            {"name": "namespaces", "kind": "Namespace", "singularName": "", "namespaced": False, "verbs": ["list"]}
        ]
    },
    "/apis": {"groups": [{"name": "foretide.dev", "versions": [_VERSION], "preferredVersion": _VERSION}]},
    "/apis/foretide.dev/v1alpha1": {
        "resources": [
            {"name": plural, "kind": kind, "singularName": "", "namespaced": False, "verbs": ["list", "watch", "patch"]}
            for plural, kind in _KINDS.items()
        ]
    },
}


@contextlib.contextmanager
def empty_api(kubeconfig: Path, *, has_kinds: bool = True) -> Iterator[list[tuple[str, str]]]:
    """Serve on a free loopback port, which ``kubeconfig`` is written to name. Writes are refused with 403.

    Gives what is read: who asks, as the client calls itself, and path with query.
    """
    closing = threading.Event()
    asked: list[tuple[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.headers["User-Agent"], self.path))
            path, _, query = self.path.partition("?")
            if "watch=true" in query:
                self._begin(200)
                closing.wait(60)
            elif path in _DISCOVERY and (has_kinds or "foretide" not in path):
                self._answer(200, _DISCOVERY[path])
            elif path.rpartition("/")[2] in _LISTED:
                self._answer(200, {"metadata": {"resourceVersion": "1"}, "items": []})
            else:
                self._answer(404, {"reason": "NotFound"})

        def do_POST(self) -> None:
            self._answer(403, {"reason": "Forbidden"})

        def do_PATCH(self) -> None:
            self.do_POST()

        def _begin(self, status: int) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.flush()

        def _answer(self, status: int, body: object) -> None:
            self._begin(status)
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: object) -> None:
            """Say nothing: the process under test speaks."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    kubeconfig.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "it",
                "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
                "clusters": [{"name": "it", "cluster": {"server": f"http://127.0.0.1:{server.server_address[1]}"}}],
                "users": [{"name": "it", "user": {"token": "none"}}],
            }
        )
    )
    try:
        yield asked
    finally:
        closing.set()
        server.shutdown()
        server.server_close()
