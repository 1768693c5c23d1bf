"""HTTP to a port inside a Pod, through the API server and the node's kubelet, as ``kubectl port-forward`` goes.

The API server's own proxy would need a way from it to the Pod, and takes the caller's ``Authorization`` away.
"""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from foretide_kube.client import ApiError, KubeClient

ANSWER_SECONDS: Final = 30.0


class PodPort(NamedTuple):
    """A port that a Pod listens on."""

    namespace: str
    pod: str
    port: int


def get_in_pod(client: KubeClient, where: PodPort, path: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
    """Status and body of a GET of ``path`` on a port of a Pod.

    ApiError where the API server refuses to forward (403: who asks may not), or nobody answers (0).
    """
    forwarded = _forwarded(client, where)
    connection = http.client.HTTPConnection(where.pod, where.port)
    connection.sock = forwarded.socket(where.port)
    try:
        connection.sock.settimeout(ANSWER_SECONDS)
        connection.request("GET", path, headers=dict(headers))
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException) as error:
        why = forwarded.error(where.port) or str(error) or type(error).__name__
        raise ApiError(
            0, "NotForwarded", f"port {where.port} of Pod {where.namespace}/{where.pod}: {why.strip()}"
        ) from error
    finally:
        connection.close()


def _forwarded(client: KubeClient, where: PodPort) -> Any:  # noqa: ANN401 - the package is untyped
    from kubernetes import client as official  # noqa: PLC0415 - as in `foretide_kube.client`
    from kubernetes.stream import portforward  # noqa: PLC0415

    api = official.CoreV1Api(official.ApiClient(client.configuration))
    try:
        return portforward(
            api.connect_get_namespaced_pod_portforward, where.pod, where.namespace, ports=str(where.port)
        )
    except official.ApiException as error:
        # What a websocket's handshake was refused with stands in words alone.
        words = " ".join(str(error.reason).split())
        status = next((code for code in (401, 403, 404) if f"status {code}" in words), error.status or 0)
        raise ApiError(
            status, "NotForwarded", f"port-forward to Pod {where.namespace}/{where.pod}: {words[:300]}"
        ) from error
