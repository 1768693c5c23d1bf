"""Who may have a Pod explained: who may read it. The API server is asked, and its word is good for some seconds.

Calls block and belong on a thread of their own.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

from foretide_kube.client import ApiError, KubeClient, Object
from foretide_kube.names import SUBJECT_ACCESS_REVIEWS, TOKEN_REVIEWS, Resource

KEPT_SECONDS: Final = 10.0
"""So long what the API server said of a caller and a Pod is not asked again."""
MOST_KEPT: Final = 256
_ASK_SECONDS: Final = 5.0


class Denied(Exception):  # noqa: N818 - an answer, not an error
    """The caller is not told anything; ``status`` and the message say why, and what is missing."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class Access:
    """Asks the API server who a caller is and what he may do. Any thread may use it; ``clock`` is monotonic seconds."""

    def __init__(self, client: KubeClient, *, clock: Callable[[], float]) -> None:
        self._client = client
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[tuple[bytes, str, str], tuple[float, tuple[HTTPStatus, str] | None]] = {}

    def check(self, token: str, namespace: str, name: str) -> None:
        """Denied unless the bearer of ``token`` may get the Pod; also where the API server does not say."""
        key = hashlib.sha256(token.encode()).digest(), namespace, name
        with self._lock:
            known = self._kept.get(key)
        if known is None or known[0] < self._clock():
            known = self._clock() + KEPT_SECONDS, self._refusal(token, namespace, name)
            with self._lock:
                self._kept.pop(key, None)
                self._kept[key] = known
                if len(self._kept) > MOST_KEPT:
                    del self._kept[next(iter(self._kept))]
        if known[1] is not None:
            raise Denied(*known[1])

    def _refusal(self, token: str, namespace: str, name: str) -> tuple[HTTPStatus, str] | None:
        review = self._ask(TOKEN_REVIEWS, {"token": token})
        user = review.get("user") or {}
        if not review.get("authenticated"):
            return HTTPStatus.UNAUTHORIZED, "the API server does not know this token, or it has expired"
        attributes = {"verb": "get", "version": "v1", "resource": "pods", "namespace": namespace, "name": name}
        caller = {"user": user.get("username"), "groups": user.get("groups"), "uid": user.get("uid")}
        spec = {**caller, "extra": user.get("extra"), "resourceAttributes": attributes}
        if self._ask(SUBJECT_ACCESS_REVIEWS, spec).get("allowed"):
            return None
        return HTTPStatus.FORBIDDEN, f"{user.get('username')} lacks the right to get pods in namespace {namespace}"

    def _ask(self, resource: Resource, spec: Object) -> dict[str, Any]:
        """The status of a review."""
        body = {"apiVersion": resource.api_version, "kind": resource.kind, "spec": spec}
        try:
            review = self._client.create(resource, body, timeout_seconds=_ASK_SECONDS)
        except ApiError as error:
            raise not_answered(error) from error
        return review.get("status") or {}


def not_answered(error: ApiError) -> Denied:
    """What to say where the API server gave no answer to the extender itself."""
    if error.status == 403:
        return Denied(HTTPStatus.SERVICE_UNAVAILABLE, f"the extender's account lacks a right: {error.message}")
    return Denied(HTTPStatus.SERVICE_UNAVAILABLE, f"the API server does not answer: {error.message or error.reason}")
