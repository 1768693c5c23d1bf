"""The port for observers: metrics and health for whoever reaches it, and what else is added to its routes.

It lies in the process that answers kube-scheduler. So those who come here are few at a time and soon done, whatever
they send or do not take, and one that is slow makes way for one that is not.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from foretide_extender.background import Background
from foretide_extender.metrics import Metrics
from foretide_extender.reception import Reception
from foretide_extender.settings import Address

log = logging.getLogger(__name__)

MOST_CONNECTIONS: Final = 64
"""At once; of more, the one that was used longest ago is closed."""
IDLE_SECONDS: Final = 10.0
"""So long a connection is kept while no request is in hand: until a head has come, and until an answer is taken."""
REQUEST_SECONDS: Final = 60.0
"""So long a request may be in hand."""
_MOST_HEADERS: Final = 32
_MOST_FIELD_BYTES: Final = 4096
"""A token of a service account takes some 1,000."""
_LINGERING_SECONDS: Final = 1.0
"""So long what comes after an answer is read and thrown away, before the connection is closed."""
_SHUTDOWN_SECONDS: Final = 1.0
"""So long requests in hand are waited for at the end."""


def observe_app(
    metrics: Metrics, *, waiting_for: Callable[[], Sequence[str]], stuck: Callable[[], Sequence[str]]
) -> web.Application:
    """GET /metrics, /healthz and /readyz.

    ``stuck`` gives the resources whose watch does nothing any more: both say so with status 503, because a restart
    makes it anew. That the API server is away is no reason: what is known is used on. ``waiting_for`` gives the
    resources not seen yet, which only readiness waits for.
    """
    background = Background(1, "metrics")

    async def show_metrics(_: web.Request) -> web.Response:
        body = await background.run(partial(generate_latest, metrics.registry))
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def healthy(_: web.Request) -> web.Response:
        dead = stuck()
        if dead:
            return web.Response(status=503, text=f"the watch has stopped of: {', '.join(dead)}\n")
        return web.Response(text="ok\n")

    async def ready(request: web.Request) -> web.Response:
        missing = waiting_for()
        if missing:
            return web.Response(status=503, text=f"not listed yet: {', '.join(missing)}\n")
        return await healthy(request)

    app = web.Application(middlewares=[_in_hand])
    app.router.add_get("/metrics", show_metrics)
    app.router.add_get("/healthz", healthy)
    app.router.add_get("/readyz", ready)
    return app


async def listen_to_observers(app: web.Application, address: Address) -> web.AppRunner:
    """Serve what `observe_app` made; OSError if the address is taken. Clean the runner up at the end."""
    runner = web.AppRunner(
        app,
        access_log=None,
        logger=log,
        handler_cancellation=True,
        keepalive_timeout=IDLE_SECONDS,
        lingering_time=_LINGERING_SECONDS,
        max_headers=_MOST_HEADERS,
        max_field_size=_MOST_FIELD_BYTES,
        max_line_size=_MOST_FIELD_BYTES,
        shutdown_timeout=_SHUTDOWN_SECONDS,
    )
    await runner.setup()
    await _Site(runner, address).start()
    return runner


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether an error is one of the extender: whoever speaks no HTTP is told so, and fills no log with it."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


log.addFilter(_is_ours)


@web.middleware
async def _in_hand(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Have the connection wait for the answer while a request is in hand."""
    connection = None if request.transport is None else request.transport.get_protocol()
    if not isinstance(connection, _Connection):
        return await handler(request)
    connection.wait(REQUEST_SECONDS)
    try:
        return await handler(request)
    finally:
        connection.wait(IDLE_SECONDS)


class _Site(web.BaseSite):
    """Where connections come in."""

    def __init__(self, runner: web.AppRunner, address: Address) -> None:
        super().__init__(runner)
        self._address = address
        self._reception = Reception(most_bytes=0, gave_up=lambda _: None, most_connections=MOST_CONNECTIONS)

    @property
    def name(self) -> str:
        return f"http://{self._address.host}:{self._address.port}"

    async def start(self) -> None:
        await super().start()
        speaks = self._runner.server
        assert speaks is not None  # noqa: S101 - it is set up

        def connection() -> _Connection:
            return _Connection(self._reception, speaks())

        host, port = self._address.host, self._address.port
        self._server = await asyncio.get_running_loop().create_server(connection, host or None, port)


class _Connection(asyncio.Protocol):
    """A connection, on which ``speaker`` speaks HTTP for as long as it may."""

    def __init__(self, reception: Reception, speaker: asyncio.Protocol) -> None:
        self._reception = reception
        self._speaker = speaker
        self._transport: asyncio.Transport | None = None
        self._end: asyncio.TimerHandle | None = None

    def wait(self, seconds: float) -> None:
        """Take note that it is used; it is given up ``seconds`` from now."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._end is not None:
            self._end.cancel()
        self._end = asyncio.get_running_loop().call_later(seconds, self.give_up)
        self._reception.enter(self)

    def held_bytes(self) -> int:
        """Little: what is read is bounded by the sizes of heads."""
        return 0

    def give_up(self) -> None:
        """Close, and let go of what is held."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a stream, not datagrams
        self._transport = transport
        self._speaker.connection_made(transport)
        self.wait(IDLE_SECONDS)

    def data_received(self, data: bytes) -> None:
        self._speaker.data_received(data)

    def eof_received(self) -> bool | None:
        return self._speaker.eof_received()

    def pause_writing(self) -> None:
        self._speaker.pause_writing()

    def resume_writing(self) -> None:
        self._speaker.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._end is not None:
            self._end.cancel()
        self._reception.leave(self)
        self._speaker.connection_lost(exc)
