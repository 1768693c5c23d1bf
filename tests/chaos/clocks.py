"""Clocks of Foretide's processes that jump, by libfaketime in their containers; the machine's own stays as it is.

The library comes as a ConfigMap, the offset as a file in an emptyDir that is written from outside and read again every
second. Monotonic clocks and the times of files stay true, as they do when a real clock is set.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final

from devcluster import packages
from devcluster.errors import DevclusterError
from foretide_kube.client import Object
from foretide_kube.names import CONFIG_MAPS
from tests.faults.parts import Parts
from tests.installed import SYSTEM_NAMESPACE, say

CLOCKED: Final = ("operator", "planner", "extender")
"""The parts whose clocks can jump: those in Python. kube-scheduler is linked statically."""

_PORTS: Final = {"operator": 8080, "planner": 8081, "extender": 8082}
_LIBRARY: Final = "libfaketimeMT.so.1"
_CONFIG_MAP: Final = "chaos-library"
_VOLUME: Final = "chaos-clock"
_AT: Final = "/chaos"
_HEEDED_SECONDS: Final = 5.0


class Clocks:
    """The clocks of the parts; `volumes`, `container` belong into their Pods."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def provide(self) -> None:
        """Put the library where the Pods find it; raises `DevclusterError` where it is not to be had."""
        if not _libraries():
            packages.install(["libfaketime"], say)
        found = _libraries()
        if not found:
            raise DevclusterError(f"{_LIBRARY}: not found; apt-get install libfaketime")
        data = {_LIBRARY: base64.b64encode(found[0].read_bytes()).decode()}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": _CONFIG_MAP}, "binaryData": data}
        self._parts.installed.client.create(CONFIG_MAPS, body, SYSTEM_NAMESPACE)

    @staticmethod
    def volumes() -> list[Object]:
        """What a Pod mounts so that clocks in it can jump."""
        return [{"name": "chaos-library", "configMap": {"name": _CONFIG_MAP}}, {"name": _VOLUME, "emptyDir": {}}]

    @staticmethod
    def container(part: str) -> Object:
        """Environment and mounts of a part whose clock can jump."""
        environment = {
            "LD_PRELOAD": f"{_AT}/library/{_LIBRARY}",
            "FAKETIME_TIMESTAMP_FILE": f"{_AT}/clock/{part}",
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
        return {
            "env": [{"name": name, "value": value} for name, value in environment.items()],
            "volumeMounts": [
                {"name": "chaos-library", "mountPath": f"{_AT}/library", "readOnly": True},
                {"name": _VOLUME, "mountPath": f"{_AT}/clock", "readOnly": True},
            ],
        }

    @contextmanager
    def moved(self, part: str, offset_seconds: int) -> Iterator[None]:
        """Have a part's clock ahead of the true one by so much, or behind, while the block lasts.

        Entered it is heeded. Raises `DevclusterError` where it is not, and OSError where the part is not there.
        """
        pod = self._parts.pod_of(part)
        place = self._parts.node(pod["spec"]["nodeName"]).place
        directory = place.disk / "kubelet" / "pods" / pod["metadata"]["uid"] / "volumes" / "kubernetes.io~empty-dir"
        file = directory / _VOLUME / part
        try:
            file.write_text(f"{offset_seconds:+d}\n")
            end = time.monotonic() + _HEEDED_SECONDS
            while abs(self._offset_seconds(part, pod) - offset_seconds) > _HEEDED_SECONDS:
                if time.monotonic() > end:
                    raise DevclusterError(f"{part}: heeds no clock of {offset_seconds:+d} s")
                time.sleep(0.5)
            yield
        finally:
            with contextlib.suppress(FileNotFoundError):  # the Pod is gone, and its clock with it
                file.write_text("+0\n")

    def _offset_seconds(self, part: str, pod: Object) -> float:
        """How far a part's clock is ahead, as the date of its answers says."""
        with self._parts.installed.cluster.forward(pod["status"]["podIP"], _PORTS[part]) as port:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_HEEDED_SECONDS)
            try:
                connection.request("GET", "/healthz")
                date = connection.getresponse().headers.get("Date", "")
            finally:
                connection.close()
        return parsedate_to_datetime(date).timestamp() - time.time()


def _libraries() -> list[Path]:
    return sorted(Path("/usr/lib").glob(f"*/faketime/{_LIBRARY}"))
