"""An answer that breaks off is an ApiError like any other failure, so that whoever asked tries again."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from kubernetes import client as official

from foretide_kube.client import ApiError, KubeClient
from foretide_kube.names import CONFIG_MAPS


class BreaksOff(BaseHTTPRequestHandler):
    """Promises a hundred bytes, sends two, and hangs up."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "100")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def client() -> Iterator[KubeClient]:
    server = HTTPServer(("127.0.0.1", 0), BreaksOff)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    configuration = official.Configuration()
    configuration.host = f"http://127.0.0.1:{server.server_port}"
    yield KubeClient(official.ApiClient(configuration))
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_answer_that_breaks_off_may_be_asked_for_again(client: KubeClient) -> None:
    for ask in (lambda: client.get(CONFIG_MAPS, "x", "ns"), lambda: client.list_objects(CONFIG_MAPS, "ns")):
        with pytest.raises(ApiError) as broken:
            ask()
        assert broken.value.is_transient
        assert broken.value.reason == "NotReached"


def test_the_servers_clock_is_known_from_its_latest_answer(client: KubeClient) -> None:
    assert client.answered_seconds() is None
    before = int(time.time())
    with pytest.raises(ApiError):
        client.get(CONFIG_MAPS, "x", "ns")
    answered = client.answered_seconds()
    assert answered is not None
    assert before <= answered <= time.time()
