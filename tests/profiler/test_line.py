"""Who waits for whom in a service, bodies and connections within their bounds: by hand, step by step."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from foretide_profiler.serving.connections import REQUEST_SECONDS, Connections
from foretide_profiler.serving.line import Line, Turn
from foretide_profiler.serving.protocol import RequestError
from tests.profiler.served import until

BATCH = np.zeros((1,), np.float32)


class Held:
    """A line whose inferences last until they are let go."""

    def __init__(self, length: int) -> None:
        self.go = threading.Semaphore(0)
        self.line = Line(self._infer, length=length, clock=time.perf_counter_ns)
        self.turns: list[Turn] = []
        self.errors: list[RequestError] = []
        self.asking: list[threading.Thread] = []
        self.worker = threading.Thread(target=self.line.work, daemon=True)
        self.worker.start()

    def _infer(self, batch: Any) -> Any:
        self.go.acquire()
        if batch.size > 1:
            raise MemoryError("no room")
        return [("y", batch)]

    def ask(self, batch: Any = BATCH) -> None:
        """Ask on another thread, and return once it waits, or is refused."""
        before = self.line.in_flight + len(self.errors)

        def ask_it() -> None:
            try:
                self.turns.append(self.line.ask(batch))
            except RequestError as error:
                self.errors.append(error)

        thread = threading.Thread(target=ask_it, daemon=True)
        thread.start()
        self.asking.append(thread)
        until("it waits or is refused", lambda: self.line.in_flight + len(self.errors) > before)

    def finish(self) -> None:
        for _ in self.asking:
            self.go.release()
        for thread in self.asking:
            thread.join(60)


@pytest.fixture
def held() -> Iterator[Held]:
    found = Held(2)
    yield found
    found.line.close()
    found.finish()
    found.worker.join(60)


def test_each_request_knows_how_many_were_ahead_and_they_are_served_in_their_order(held: Held) -> None:
    held.ask()
    until("the first is at work", lambda: not held.line._waiting)
    for _ in range(2):
        held.ask()
    held.finish()
    turns = sorted(held.turns, key=lambda turn: turn.begun_nanoseconds)
    assert [turn.ahead for turn in turns] == [0, 1, 2]
    assert all(a.ended_nanoseconds <= b.begun_nanoseconds for a, b in pairwise(turns))
    assert held.line.in_flight == 0


def test_who_finds_the_queue_full_is_refused_at_once(held: Held) -> None:
    held.ask()
    until("the first is at work", lambda: not held.line._waiting)
    for _ in range(3):
        held.ask()
    (error,) = held.errors
    assert (error.status, error.reason) == (503, "QueueFull")
    assert error.retry_seconds == 1
    assert error.message.startswith("2 requests wait already")


def test_an_inference_that_fails_fails_its_own_request_alone(held: Held) -> None:
    held.ask(np.zeros((2,), np.float32))
    held.ask()
    held.finish()
    assert [(error.status, error.reason) for error in held.errors] == [(500, "InferenceFailed")]
    assert len(held.turns) == 1


def test_a_closed_line_serves_who_waits_and_lets_nobody_in(held: Held) -> None:
    held.ask()
    held.line.close()
    held.ask()
    assert [error.reason for error in held.errors] == ["Stopping"]
    held.finish()
    held.worker.join(60)
    assert not held.worker.is_alive()
    assert len(held.turns) == 1


class Pairs:
    """Connections with a client each, on a clock that is set by hand."""

    def __init__(self, most: int) -> None:
        self.seconds = 0.0
        self.connections = Connections(most=most, clock=lambda: self.seconds)
        self.open: list[tuple[socket.socket, socket.socket]] = []

    def connect(self) -> bool:
        here, there = socket.socketpair()
        self.open.append((here, there))
        self.seconds += 1.0
        return self.connections.admit(here)

    def cut(self) -> list[int]:
        """Which of them were ended, by their place."""
        ended = []
        for place, (_, there) in enumerate(self.open):
            there.settimeout(0.0)
            try:
                if there.recv(1) == b"":
                    ended.append(place)
            except BlockingIOError:
                continue
        return ended


@pytest.fixture
def pairs() -> Iterator[Pairs]:
    found = Pairs(3)
    yield found
    for pair in found.open:
        for end in pair:
            end.close()


def test_a_new_connection_has_the_place_of_who_let_us_wait_for_longest(pairs: Pairs) -> None:
    for _ in range(3):
        assert pairs.connect()
    pairs.seconds += 1.0
    pairs.connections.is_now(pairs.open[0][0], "working")
    pairs.connections.is_now(pairs.open[1][0], "writing")
    assert pairs.connect()
    assert pairs.cut() == [2]
    assert pairs.connect()
    assert pairs.cut() == [1, 2]


def test_where_all_are_at_work_nobody_else_comes_in(pairs: Pairs) -> None:
    for _ in range(3):
        pairs.connect()
        pairs.connections.is_now(pairs.open[-1][0], "working")
    assert not pairs.connect()
    assert not pairs.connections.are_answered()
    assert pairs.cut() == []
    pairs.connections.gone(pairs.open[0][0])
    assert pairs.connect()


def test_a_client_has_its_time_and_who_waits_for_us_has_no_deadline(pairs: Pairs) -> None:
    for _ in range(3):
        pairs.connect()
    pairs.connections.is_now(pairs.open[0][0], "working")
    pairs.seconds = REQUEST_SECONDS + 2.5
    pairs.connections.cut_late()
    assert pairs.cut() == [1]  # of the other two one works, and one came half a second later
    pairs.connections.is_now(pairs.open[0][0], "reading")
    pairs.seconds += REQUEST_SECONDS + 1.0
    pairs.connections.cut_late()
    assert pairs.cut() == [0, 1, 2]
