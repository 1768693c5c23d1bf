"""A service from its start to its end: the port at once, then the model, then requests, until it is told to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from foretide.service_report import encode
from foretide_profiler import stopping
from foretide_profiler.commands import Process, checked, load
from foretide_profiler.failures import ProfilerError
from foretide_profiler.output import progress
from foretide_profiler.requests import ModelRequest, ServeCall
from foretide_profiler.runtimes import LoadedModel
from foretide_profiler.serving import protocol
from foretide_profiler.serving.connections import Connections
from foretide_profiler.serving.figures import CONTENT_TYPE, TOO_MANY_WAIT, Figures
from foretide_profiler.serving.inferring import Inferences
from foretide_profiler.serving.line import Line
from foretide_profiler.serving.protocol import JSON, RequestError
from foretide_profiler.serving.room import Room
from foretide_profiler.serving.server import Port

DRAIN_SECONDS: Final = 20.0
"""So long who waits is served after the word to stop; of the Pod's 30 s five are over then, and five are left."""

_PLAIN: Final = "text/plain; charset=utf-8"
_NO_ROOM: Final = TOO_MANY_WAIT | {"NotReady", "Stopping"}


def serve(call: ServeCall, process: Process) -> bytes:
    """Answer requests until told to stop; the service's last report, as it is written.

    Raises ProfilerError: what loading raises, PortUnavailable, OutputUnsupported, or TimedOut where those who waited
    could not be served in time.
    """
    service = Service(call)
    try:
        port = Port(service, port=call.port, most_waiting=call.queue)
    except OSError as error:
        raise ProfilerError("PortUnavailable", f"port {call.port} cannot be listened on: {error}", "port") from error
    service.open(load(call.model, process), process)
    word = stopping.Word()
    progress(f"answers requests on port {port.number}")
    word.wait()
    progress("stopping: waiting requests are answered, others are refused")
    is_drained = service.drain(DRAIN_SECONDS, port.connections)
    port.close()
    if not is_drained:
        message = f"stopped with requests that waited for more than {DRAIN_SECONDS:.0f} s; set a shorter queue"
        raise ProfilerError("TimedOut", message, "run.maxQueuedRequests")
    stopping.ignore()
    return encode(service.figures.report())


@dataclass(frozen=True, slots=True)
class _Opened:
    """What there is from the model's first inference on."""

    model: LoadedModel
    inferences: Inferences
    line: Line
    room: Room
    worker: threading.Thread


class Service:
    """Gives the port its answers: refuses while there is no model, and once it is told to end."""

    def __init__(self, call: ServeCall) -> None:
        self.figures = Figures()
        self._call = call
        self._opened: _Opened | None = None
        self._converting = threading.Lock()
        self._is_ending = False

    def open(self, model: LoadedModel, process: Process) -> None:
        """Begin to answer, after one inference that nobody asked for; raises what that raises."""
        checked(model, self._call.model)()
        outputs = model.answer(protocol.zeros(model.input))
        protocol.check_outputs(outputs)
        room = Room(model.input, outputs, limit_bytes=process.limits.memory_bytes)
        inferences = Inferences(model)
        line = Line(inferences.answer, length=self._call.queue, clock=time.perf_counter_ns)
        worker = threading.Thread(target=line.work, name="inferences", daemon=True)
        worker.start()
        self._opened = _Opened(model, inferences, line, room, worker)

    def drain(self, seconds: float, connections: Connections) -> bool:
        """Let nobody in, serve who waits and have their answers taken; False where the time did not suffice to serve.

        Who does not take an answer in this time has none, and that is no failure of the service.
        """
        self._is_ending = True
        end_seconds = time.monotonic() + seconds
        opened = self._opened
        if opened is not None:
            opened.line.close()
            opened.worker.join(seconds)
        while not connections.are_answered() and time.monotonic() < end_seconds:
            time.sleep(0.01)
        return connections.nobody_waits() and not (opened is not None and opened.worker.is_alive())

    def read(self, path: str) -> tuple[str, bytes]:
        """What there is to be read."""
        match path:
            case "/healthz":
                self._check_alive()
                return _PLAIN, b"ok\n"
            case "/readyz":
                self._ready()
                return _PLAIN, b"ok\n"
            case "/metrics":
                in_flight = 0 if self._opened is None else self._opened.line.in_flight
                return CONTENT_TYPE, self.figures.exposition(in_flight).encode()
            case "/report":
                return JSON, encode(self.figures.report())
            case "/model":
                return JSON, self._described()
        message = "there are POST /infer and GET /model, /metrics, /report, /healthz and /readyz"
        raise RequestError(404, "NotFound", message, "path")

    def most_bytes(self, content_type: str) -> int:
        """The longest body that can be a request."""
        return self._ready().room.most_bytes(content_type)

    def hold(self, content_type: str, size_bytes: int) -> Callable[[], None]:
        """Room for a request and its answer; all together have a bound."""
        return self._ready().room.take(content_type, size_bytes)

    def infer(self, body: bytes | bytearray, content_type: str) -> tuple[bytes, Mapping[str, str]]:
        """An inference in its turn; what it took is counted once its answer is ready."""
        opened = self._ready()
        begun = time.perf_counter_ns()
        with self._converting:  # lists of numbers take much memory: one at a time
            batch, request_id = protocol.read(body, content_type, opened.model.input)
        turn = opened.line.ask(batch)
        assert turn.outputs is not None  # noqa: S101 - a turn that ended without an error has them
        with self._converting:
            answer = protocol.write(turn.outputs, _name_of(self._call.model), request_id)
        waited, worked = (
            turn.begun_nanoseconds - turn.came_nanoseconds,
            turn.ended_nanoseconds - turn.begun_nanoseconds,
        )
        self.figures.answered(
            latency_nanoseconds=time.perf_counter_ns() - begun,
            queue_nanoseconds=waited,
            inference_nanoseconds=worked,
            ahead=turn.ahead,
        )
        return answer, {
            "Foretide-Queue-Microseconds": str(waited // 1000),
            "Foretide-Inference-Microseconds": str(worked // 1000),
        }

    def turned_away(self, error: RequestError) -> None:
        """Count a request that is answered by this error."""
        if error.reason in _NO_ROOM:
            self.figures.refused(error.reason)
        else:
            self.figures.failed(error.reason)

    def _ready(self) -> _Opened:
        if self._is_ending:
            raise RequestError(503, "Stopping", "the service is shutting down; try another Pod", retry_seconds=1)
        if self._opened is None:
            raise RequestError(503, "NotReady", "the model is being loaded; try again later", retry_seconds=5)
        self._check_alive()
        return self._opened

    def _check_alive(self) -> None:
        """Refuse where inferences have stopped: kubelet then starts the container anew."""
        opened = self._opened
        if opened is None or self._is_ending:
            return
        if not opened.worker.is_alive():
            raise RequestError(503, "WorkerDead", "inferences have stopped", retry_seconds=60)
        if opened.inferences.is_lost:
            message = "the accelerator no longer answers; the service has to be restarted"
            raise RequestError(503, "AcceleratorLost", message, retry_seconds=60)

    def _described(self) -> bytes:
        """The model as the Open Inference Protocol tells of it."""
        model = self._ready().model
        form = model.input
        given = {"name": form.name, "datatype": protocol.datatype_of(form.data_type), "shape": form.shape}
        return msgspec.json.encode({"name": _name_of(self._call.model), "platform": model.runtime, "inputs": [given]})


def _name_of(request: ModelRequest) -> str:
    return request.name if request.file is None else request.file.stem
