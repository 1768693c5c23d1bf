"""``GET /explain?namespace=NS&pod=NAME`` on the port for observers: JSON, for who may read the Pod.

The API server is asked on few threads, and records are put into words on one, beside the one that answers
kube-scheduler and giving way to it.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import web

from foretide_extender.access import Access, Denied, Rights
from foretide_extender.background import Background, Pace
from foretide_extender.explaining import Standpoint, explain
from foretide_extender.recent import Recent
from foretide_extender.records import Records
from foretide_extender.server import NoState
from foretide_extender.state import Snapshot
from foretide_kube.client import Object
from foretide_kube.explanation import AUDIENCE, NOW

MOST_ASKING: Final = 4
"""So many wait for the API server at once."""
MOST_WAITING: Final = 32
"""So many are asked for or explained, those that wait for a thread included; whoever comes then is sent away."""
NOW_SECONDS: Final = 5.0
"""So long what would be decided now of a Pod is told again as it was."""
_NOW_BYTES: Final = 2 * 2**20
"""What of it is kept together; of 5,000 nodes it is some 100 KB."""
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_BEARER: Final = re.compile(r"Bearer +([-_A-Za-z0-9]+(?:\.[-_A-Za-z0-9]+){2})", re.IGNORECASE)
"""A token of a service account is a JWT; the API server is asked about nothing else."""


class ExplainRoute:
    """Answers ``GET /explain``.

    ``snapshot`` is called on the loop's thread; ``now_seconds`` is since the epoch, and ``clock`` monotonic.
    """

    def __init__(
        self,
        access: Access,
        records: Records,
        *,
        snapshot: Callable[[], Snapshot],
        now_seconds: Callable[[], float],
        clock: Callable[[], float],
    ) -> None:
        self._access = access
        self._records = records
        self._snapshot = snapshot
        self._now_seconds = now_seconds
        self._asking = Background(MOST_ASKING, "explain-ask")
        self._wording = Background(1, "explain")
        self._waiting = 0
        self._now: Recent[tuple[str, str, Rights], bytes] = Recent(NOW_SECONDS, _NOW_BYTES, clock=clock)

    async def answer(self, request: web.Request) -> web.Response:
        """An `Explanation`; a status of 400 and more says in its text what is wrong or missing."""
        namespace, name = request.query.get("namespace", ""), request.query.get("pod", "")
        if not _NAME.fullmatch(namespace) or not _NAME.fullmatch(name):
            return _refused(HTTPStatus.BAD_REQUEST, "write /explain?namespace=NAMESPACE&pod=NAME")
        bearer = _BEARER.fullmatch(request.headers.get("Authorization", ""))
        if bearer is None:
            words = f"a token for {AUDIENCE} is missing: send Authorization: Bearer TOKEN"
            return _refused(HTTPStatus.UNAUTHORIZED, words)
        if self._waiting >= MOST_WAITING:
            return _refused(HTTPStatus.SERVICE_UNAVAILABLE, "too many requests at once; try again")
        self._waiting += 1
        try:
            return await self._explained(bearer[1], namespace, name)
        except Denied as denied:
            return _refused(denied.status, str(denied))
        finally:
            self._waiting -= 1

    async def _explained(self, token: str, namespace: str, name: str) -> web.Response:
        item, rights = await self._asking.run(partial(self._access.look, token, namespace, name))
        snapshot = None
        with contextlib.suppress(NoState):
            snapshot = self._snapshot()
        known = Standpoint(self._records.find(namespace, name), snapshot, self._now_seconds(), rights)
        status, body = await self._wording.run(partial(self._put_into_words, namespace, name, item, known))
        return web.Response(status=status, body=body, content_type="application/json")

    def _put_into_words(
        self, namespace: str, name: str, item: Object | None, known: Standpoint
    ) -> tuple[HTTPStatus, bytes]:
        if item is None:
            return HTTPStatus.NOT_FOUND, msgspec.json.encode(explain(namespace, name, item, known))
        key = item["metadata"]["uid"], item["metadata"].get("resourceVersion", ""), known.rights
        body = None if known.decided_on(item) else self._now.find(key)
        if body is None:
            found = explain(namespace, name, item, known, Pace())
            body = msgspec.json.encode(found)
            if found.as_of == NOW:
                self._now.put(key, body, len(body))
        return HTTPStatus.OK, body


def _refused(status: HTTPStatus, text: str) -> web.Response:
    headers = {}
    if status == HTTPStatus.UNAUTHORIZED:
        headers = {"WWW-Authenticate": "Bearer"}
    elif status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers = {"Retry-After": "1"}
    return web.Response(status=status, text=f"{text}\n", headers=headers)
