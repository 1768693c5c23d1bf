"""The two ports: filter and prioritize for the scheduler, metrics and health for everybody else.

kube-scheduler waits for every answer before it looks at the next Pod, so an answer that changes nothing is better
than a late one: decisions are made on a worker thread, and when the deadline passes first, or anything goes wrong,
all nodes pass with equal scores (fail open) and the metrics say why.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Literal

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from foretide_extender.decide import FilterAnswer, PrioritizeAnswer, decide_filter, decide_prioritize, is_ours
from foretide_extender.metrics import Metrics
from foretide_extender.state import Snapshot
from foretide_extender.wire import MalformedRequest, Request, decode, encode_filter, encode_prioritize

log = logging.getLogger(__name__)

_KEEP_ALIVE_SECONDS: Final = 3600.0
_WORKERS: Final = 4

Verb = Literal["filter", "prioritize"]

_UNTOUCHED: Final = Snapshot()


class NoState(Exception):  # noqa: N818 - a state, not an error
    """No state of the cluster to rest on: not read yet, or nothing was heard of it for too long."""

    def __init__(self, reason: Literal["NotSynced", "Stale"]) -> None:
        super().__init__(reason)
        self.reason = reason


class Answerer:
    """Answers one request: decode, decide within the deadline, encode.

    ``snapshot`` gives the cluster's state, or raises NoState; ``now_seconds`` the time since the epoch and
    ``clock_seconds`` monotonic time. Call `close` at the end.
    """

    def __init__(
        self,
        snapshot: Callable[[], Snapshot],
        metrics: Metrics,
        *,
        deadline_seconds: float,
        now_seconds: Callable[[], float],
        clock_seconds: Callable[[], float],
    ) -> None:
        self._snapshot = snapshot
        self._metrics = metrics
        self._deadline_seconds = deadline_seconds
        self._now_seconds = now_seconds
        self._clock_seconds = clock_seconds
        self._workers = ThreadPoolExecutor(_WORKERS, thread_name_prefix="decide")

    def close(self) -> None:
        """Let the worker threads go; a decision that is under way is not waited for."""
        self._workers.shutdown(wait=False, cancel_futures=True)

    async def answer(self, verb: Verb, body: bytes) -> bytes:
        """The reply to ``body``; MalformedRequest if it is no request."""
        begin = self._clock_seconds()
        request = decode(body)
        if is_ours(request.pod):
            answer = await self._decide_in_time(verb, request, begin)
        else:
            answer = _decide(verb, request, _UNTOUCHED, 0.0)
        reply = self._encode(request, answer)
        self._metrics.request_duration_seconds.labels(verb).observe(self._clock_seconds() - begin)
        return reply

    async def _decide_in_time(self, verb: Verb, request: Request, begin: float) -> FilterAnswer | PrioritizeAnswer:
        reason: str
        left_seconds = self._deadline_seconds - (self._clock_seconds() - begin)
        try:
            async with asyncio.timeout(max(left_seconds, 0.0)):
                return await asyncio.get_running_loop().run_in_executor(
                    self._workers, lambda: _decide(verb, request, self._snapshot(), self._now_seconds())
                )
        except NoState as error:
            reason = error.reason
        except TimeoutError:
            reason = "DeadlineExceeded"
        except Exception:
            log.exception("%s failed open for %s/%s", verb, request.pod.namespace, request.pod.name)
            reason = "InternalError"
        self._metrics.fail_open.labels(verb, reason).inc()
        return FilterAnswer("Equal") if verb == "filter" else PrioritizeAnswer("Equal", [0] * len(request.names))

    def _encode(self, request: Request, answer: FilterAnswer | PrioritizeAnswer) -> bytes:
        if isinstance(answer, PrioritizeAnswer):
            self._metrics.decisions.labels("prioritize", answer.source).inc()
            return encode_prioritize(request.names, answer.scores)
        self._metrics.decisions.labels("filter", answer.source).inc()
        for reason, count in answer.reasons.items():
            self._metrics.refusals.labels(reason).inc(count)
        for reason in answer.overruled:
            self._metrics.overruled.labels(reason).inc()
        return encode_filter(request, answer.refused)


def _decide(verb: Verb, request: Request, snapshot: Snapshot, now_seconds: float) -> FilterAnswer | PrioritizeAnswer:
    if verb == "filter":
        return decide_filter(snapshot, request.pod, request.names, now_seconds)
    return decide_prioritize(snapshot, request.pod, request.names, now_seconds)


def scheduler_app(answerer: Answerer, metrics: Metrics, *, max_body_bytes: int) -> web.Application:
    """What kube-scheduler calls: POST /filter and POST /prioritize."""

    def handler(verb: Verb) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.Response:
            try:
                body = await _read(request, max_body_bytes)
                return web.Response(body=await answerer.answer(verb, body), content_type="application/json")
            except MalformedRequest as error:
                metrics.errors.labels(verb, error.reason).inc()
                log.warning("%s: %s: %s", verb, error.reason, error)
                return web.Response(status=400, text=f"{error.reason}: {error}\n")

        return handle

    app = web.Application(client_max_size=max_body_bytes)
    app.router.add_post("/filter", handler("filter"))
    app.router.add_post("/prioritize", handler("prioritize"))
    return app


async def _read(request: web.Request, max_bytes: int) -> bytes:
    too_large = MalformedRequest("BodyTooLarge", f"the body is larger than {max_bytes} bytes")
    if (request.content_length or 0) > max_bytes:
        raise too_large
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise too_large from error


def observe_app(
    metrics: Metrics, *, waiting_for: Callable[[], Sequence[str]], silent: Callable[[], Sequence[str]]
) -> web.Application:
    """GET /metrics, /healthz and /readyz.

    ``silent`` gives the resources of which nothing was heard for too long: both say so with status 503, because a
    restart makes dead watches anew. ``waiting_for`` gives those not seen yet, which only readiness waits for.
    """

    async def show_metrics(_: web.Request) -> web.Response:
        body = await asyncio.to_thread(generate_latest, metrics.registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def healthy(_: web.Request) -> web.Response:
        dead = silent()
        if dead:
            return web.Response(status=503, text=f"nothing was heard for too long of: {', '.join(dead)}\n")
        return web.Response(text="ok\n")

    async def ready(request: web.Request) -> web.Response:
        missing = waiting_for()
        if missing:
            return web.Response(status=503, text=f"not listed yet: {', '.join(missing)}\n")
        return await healthy(request)

    app = web.Application()
    app.router.add_get("/metrics", show_metrics)
    app.router.add_get("/healthz", healthy)
    app.router.add_get("/readyz", ready)
    return app


async def listen(app: web.Application, host: str, port: int) -> web.AppRunner:
    """Serve ``app``; OSError if the address is taken. Clean the runner up at the end."""
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=_KEEP_ALIVE_SECONDS)
    await runner.setup()
    await web.TCPSite(runner, host or None, port).start()
    return runner
