"""A proxy before the API server that makes what real ones make on bad days; ``python -m tests.chaos.api_proxy``.

It speaks TLS with the API server's own certificate on another port of its address, so that clients in Pods trust it.
Told of faults by lines of JSON on a Unix socket: ``{"begin": FAULT}`` and ``{"end": FAULT}``; the answer to the latter
says how many requests or watches it has hit.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import web
from yarl import URL

from tests.chaos.api_faults import (
    RETRY_AFTER_SECONDS,
    UNTOUCHED,
    WATCH_SECONDS,
    ApiFault,
    Request,
    Treatment,
    expired_event,
    status_body,
    treat,
)

_HOP_BY_HOP: Final = frozenset(
    {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "host", "content-length"}
)
_BODY_BYTES: Final = 16 * 1024 * 1024
_READ_BYTES: Final = 65_536
_TICK_SECONDS: Final = 0.25
_WATCH_FAULTS: Final[tuple[ApiFault, ...]] = ("WatchesDropped", "WatchesExpired", "WatchesHeld")


class Proxy:
    """Hands requests on to ``upstream``, but for what the faults that are on make of them."""

    def __init__(self, upstream: str, session: aiohttp.ClientSession, chances: random.Random) -> None:
        self._upstream = upstream
        self._session = session
        self._chances = chances
        self._hits: dict[ApiFault, int] = {}

    def begin(self, fault: ApiFault) -> None:
        """Do this to requests and watches from now on."""
        self._hits[fault] = 0

    def end(self, fault: ApiFault) -> int:
        """Do it no longer; how often it was done."""
        return self._hits.pop(fault, 0)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Hand on one request."""
        seen = Request(request.method, is_watch=request.query.get("watch") in {"true", "1"})
        treatment = self._treatment(seen)
        body = await request.read()
        if treatment.status:
            headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if treatment.status == 429 else {}
            text = status_body(treatment.status)
            return web.Response(status=treatment.status, body=text, headers=headers, content_type="application/json")
        await asyncio.sleep(treatment.late_seconds)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        url = URL(self._upstream + request.raw_path, encoded=True)
        try:
            async with self._session.request(request.method, url, data=body or None, headers=headers) as found:
                if treatment.is_answer_lost:
                    await found.read()
                    return _hang_up(request)
                return await self._hand_back(request, found, is_watch=seen.is_watch and found.status == 200)
        except aiohttp.ClientError:  # the API server is away, and so is its proxy
            return _hang_up(request)

    def _treatment(self, request: Request) -> Treatment:
        for fault in self._hits:
            treatment = treat(request, fault, self._chances.random())
            if treatment != UNTOUCHED:
                self._hits[fault] += 1
                return treatment
        return UNTOUCHED

    async def _hand_back(
        self, request: web.Request, found: aiohttp.ClientResponse, *, is_watch: bool
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=found.status, reason=found.reason)
        for name, value in found.headers.items():
            if name.lower() not in _HOP_BY_HOP:
                response.headers.add(name, value)
        try:
            await response.prepare(request)
            if is_watch:
                await self._hand_on_events(request, response, found)
            else:
                async for chunk in found.content.iter_chunked(_READ_BYTES):
                    await response.write(chunk)
            await response.write_eof()
        except (aiohttp.ClientError, ConnectionError):  # who asked has gone, or the API server has
            return _hang_up(request, response)
        return response

    async def _hand_on_events(
        self, request: web.Request, response: web.StreamResponse, found: aiohttp.ClientResponse
    ) -> None:
        """Hand on what a watch tells until it ends, or a fault ends it."""
        reading = asyncio.ensure_future(found.content.readany())
        breaks_seconds, held = None, False
        try:
            while True:
                await asyncio.wait({reading}, timeout=_TICK_SECONDS)
                fault = next((each for each in _WATCH_FAULTS if each in self._hits), None)
                now_seconds = asyncio.get_running_loop().time()
                if fault in {"WatchesDropped", "WatchesExpired"}:
                    breaks_seconds = breaks_seconds or now_seconds + self._chances.uniform(0, WATCH_SECONDS)
                    if now_seconds >= breaks_seconds:
                        self._hits[fault] += 1
                        await _break(request, response, found, fault)
                        return
                elif fault == "WatchesHeld":
                    self._hits[fault] += not held
                    held = True
                    await asyncio.sleep(_TICK_SECONDS)
                    continue
                else:
                    breaks_seconds, held = None, False
                if reading.done():
                    chunk = reading.result()
                    if not chunk:
                        return
                    await response.write(chunk)
                    reading = asyncio.ensure_future(found.content.readany())
        finally:
            reading.cancel()


async def _break(
    request: web.Request, response: web.StreamResponse, found: aiohttp.ClientResponse, fault: ApiFault
) -> None:
    """End a watch as the fault says; watches that do not speak JSON just break off."""
    is_json = found.content_type == "application/json"
    if is_json and fault == "WatchesExpired":
        await response.write(expired_event())
        return
    if is_json:
        await response.write(b'{"type":"MODIFIED","object":{"kind":"P')
    raise ConnectionResetError(f"{request.path}: broken off by {fault}")


def _hang_up(request: web.Request, response: web.StreamResponse | None = None) -> web.StreamResponse:
    """Break the connection; what is returned is never sent."""
    if request.transport is not None:
        request.transport.abort()
    return response if response is not None else web.Response()


@asynccontextmanager
async def serving(
    *, upstream: str, authority: Path | None, host: str, port: int, certificate: ssl.SSLContext | None, seed: int
) -> AsyncIterator[tuple[Proxy, int]]:
    """Serve while the block lasts; yield the proxy and its port. ``authority`` signed what ``upstream`` shows."""
    trusted = ssl.create_default_context(cafile=str(authority)) if authority is not None else True
    connector = aiohttp.TCPConnector(ssl=trusted, limit=0)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False) as session:
        proxy = Proxy(upstream, session, random.Random(seed))
        application = web.Application(client_max_size=_BODY_BYTES)
        application.router.add_route("*", "/{path:.*}", proxy.answer)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port, ssl_context=certificate).start()
            yield proxy, runner.addresses[0][1]
        finally:
            await runner.cleanup()


async def _obey(proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One order a connection."""
    order = json.loads(await reader.readline())
    if "begin" in order:
        proxy.begin(order["begin"])
    answer = {"hits": proxy.end(order["end"])} if "end" in order else {}
    writer.write(json.dumps(answer).encode() + b"\n")
    await writer.drain()
    writer.close()


async def _run(options: argparse.Namespace) -> None:
    certificate = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.load_cert_chain(options.directory / "apiserver.crt", options.directory / "apiserver.key")
    async with serving(
        upstream=options.upstream,
        authority=options.directory / "ca.crt",
        host=options.host,
        port=options.port,
        certificate=certificate,
        seed=options.seed,
    ) as (proxy, _port):
        server = await asyncio.start_unix_server(partial(_obey, proxy), options.socket)
        async with server:
            await server.serve_forever()


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--upstream", required=True, help="the API server's URL")
    parser.add_argument("--directory", type=Path, required=True, help="with ca.crt, apiserver.crt and apiserver.key")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--socket", required=True, help="where it is told of faults")
    parser.add_argument("--seed", type=int, default=0)
    asyncio.run(_run(parser.parse_args()))


if __name__ == "__main__":
    main()
