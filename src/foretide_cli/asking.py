"""Asks the extender why a Pod went where it went, as ``kubectl port-forward`` reaches it."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

import msgspec

from foretide_cli.extenders import EXTENDERS, Get, container_status, observers_port
from foretide_kube.client import ApiError, KubeClient
from foretide_kube.explanation import AUDIENCE, Explanation
from foretide_kube.forwarding import PodPort
from foretide_kube.names import PODS

TOKEN_ACCOUNT: Final = "foretide-explain"  # noqa: S105 - its name
"""In its name is asked, by who may have a token of it."""
TOKEN_SECONDS: Final = 600
"""The shortest life of a token that the API server gives."""


class NotToldError(Exception):
    """No extender is ready, or none answers; the message says why."""


class Extenders:
    """The replicas of the extender in a namespace: found once, and asked about many Pods with one token.

    NotToldError where none is ready; ApiError where a right is missing, which it names.
    """

    def __init__(self, client: KubeClient, namespace: str, get: Get) -> None:
        self._client = client
        self._get = get
        self._replicas = _replicas(client, namespace)
        if not self._replicas:
            raise NotToldError(
                f"no extender is ready in namespace {namespace}; is Foretide installed there (--system-namespace), "
                f"with scheduler.mode other than none? kubectl -n {namespace} get pods"
            )
        self._headers = {"Authorization": f"Bearer {_token(client, namespace)}"}

    def ask(self, namespace: str, name: str) -> tuple[Explanation, list[str]]:
        """The latest that a replica says of a Pod, and why others say nothing; NotToldError where none says anything.

        ApiError where the right to reach them is missing.
        """
        path = f"/explain?{urlencode({'namespace': namespace, 'pod': name})}"
        told: list[Explanation] = []
        problems: list[str] = []
        for replica in self._replicas:
            try:
                status, body = self._get(self._client, replica, path, self._headers)
            except ApiError as error:
                if error.status == 403:
                    raise _lacking(error, "create pods/portforward", replica.namespace) from error
                problems.append(error.message)
                continue
            if status not in {200, 404} or body[:1] != b"{":
                problems.append(f"{replica.pod} answers {status}: {body[:500].decode(errors='replace').strip()}")
                continue
            try:
                told.append(msgspec.json.decode(body, type=Explanation))
            except msgspec.MsgspecError:
                what = "gave an answer that this version cannot read; use the foretide of the same release"
                problems.append(f"{replica.pod} {what}")
        if not told:
            raise NotToldError("; ".join(dict.fromkeys(problems)))
        return max(told, key=_freshness), problems


def _freshness(told: Explanation) -> tuple[bool, bool, str]:
    """A decision before none, the latest first; what is known of a Pod before nothing."""
    return told.status == "Decided", told.status != "NotFound", told.as_of or ""


def _replicas(client: KubeClient, namespace: str) -> list[PodPort]:
    """The Pods in which an extender is ready, and its port for observers."""
    try:
        pods = client.list_objects(PODS, namespace, label_selector=EXTENDERS)
    except ApiError as error:
        raise _lacking(error, "list pods", namespace) from error
    ready = ((pod["metadata"]["name"], observers_port(pod)) for pod in pods if container_status(pod).get("ready"))
    return [PodPort(namespace, pod, port) for pod, port in ready if port is not None]


def _token(client: KubeClient, namespace: str) -> str:
    """A short-lived token that is good for explanations alone: it goes to whatever Pod carries the two labels.

    The caller's own, which may be allowed anything, is shown to nobody.
    """
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"audiences": [AUDIENCE], "expirationSeconds": TOKEN_SECONDS},
    }
    try:
        made = client.raw("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts/{TOKEN_ACCOUNT}/token", body=body)
    except ApiError as error:
        raise _lacking(error, f"create serviceaccounts/token for {TOKEN_ACCOUNT}", namespace) from error
    token: str = made["status"]["token"]
    return token


def _lacking(error: ApiError, right: str, namespace: str) -> ApiError:
    """The same error, with the right named where one is missing."""
    if error.status != 403:
        return error
    words = f"the right to {right} in namespace {namespace} is missing (docs/explain.md says who needs which)"
    return ApiError(error.status, error.reason, words)
