"""The operator's start on an API server that does not answer every request: it goes on, and begins nothing twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from foretide_kube.client import ApiError, Object
from foretide_operator import process
from foretide_operator.process import Operator
from tests.operator.cluster_objects import SETTINGS


class Flickering:
    """An API server with nothing in it, that refuses the first reads of single objects and all writes."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.lists = 0

    def find(self, *_: Any) -> None:
        if self.failures:
            self.failures -= 1
            raise ApiError(0, "NotReached", "timed out")

    def list_objects_with_version(self, *_: Any, **__: Any) -> tuple[list[Object], str]:
        self.lists += 1
        return [], "1"

    def watch(self, *_: Any, **__: Any) -> Iterator[tuple[str, Object]]:
        yield "BOOKMARK", {"metadata": {"resourceVersion": "1"}}
        time.sleep(0.05)

    def create(self, *_: Any, **__: Any) -> Object:
        raise ApiError(403, "Forbidden", "not here")


@pytest.fixture
def flickering(monkeypatch: pytest.MonkeyPatch) -> tuple[Operator, Flickering]:
    monkeypatch.setattr(process, "RETRY_SECONDS", 0.01)
    client = Flickering(failures=3)
    return Operator(client, SETTINGS, port=0), client  # type: ignore[arg-type]


def test_a_read_that_fails_at_the_start_is_made_again_with_the_caches_that_are_there(
    flickering: tuple[Operator, Flickering],
) -> None:
    operator, client = flickering
    operator.open_port()
    try:
        operator.start()
        assert operator.what_is_not_ready() == ""
        assert client.failures == 0
        assert client.lists == 10, "one list for each cache"
    finally:
        operator.stop()


def test_what_cannot_be_read_at_the_start_is_named_until_it_can_be_or_until_it_is_stopped(
    flickering: tuple[Operator, Flickering],
) -> None:
    operator, client = flickering
    client.failures = 1_000_000
    operator.open_port()
    starting = threading.Thread(target=operator.start)
    starting.start()
    try:
        give_up = time.monotonic() + 10
        while "cannot be read: " not in operator.what_is_not_ready():
            assert time.monotonic() < give_up, operator.what_is_not_ready()
            time.sleep(0.01)
        assert "timed out" in operator.what_is_not_ready()
    finally:
        operator.stop()
    starting.join(10)
    assert not starting.is_alive()
