"""The two ports: filter and prioritize for the scheduler, metrics and health for everybody else.

kube-scheduler waits for every answer before it looks at the next Pod, so an answer that changes nothing is better
than a late one: a decision looks at the clock as it goes on, and when the deadline passes first, or anything goes
wrong, all nodes pass with equal scores (fail open) and the metrics say why. What it has reckoned until then is kept, so
the next goes on from there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Final, Literal, Protocol, TypeVar

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from foretide_extender.decide import (
    FilterAnswer,
    PrioritizeAnswer,
    decide_filter,
    decide_prioritize,
    is_ours,
)
from foretide_extender.metrics import Metrics
from foretide_extender.posting import JSON, TEXT, Answer, Body, PostProtocol, Route
from foretide_extender.settings import Address
from foretide_extender.spots import TooLate
from foretide_extender.standings import Standings
from foretide_extender.state import Snapshot
from foretide_extender.wire import MalformedRequest, Request, decode, encode_filter, encode_prioritize
from foretide_kube.task_pods import TaskPod

log = logging.getLogger(__name__)

_LARGEST_KEPT_BYTES: Final = 2**19
"""A larger request with names is not kept for the next verb: names take several times as much as in the body."""

_AHEAD_SECONDS: Final = 0.005
"""For so long a request may have to wait for what is reckoned ahead."""

Verb = Literal["filter", "prioritize"]

_UNTOUCHED: Final = Snapshot()
_Answer_co = TypeVar("_Answer_co", covariant=True)


class _Decide(Protocol[_Answer_co]):
    def __call__(
        self,
        snapshot: Snapshot,
        pod: TaskPod,
        names: Sequence[str],
        now_seconds: float,
        standings: Standings | None,
        /,
    ) -> _Answer_co: ...


class NoState(Exception):  # noqa: N818 - a state, not an error
    """No state of the cluster to rest on: not read yet, or nothing was heard of it for too long."""

    def __init__(self, reason: Literal["NotSynced", "Stale"]) -> None:
        super().__init__(reason)
        self.reason = reason


class Answerer:
    """Answers one request: decode, decide within the deadline, encode. For one thread.

    ``snapshot`` gives the cluster's state, or raises NoState; ``now_seconds`` the time since the epoch and
    ``clock_seconds`` monotonic time. The deadline counts from when the request is read, which cannot be cut short.
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
        self._end_seconds = 0.0
        self._standings = Standings(self._check)
        self._latest: tuple[Body, Request] | None = None

    def answer(self, verb: Verb, body: Body) -> bytes:
        """The reply to ``body``; MalformedRequest if it is no request."""
        begin = self._clock_seconds()
        request = self._read(body)
        reply = self._reply(verb, request)
        self._metrics.took(verb, self._clock_seconds() - begin)
        return reply

    def look_ahead(self) -> None:
        """Reckon for some milliseconds what changed for tasks like those asked about last."""
        self._end_seconds = self._clock_seconds() + _AHEAD_SECONDS
        try:
            self._standings.prepare(self._snapshot(), self._now_seconds())
        except (NoState, TooLate):
            return
        except Exception:
            log.exception("nothing could be reckoned ahead")
            self._standings = Standings(self._check)

    def _read(self, body: Body) -> Request:
        """The request; the scheduler sends the same for prioritize as for filter where that refused nothing."""
        if self._latest is not None and self._latest[0] == body:
            return self._latest[1]
        self._latest = None
        request = decode(body)
        if request.whole or len(body) <= _LARGEST_KEPT_BYTES:
            self._latest = body, request
        return request

    def _reply(self, verb: Verb, request: Request) -> bytes:
        if verb == "filter":
            passed = self._decided(verb, request, decide_filter) or FilterAnswer("Equal")
            self._metrics.decided(verb, passed.source)
            for reason, count in passed.reasons.items():
                self._metrics.refusals.labels(reason).inc(count)
            for reason in passed.overruled:
                self._metrics.overruled.labels(reason).inc()
            return encode_filter(request, passed.refused)
        scored = self._decided(verb, request, decide_prioritize) or PrioritizeAnswer("Equal")
        self._metrics.decided(verb, scored.source)
        return encode_prioritize(request, scored.entries, scored.top)

    def _decided(self, verb: Verb, request: Request, decide: _Decide[_Answer_co]) -> _Answer_co | None:
        """What is decided; None where nothing is in time, or it goes wrong."""
        pod, names = request.pod, request.names
        if not is_ours(pod):
            return decide(_UNTOUCHED, pod, names, 0.0, None)
        self._end_seconds = self._clock_seconds() + self._deadline_seconds
        reason: str
        try:
            return decide(self._snapshot(), pod, names, self._now_seconds(), self._standings)
        except NoState as error:
            reason = error.reason
        except TooLate:
            reason = "DeadlineExceeded"
        except Exception:
            log.exception("%s failed open for %s/%s", verb, pod.namespace, pod.name)
            self._standings = Standings(self._check)
            reason = "InternalError"
        self._metrics.fail_open.labels(verb, reason).inc()
        return None

    def _check(self) -> None:
        if self._clock_seconds() > self._end_seconds:
            raise TooLate


def scheduler_routes(answerer: Answerer, metrics: Metrics, *, max_body_bytes: int) -> Mapping[bytes, Route]:
    """What kube-scheduler calls: POST /filter and POST /prioritize."""

    def route(verb: Verb) -> Route:
        def malformed(error: MalformedRequest) -> Answer:
            metrics.errors.labels(verb, error.reason).inc()
            log.warning("%s: %s: %s", verb, error.reason, error)
            return Answer(HTTPStatus.BAD_REQUEST, TEXT, f"{error.reason}: {error}\n".encode(errors="replace"))

        def answer(body: Body) -> Answer:
            try:
                return Answer(HTTPStatus.OK, JSON, answerer.answer(verb, body))
            except MalformedRequest as error:
                return malformed(error)

        def too_large() -> Answer:
            return malformed(MalformedRequest("BodyTooLarge", f"the body is larger than {max_body_bytes} bytes"))

        return Route(answer, too_large)

    return {b"/filter": route("filter"), b"/prioritize": route("prioritize")}


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


async def listen_to_scheduler(
    routes: Mapping[bytes, Route], address: Address, *, max_body_bytes: int
) -> asyncio.Server:
    """Serve what kube-scheduler posts; OSError if the address is taken. Close it at the end."""
    return await asyncio.get_running_loop().create_server(
        lambda: PostProtocol(routes, max_body_bytes=max_body_bytes), address.host or None, address.port
    )


async def listen_to_observers(app: web.Application, address: Address) -> web.AppRunner:
    """Serve what `observe_app` made; OSError if the address is taken. Clean the runner up at the end."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, address.host or None, address.port).start()
    return runner
