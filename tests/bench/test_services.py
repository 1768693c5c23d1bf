"""The bench of services: what it applies, what it makes of a status, and that its clients ask and tell of refusals."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from bench.services import CLIENTS, MODEL, as_service, asked, asking, figures, lines, row_of
from demo.scenario import ROOT, Scenario
from foretide_kube.kinds import aiworkload


def test_the_workload_is_served_by_one_pod_on_one_class() -> None:
    manifests = Scenario.load(ROOT / "demo" / "scenario.yaml").manifests()
    manifest = next(each for each in manifests if each["metadata"]["name"] == MODEL)
    served = as_service(manifest, "edge-small")
    served["metadata"] |= {"uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"}
    spec = aiworkload.parse(served).spec
    assert (spec.run.mode, spec.run.replica_count) == ("Deployment", 1)
    assert spec.node_class_selector.match_labels == {"foretide.dev/node-class": "edge-small"}
    assert spec.objective.latency_milliseconds is not None
    assert "inferences" in manifest["spec"]


def test_rows_and_figures_are_of_what_was_observed_beside_what_was_predicted() -> None:
    told = {"observedLatencyMicroseconds": 110_000, "predictedLatencyMicroseconds": 100_000, "inFlightPermille": 2500}
    slow = {"node_class": "c", "clients": 3, **row_of(told)}
    fast = {"node_class": "c", "clients": 1, **row_of(told | {"observedLatencyMicroseconds": 80_000})}
    assert (slow["in_flight"], slow["observed_to_predicted"]) == (2.5, 1.1)
    assert figures([slow, fast, fast]) == {"median_error": 20.0, "worst_error": 20.0}
    assert "2.50" in lines([slow])


@contextmanager
def answering(status: int, bodies: list[int]) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            bodies.append(len(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def ask(port: int, bodies: list[int], *, clients: int, times: int) -> None:
    with asking(port, b"12345678", clients):
        while len(bodies) < times:
            pass


def test_clients_ask_again_and_again_while_the_block_lasts() -> None:
    bodies: list[int] = []
    with answering(200, bodies) as port:
        ask(port, bodies, clients=2, times=20)
        count = len(bodies)
        assert bodies == [8] * count


class Statuses:
    """Tells of one minute twice, and of the next then; what was observed in it says which it is."""

    looks = 0

    def get(self, *_: object) -> dict[str, Any]:
        minute = 1 + self.looks // 2
        self.looks += 1
        told = {"observedLatencyMicroseconds": 1000 * minute, "predictedLatencyMicroseconds": 1000}
        return {"status": {"service": {**told, "inFlightPermille": 1000, "observedTime": str(minute)}}}


def test_no_minute_counts_in_which_the_number_of_clients_changed() -> None:
    statuses: Any = Statuses()
    with answering(200, []) as port:
        rows = [(row["clients"], row["observed_milliseconds"]) for row in asked(statuses, "w", port, b"12345678", 1)]
    assert rows == [(CLIENTS[0], 2.0), (CLIENTS[1], 4.0)]


def test_a_refusal_is_told() -> None:
    bodies: list[int] = []
    with answering(503, bodies) as port, pytest.raises(RuntimeError, match="503"):
        ask(port, bodies, clients=1, times=1)
