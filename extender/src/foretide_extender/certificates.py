"""TLS of the scheduler's port: who may connect, and by which certificate this process is known.

The files are those of a mounted Secret, which kubelet replaces when it changes. They are looked at again and again, so
that a renewed certificate needs no restart. What cannot be used keeps the former in force, and is tried again: the
reason may pass without the files changing once more.
"""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from foretide_extender.expiry import soonest_not_after_seconds

log = logging.getLogger(__name__)

RETRY_SECONDS: Final = 10.0
"""After so long files that could not be used are tried again."""

_Versions = tuple[tuple[int, int, int] | None, ...]


class CertificateError(ValueError):
    """The files cannot be used; the message names them and says why."""


class Files(NamedTuple):
    """PEM files: the certificate with its chain, its key, and the authorities that sign clients' certificates."""

    certificate: Path
    key: Path
    client_authority: Path


class Certificates:
    """The TLS context by ``files`` as they are now; CertificateError where they cannot be used to begin with.

    ``clock`` gives monotonic seconds, ``now_seconds`` those since the epoch. For one thread, but for what is public.
    ``has_failed`` says that the files have changed and cannot be used; ``not_after_seconds`` when the first certificate
    in a file expires that is in force, in seconds since the epoch, without those that do not say it.
    """

    def __init__(
        self,
        files: Files,
        *,
        clock: Callable[[], float] = time.monotonic,
        now_seconds: Callable[[], float] = time.time,
    ) -> None:
        self._files = files
        self._clock = clock
        self._now_seconds = now_seconds
        self._tried = _versions(files)
        self._tried_seconds = clock()
        self.has_failed = False
        self.not_after_seconds: dict[str, float] = {}
        self._context = self._load()

    def context(self) -> ssl.SSLContext:
        """What a new connection is to use."""
        self.look()
        return self._context

    def look(self) -> None:
        """Take the files if they have changed, or could not be used some seconds ago."""
        versions, now = _versions(self._files), self._clock()
        has_changed = versions != self._tried
        if not has_changed and not (self.has_failed and now - self._tried_seconds >= RETRY_SECONDS):
            return
        self._tried, self._tried_seconds = versions, now
        try:
            self._context = self._load()
        except CertificateError as error:
            self.has_failed = True
            if has_changed:
                log.error("the certificates have changed, and those from before stay in force: %s", error)  # noqa: TRY400 - one line
        else:
            self.has_failed = False
            log.info("took the changed certificates")

    def _load(self) -> ssl.SSLContext:
        context = _context(self._files)
        self.not_after_seconds = _not_after_seconds(self._files)
        for path, seconds in self.not_after_seconds.items():
            if seconds <= self._now_seconds():
                expired = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
                log.warning("%s holds a certificate that expired at %s", path, expired)
        return context


def _versions(files: Files) -> _Versions:
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


def _not_after_seconds(files: Files) -> dict[str, float]:
    """By path when the first certificate in it expires, in seconds since the epoch."""
    found: dict[str, float] = {}
    for path in (files.certificate, files.client_authority):
        try:
            seconds = soonest_not_after_seconds(path.read_text(errors="replace"))
        except OSError:
            continue
        if seconds is not None:
            found[str(path)] = seconds
    return found


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
