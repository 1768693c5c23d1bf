"""A small client of our own verbs over the official package: plain dicts in and out, one typed error.

It uses `kubernetes` for configuration, credentials and TLS, and its connection pool for requests. Every call blocks;
asynchronous callers use `asyncio.to_thread`. A client may be used by many threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Literal, TypeVar
from urllib.parse import quote

import msgspec
import urllib3

from foretide_kube.names import Resource

Object = dict[str, Any]
"""A Kubernetes object as the API's JSON gives it."""

PatchType = Literal["merge", "json", "strategic", "apply"]
_CONTENT_TYPES: dict[PatchType, str] = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}
DEFAULT_TIMEOUT_SECONDS = 15.0
PAGE_SIZE = 100
"""So many objects a list asks for at a time: several lists come at once at a start, and each holds a page whole."""

_T = TypeVar("_T")


class _Page(msgspec.Struct):
    metadata: dict[str, Any]
    items: list[msgspec.Raw]


_page_decoder = msgspec.json.Decoder(_Page)
_object_decoder = msgspec.json.Decoder(dict[str, Any])


class ApiError(Exception):
    """The API server refused or could not be reached.

    ``status`` is the HTTP status (0: not reached), ``reason`` the API's CamelCase reason, ``message`` its words.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message

    @property
    def is_not_found(self) -> bool:
        """Whether the object or the kind is not there."""
        return self.status == 404

    @property
    def is_conflict(self) -> bool:
        """Whether somebody else changed the object first."""
        return self.status == 409 and self.reason == "Conflict"

    @property
    def is_already_there(self) -> bool:
        """Whether an object of that name exists."""
        return self.status == 409 and self.reason == "AlreadyExists"

    @property
    def is_expired(self) -> bool:
        """Whether the resource version asked for is too old to watch from."""
        return self.status == 410

    @property
    def is_transient(self) -> bool:
        """Whether trying again later may succeed with nothing changed."""
        return self.status in {0, 408, 429} or self.status >= 500


class KubeClient:
    """Reads and writes objects of any `Resource`."""

    def __init__(self, api_client: Any) -> None:  # noqa: ANN401 - the official package is untyped
        self.configuration = api_client.configuration
        """The official package's: where the API server is, and by which credentials it is spoken to."""
        self._pool: urllib3.PoolManager = api_client.rest_client.pool_manager
        self._answered_date = ""

    @classmethod
    def connect(cls, kubeconfig: str | None = None, *, pool_size: int = 16) -> KubeClient:
        """Connect with ``kubeconfig``, or as the Pod's service account, or as the user's own kubeconfig says."""
        from kubernetes import client, config  # noqa: PLC0415 - costs 30 MiB, and only who connects pays

        configuration = client.Configuration()
        if kubeconfig is not None:
            config.load_kube_config(kubeconfig, client_configuration=configuration)
        else:
            try:
                config.load_incluster_config(client_configuration=configuration)
            except config.ConfigException:
                config.load_kube_config(client_configuration=configuration)
        configuration.connection_pool_maxsize = pool_size
        return cls(client.ApiClient(configuration))

    def authorization(self) -> str:
        """What stands in the header Authorization, as ``Bearer TOKEN``; empty with a client certificate alone."""
        return self.configuration.get_api_key_with_prefix("authorization", "BearerToken") or ""

    def answered_seconds(self) -> float | None:
        """When the latest answer was given by the API server's clock, in whole seconds since the epoch.

        None before any, or where it does not say.
        """
        try:
            return parsedate_to_datetime(self._answered_date).timestamp()
        except ValueError:
            return None

    def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object:
        """One object; ApiError (404) if it is not there."""
        return self._json("GET", _path(resource, namespace, name))

    def find(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None:
        """One object, or None if it is not there."""
        try:
            return self.get(resource, name, namespace)
        except ApiError as error:
            if error.is_not_found:
                return None
            raise

    def list_objects(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
    ) -> list[Object]:
        """All objects, in pages, each with its apiVersion and kind."""
        return self.list_objects_with_version(
            resource, namespace, label_selector=label_selector, field_selector=field_selector
        )[0]

    def list_objects_with_version(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        page_size: int = PAGE_SIZE,
        reduce: Callable[[Object], Object | None] = lambda item: item,
    ) -> tuple[list[Object], str]:
        """All objects and the resource version from which to watch on.

        ``reduce`` may cut each object down as it is decoded, so that no more than one is ever held whole, or leave it
        out with None.
        """
        query = {"labelSelector": label_selector, "fieldSelector": field_selector, "limit": str(page_size)}
        items: list[Object] = []
        while True:
            page = self._request("GET", _path(resource, namespace), _page_decoder, query=query)
            kind = {"apiVersion": resource.api_version, "kind": resource.kind}
            reduced = (reduce({**kind, **msgspec.json.decode(item)}) for item in page.items)
            items.extend(item for item in reduced if item is not None)
            metadata = page.metadata
            del page, reduced  # or there were two in memory while the next one comes
            following = metadata.get("continue")
            if not following:
                return items, metadata["resourceVersion"]
            query["continue"] = following

    def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        resource_version: str,
        label_selector: str = "",
        field_selector: str = "",
        timeout_seconds: int = 240,
    ) -> Iterator[tuple[str, Object]]:
        """Events as (type, object) until the server ends the watch; ApiError (410) when the version is too old."""
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "labelSelector": label_selector,
            "fieldSelector": field_selector,
            "timeoutSeconds": str(timeout_seconds),
        }
        response = self._send("GET", _path(resource, namespace), query=query, timeout_seconds=timeout_seconds + 15.0)
        try:
            rest = b""
            for chunk in response.stream(65536, decode_content=True):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    if line:
                        yield _event(line)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ApiError(0, "WatchBroken", str(error)) from error
        finally:
            response.close()

    def create(
        self,
        resource: Resource,
        body: Object,
        namespace: str | None = None,
        *,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
    ) -> Object:
        """Create an object; ApiError.is_already_there if its name is taken."""
        path = _path(resource, namespace)
        return self._request("POST", path, _object_decoder, body=body, timeout_seconds=timeout_seconds)

    def replace(
        self, resource: Resource, body: Object, namespace: str | None = None, *, subresource: str = ""
    ) -> Object:
        """Replace an object; with a resourceVersion in its metadata, only if nobody else changed it."""
        return self._json("PUT", _path(resource, namespace, body["metadata"]["name"], subresource), body=body)

    def patch(
        self,
        resource: Resource,
        name: str,
        body: Object | list[Object],
        namespace: str | None = None,
        *,
        patch_type: PatchType = "merge",
        subresource: str = "",
        field_manager: str = "",
        force: bool = False,
    ) -> Object:
        """Patch an object; ``apply`` needs a ``field_manager``."""
        query = {"fieldManager": field_manager, "force": "true" if force else ""}
        return self._json(
            "PATCH",
            _path(resource, namespace, name, subresource),
            body=body,
            query=query,
            content_type=_CONTENT_TYPES[patch_type],
        )

    def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        propagation: Literal["Background", "Foreground", "Orphan"] = "Background",
    ) -> bool:
        """Delete an object with its children; False if it was not there."""
        try:
            self._json("DELETE", _path(resource, namespace, name), body={"propagationPolicy": propagation})
        except ApiError as error:
            if error.is_not_found:
                return False
            raise
        return True

    def raw(self, method: str, path: str, *, body: Object | None = None) -> Object:
        """Any other request, such as a TokenReview or `/version`."""
        return self._json(method, path, body=body)

    def _json(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Object | list[Object] | None = None,
        content_type: str = "application/json",
    ) -> Object:
        return self._request(method, path, _object_decoder, query=query, body=body, content_type=content_type)

    def _request(
        self,
        method: str,
        path: str,
        decoder: msgspec.json.Decoder[_T],
        *,
        query: Mapping[str, str] | None = None,
        body: Object | list[Object] | None = None,
        content_type: str = "application/json",
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
    ) -> _T:
        response = self._send(
            method, path, query=query, body=body, content_type=content_type, timeout_seconds=timeout_seconds
        )
        try:
            return decoder.decode(response.data)
        except (urllib3.exceptions.HTTPError, OSError) as error:  # the answer began and broke off
            raise ApiError(0, "NotReached", f"{method} {path}: {error}") from error
        except msgspec.DecodeError as error:
            raise ApiError(0, "NotJson", f"{method} {path}: {error}") from error
        finally:
            response.release_conn()

    def _send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Object | list[Object] | None = None,
        content_type: str = "application/json",
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
    ) -> urllib3.BaseHTTPResponse:
        pairs = [f"{key}={quote(value, safe='')}" for key, value in (query or {}).items() if value]
        url = self.configuration.host + path + ("?" + "&".join(pairs) if pairs else "")
        headers = {"Accept": "application/json", "User-Agent": "foretide"}
        authorization = self.authorization()
        if authorization:
            headers["Authorization"] = authorization
        if body is not None:
            headers["Content-Type"] = content_type
        try:
            response = self._pool.request(
                method,
                url,
                body=None if body is None else msgspec.json.encode(body),
                headers=headers,
                preload_content=False,
                retries=False,
                timeout=urllib3.Timeout(connect=5.0, read=timeout_seconds),
            )
            self._answered_date = response.headers.get("Date", "")
            if response.status >= 400:
                raise _error(response.status, response.data)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ApiError(0, "NotReached", f"{method} {path}: {error}") from error
        return response


def _path(resource: Resource, namespace: str | None, name: str = "", subresource: str = "") -> str:
    parts = [
        "/apis" if resource.group else "/api",
        *([resource.group] if resource.group else []),
        resource.version,
    ]
    if resource.namespaced and namespace is not None:
        parts += ["namespaces", quote(namespace, safe="")]
    parts.append(resource.plural)
    if name:
        parts.append(quote(name, safe=""))
    if subresource:
        parts.append(subresource)
    return "/".join(parts)


def _event(line: bytes) -> tuple[str, Object]:
    event = msgspec.json.decode(line)
    if event["type"] == "ERROR":
        status = event["object"]
        raise ApiError(status.get("code", 0), status.get("reason", "Unknown"), status.get("message", ""))
    return event["type"], event["object"]


def _error(status: int, data: bytes) -> ApiError:
    try:
        body = msgspec.json.decode(data)
        return ApiError(status, body.get("reason") or "Unknown", body.get("message") or "")
    except (msgspec.DecodeError, AttributeError):
        return ApiError(status, "Unknown", data[:300].decode(errors="replace"))
