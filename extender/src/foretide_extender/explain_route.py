"""``GET /explain?namespace=NS&pod=NAME`` on the port for observers: JSON, for who may read the Pod.

The API server is asked, and records are put into words, on few threads beside the one that answers kube-scheduler.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import web

from foretide_extender.access import Access, Denied, not_answered
from foretide_extender.explaining import Standpoint, explain
from foretide_extender.records import Records
from foretide_extender.server import NoState
from foretide_extender.state import Snapshot
from foretide_kube.client import ApiError, KubeClient, Object
from foretide_kube.names import PODS

MOST_AT_ONCE: Final = 4
MOST_WAITING: Final = 32
"""So many are asked for or explained, those that wait for a thread included; whoever comes then is sent away."""
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_BEARER: Final = re.compile(r"Bearer +([-._~+/A-Za-z0-9]+=*)", re.IGNORECASE)


class ExplainRoute:
    """Answers ``GET /explain``. ``snapshot`` is called on the loop's thread; ``now_seconds`` since the epoch."""

    def __init__(
        self,
        client: KubeClient,
        access: Access,
        records: Records,
        *,
        snapshot: Callable[[], Snapshot],
        now_seconds: Callable[[], float],
    ) -> None:
        self._client = client
        self._access = access
        self._records = records
        self._snapshot = snapshot
        self._now_seconds = now_seconds
        self._threads = ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix="explain")
        self._waiting = 0

    async def answer(self, request: web.Request) -> web.Response:
        """An `Explanation`; a status of 400 and more says in its text what is wrong or missing."""
        namespace, name = request.query.get("namespace", ""), request.query.get("pod", "")
        if not _NAME.fullmatch(namespace) or not _NAME.fullmatch(name):
            return _refused(HTTPStatus.BAD_REQUEST, "write /explain?namespace=NAMESPACE&pod=NAME")
        bearer = _BEARER.fullmatch(request.headers.get("Authorization", ""))
        if bearer is None:
            return _refused(HTTPStatus.UNAUTHORIZED, "a token is missing: send Authorization: Bearer TOKEN")
        if self._waiting >= MOST_WAITING:
            return _refused(HTTPStatus.SERVICE_UNAVAILABLE, "too many ask at once; try again")
        self._waiting += 1
        try:
            return await self._explained(bearer[1], namespace, name)
        except Denied as denied:
            return _refused(denied.status, str(denied))
        finally:
            self._waiting -= 1

    async def _explained(self, token: str, namespace: str, name: str) -> web.Response:
        loop = asyncio.get_running_loop()
        item = await loop.run_in_executor(self._threads, partial(self._pod, token, namespace, name))
        snapshot = None
        with contextlib.suppress(NoState):
            snapshot = self._snapshot()
        known = Standpoint(self._records.find(namespace, name), snapshot, self._now_seconds())

        def put_into_words() -> tuple[HTTPStatus, bytes]:
            found = explain(namespace, name, item, known)
            status = HTTPStatus.NOT_FOUND if found.status == "NotFound" else HTTPStatus.OK
            return status, msgspec.json.encode(found)

        status, body = await loop.run_in_executor(self._threads, put_into_words)
        return web.Response(status=status, body=body, content_type="application/json")

    def _pod(self, token: str, namespace: str, name: str) -> Object | None:
        """The Pod as it is, for who may read it; Denied for all others."""
        self._access.check(token, namespace, name)
        try:
            return self._client.find(PODS, name, namespace)
        except ApiError as error:
            raise not_answered(error) from error


def _refused(status: HTTPStatus, text: str) -> web.Response:
    headers = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else {}
    return web.Response(status=status, text=f"{text}\n", headers=headers)
