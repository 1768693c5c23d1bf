"""The extender's request handling within this process: its protocol and all behind it, without a socket.

What a client would send is given to the protocol as the event loop would give it, in pieces. The cluster is
another from case to case: a full one, one with absurd predictions, one without any, one of many nodes that list their
images and whose tasks slow each other, none at all.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from bench.extender.connection import head_of
from foretide_extender.metrics import Metrics
from foretide_extender.posting import PostProtocol
from foretide_extender.reception import Reception
from foretide_extender.server import Answerer, NoState, scheduler_routes
from foretide_extender.settings import DEFAULT_MAX_BODY_BYTES
from foretide_extender.state import ClusterState, Snapshot
from foretide_kube.reduced import facts_of, reduce_node
from tests.extender.cluster_values import (
    CREATED_TIME,
    FACTORS,
    NODES,
    NOW_SECONDS,
    bind,
    cluster,
    node_object,
    pod_object,
    workload_object,
)
from tests.extender.fuzz.cases import Case
from tests.extender.fuzz.faults import HANG, Fault, fault_of
from tests.extender.fuzz.values import IMAGES, Vocabulary

KNOWN: Final = Vocabulary("team", ("resnet", "large", "service", "absurd"), tuple(NODES))
HANGS_SECONDS: Final = 20.0
SLOW_SECONDS: Final = 1.0
"""Of CPU, for a body of at most two megabytes: a hundred times what the largest take."""


class InProcess:
    """Asks, and says what went wrong: in the answer, in the log, or that none came."""

    def __init__(self, protocol: Callable[[], PostProtocol], clusters: _Clusters, logged: _Errors) -> None:
        self._protocol = protocol
        self._clusters = clusters
        self._logged = logged
        self._wire: _Wire | None = None

    async def fault(self, case: Case) -> Fault | None:
        """What goes wrong with a case; None where nothing does."""
        self._clusters.choose(case.number)
        self._logged.records.clear()
        before_seconds = time.process_time()
        try:
            async with asyncio.timeout(HANGS_SECONDS):
                status, reply = await self._ask(case)
        except TimeoutError:
            self._wire = None
            return Fault(HANG, f"no answer within {HANGS_SECONDS:g} s")
        except ConnectionError as error:
            self._wire = None
            return Fault("connection closed", str(error))
        took_seconds = time.process_time() - before_seconds
        if self._logged.records:
            return Fault(*self._logged.told())
        if took_seconds > SLOW_SECONDS:
            return Fault("slow", f"{took_seconds:.1f} s of CPU")
        return fault_of(case, status, reply)

    async def _ask(self, case: Case) -> tuple[int, bytes]:
        if self._wire is None or self._wire.is_closing():
            self._wire = _Wire(self._protocol())
        return await self._wire.ask(case)


@asynccontextmanager
async def in_process() -> AsyncIterator[InProcess]:
    """The extender as it is served, for as long as the block lasts."""
    clusters = _Clusters()
    metrics = Metrics()
    answerer = Answerer(
        clusters.snapshot,
        metrics,
        deadline_seconds=HANGS_SECONDS,  # no decision is cut short
        now_seconds=lambda: NOW_SECONDS,
        clock_seconds=time.perf_counter,
    )
    routes = scheduler_routes(answerer, metrics, max_body_bytes=DEFAULT_MAX_BODY_BYTES)
    logged = _Errors()
    logging.getLogger().addHandler(logged)
    try:
        reception = Reception(most_bytes=2 * DEFAULT_MAX_BODY_BYTES, gave_up=metrics.gave_up)
        yield InProcess(
            lambda: PostProtocol(routes, reception, max_body_bytes=DEFAULT_MAX_BODY_BYTES), clusters, logged
        )
    finally:
        logging.getLogger().removeHandler(logged)


class _Errors(logging.Handler):
    """What is logged as an error: an exception that somebody caught at the last moment."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.records.append(record)

    def told(self) -> tuple[str, str]:
        """The first: what was raised and where, and all of its text."""
        record = self.records[0]
        text = logging.Formatter().format(record)
        error, trace = (record.exc_info or (None, None, None))[1:]
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        if error is None or trace is None:
            return "logged", text
        code = trace.tb_frame.f_code
        return f"{type(error).__name__} in {code.co_filename.rpartition('/')[2]}, {code.co_name}", text


