"""What the extender's watches say of themselves."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from foretide_extender.state import ClusterState
from foretide_extender.watching import STALE_SECONDS, STUCK_SECONDS, Watches
from foretide_kube.client import ApiError, Object
from foretide_kube.names import NODES, Resource
from tests.extender.real_objects import eventually

_BROKEN = ApiError(0, "WatchBroken", "the connection broke")


class Server:
    """An API server that lists and watches until it is away; then watches break, that of nodes by ``ending``."""

    def __init__(self) -> None:
        self.is_away = threading.Event()
        self.is_over = threading.Event()
        self.ending: BaseException = _BROKEN
        self.refused = threading.Semaphore(0)

    def list_objects_with_version(self, resource: Resource, *_: Any, **__: Any) -> tuple[list[Object], str]:
        if self.is_away.is_set():
            if resource == NODES:
                self.refused.release()
            raise ApiError(0, "NotReached", "nobody is there")
        return [], "1"

    def watch(self, resource: Resource, *_: Any, **__: Any) -> Iterator[tuple[str, Object]]:
        yield "BOOKMARK", {"metadata": {"resourceVersion": "2"}}
        (self.is_away if resource == NODES else self.is_over).wait(20.0)
        raise self.ending if resource == NODES else _BROKEN


@contextmanager
def watching(server: Server, seconds: list[float]) -> Iterator[Watches]:
    watches = Watches(server, ClusterState(), clock=lambda: seconds[0])  # type: ignore[arg-type]
    assert watches.stuck() == []
    watches.start()
    try:
        eventually(lambda: not watches.waiting_for(), "the first lists")
        yield watches
    finally:
        watches.stop()
        server.is_away.set()
        server.is_over.set()


def test_while_the_api_server_is_away_what_is_known_grows_stale_and_no_watch_counts_as_stuck() -> None:
    seconds, server = [0.0], Server()
    with watching(server, seconds) as watches:
        server.is_over.set()
        server.is_away.set()
        seconds[0] = STALE_SECONDS
        assert not watches.is_stale()
        seconds[0] = 2 * STUCK_SECONDS
        for _ in range(2):  # the first may have been asked before
            assert server.refused.acquire(timeout=20.0)
        assert "nodes" not in watches.stuck()
        assert watches.is_stale()
        assert watches.waiting_for() == []


def test_a_watch_that_does_nothing_for_long_counts_as_stuck() -> None:
    seconds, server = [0.0], Server()
    with watching(server, seconds) as watches:
        seconds[0] = STUCK_SECONDS
        assert watches.stuck() == []
        seconds[0] = STUCK_SECONDS + 1
        assert set(watches.stuck()) == set(watches.resources)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_watch_whose_thread_has_ended_counts_as_stuck_at_once() -> None:
    seconds, server = [0.0], Server()
    server.ending = SystemExit()
    with watching(server, seconds) as watches:
        assert watches.stuck() == []
        server.is_away.set()
        eventually(lambda: watches.stuck() == ["nodes"], "the end of the thread being seen")
