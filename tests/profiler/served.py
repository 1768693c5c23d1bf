"""A service as a container starts it, and a client that says what it likes."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from foretide.service_report import ServiceReport, parse
from tests.profiler.conftest import ROOT

GIVE_UP_SECONDS = 60.0


class Answer(NamedTuple):
    """What a service answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


class Served:
    """`foretide_profiler serve` on a free port, until the block is left."""

    def __init__(self, *arguments: object) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "foretide_profiler", "serve", *map(str, arguments), "--port", "0"],
            env={**os.environ, "PYTHONPATH": f"{ROOT}/src:{ROOT}/profiler-job/src"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        line = self.process.stderr.readline()
        found = re.search(r"port (\d+)", line)
        assert found is not None, line + self.process.stderr.read()
        self.port = int(found[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.process.kill()
        self.process.communicate()

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=GIVE_UP_SECONDS)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def infer(self, batch: np.ndarray[Any, Any]) -> Answer:
        return self.ask("POST", "/infer", batch.tobytes(), {"Content-Type": "application/octet-stream"})

    def report(self) -> ServiceReport:
        return parse(self.ask("GET", "/report").body)

    def raw(self, data: bytes, *, ends: bool = True) -> bytes:
        """Everything that comes back when these bytes are sent, and nothing more where it ends there."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=GIVE_UP_SECONDS) as connection:
            connection.sendall(data)
            if ends:
                connection.shutdown(socket.SHUT_WR)
            found = b""
            while part := connection.recv(65536):
                found += part
            return found

    def stop(self) -> tuple[int, ServiceReport]:
        """End it as kubelet does; its exit status and its last word."""
        self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=GIVE_UP_SECONDS)
        return self.process.returncode, parse(out.encode())


def until(what: str, look: Any) -> Any:
    """What ``look`` gives once it is true."""
    give_up = time.monotonic() + GIVE_UP_SECONDS
    while not (found := look()):
        assert time.monotonic() < give_up, what
        time.sleep(0.01)
    return found


def slow_model(path: Path, *, size: int = 512, layers: int = 8) -> Path:
    """A file that takes its time for an inference: products of large matrices, one after another, and their sum."""
    nodes = [helper.make_node("MatMul", [f"x{n}", "w"], [f"x{n + 1}"]) for n in range(layers)]
    nodes.append(helper.make_node("ReduceMean", [f"x{layers}"], ["y"], keepdims=0))
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "slow",
        [value("x0", TensorProto.FLOAT, [1, size, size])],
        [value("y", TensorProto.FLOAT, [])],
        [numpy_helper.from_array(np.eye(size, dtype=np.float32), "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path
