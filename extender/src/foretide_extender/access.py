"""Who may have a Pod explained: who may read it. The API server is asked, and its word is good for some seconds.

A token must be made for this alone (`AUDIENCE`): it comes in clear, and who overhears it can do nothing else with it.
Who has not shown one yet learns nothing; the log says what went wrong. Calls block and belong on a thread of their own.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from foretide_extender.rate import Rate
from foretide_extender.recent import Recent
from foretide_kube.client import ApiError, KubeClient, Object
from foretide_kube.explanation import AUDIENCE
from foretide_kube.names import PODS, SUBJECT_ACCESS_REVIEWS, TOKEN_REVIEWS, Resource

log = logging.getLogger(__name__)

KEPT_SECONDS: Final = 10.0
"""So long what the API server said of a caller is not asked again."""
QUESTIONS_PER_SECOND: Final = 20.0
"""So many the API server is asked for all callers together; a new caller takes five, and one more for each namespace
after the first where namespaces are chosen."""
MOST_QUESTIONS: Final = 40
"""So many at once, after a rest, and one more for each namespace that is chosen."""
MOST_KEPT: Final = 256
"""And one more for each of these: more than are answered within `KEPT_SECONDS`, so that nobody, however much he asks,
has forgotten what is known of others."""
_ASK_SECONDS: Final = 5.0


class Denied(Exception):  # noqa: N818 - an answer, not an error
    """The caller is not told anything; ``status`` and the message say why, and what is missing."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class Rights(NamedTuple):
    """What besides the Pod a caller may see: the nodes of the cluster, and all Pods that the extender knows."""

    sees_nodes: bool
    sees_others: bool


class Seen(NamedTuple):
    """A Pod as it is, None where there is none, and what else who asked may see."""

    item: Object | None
    rights: Rights


class _Refusal(NamedTuple):
    status: HTTPStatus
    message: str


class Access:
    """Asks the API server who a caller is and what he may do. Any thread may use it; ``clock`` is monotonic seconds.

    ``watched`` are the namespaces whose Pods the extender knows, none for all.
    """

    def __init__(self, client: KubeClient, watched: Sequence[str], *, clock: Callable[[], float]) -> None:
        self._client = client
        self._places = watched or ("",)
        self._lock = threading.Lock()
        most_kept, most_questions = MOST_KEPT + len(watched), MOST_QUESTIONS + len(watched)
        self._kept: Recent[tuple[str, ...], Object | _Refusal] = Recent(KEPT_SECONDS, most_kept, clock=clock)
        self._questions = Rate(per_second=QUESTIONS_PER_SECOND, burst=most_questions, clock=clock)

    def look(self, token: str, namespace: str, name: str) -> Seen:
        """The Pod, for the bearer of ``token`` if he may get it; Denied if not, or if the API server does not say."""
        digest = hashlib.sha256(token.encode()).hexdigest()
        caller = self._answer((digest,), lambda: self._caller(token))
        if isinstance(caller, _Refusal):
            raise Denied(*caller)

        def refusal(verb: str, resource: str, namespace: str = "", name: str = "") -> _Refusal | None:
            found = self._answer(
                (digest, verb, resource, namespace, name),
                lambda: self._permission(caller, verb, resource, namespace, name),
            )
            return found if isinstance(found, _Refusal) else None

        refused = refusal("get", "pods", namespace, name)
        if refused is not None:
            raise Denied(*refused)
        rights = Rights(
            sees_nodes=refusal("list", "nodes") is None,
            sees_others=all(refusal("list", "pods", place) is None for place in self._places),
        )
        self._spend()
        try:  # Listed, not got: watching needs the right to list, and nothing needs the other.
            found = self._client.list_objects(PODS, namespace, field_selector=f"metadata.name={name}")
        except ApiError as error:
            raise _not_answered("for a Pod", error) from error
        return Seen(found[0] if found else None, rights)

    def _answer(self, key: tuple[str, ...], ask: Callable[[], Object | _Refusal]) -> Object | _Refusal:
        with self._lock:
            known = self._kept.find(key)
        if known is None:
            known = ask()
            with self._lock:
                self._kept.put(key, known)
        return known

    def _caller(self, token: str) -> Object | _Refusal:
        """Who a review of access is asked for."""
        review = self._review(TOKEN_REVIEWS, {"token": token, "audiences": [AUDIENCE]})
        if not review.get("authenticated") or AUDIENCE not in (review.get("audiences") or ()):
            log.info("a token was refused: %r", review.get("error") or f"it is not for {AUDIENCE}")
            words = f"the API server does not know this token, it has expired, or it was not made for {AUDIENCE}"
            return _Refusal(HTTPStatus.UNAUTHORIZED, words)
        user = review.get("user") or {}
        named = {"user": user.get("username"), "groups": user.get("groups"), "uid": user.get("uid")}
        return {**named, "extra": user.get("extra")}

    def _permission(self, caller: Object, verb: str, resource: str, namespace: str, name: str) -> Object | _Refusal:
        attributes = {"verb": verb, "version": "v1", "resource": resource, "namespace": namespace, "name": name}
        if self._review(SUBJECT_ACCESS_REVIEWS, {**caller, "resourceAttributes": attributes}).get("allowed"):
            return attributes
        words = f"{caller['user']} lacks the right to {verb} {resource} in namespace {namespace}"
        return _Refusal(HTTPStatus.FORBIDDEN, words)

    def _review(self, resource: Resource, spec: Object) -> dict[str, Any]:
        """The status of a review."""
        self._spend()
        body = {"apiVersion": resource.api_version, "kind": resource.kind, "spec": spec}
        try:
            review = self._client.create(resource, body, timeout_seconds=_ASK_SECONDS)
        except ApiError as error:
            raise _not_answered(f"to a {resource.kind}", error) from error
        return review.get("status") or {}

    def _spend(self) -> None:
        """Take one of the questions that the API server may be asked; Denied where none is left."""
        with self._lock:
            is_left = self._questions.take()
        if not is_left:
            raise Denied(HTTPStatus.SERVICE_UNAVAILABLE, "too many requests at once; try again")


def _not_answered(what: str, error: ApiError) -> Denied:
    """What to say where the API server gave no answer to the extender itself; why, only the log is told."""
    log.warning("no answer of the API server %s: %s", what, error)
    return Denied(HTTPStatus.SERVICE_UNAVAILABLE, "the API server does not answer; the extender's log says why")
