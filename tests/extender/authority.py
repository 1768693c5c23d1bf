"""A certificate authority for tests: openssl makes what it is asked for."""

from __future__ import annotations

import subprocess
from pathlib import Path

from foretide_extender.certificates import Files

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Authority:
    """An authority of its own, and what it signs, in ``directory``."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self._directory = directory
        self.certificate = directory / "ca.crt"
        usage = ("-addext", "keyUsage=critical,keyCertSign,cRLSign", "-subj", f"/CN={directory.name}")
        self._openssl("req", "-x509", *_KEY, "-keyout", "ca.key", "-out", "ca.crt", "-days", "2", *usage)

    def server(self, *, days: int = 2) -> Files:
        """A server's certificate and key for this machine, with this authority for its clients; 0 days have passed."""
        names = "DNS:localhost,DNS:foretide-extender.foretide-system.svc,IP:127.0.0.1"
        return Files(*self._leaf("server", "serverAuth", f"subjectAltName={names}\n", days), self.certificate)

    def client(self) -> tuple[Path, Path]:
        """Certificate and key of a client."""
        return self._leaf("client", "clientAuth", "", 2)

    def _leaf(self, name: str, usage: str, more: str, days: int) -> tuple[Path, Path]:
        (self._directory / "extensions").write_text(
            f"authorityKeyIdentifier=keyid\nkeyUsage=critical,digitalSignature\nextendedKeyUsage={usage}\n{more}"
        )
        self._openssl("req", *_KEY, "-keyout", f"{name}.key", "-out", "request", "-subj", f"/CN={name}")
        signed_by = (
            "-CA",
            "ca.crt",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-extfile",
            "extensions",
            "-days",
            str(days),
        )
        self._openssl("x509", "-req", "-in", "request", *signed_by, "-out", f"{name}.crt")
        return self._directory / f"{name}.crt", self._directory / f"{name}.key"

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self._directory, capture_output=True, check=True)
