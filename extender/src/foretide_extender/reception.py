"""What the connections of a port share, within bounds: how many they are, what they hold, and since when others wait.

Of too many connections the one that was answered longest ago is given up, and of too many bytes the one that has held
some for longest: whoever is slow makes way for whoever is not. For one thread, that of the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cached_property
from http import HTTPStatus
from typing import Final, Literal, Protocol

MOST_CONNECTIONS: Final = 32
"""A scheduler keeps one or two. Over TLS each takes some 300 KiB."""
_BUFFER_BYTES: Final = 256 * 2**10

Reason = Literal["TooManyConnections", "TooManyBytes", "RequestUnfinished", "HandshakeFailed", "TooManyHandshakes"]
"""Why a connection was given up."""


class Connection(Protocol):
    """One of those that share."""

    def held_bytes(self) -> int:
        """What is held for it now."""

    def give_up(self) -> None:
        """Close, and let go of what is held."""


class Reception:
    """At most ``most_connections``, which hold at most ``most_bytes`` unless one alone does.

    ``gave_up`` is told why one is given up, ``refused`` the status of an answer to what is not spoken here.
    """

    def __init__(
        self,
        *,
        most_bytes: int,
        gave_up: Callable[[Reason], None],
        refused: Callable[[HTTPStatus], None] = lambda _: None,
        most_connections: int = MOST_CONNECTIONS,
    ) -> None:
        self.gave_up: Final = gave_up
        self.refused: Final = refused
        self._most_connections = most_connections
        self._most_bytes = most_bytes
        self._by_use: dict[Connection, None] = {}
        self._held_bytes: dict[Connection, int] = {}
        self._all_bytes = 0
        self._turn_seconds: float | None = None
        self._turn_before_seconds: float | None = None
        self._is_turn_noted = False

    @cached_property
    def buffer(self) -> memoryview:
        """Where what comes is put: it is read before anything else is."""
        return memoryview(bytearray(_BUFFER_BYTES))

    def enter(self, connection: Connection) -> None:
        """Take note of a new connection, or that one was used."""
        self._by_use.pop(connection, None)
        self._by_use[connection] = None
        if len(self._by_use) > self._most_connections:
            self._give_up(next(iter(self._by_use)), "TooManyConnections")

    def leave(self, connection: Connection) -> None:
        """Forget a connection and what it holds."""
        self._by_use.pop(connection, None)
        self._all_bytes -= self._held_bytes.pop(connection, 0)

    def weigh(self, connection: Connection) -> None:
        """Take note of what a connection holds now; it or another may be given up for it."""
        self._note(connection)
        while self._all_bytes > self._most_bytes and len(self._held_bytes) > 1:
            longest = next(iter(self._held_bytes))
            noted_bytes = self._held_bytes[longest]
            self._note(longest)
            if self._held_bytes.get(longest) == noted_bytes:
                self._give_up(longest, "TooManyBytes")

    def _note(self, connection: Connection) -> None:
        before_bytes, held_bytes = self._held_bytes.get(connection, 0), connection.held_bytes()
        self._all_bytes += held_bytes - before_bytes
        if held_bytes:
            self._held_bytes[connection] = held_bytes
        elif before_bytes:
            del self._held_bytes[connection]

    def came_seconds(self) -> float:
        """When what is read now may have come at the earliest, in the event loop's time.

        In one turn the loop works on all that had come when the turn began, one after the other; what comes meanwhile
        it finds in the next. So it came no earlier than the turn before began.
        """
        loop = asyncio.get_running_loop()
        if self._turn_seconds is None:
            self._turn_seconds = loop.time()
            if not self._is_turn_noted:
                self._is_turn_noted = True
                loop.call_soon(self._end_turn)
        return self._turn_seconds if self._turn_before_seconds is None else self._turn_before_seconds

    def _end_turn(self) -> None:
        self._turn_before_seconds, self._turn_seconds = self._turn_seconds, None
        self._is_turn_noted = self._turn_before_seconds is not None
        if self._is_turn_noted:
            asyncio.get_running_loop().call_soon(self._end_turn)

    def _give_up(self, connection: Connection, reason: Reason) -> None:
        self.leave(connection)
        self.gave_up(reason)
        connection.give_up()
