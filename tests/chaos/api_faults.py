"""What the proxy before the API server does to requests and watches: each fault a value, each decision pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final, Literal

ApiFault = Literal[
    "Conflicts",
    "TooManyRequests",
    "InternalErrors",
    "AnswersLost",
    "AnswersLate",
    "WatchesDropped",
    "WatchesExpired",
    "WatchesHeld",
]
API_FAULTS: Final[dict[ApiFault, str]] = {
    "Conflicts": "half of the replacements and patches are answered with 409 and not made",
    "TooManyRequests": "half of the requests are answered with 429 and Retry-After",
    "InternalErrors": "half of the requests are answered with 500 and not made",
    "AnswersLost": "half of the writes are made, and the connection breaks before the answer",
    "AnswersLate": "every second request is kept for up to three seconds",
    "WatchesDropped": "every watch breaks off in the middle of a line, and new ones within two seconds",
    "WatchesExpired": "every watch is told that its version is too old (410), new ones within two seconds",
    "WatchesHeld": "watches are silent; what they would have told comes in the end",
}
RETRY_AFTER_SECONDS: Final = 1
LATE_SECONDS: Final = 3.0
WATCH_SECONDS: Final = 2.0

_WRITES: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_CONDITIONAL: Final = frozenset({"PUT", "PATCH"})
_REASONS: Final = {409: "Conflict", 410: "Expired", 429: "TooManyRequests", 500: "InternalError"}


@dataclass(frozen=True, slots=True)
class Request:
    """What the proxy sees of a request."""

    method: str
    is_watch: bool


@dataclass(frozen=True, slots=True)
class Treatment:
    """What becomes of a request: answered with ``status`` and not made, or made after ``late_seconds``.

    ``is_answer_lost`` says that it is made and its answer thrown away.
    """

    status: int = 0
    late_seconds: float = 0.0
    is_answer_lost: bool = False


UNTOUCHED: Final = Treatment()


def treat(request: Request, fault: ApiFault, chance: float) -> Treatment:
    """What one fault does to a request; ``chance`` is a random number from 0 to 1. Watches have faults of their own."""
    is_hit = chance < 0.5
    treatment = UNTOUCHED
    if fault == "Conflicts" and is_hit and request.method in _CONDITIONAL:
        treatment = Treatment(status=409)
    elif fault == "TooManyRequests" and is_hit:
        treatment = Treatment(status=429)
    elif fault == "InternalErrors" and is_hit:
        treatment = Treatment(status=500)
    elif fault == "AnswersLost" and is_hit and request.method in _WRITES:
        treatment = Treatment(is_answer_lost=True)
    elif fault == "AnswersLate" and is_hit and not request.is_watch:
        treatment = Treatment(late_seconds=2 * chance * LATE_SECONDS)
    return treatment


def status_body(status: int) -> bytes:
    """The Status object that Kubernetes answers with."""
    return json.dumps(_status(status)).encode()


def expired_event() -> bytes:
    """The line by which a watch is told that its version is too old."""
    return json.dumps({"type": "ERROR", "object": _status(410)}).encode() + b"\n"


def _status(status: int) -> dict[str, object]:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "chaos: made by the proxy before the API server",
        "reason": _REASONS[status],
        "code": status,
    }
