"""The TLS handshake of a connection, before which nobody is known and nothing is read.

Those who have not shown a certificate share a reception of their own, so that however many they are they displace none
who has. A handshake costs the thread that decides one signature, which takes a stranger nothing to ask for: so each
address may begin so many in a second, and all together not many more.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Final

from foretide_extender.posting import PostProtocol
from foretide_extender.rate import Rate, Rates
from foretide_extender.reception import Reception

log = logging.getLogger(__name__)

HANDSHAKE_SECONDS: Final = 5.0
MOST_HANDSHAKES: Final = 24
"""At once; of more, the one that began first is given up. It has had a quarter of a second at least: of those after it
sixteen may have come at once, and the other eight take that long."""

EACH_PER_SECOND: Final = 4.0
EACH_AT_ONCE: Final = 8
"""Handshakes of one address. A scheduler keeps one or two connections."""
ALL_PER_SECOND: Final = 32.0
ALL_AT_ONCE: Final = 16
"""Handshakes of all addresses: some 2 ms of the thread each by an RSA key of 3072 bits, half a millisecond by EC."""

_LINES_PER_SECOND: Final = 0.1
_LINES_AT_ONCE: Final = 8


class Strangers:
    """What those share who have shown no certificate yet; ``clock`` gives monotonic seconds."""

    def __init__(self, reception: Reception, clock: Callable[[], float]) -> None:
        self.reception: Final = reception
        self._all = Rate(per_second=ALL_PER_SECOND, burst=ALL_AT_ONCE, clock=clock)
        self._each = Rates(per_second=EACH_PER_SECOND, burst=EACH_AT_ONCE, clock=clock)
        self._lines = Rate(per_second=_LINES_PER_SECOND, burst=_LINES_AT_ONCE, clock=clock)

    def may_begin(self, address: str) -> bool:
        """Whether somebody at ``address`` may begin a handshake now, which is then counted."""
        return self._each.take(address) and self._all.take()

    def failed(self, address: str, error: OSError) -> None:
        """Count a handshake that came to nothing, and log it unless many did lately."""
        self.reception.gave_up("HandshakeFailed")
        if self._lines.take():
            log.warning("no TLS with %s: %s", address, str(error) or type(error).__name__)


class Handshake(asyncio.Protocol):
    """A connection until ``context`` has let it in; then what ``protocol`` gives speaks with it."""

    def __init__(
        self, strangers: Strangers, context: Callable[[], ssl.SSLContext], protocol: Callable[[], PostProtocol]
    ) -> None:
        self._strangers = strangers
        self._context = context
        self._protocol = protocol
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._early: list[bytes] = []
        self._is_given_up = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake, unless there were too many."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a stream, not datagrams
        self._transport = transport
        address = _address(transport)
        if not self._strangers.may_begin(address):
            self._strangers.reception.gave_up("TooManyHandshakes")
            self.give_up()
            return
        self._strangers.reception.enter(self)
        self._task = asyncio.get_running_loop().create_task(self._secure(transport, address))

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

    async def _secure(self, transport: asyncio.Transport, address: str) -> None:
        try:
            secured = await asyncio.get_running_loop().start_tls(
                transport, self, self._context(), server_side=True, ssl_handshake_timeout=HANDSHAKE_SECONDS
            )
        except OSError as error:  # ssl.SSLError and TimeoutError are such
            if not self._is_given_up:
                self._strangers.failed(address, error)
        else:
            if secured is not None and not secured.is_closing():
                self._hand_over(secured, transport)
        finally:
            self._strangers.reception.leave(self)

    def _hand_over(self, secured: asyncio.Transport, carrier: asyncio.Transport) -> None:
        protocol = self._protocol()
        secured.set_protocol(protocol)
        protocol.connection_made(secured, carrier)
        for data in self._early:
            protocol.take(data)


def _address(transport: asyncio.Transport) -> str:
    """Of the peer, without its port; empty for one that has gone already."""
    peer = transport.get_extra_info("peername")
    return str(peer[0]) if peer else ""
