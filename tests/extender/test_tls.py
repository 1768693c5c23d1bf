"""The scheduler's port by TLS, with real sockets and certificates: who gets in, and what becomes of changed files."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path

import pytest

from foretide_extender import certificates as certificates_module
from foretide_extender.certificates import RETRY_SECONDS, CertificateError, Certificates, Files
from foretide_extender.handshake import ALL_PER_SECOND, EACH_AT_ONCE, MOST_HANDSHAKES
from foretide_extender.metrics import Metrics
from foretide_extender.posting import JSON, Answer, Body, Route
from foretide_extender.server import listen_to_scheduler
from foretide_extender.settings import Address
from tests.extender.authority import Authority
from tests.extender.clock import Clock

LARGEST_BYTES = 2**23
REQUEST = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s"


def echo(body: Body, _: float) -> Answer:
    return Answer(HTTPStatus.OK, JSON, bytes(body))


ROUTES = {b"/echo": Route(echo, lambda: Answer(HTTPStatus.BAD_REQUEST, JSON, b"too large"))}
Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Counting(Metrics):
    """Remembers why connections were given up."""

    def __init__(self) -> None:
        super().__init__()
        self.given_up: Counter[str] = Counter()

    def gave_up(self, reason: str) -> None:
        self.given_up.update([reason])


@asynccontextmanager
async def serving(certificates: Certificates) -> AsyncIterator[tuple[int, Counter[str]]]:
    metrics = Counting()
    server = await listen_to_scheduler(
        ROUTES, metrics, Address("127.0.0.1", 0), max_body_bytes=LARGEST_BYTES, certificates=certificates
    )
    async with server, asyncio.timeout(30):
        yield server.sockets[0].getsockname()[1], metrics.given_up


def known(authority: Authority, trusted: Authority | None = None) -> ssl.SSLContext:
    """A client that ``authority`` knows; it trusts the same one, or another."""
    context = ssl.create_default_context(cafile=str((trusted or authority).certificate))
    context.load_cert_chain(*authority.client())
    return context


@asynccontextmanager
async def connected(port: int, context: ssl.SSLContext) -> AsyncIterator[Pair]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        yield reader, writer
    finally:
        writer.close()


async def asked(pair: Pair, body: bytes) -> bytes:
    reader, writer = pair
    writer.write(REQUEST % (len(body), body))
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    return await reader.readexactly(len(body))


async def is_refused(port: int, context: ssl.SSLContext) -> bool:
    """Whether no answer is to be had; by TLS 1.3 a client learns of that after its own part is done."""
    try:
        async with connected(port, context) as pair:
            await asked(pair, b"one")
    except (OSError, asyncio.IncompleteReadError):
        return True
    return False


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls") / "ours")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls") / "theirs")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_who_is_known_asks_as_often_and_as_much_as_without_tls(
    authority: Authority, version: ssl.TLSVersion
) -> None:
    context = known(authority)
    context.minimum_version = context.maximum_version = version
    large = b"".join(b"%d," % number for number in range(1_000_000))
    assert LARGEST_BYTES / 2 < len(large) < LARGEST_BYTES
    async with serving(Certificates(authority.server())) as (port, given_up), connected(port, context) as pair:
        for body in (b"one", large, b"", large, b"two"):
            assert await asked(pair, body) == body
    assert not given_up


async def test_http_1_is_agreed_upon_with_who_would_speak_another(authority: Authority) -> None:
    context = known(authority)
    context.set_alpn_protocols(["h2", "http/1.1"])
    async with serving(Certificates(authority.server())) as (port, _), connected(port, context) as (_, writer):
        assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_nobody_gets_in_without_a_certificate_of_the_authority_or_by_old_tls(
    authority: Authority, other: Authority
) -> None:
    nobody = ssl.create_default_context(cafile=str(authority.certificate))
    old = known(authority)
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    async with serving(Certificates(authority.server())) as (port, given_up):
        for context in (nobody, known(other, trusted=authority), old):
            assert await is_refused(port, context)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(REQUEST % (3, b"one"))
        assert b"HTTP" not in await reader.read()
        writer.close()
        assert not await is_refused(port, known(authority))
    assert given_up == {"HandshakeFailed": 4}


async def silent(port: int, number: int) -> Pair:
    """One of many at addresses of their own who connects and says nothing."""
    return await asyncio.open_connection("127.0.0.1", port, local_addr=(f"127.0.1.{number}", 0))


async def test_those_who_say_nothing_keep_nobody_out_who_is_known(authority: Authority) -> None:
    async with serving(Certificates(authority.server())) as (port, given_up), connected(port, known(authority)) as pair:
        strangers = []
        for number in range(MOST_HANDSHAKES + 5):
            strangers.append(await silent(port, number))
            await asyncio.sleep(1 / ALL_PER_SECOND)
        assert not await is_refused(port, known(authority))
        assert await asked(pair, b"one") == b"one"
        for reader, _ in strangers[:5]:
            assert await reader.read() == b""
        assert given_up["TooManyConnections"] >= 5
        for _, writer in strangers:
            writer.close()


async def test_who_connects_again_and_again_is_left_standing_and_takes_nobody_s_place(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    context = ssl.create_default_context(cafile=str(authority.certificate))
    async with serving(Certificates(authority.server())) as (port, given_up), connected(port, known(authority)) as pair:
        for _ in range(10 * EACH_AT_ONCE):
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(
                    "127.0.0.1", port, ssl=context, local_addr=("127.0.0.2", 0), server_hostname="127.0.0.1"
                )
                writer.close()
        assert given_up["TooManyHandshakes"] > 0
        assert given_up["TooManyHandshakes"] + given_up["HandshakeFailed"] == 10 * EACH_AT_ONCE
        assert not await is_refused(port, known(authority))
        assert await asked(pair, b"one") == b"one"
    assert 1 <= len(caplog.records) <= given_up["HandshakeFailed"]


class Mounted:
    """A Secret as kubelet mounts it: names that lead to a folder which is replaced as a whole."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._version = 0
        self.files = Files(*(directory / name for name in ("tls.crt", "tls.key", "ca.crt")))
        for path in self.files:
            path.symlink_to(Path("..data") / path.name)

    def hold(self, given: Files) -> None:
        self._version += 1
        version = self._directory / f"..{self._version}"
        version.mkdir()
        for path, content in zip(self.files, given, strict=True):
            (version / path.name).write_bytes(content.read_bytes())
        link = self._directory / "..data_tmp"
        link.symlink_to(version.name)
        link.replace(self._directory / "..data")


