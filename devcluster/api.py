"""The few requests that devcluster itself makes to the API server, without a client library or a kubectl."""

from __future__ import annotations

import http.client
import json
import ssl
from pathlib import Path
from typing import Any

from devcluster.errors import DevclusterError


class Api:
    """An administrator's connection by the relay's port; a new connection each time, since calls are rare."""

    def __init__(self, port: int, authority: Path, token: str) -> None:
        self._port = port
        self._context = ssl.create_default_context(cafile=str(authority))
        self._token = token

    def ready(self) -> bool:
        """Say whether the API server is up and ready."""
        try:
            status, _ = self._call("GET", "/readyz", None)
        except (OSError, http.client.HTTPException):
            return False
        return status == 200

    def get(self, path: str) -> dict[str, Any]:
        """Return an object or a list."""
        return self._checked("GET", path, None)

    def create(self, path: str, manifest: dict[str, Any]) -> dict[str, Any]:
        """Create an object from its manifest."""
        return self._checked("POST", path, manifest)

    def _checked(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        status, text = self._call(method, path, body)
        if status >= 300:
            raise DevclusterError(f"{method} {path}: the API server answered {status}: {text[:500]}")
        found: dict[str, Any] = json.loads(text)
        return found

    def _call(self, method: str, path: str, body: dict[str, Any] | None) -> tuple[int, str]:
        connection = http.client.HTTPSConnection("127.0.0.1", self._port, timeout=20, context=self._context)
        try:
            headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()
