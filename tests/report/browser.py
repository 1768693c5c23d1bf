"""A real browser without a window: opens a page at a size and in a colour scheme, and tells what it saw.

Debian's Chromium, spoken to by its DevTools protocol over a WebSocket of this machine.
"""

from __future__ import annotations

import base64
import itertools
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import websocket

PROGRAMS: Final = ("chromium", "chromium-browser", "google-chrome")
_START_SECONDS: Final = 60.0
_ANSWER_SECONDS: Final = 60.0
_QUIETLY: Final = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--hide-scrollbars",
    "--no-first-run",
    "--remote-debugging-port=0",
    "--remote-allow-origins=*",
)


def program() -> str | None:
    """The browser of this machine, if there is one."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


@dataclass
class Tab:
    """One page; ``complaints`` are errors on its console, ``asked`` the addresses that it fetched or tried to."""

    socket: Any
    session: str = ""
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def call(self, method: str, **params: Any) -> Any:
        """What the browser answers; events that come before are taken note of."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params}
        self.socket.send(json.dumps(message | ({"sessionId": self.session} if self.session else {})))
        while True:
            told = self._hear()
            if told.get("id") == number:
                assert "error" not in told, told
                return told["result"]

    def _hear(self) -> Any:
        told = json.loads(self.socket.recv())
        params = told.get("params", {})
        match told.get("method"):
            case "Log.entryAdded":
                self.complaints.append(params["entry"]["text"])
            case "Runtime.exceptionThrown" | "Runtime.consoleAPICalled":
                self.complaints.append(str(params))
            case "Network.requestWillBeSent":
                self.asked.append(params["request"]["url"])
        return told

    def evaluate(self, expression: str) -> Any:
        """The value of JavaScript in the page, which may not run any of its own."""
        told = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def show(self, page: Path, *, width: int, scheme: str) -> None:
        """Open ``page`` anew, at ``width`` CSS pixels, in the colour ``scheme`` light or dark."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.call("Page.navigate", url=page.resolve().as_uri())
        while self._hear().get("method") != "Page.loadEventFired":
            pass

    def photograph(self, file: Path) -> None:
        """The whole page as PNG."""
        told = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(told["data"]))


@contextmanager
def browser(home: Path) -> Iterator[Tab]:
    """A browser whose files lie in ``home``, with one empty page; gone afterwards."""
    found = program()
    assert found is not None
    with (home / "log").open("wb") as log:
        process = subprocess.Popen([found, *_QUIETLY, f"--user-data-dir={home}", "about:blank"], stdout=log, stderr=log)
    try:
        tab = Tab(websocket.create_connection(_address(home, process), timeout=_ANSWER_SECONDS))
        pages = tab.call("Target.getTargets")["targetInfos"]
        page = next(each["targetId"] for each in pages if each["type"] == "page")
        tab.session = tab.call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            tab.call(f"{domain}.enable")
        yield tab
        tab.socket.close()
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _address(home: Path, process: subprocess.Popen[bytes]) -> str:
    """Where the browser listens, as it writes it down itself."""
    file = home / "DevToolsActivePort"
    give_up = time.monotonic() + _START_SECONDS
    while True:
        lines = file.read_text().split() if file.exists() else []
        if len(lines) == 2:
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        assert process.poll() is None, (home / "log").read_text(errors="replace")
        assert time.monotonic() < give_up, "the browser does not start"
        time.sleep(0.1)
