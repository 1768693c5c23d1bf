"""The port for the scheduler: filter and prioritize.

kube-scheduler waits for every answer before it looks at the next Pod, so an answer that changes nothing is better
than a late one: a decision looks at the clock as it goes on, and when the deadline passes first, or anything goes
wrong, all nodes pass that the user does not forbid, with equal scores (fail open), and the metrics say why. What it has
reckoned until then is kept, so the next goes on from there.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import Final, Literal, Protocol, TypeVar

from foretide_extender.certificates import Certificates
from foretide_extender.decide import (
    FilterAnswer,
    decide_filter,
    decide_forbidden,
    decide_prioritize,
    is_ours,
)
from foretide_extender.handshake import MOST_HANDSHAKES, Handshake, Strangers
from foretide_extender.metrics import FailOpenReason, Metrics
from foretide_extender.posting import JSON, TEXT, Answer, Body, PostProtocol, Route
from foretide_extender.reception import Reception
from foretide_extender.records import Records
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
    """The cluster has not been read yet: there is nothing to rest on."""


class Answerer:
    """Answers one request: decode, decide within the deadline, encode, and take note. For one thread.

    ``snapshot`` gives the cluster's state, or raises NoState, and ``is_stale`` says that it may no longer be so;
    ``now_seconds`` gives the time since the epoch and ``clock_seconds`` monotonic time. The deadline counts from when
    the request is read, which cannot be cut short, and that much sooner as the request has waited to be read.
    """

    def __init__(
        self,
        snapshot: Callable[[], Snapshot],
        metrics: Metrics,
        *,
        deadline_seconds: float,
        now_seconds: Callable[[], float],
        clock_seconds: Callable[[], float],
        is_stale: Callable[[], bool] = lambda: False,
    ) -> None:
        self._snapshot = snapshot
        self._is_stale = is_stale
        self._metrics = metrics
        self._deadline_seconds = deadline_seconds
        self._now_seconds = now_seconds
        self._clock_seconds = clock_seconds
        self._end_seconds = 0.0
        self._standings = Standings(self._check)
        self._latest: tuple[Body, Request] | None = None
        self.records = Records()

    def answer(self, verb: Verb, body: Body, waited_seconds: float = 0.0) -> bytes:
        """The reply to ``body``, which may have waited for so long; MalformedRequest if it is no request."""
        begin = self._clock_seconds()
        request = self._read(body)
        reply = self._reply(verb, request, self._deadline_seconds - waited_seconds)
        self._metrics.took(verb, self._clock_seconds() - begin)
        return reply

    def look(self) -> Snapshot:
        """The cluster as it is now, which what is kept follows: whoever else took snapshots would break their chain.

        Raises NoState.
        """
        snapshot = self._snapshot()
        self._standings.follow(snapshot)
        return snapshot

    def look_ahead(self) -> None:
        """Reckon for some milliseconds what changed for tasks like those asked about last."""
        self._end_seconds = self._clock_seconds() + _AHEAD_SECONDS
        try:
            self._standings.prepare(self.look(), self._now_seconds())
        except (NoState, TooLate):
            return
        except Exception:
            log.exception("nothing could be computed ahead")
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

    def _reply(self, verb: Verb, request: Request, left_seconds: float) -> bytes:
        reply = self._filtered if verb == "filter" else self._prioritized
        return reply(request, left_seconds, self._now_seconds())

    def _filtered(self, request: Request, left_seconds: float, now_seconds: float) -> bytes:
        found, failed_open = self._decided("filter", request, decide_filter, left_seconds, now_seconds)
        answer = self._forbidden(request) if found is None else found
        try:
            reply = encode_filter(request, answer.refused)
        except Exception as error:  # noqa: BLE001 - it is logged, and no reason to hold the scheduler up
            failed_open, answer = self._broken("filter", request, error), FilterAnswer("Equal")
            reply = encode_filter(request, answer.refused)
        if is_ours(request.pod):
            with self._noting():
                self.records.filtered(request, answer, failed_open, now_seconds)
        self._metrics.decided("filter", answer.source)
        for reason, count in answer.reasons.items():
            self._metrics.refusals.labels(reason).inc(count)
        for reason in answer.overruled:
            self._metrics.overruled.labels(reason).inc()
        return reply

    def _forbidden(self, request: Request) -> FilterAnswer:
        """What is refused of a request that predictions could not be asked about."""
        try:
            return decide_forbidden(self.look(), request.pod, request.names)
        except NoState:
            return FilterAnswer("Equal")
        except Exception:
            log.exception("nor could nodeClassSelector be applied to %s/%s", request.pod.namespace, request.pod.name)
            return FilterAnswer("Equal")

    def _prioritized(self, request: Request, left_seconds: float, now_seconds: float) -> bytes:
        found, failed_open = self._decided("prioritize", request, decide_prioritize, left_seconds, now_seconds)
        reply = b""
        if found is not None:
            try:
                reply = encode_prioritize(request, found.entries, found.top, self._check)
            except TooLate:
                found, failed_open = None, "DeadlineExceeded"
                self._metrics.fail_open.labels("prioritize", failed_open).inc()
            except Exception as error:  # noqa: BLE001 - as above
                found, failed_open = None, self._broken("prioritize", request, error)
        if is_ours(request.pod):
            with self._noting():
                self.records.prioritized(request, found, failed_open, now_seconds)
        self._metrics.decided("prioritize", "Equal" if found is None else found.source)
        return encode_prioritize(request, None, None) if found is None else reply

    def _decided(
        self, verb: Verb, request: Request, decide: _Decide[_Answer_co], left_seconds: float, now_seconds: float
    ) -> tuple[_Answer_co | None, FailOpenReason | Literal[""]]:
        """What is decided; None where nothing is within the seconds that are left, or it goes wrong, and why."""
        pod, names = request.pod, request.names
        if not is_ours(pod):
            return decide(_UNTOUCHED, pod, names, 0.0, None), ""
        reason: FailOpenReason = "Overloaded"
        try:
            if left_seconds >= 0.0:
                self._end_seconds = self._clock_seconds() + left_seconds
                decided = decide(self.look(), pod, names, now_seconds, self._standings)
                if self._is_stale():
                    self._metrics.stale_decisions.labels(verb).inc()
                return decided, ""
        except NoState:
            reason = "NotSynced"
        except TooLate:
            reason = "DeadlineExceeded"
        except Exception as error:  # noqa: BLE001 - as above
            return None, self._broken(verb, request, error)
        self._metrics.fail_open.labels(verb, reason).inc()
        return None, reason

    @contextlib.contextmanager
    def _noting(self) -> Iterator[None]:
        """No answer is lost since it could not be taken note of."""
        try:
            yield
        except Exception:
            log.exception("a decision could not be kept; all kept ones are dropped")
            self.records.clear()

    def _broken(self, verb: Verb, request: Request, error: Exception) -> FailOpenReason:
        """Take note of an error that nobody thought of: what is kept may be the cause, and is begun anew."""
        log.error("%s failed open for %s/%s", verb, request.pod.namespace, request.pod.name, exc_info=error)
        self._standings = Standings(self._check)
        self._metrics.fail_open.labels(verb, "InternalError").inc()
        return "InternalError"

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

        def answer(body: Body, waited_seconds: float) -> Answer:
            try:
                return Answer(HTTPStatus.OK, JSON, answerer.answer(verb, body, waited_seconds))
            except MalformedRequest as error:
                return malformed(error)

        def too_large() -> Answer:
            return malformed(MalformedRequest("BodyTooLarge", f"the body is larger than {max_body_bytes} bytes"))

        return Route(answer, too_large)

    return {b"/filter": route("filter"), b"/prioritize": route("prioritize")}


async def listen_to_scheduler(
    routes: Mapping[bytes, Route],
    metrics: Metrics,
    address: Address,
    *,
    max_body_bytes: int,
    certificates: Certificates | None = None,
) -> asyncio.Server:
    """Serve what kube-scheduler posts, by TLS alone if there are ``certificates``; OSError if the address is taken.

    Close it at the end. All bodies that are being received and answers that were not taken have together at most twice
    the bytes of the largest body.
    """
    loop = asyncio.get_running_loop()
    reception = Reception(most_bytes=2 * max_body_bytes, gave_up=metrics.gave_up, refused=metrics.refused)

    def connection() -> PostProtocol:
        return PostProtocol(routes, reception, max_body_bytes=max_body_bytes)

    protocol: Callable[[], asyncio.BaseProtocol] = connection
    if certificates is not None:
        metrics.show_certificates(certificates)
        unknown = Reception(most_bytes=0, gave_up=metrics.gave_up, most_connections=MOST_HANDSHAKES)
        protocol = partial(Handshake, Strangers(unknown, loop.time), certificates.context, connection)
    return await loop.create_server(protocol, address.host or None, address.port)
