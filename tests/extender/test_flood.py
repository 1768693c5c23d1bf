"""The extender under a flood of the largest bodies: within the memory that the chart gives, and still there."""

from __future__ import annotations

import http.client
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import msgspec
import pytest
import yaml

from bench.extender.servers import Foretide, fleet_api, foretide
from foretide_extender.settings import DEFAULT_MAX_BODY_BYTES
from foretide_kube.quantity import whole
from tests.extender.cluster_values import pod_object

VALUES = yaml.safe_load((Path(__file__).parents[2] / "charts/foretide/values.yaml").read_text("utf-8"))
GIVEN_BYTES = whole(VALUES["extender"]["resources"]["limits"]["memory"])
SENDERS = 64


@pytest.fixture
def extender(tmp_path: Path) -> Iterator[Foretide]:
    with (
        fleet_api(1000, 200, 0.0, tmp_path) as kubeconfig,
        foretide(kubeconfig, tmp_path, max_body_bytes=DEFAULT_MAX_BODY_BYTES) as running,
    ):
        yield running


def posted(names: list[str]) -> bytes:
    body = msgspec.json.encode({"Pod": pod_object(), "Nodes": None, "NodeNames": names})
    return b"POST /prioritize HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def all_at_once(send: Callable[[socket.socket], None], port: int, opened: ExitStack) -> None:
    """Have many send; some of them are given up meanwhile."""

    def one(client: socket.socket) -> None:
        try:
            send(client)
        except OSError:
            return

    clients = [opened.enter_context(closing(socket.create_connection(("127.0.0.1", port)))) for _ in range(SENDERS)]
    threads = [threading.Thread(target=one, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60.0)


def most_resident_bytes(pid: int) -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def test_a_flood_of_the_largest_bodies_stays_within_the_memory_that_the_chart_gives(extender: Foretide) -> None:
    largest = posted([f"node-{number:06d}" for number in range((DEFAULT_MAX_BODY_BYTES - 2000) // 14)])
    assert 0.9 * DEFAULT_MAX_BODY_BYTES < len(largest) < DEFAULT_MAX_BODY_BYTES

    def stop_before_the_end(client: socket.socket) -> None:
        client.sendall(largest[:-1])

    def take_no_answer(client: socket.socket) -> None:
        client.sendall(largest)

    def take_the_answer(client: socket.socket) -> None:
        client.sendall(largest)
        client.settimeout(5.0)
        while client.recv(2**16):
            pass

    with ExitStack() as opened:
        all_at_once(stop_before_the_end, extender.port, opened)
        all_at_once(take_no_answer, extender.port, opened)
        all_at_once(take_the_answer, extender.port, opened)
        with closing(http.client.HTTPConnection("127.0.0.1", extender.port, timeout=30)) as connection:
            connection.request("POST", "/prioritize", posted(["node-000001"]).partition(b"\r\n\r\n")[2])
            assert connection.getresponse().status == 200
    assert most_resident_bytes(extender.pid) < GIVEN_BYTES
