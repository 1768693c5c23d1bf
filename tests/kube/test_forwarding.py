"""HTTP through a port-forward, with the official client against a server that forwards as the API server does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import WSMsgType, web
from kubernetes import client as official

from foretide_kube.client import ApiError, KubeClient
from foretide_kube.forwarding import PodPort, get_in_pod

WHERE = PodPort("system", "extender-0", 8082)
FORWARD = "/api/v1/namespaces/system/pods/extender-0/portforward"


class Forwarder:
    """Answers whatever is asked through a forwarded port with what it was asked, or refuses."""

    def __init__(self) -> None:
        self.status = 101
        self.is_listening = True
        self.authorization = ""

    async def forward(self, request: web.Request) -> web.StreamResponse:
        self.authorization = request.headers.get("Authorization", "")
        if self.status != 101:
            return web.json_response({"kind": "Status", "code": self.status}, status=self.status)
        assert request.query["ports"] == "8082"
        socket = web.WebSocketResponse(protocols=("v4.channel.k8s.io",))
        await socket.prepare(request)
        for channel in (0, 1):
            await socket.send_bytes(bytes([channel]) + (8082).to_bytes(2, "little"))
        if not self.is_listening:
            await socket.send_bytes(b"\x01an error occurred forwarding 8082: connection refused")
        received = b""
        async for message in socket:
            if message.type != WSMsgType.BINARY:
                break
            assert message.data[:1] == b"\x00"
            received += message.data[1:]
            if received.endswith(b"\r\n\r\n"):
                head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(received)
                answer = head + received
                for begin in range(0, len(answer), 50):
                    await socket.send_bytes(b"\x00" + answer[begin : begin + 50])
        return socket


@pytest.fixture
def forwarder() -> Iterator[tuple[Forwarder, KubeClient]]:
    made, loop = Forwarder(), asyncio.new_event_loop()
    app = web.Application()
    app.router.add_get(FORWARD, made.forward)
    runner = web.AppRunner(app, shutdown_timeout=0.1)

    async def start() -> int:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port: int = runner.addresses[0][1]
        return port

    port = loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield made, client(port)
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(20)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def client(port: int) -> KubeClient:
    configuration: Any = official.Configuration()
    configuration.host = f"http://127.0.0.1:{port}"
    configuration.api_key = {"authorization": "Bearer mine"}
    return KubeClient(SimpleNamespace(configuration=configuration, rest_client=SimpleNamespace(pool_manager=None)))


def test_a_get_goes_to_the_port_in_the_pod_and_its_answer_comes_back(forwarder: tuple[Forwarder, KubeClient]) -> None:
    made, client = forwarder
    status, body = get_in_pod(client, WHERE, "/explain?pod=a", {"Authorization": "Bearer shown"})
    assert status == 200
    assert body.startswith(b"GET /explain?pod=a HTTP/1.1\r\n")
    assert b"Authorization: Bearer shown\r\n" in body
    assert made.authorization == "Bearer mine"


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_to_forward_keeps_its_status(forwarder: tuple[Forwarder, KubeClient], status: int) -> None:
    forwarder[0].status = status
    with pytest.raises(ApiError) as refusal:
        get_in_pod(forwarder[1], WHERE, "/", {})
    assert refusal.value.status == status
    assert "system/extender-0" in refusal.value.message


def test_a_port_that_nobody_listens_on_is_told_in_the_words_of_the_node(
    forwarder: tuple[Forwarder, KubeClient],
) -> None:
    forwarder[0].is_listening = False
    with pytest.raises(ApiError) as refusal:
        get_in_pod(forwarder[1], WHERE, "/", {})
    assert refusal.value.status == 0
    assert "connection refused" in refusal.value.message


def test_an_api_server_that_is_away_is_told() -> None:
    with pytest.raises(ApiError) as refusal:
        get_in_pod(client(1), WHERE, "/", {})
    assert refusal.value.status == 0
