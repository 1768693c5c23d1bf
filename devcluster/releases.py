"""Official releases: downloaded from their projects' sites and compared with the checksum published beside each."""

from __future__ import annotations

import hashlib
import platform
import socket
import tarfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache as memoised
from pathlib import Path

from devcluster.errors import BinaryError
from devcluster.progress import Progress

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())

_CONNECT_SECONDS = 3.0
_READ_SECONDS = 60.0


@dataclass(frozen=True)
class Release:
    """One download: `members` maps paths in an archive to program names, empty where the file is the program."""

    name: str
    url: str
    checksum_url: str
    members: dict[str, str] = field(default_factory=dict)


def kubernetes(version: str, programs: Sequence[str]) -> tuple[Release, ...]:
    """Return the downloads of Kubernetes programs."""
    base = f"https://dl.k8s.io/v{version}/bin/linux/{ARCHITECTURE}"
    return tuple(Release(name, f"{base}/{name}", f"{base}/{name}.sha256") for name in programs)


def etcd(version: str) -> Release:
    """Return the download of etcd."""
    base = f"https://github.com/etcd-io/etcd/releases/download/v{version}"
    stem = f"etcd-v{version}-linux-{ARCHITECTURE}"
    return Release("etcd", f"{base}/{stem}.tar.gz", f"{base}/SHA256SUMS", {f"{stem}/etcd": "etcd"})


def containerd(version: str, programs: Sequence[str]) -> Release:
    """Return the download of containerd, linked statically."""
    url = (
        f"https://github.com/containerd/containerd/releases/download/v{version}/"
        f"containerd-static-{version}-linux-{ARCHITECTURE}.tar.gz"
    )
    return Release("containerd", url, f"{url}.sha256sum", {f"bin/{name}": name for name in programs})


def helm(version: str) -> Release:
    """Return the download of helm."""
    url = f"https://get.helm.sh/helm-v{version}-linux-{ARCHITECTURE}.tar.gz"
    return Release("helm", url, f"{url}.sha256sum", {f"linux-{ARCHITECTURE}/helm": "helm"})


def reachable(release: Release, progress: Progress) -> bool:
    """Say whether the release's site answers within three seconds; if not, tell so once per site."""
    host = urllib.parse.urlsplit(release.url).hostname or ""
    reason = _unreachable(host)
    if reason:
        progress(f"{release.name}: {host} cannot be reached ({reason}); taking the next source")
    return not reason


@memoised
def _unreachable(host: str) -> str:
    try:
        socket.create_connection((host, 443), timeout=_CONNECT_SECONDS).close()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def fetch(release: Release, directory: Path) -> None:
    """Download a release into `directory` and check it; raises `BinaryError`, leaving no file under its final name."""
    expected = published_checksum(_read_text(release.checksum_url), release.url.rsplit("/", 1)[1])
    if expected is None:
        raise BinaryError(f"{release.checksum_url}: names no checksum for {release.url}")
    part = directory / f".{release.name}.part"
    digest = hashlib.sha256()
    try:
        with urllib.request.urlopen(release.url, timeout=_READ_SECONDS) as source, part.open("wb") as target:  # noqa: S310
            while block := source.read(1 << 20):
                digest.update(block)
                target.write(block)
    except (OSError, urllib.error.URLError) as error:
        raise BinaryError(f"{release.url}: {error}; run again when the network is back") from error
    if digest.hexdigest() != expected:
        raise BinaryError(f"{release.url}: SHA-256 is {digest.hexdigest()}, published is {expected}; not used")
    if not release.members:
        part.rename(directory / release.name)
        return
    with tarfile.open(part) as archive:
        for member, name in release.members.items():
            content = archive.extractfile(member)
            if content is None:
                raise BinaryError(f"{release.url}: holds no file {member}")
            (directory / name).write_bytes(content.read())
    part.unlink()


def published_checksum(text: str, file_name: str) -> str | None:
    """Find a file's SHA-256 in a checksum file: a digest alone, or lines of digest and name."""
    for line in text.splitlines():
        words = line.split()
        if words and len(words[0]) == 64 and (len(words) == 1 or words[-1].lstrip("*").rsplit("/", 1)[-1] == file_name):
            return words[0].lower()
    return None


def _read_text(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=_READ_SECONDS) as source:  # noqa: S310
            return bytes(source.read(1 << 20)).decode()
    except (OSError, urllib.error.URLError) as error:
        raise BinaryError(f"{url}: {error}; run again when the network is back") from error
