"""The TLS handshake of a connection, before which nobody is known and nothing is read.

Those who have not shown a certificate share a reception of their own, so that however many they are they displace none
who has.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Final

from foretide_extender.posting import PostProtocol
from foretide_extender.reception import Reception

log = logging.getLogger(__name__)

HANDSHAKE_SECONDS: Final = 5.0
MOST_HANDSHAKES: Final = 16
"""At once; of more, the one that began first is given up."""


class Handshake(asyncio.Protocol):
    """A connection until ``context`` has let it in; then what ``protocol`` gives speaks with it."""

    def __init__(
        self, reception: Reception, context: Callable[[], ssl.SSLContext], protocol: Callable[[], PostProtocol]
    ) -> None:
        self._reception = reception
        self._context = context
        self._protocol = protocol
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._early: list[bytes] = []
        self._is_given_up = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a stream, not datagrams
        self._transport = transport
        self._reception.enter(self)
        self._task = asyncio.get_running_loop().create_task(self._secure(transport))

    def data_received(self, data: bytes) -> None:
        """Keep what came with the last words of the handshake."""
        self._early.append(data)

    def held_bytes(self) -> int:
        """Nothing to speak of."""
        return 0

    def give_up(self) -> None:
        """Let no one in."""
        self._is_given_up = True
        if self._transport is not None:
            self._transport.abort()

    async def _secure(self, transport: asyncio.Transport) -> None:
        try:
            secured = await asyncio.get_running_loop().start_tls(
                transport, self, self._context(), server_side=True, ssl_handshake_timeout=HANDSHAKE_SECONDS
            )
        except OSError as error:  # ssl.SSLError and TimeoutError are such
            if not self._is_given_up:
                self._reception.gave_up("HandshakeFailed")
                log.warning("no TLS with %s: %s", transport.get_extra_info("peername"), error)
        else:
            if secured is not None and not secured.is_closing():
                self._hand_over(secured, transport)
        finally:
            self._reception.leave(self)

    def _hand_over(self, secured: asyncio.Transport, carrier: asyncio.Transport) -> None:
        protocol = self._protocol()
        secured.set_protocol(protocol)
        protocol.connection_made(secured, carrier)
        for data in self._early:
            protocol.take(data)
