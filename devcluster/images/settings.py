"""How this machine reaches package indexes: its CA file and pip's settings, lent to a build, never copied."""

from __future__ import annotations

import ast
import configparser
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from devcluster.command import run
from devcluster.errors import CommandError

_LENT = (
    "index-url",
    "extra-index-url",
    "find-links",
    "trusted-host",
    "timeout",
    "default-timeout",
    "no-index",
    "proxy",
)
_AUTHORITIES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_BASE_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"


@dataclass(frozen=True)
class PipSettings:
    """pip's settings of this machine: its CA file, and the options that say where packages come from."""

    authority: Path | None
    options: dict[str, str]

    def configuration(self) -> str:
        """Return a pip.conf for inside a build."""
        parser = configparser.ConfigParser(interpolation=None)
        certificate = {"cert": _BASE_AUTHORITIES} if self.authority else {}
        parser["global"] = {**certificate, **self.options}
        lines = [f"[{section}]" for section in parser.sections()]
        lines += [f"{key} = {value}" for key, value in parser["global"].items()]
        return "\n".join(lines) + "\n"

    def volumes(self, configuration: Path) -> list[str]:
        """Return buildah's volumes: the pip.conf at `configuration`, the CA file, local directories of wheels."""
        found = [f"{configuration}:/etc/pip.conf:ro"]
        if self.authority:
            found.append(f"{self.authority}:{_BASE_AUTHORITIES}:ro")
        links = self.options.get("find-links", "").split()
        found += [f"{link}:{link}:ro" for link in links if Path(link).is_dir()]
        return found


def parse(listing: str) -> dict[str, str]:
    """Read what `pip config list` prints (`global.cert='…'`); the environment comes after the files and wins."""
    found: dict[str, str] = {}
    for line in sorted(listing.splitlines(), key=lambda line: line.startswith(":env:")):
        name, separator, value = line.partition("=")
        if not separator:
            continue
        try:
            found[name.rsplit(".", 1)[-1]] = str(ast.literal_eval(value))
        except (ValueError, SyntaxError):
            continue
    return found


def detect() -> PipSettings:
    """Return this machine's settings, from pip where there is one, else from the environment."""
    found = parse(_listing())
    authority = found.get("cert") or next((os.environ[name] for name in _AUTHORITIES if name in os.environ), None)
    options = {name: " ".join(value.split()) for name, value in found.items() if name in _LENT}
    if "default-timeout" in options:
        options["timeout"] = options.pop("default-timeout")
    return PipSettings(Path(authority) if authority and Path(authority).is_file() else None, options)


def _listing() -> str:
    for argv in ([sys.executable, "-m", "pip"], [shutil.which("pip") or "pip"]):
        try:
            return run([*argv, "config", "list"], timeout_seconds=30)
        except CommandError:
            continue
    entries = {
        name[4:].lower().replace("_", "-"): value for name, value in os.environ.items() if name.startswith("PIP_")
    }
    return "\n".join(f":env:.{name}={value!r}" for name, value in entries.items())