class _Wire(asyncio.Transport):
    """A connection that has no socket."""

    def __init__(self, protocol: asyncio.BufferedProtocol) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self._protocol = protocol
        self._received = bytearray()
        self._more = asyncio.Event()
        self._is_closed = False
        protocol.connection_made(self)

    async def ask(self, case: Case) -> tuple[int, bytes]:
        """Status and body of the answer; ConnectionError where it is none, or none comes."""
        self._received.clear()
        for piece in _pieces(case):
            self._give(piece)
            await asyncio.sleep(0)
        while True:
            head = head_of(self._received)
            if head is not None and len(self._received) >= head.end:
                if len(self._received) > head.end:
                    raise ConnectionError(f"more than one answer: {bytes(self._received[head.end :])[:200]!r}")
                return head.status, bytes(self._received[head.begin :])
            if self._is_closed:
                raise ConnectionError(f"closed after {bytes(self._received)[:200]!r}")
            self._more.clear()
            await self._more.wait()

    def _give(self, piece: bytes) -> None:
        while piece:
            buffer = memoryview(self._protocol.get_buffer(len(piece)))
            count = min(len(buffer), len(piece))
            buffer[:count], piece = piece[:count], piece[count:]
            self._protocol.buffer_updated(count)

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Take what the server sends."""
        self._received += data
        self._more.set()

    def get_write_buffer_size(self) -> int:
        """All is sent at once."""
        return 0

    def is_closing(self) -> bool:
        """Whether the server closed it."""
        return self._is_closed

    def close(self) -> None:
        """Be closed by the server."""
        if not self._is_closed:
            self._is_closed = True
            self._more.set()
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)

    def abort(self) -> None:
        """As `close`."""
        self.close()

    def pause_reading(self) -> None:
        """Nothing is held back."""

    def resume_reading(self) -> None:
        """Nothing was held back."""


def _pieces(case: Case) -> Sequence[bytes]:
    """The request as it may arrive: at once or in two pieces, its length known or not."""
    head = b"POST /%s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" % case.verb.encode()
    if case.number % 16 == 0 and case.body:
        return [
            head + b"Transfer-Encoding: chunked\r\n\r\n",
            b"%x\r\n%s\r\n0\r\n\r\n" % (len(case.body), case.body),
        ]
    whole = head + b"Content-Length: %d\r\n\r\n%s" % (len(case.body), case.body)
    cut = case.number % (2 * len(whole))
    return [whole[:cut], whole[cut:]] if 0 < cut < len(whole) else [whole]


class _Clusters:
    """The clusters that the extender sees in turn."""

    def __init__(self) -> None:
        self._all = (
            _full().snapshot,
            _absurdly_predicted().snapshot,
            _unpredicted().snapshot,
            _listed().snapshot,
            _EMPTY,
            _not_synced,
        )
        self._chosen: Callable[[], Snapshot] = _EMPTY

    def choose(self, number: int) -> None:
        """Have the cluster that a case is asked about."""
        self._chosen = self._all[number % len(self._all)]

    def snapshot(self) -> Snapshot:
        """What the extender sees."""
        return self._chosen()


_MORE_NODES: Final = 500
_EMPTY: Final = ClusterState().snapshot


def _full() -> ClusterState:
    state = cluster(
        workload_object(deadline_milliseconds=3000),
        workload_object("large", memory_mib=4000),
        workload_object("service", mode="Deployment"),
    )
    for index in range(12):
        workload = ("resnet", "service", None)[index % 3]
        bind(state, pod_object(f"busy-{index}", node=list(NODES)[index % 5], workload=workload))
    return state


def _absurdly_predicted() -> ClusterState:
    state = cluster(_absurd("absurd", 2**62), _absurd("resnet", 1), _absurd("large", 0))
    for index in range(8):
        bind(state, pod_object(f"busy-{index}", node="fast-1", workload="absurd", cpu="7Ei", memory=None))
    return state


def _unpredicted() -> ClusterState:
    return cluster(workload_object(classes=()), is_probed=False)


def _listed() -> ClusterState:
    state = cluster(
        workload_object(contention_permille=700),
        workload_object("large", classes=("fast",), contention_permille=700),
        workload_object("service", mode="Deployment"),
    )
    nodes = [*NODES.items(), *((f"more-{number}", "slow") for number in range(_MORE_NODES))]
    for number, (name, node_class) in enumerate(nodes):
        item = node_object(name, node_class)
        listed = [f"small-{index}" for index in range(10 + number % 60)] + list(IMAGES[: number % len(IMAGES)])
        item["status"]["images"] = [{"names": [each], "sizeBytes": 2**20 + index} for index, each in enumerate(listed)]
        state.node_changed("MODIFIED", facts_of(reduce_node(item)))
    for index in range(40):
        item = pod_object(f"busy-{index}", node=nodes[index][0], cpu="1500m")
        if index % 2:
            item["status"]["containerStatuses"] = [{"state": {"running": {"startedAt": CREATED_TIME}}}]
        bind(state, item)
    return state


def _absurd(name: str, microseconds: int) -> dict[str, Any]:
    """A workload whose published predictions nobody can have meant."""
    item = workload_object(name, classes=tuple(FACTORS), deadline_milliseconds=1)
    for prediction in item["status"]["predictions"]:
        prediction["workMicrosecondsPerInference"] = dict.fromkeys(("lower", "median", "upper"), microseconds)
        prediction["memoryBytes"] = microseconds
    return item


def _not_synced() -> Snapshot:
    raise NoState