async def test_changed_certificates_hold_for_who_connects_from_then_on(
    authority: Authority, other: Authority, tmp_path: Path
) -> None:
    mounted = Mounted(tmp_path)
    mounted.hold(authority.server())
    async with (
        serving(Certificates(mounted.files)) as (port, _),
        connected(port, known(authority)) as pair,
    ):
        assert await is_refused(port, known(other))
        mounted.hold(other.server())
        assert not await is_refused(port, known(other))
        assert await is_refused(port, known(authority, trusted=other))
        assert await asked(pair, b"one") == b"one"


async def test_changed_certificates_that_cannot_be_used_leave_the_former_in_force(
    authority: Authority, other: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mounted = Mounted(tmp_path)
    mounted.hold(authority.server())
    async with serving(Certificates(mounted.files)) as (port, _):
        mounted.hold(other.server()._replace(key=authority.server().key))
        assert not await is_refused(port, known(authority))
        assert "stay in force" in caplog.text
        mounted.hold(other.server())
        assert not await is_refused(port, known(other))


def test_files_that_could_not_be_used_are_tried_again_though_they_are_the_same_and_complained_of_once(
    authority: Authority,
    other: Authority,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mounted, clock = Mounted(tmp_path), Clock()
    mounted.hold(authority.server())
    certificates = Certificates(mounted.files, clock=clock)
    former = certificates.context()
    mounted.hold(other.server())
    with monkeypatch.context() as patch:
        patch.setattr(certificates_module, "_context", too_many_open_files)
        for _ in range(5):
            assert certificates.context() is former
            assert certificates.has_failed
            clock.seconds += RETRY_SECONDS
    (complaint,) = caplog.records
    assert "Too many open files" in complaint.message
    assert complaint.exc_info is None
    clock.seconds -= 2 * RETRY_SECONDS
    assert certificates.context() is former, "tried again all the time"
    clock.seconds += 2 * RETRY_SECONDS
    assert certificates.context() is not former
    assert not certificates.has_failed


def too_many_open_files(_: Files) -> ssl.SSLContext:
    raise CertificateError("tls.crt cannot be used: Too many open files")


async def test_metrics_say_when_certificates_expire_and_that_changed_ones_cannot_be_used(
    authority: Authority, other: Authority, tmp_path: Path
) -> None:
    mounted, metrics = Mounted(tmp_path), Metrics()
    mounted.hold(authority.server(days=1))
    certificates = Certificates(mounted.files)

    def value(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(f"foretide_extender_certificate_{name}", labels)

    def days_left(path: Path) -> float:
        seconds = value("not_after_timestamp_seconds", file=str(path))
        assert seconds is not None
        return (seconds - time.time()) / 86400

    address = Address("127.0.0.1", 0)
    async with await listen_to_scheduler(ROUTES, metrics, address, max_body_bytes=1, certificates=certificates):
        assert days_left(mounted.files.certificate) == pytest.approx(1, abs=0.1)
        assert days_left(mounted.files.client_authority) == pytest.approx(2, abs=0.1)
        assert value("reload_failed") == 0
        mounted.hold(other.server()._replace(key=authority.server().key))
        certificates.look()
        assert value("reload_failed") == 1
        assert days_left(mounted.files.certificate) == pytest.approx(1, abs=0.1)
        mounted.hold(other.server())
        certificates.look()
        assert value("reload_failed") == 0
        assert days_left(mounted.files.certificate) == pytest.approx(2, abs=0.1)


def test_a_certificate_that_has_expired_is_used_and_warned_of(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    files = authority.server()
    Certificates(files)
    assert not caplog.records
    Certificates(files, now_seconds=lambda: time.time() + 3 * 86400)
    assert [str(path) in record.message for path, record in zip(files[::2], caplog.records, strict=True)] == [True] * 2
    assert "expired at 20" in caplog.text


def test_files_that_cannot_be_used_to_begin_with_are_named(authority: Authority, tmp_path: Path) -> None:
    files = authority.server()
    empty = tmp_path / "empty.crt"
    empty.touch()
    for wrong, named in (
        (files._replace(certificate=tmp_path / "none.crt"), "none.crt"),
        (files._replace(key=files.certificate), "server.crt"),
        (files._replace(client_authority=empty), "empty.crt"),
    ):
        with pytest.raises(CertificateError, match=named):
            Certificates(wrong)
