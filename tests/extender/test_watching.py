"""What the extender's watches say of themselves."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from foretide_extender.state import ClusterState
from foretide_extender.watching import SILENT_SECONDS, Watches
from foretide_kube.client import ApiError, Object
from foretide_kube.names import NODES, Resource
from tests.extender.real_objects import eventually


class Withdrawn:
    """An API server that lists and watches, but for nodes, whose watch it refuses once ``is_refused`` is set."""

    def __init__(self) -> None:
        self.is_refused = threading.Event()
        self.is_heard = threading.Event()
        self.is_over = threading.Event()

    def list_objects_with_version(self, resource: Resource, *_: Any, **__: Any) -> tuple[list[Object], str]:
        if resource == NODES and self.is_refused.is_set():
            raise ApiError(403, "Forbidden", "nodes is forbidden")
        return [], "1"

    def watch(self, resource: Resource, *_: Any, **__: Any) -> Iterator[tuple[str, Object]]:
        (self.is_refused if resource == NODES else self.is_heard).wait(20.0)
        if resource == NODES:
            raise ApiError(403, "Forbidden", "nodes is forbidden")
        yield "BOOKMARK", {"metadata": {"resourceVersion": "2"}}
        self.is_over.wait(20.0)


def test_a_watch_that_hears_nothing_for_long_is_named_and_one_that_is_heard_again_is_not() -> None:
    seconds = [0.0]
    server = Withdrawn()
    watches = Watches(server, ClusterState(), clock=lambda: seconds[0])  # type: ignore[arg-type]
    assert watches.silent() == []  # what was never listed is waited for, not stale
    watches.start()
    try:
        eventually(lambda: not watches.waiting_for(), "the first lists")
        server.is_refused.set()
        seconds[0] = SILENT_SECONDS
        assert watches.silent() == []
        seconds[0] = SILENT_SECONDS + 1
        assert "nodes" in watches.silent()
        server.is_heard.set()  # the others are heard again
        eventually(lambda: watches.silent() == ["nodes"], "only the nodes being silent")
    finally:
        watches.stop()
        for event in (server.is_refused, server.is_heard, server.is_over):
            event.set()
