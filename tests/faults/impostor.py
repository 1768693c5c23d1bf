"""An extender with a fault, to stand in the place of ours: it does to each Pod what the Pod's own label asks for.

Runs as a program of its own from its source, so it knows nothing but the standard library.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Final

LABEL: Final = "fault"
"""The label of a Pod that says which of ``FAULTS`` it meets."""

CALLS: Final = "impostor_calls_total"
"""The metric that counts by ``verb`` and ``fault`` what the scheduler asked."""

_LATE_SECONDS: Final = 10.0


class Scheduler(BaseHTTPRequestHandler):
    """What kube-scheduler asks."""

    protocol_version = "HTTP/1.1"
    calls: ClassVar[Counter[tuple[str, str]]] = Counter()

    def do_POST(self) -> None:
        """Be asked about a Pod."""
        arguments = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        fault = arguments["Pod"]["metadata"]["labels"][LABEL]
        self.calls[self.path.lstrip("/"), fault] += 1
        FAULTS[fault](self, arguments)

    def reply(self, status: int, body: bytes) -> None:
        """Answer."""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def reply_late(self, arguments: dict[str, Any]) -> None:
        """Give a sound answer when nobody waits for it any more."""
        time.sleep(_LATE_SECONDS)
        if self.path == "/filter":
            answer: Any = {"NodeNames": arguments["NodeNames"], "Error": ""}
        else:
            answer = [{"Host": name, "Score": 0} for name in arguments["NodeNames"]]
        try:
            self.reply(200, json.dumps(answer).encode())
        except OSError:
            self.close_connection = True

    def hang_up(self) -> None:
        """Close the connection without an answer."""
        self.close_connection = True


FAULTS: Final[dict[str, Callable[[Scheduler, dict[str, Any]], None]]] = {
    "Answers500": lambda scheduler, _: scheduler.reply(500, b"broken\n"),
    "AnswersNonsense": lambda scheduler, _: scheduler.reply(200, b"<html>"),
    "AnswersLate": Scheduler.reply_late,
    "HangsUp": lambda scheduler, _: scheduler.hang_up(),
}
"""What the extender does wrong, by name."""


class Observer(BaseHTTPRequestHandler):
    """What probes and whoever reads metrics ask: all is well."""

    def do_GET(self) -> None:
        """Answer every path with the metrics."""
        lines = [
            f'{CALLS}{{verb="{verb}",fault="{fault}"}} {count}\n' for (verb, fault), count in Scheduler.calls.items()
        ]
        body = "".join(lines).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    """Serve the ports of the extender until SIGTERM, which the first process of a container has to heed by itself."""
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    observer = ThreadingHTTPServer(("", 8082), Observer)
    threading.Thread(target=observer.serve_forever, daemon=True).start()
    ThreadingHTTPServer(("127.0.0.1", 8888), Scheduler).serve_forever()


if __name__ == "__main__":
    main()
