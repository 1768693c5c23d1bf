"""TLS of the scheduler's port: who may connect, and by which certificate this process is known.

The files are those of a mounted Secret, which kubelet replaces when it changes. They are looked at whenever somebody
connects, so that a renewed certificate needs no restart. What cannot be used keeps the former in force.
"""

from __future__ import annotations

import logging
import ssl
from pathlib import Path
from typing import NamedTuple

log = logging.getLogger(__name__)


class CertificateError(ValueError):
    """The files cannot be used; the message names them and says why."""


class Files(NamedTuple):
    """PEM files: the certificate with its chain, its key, and the authorities that sign clients' certificates."""

    certificate: Path
    key: Path
    client_authority: Path


class Certificates:
    """The TLS context by ``files`` as they are now; CertificateError where they cannot be used to begin with."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._seen = _versions(files)
        self._context = _context(files)

    def context(self) -> ssl.SSLContext:
        """What a new connection is to use."""
        versions = _versions(self._files)
        if versions != self._seen:
            self._seen = versions
            try:
                self._context = _context(self._files)
            except CertificateError:
                log.exception("the certificates have changed and cannot be used; those from before stay in force")
            else:
                log.info("took the changed certificates")
        return self._context


def _versions(files: Files) -> tuple[tuple[int, int, int] | None, ...]:
    """What changes with each file; None where it is not there."""
    versions: list[tuple[int, int, int] | None] = []
    for path in files:
        try:
            status = path.stat()
        except OSError:
            versions.append(None)
        else:
            versions.append((status.st_ino, status.st_mtime_ns, status.st_size))
    return tuple(versions)


def _context(files: Files) -> ssl.SSLContext:
    """TLS 1.2 or newer, and no client without a certificate that one of the authorities signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(files.certificate, files.key)
    except OSError as error:  # ssl.SSLError is one
        raise CertificateError(f"{files.certificate} with key {files.key} cannot be used: {error}") from error
    try:
        context.load_verify_locations(files.client_authority)
    except OSError as error:
        raise CertificateError(f"{files.client_authority} holds no certificate authority: {error}") from error
    return context
