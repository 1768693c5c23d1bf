"""Bounds what clients hold open: so many connections, each for so long.

A client has a deadline for each request, however its bytes drip in. Where all connections are in use, a new one has the
place of that whose client has let us wait for longest: who holds connections open keeps nobody out, and no probe.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

REQUEST_SECONDS: Final = 30.0
"""So long a client has to send a request whole, to take its answer, and to think of the next."""


Stage = Literal["reading", "working", "writing"]
"""We wait for a request, the client waits for us, or we wait for it to take the answer."""


@dataclass(slots=True)
class _Held:
    since_seconds: float
    stage: Stage = "reading"
    is_cut: bool = False

    @property
    def is_cuttable(self) -> bool:
        return self.stage != "working" and not self.is_cut


class Connections:
    """The connections that are open; ``clock`` gives seconds that only grow."""

    def __init__(self, *, most: int, clock: Callable[[], float]) -> None:
        self._most = most
        self._clock = clock
        self._held: dict[socket.socket, _Held] = {}
        self._lock = threading.Lock()

    def admit(self, connection: socket.socket) -> bool:
        """Take in a new connection, in place of another if need be; False where all others are at work."""
        with self._lock:
            if sum(not held.is_cut for held in self._held.values()) >= self._most:
                others = [item for item in self._held.items() if item[1].is_cuttable]
                if not others:
                    return False
                self._cut(*min(others, key=lambda item: item[1].since_seconds))
            self._held[connection] = _Held(self._clock())
            return True

    def is_now(self, connection: socket.socket, stage: Stage) -> None:
        """Take note of what a connection waits for."""
        with self._lock:
            held = self._held.get(connection)
            if held is not None:
                held.stage, held.since_seconds = stage, self._clock()

    def gone(self, connection: socket.socket) -> None:
        """It is closed."""
        with self._lock:
            self._held.pop(connection, None)

    def cut_late(self) -> None:
        """End those whose client has had its time."""
        late_seconds = self._clock() - REQUEST_SECONDS
        with self._lock:
            for connection, held in self._held.items():
                if held.is_cuttable and held.since_seconds < late_seconds:
                    self._cut(connection, held)

    def are_answered(self) -> bool:
        """Whether no client waits for us, or takes an answer."""
        with self._lock:
            return all(held.stage == "reading" or held.is_cut for held in self._held.values())

    def nobody_waits(self) -> bool:
        """Whether no client waits for us, though it may not have taken its answer."""
        with self._lock:
            return all(held.stage != "working" for held in self._held.values())

    @staticmethod
    def _cut(connection: socket.socket, held: _Held) -> None:
        """Wake its thread, which then closes it."""
        held.is_cut = True
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
