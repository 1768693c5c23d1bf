"""Official releases: downloaded from their projects' sites and compared with the checksum published beside each."""

from __future__ import annotations

import hashlib
import http.client
import platform
import tarfile
import tempfile
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from devcluster.errors import BinaryError, ChecksumError

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())

_ANSWER_SECONDS = 5.0
"""For a checksum's file, which is small and asked for first: so long does a site without answer hold others up."""
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


def helm(version: str, name: str = "helm") -> Release:
    """Return the download of helm, whose program is called `name` here."""
    url = f"https://get.helm.sh/helm-v{version}-linux-{ARCHITECTURE}.tar.gz"
    return Release(name, url, f"{url}.sha256sum", {f"linux-{ARCHITECTURE}/helm": name})


def fetch(release: Release, directory: Path) -> None:
    """Download a release into `directory`, leaving nothing else there; raises `BinaryError`, or its `ChecksumError`."""
    expected = published_checksum(_read_text(release.checksum_url), release.url.rsplit("/", 1)[1])
    if expected is None:
        raise BinaryError(f"{release.checksum_url}: names no checksum for {release.url}")
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        got = Path(scratch) / release.name
        digest = _download(release.url, got)
        if digest != expected:
            raise ChecksumError(f"{release.url}: SHA-256 is {digest}, published is {expected}; not used")
        if not release.members:
            got.rename(directory / release.name)
            return
        with tarfile.open(got) as archive:
            for member, name in release.members.items():
                content = archive.extractfile(member)
                if content is None:
                    raise BinaryError(f"{release.url}: holds no file {member}")
                (directory / name).write_bytes(content.read())


def _download(url: str, target: Path) -> str:
    """Write what a site gives to a file and return its SHA-256."""
    digest = hashlib.sha256()
    try:
        with urllib.request.urlopen(url, timeout=_READ_SECONDS) as source, target.open("wb") as file:  # noqa: S310
            while block := source.read(1 << 20):
                digest.update(block)
                file.write(block)
            missing_bytes = source.length
    except (OSError, http.client.HTTPException) as error:
        raise BinaryError(f"{url}: {error}") from error
    if missing_bytes:
        raise BinaryError(f"{url}: broke off {missing_bytes} bytes before its end")
    return digest.hexdigest()


def published_checksum(text: str, file_name: str) -> str | None:
    """Find a file's SHA-256 in a checksum file: a digest alone, or lines of digest and name."""
    for line in text.splitlines():
        words = line.split()
        if words and len(words[0]) == 64 and (len(words) == 1 or words[-1].lstrip("*").rsplit("/", 1)[-1] == file_name):
            return words[0].lower()
    return None


def _read_text(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=_ANSWER_SECONDS) as source:  # noqa: S310
            return bytes(source.read(1 << 20)).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        raise BinaryError(f"{url}: {error}") from error
