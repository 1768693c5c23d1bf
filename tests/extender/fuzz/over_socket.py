"""The extender's own process over a real socket, asked the same cases: what the kernel and its start-up add."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.extender import fleet
from bench.extender.connection import Connection
from bench.extender.servers import Foretide, fleet_api, foretide
from foretide_extender.settings import DEFAULT_MAX_BODY_BYTES
from tests.extender.fuzz.cases import Case
from tests.extender.fuzz.faults import HANG, Fault, fault_of
from tests.extender.fuzz.values import Vocabulary

NODES: Final = 30
KNOWN: Final = Vocabulary(fleet.NAMESPACE, (fleet.WORKLOAD,), tuple(fleet.node_name(index) for index in range(NODES)))
HANGS_SECONDS: Final = 20.0


class OverSocket:
    """Asks on one connection for as long as the server keeps it."""

    def __init__(self, server: Foretide) -> None:
        self._server = server
        self._connection: Connection | None = None

    async def fault(self, case: Case) -> Fault | None:
        """What goes wrong with a case; None where nothing does."""
        try:
            if self._connection is None:
                self._connection = Connection(self._server.port, timeout_seconds=HANGS_SECONDS)
            status = self._connection.ask(case.verb, case.body)
        except TimeoutError:
            self.close()
            return Fault(HANG, f"no answer within {HANGS_SECONDS:g} s")
        except OSError as error:
            self.close()
            if len(case.body) > DEFAULT_MAX_BODY_BYTES:
                return None  # it may be refused before all of it has been sent
            return Fault("connection closed", str(error))
        return fault_of(case, status, self._connection.answer())

    def close(self) -> None:
        """Let the connection go."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def errors(self) -> float:
        """How many decisions went wrong and were answered all the same."""
        return self._server.answers().failed_open.get("InternalError", 0.0)


@contextmanager
def over_socket(directory: Path) -> Iterator[OverSocket]:
    """The process with a busy fleet, for as long as the block lasts; its log goes to ``directory``."""
    with (
        fleet_api(NODES, 60, 20.0, directory) as kubeconfig,
        foretide(kubeconfig, directory, max_body_bytes=DEFAULT_MAX_BODY_BYTES) as server,
    ):
        asking = OverSocket(server)
        try:
            yield asking
        finally:
            asking.close()
