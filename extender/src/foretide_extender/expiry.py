"""When certificates expire, read from their files: TLS tells a process that of its peers, and not of its own."""

from __future__ import annotations

import re
import ssl
from datetime import UTC, datetime
from typing import Final

_PEM: Final = re.compile(
    r"-----BEGIN (?:X509 )?CERTIFICATE-----\s+[A-Za-z0-9+/=\s]+-----END (?:X509 )?CERTIFICATE-----", re.ASCII
)

_VERSION: Final = 0xA0
_UTC_TIME: Final = 0x17
_FIELDS_BEFORE_VALIDITY: Final = 3
"""Serial number, algorithm and issuer (RFC 5280, 4.1)."""


def soonest_not_after_seconds(pem: str) -> float | None:
    """When the first certificate in ``pem`` expires, in seconds since the epoch; None where they cannot be read."""
    try:
        found = [_not_after_seconds(ssl.PEM_cert_to_DER_cert(each.replace("X509 ", ""))) for each in _PEM.findall(pem)]
    except (ValueError, IndexError):
        return None
    return min(found, default=None)


def _not_after_seconds(certificate: bytes) -> float:
    _, whole, _ = _content(certificate, 0)
    _, at, _ = _content(certificate, whole)  # what is signed of it
    if certificate[at] == _VERSION:
        at = _content(certificate, at)[2]
    for _ in range(_FIELDS_BEFORE_VALIDITY):
        at = _content(certificate, at)[2]
    _, not_before, _ = _content(certificate, at)
    tag, begin, end = _content(certificate, _content(certificate, not_before)[2])
    text = certificate[begin:end].decode("ascii")
    if tag == _UTC_TIME:  # two digits of the year, from 1950 on
        text = ("19" if text >= "50" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()


def _content(der: bytes, at: int) -> tuple[int, int, int]:
    """Tag, begin and end of what the element at ``at`` holds (DER: a tag, a length, the content)."""
    length, begin = der[at + 1], at + 2
    if length >= 0x80:  # the length's own length
        begin += length - 0x80
        length = int.from_bytes(der[at + 2 : begin])
    return der[at], begin, begin + length
