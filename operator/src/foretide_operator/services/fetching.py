"""One question to the Pod of a service, within a time and a size that hold whatever it answers.

An HTTP client bounds each read, not all of them: who sends a byte a second holds it for hours. So the few lines of
HTTP/1.0 that are needed stand here, with one deadline for everything; redirects and all else are no answer.
"""

from __future__ import annotations

import socket
import time
from typing import Final

from foretide.service_report import MAX_REPORT_BYTES, ServiceReport, parse

WITHIN_SECONDS: Final = 2.0
_MOST_HEAD_BYTES: Final = 4096
_QUESTION: Final = b"GET /report HTTP/1.0\r\nHost: service\r\nAccept: application/json\r\n\r\n"


class UnreachableError(Exception):
    """Nobody answered in time, or not with a document."""


def fetch(address: str, port: int, *, within_seconds: float = WITHIN_SECONDS) -> ServiceReport:
    """What the service at an address says of itself. Raises UnreachableError, or ReportError for what cannot be."""
    try:
        answer = _exchange(address, port, within_seconds)
    except OSError as error:
        raise UnreachableError(f"{address}:{port}: {error}") from error
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(b"\r\n", 1)[0].split()
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or words[1] != b"200":
        raise UnreachableError(f"{address}:{port}: it answers {head[:64]!r}")
    return parse(body)


def _exchange(address: str, port: int, within_seconds: float) -> bytes:
    end_seconds = time.monotonic() + within_seconds
    found = bytearray()
    with socket.create_connection((address, port), timeout=within_seconds) as connection:
        connection.sendall(_QUESTION)
        while len(found) <= MAX_REPORT_BYTES + _MOST_HEAD_BYTES:
            left_seconds = end_seconds - time.monotonic()
            if left_seconds <= 0:
                raise TimeoutError("no whole answer in time")
            connection.settimeout(left_seconds)
            part = connection.recv(65_536)
            if not part:
                return bytes(found)
            found += part
    raise OSError(f"more than {MAX_REPORT_BYTES} bytes")
