"""TLS at the SIP door: who may come, by which name, and certificates renewed while connections are open."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sip_credit.message import Response
from sip_credit.server import SipServer
from sip_credit.settings import Certificates, Peer, Settings, Tls
from sip_credit.stream import MessageStream
from tests.certificates import Authority

House = Any  # the fixture's class lives in conftest, which is no module to import from

pytestmark = pytest.mark.needs("openssl")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def settings(authority: Authority, *peers: Peer, clients: Certificates = Certificates.REQUIRED) -> Settings:
    certificate, key = authority.issue("credit.example.net")
    tls = Tls(
        enabled=True,
        port=0,
        certificate=str(certificate),
        key=str(key),
        authorities=str(authority.certificate),
        client_certificates=clients,
    )
    return Settings(port=0, peers=peers or (Peer(),), tls=tls)


class Connection:
    """A proxy's connection over TLS."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.stream = MessageStream()

    async def ask(self, data: bytes) -> Response | None:
        """The answer, or None if the connection was closed instead."""
        self.writer.write(data)
        while (message := self.stream.next()) is None:
            try:
                octets = await asyncio.wait_for(self.reader.read(65536), 3)
            except (ConnectionError, ssl.SSLError):
                return None
            if not octets:
                return None
            self.stream.feed(octets)
        assert isinstance(message, Response)
        return message

    @property
    def server_serial(self) -> str:
        found: dict[str, Any] = self.writer.get_extra_info("peercert")
        return str(found["serialNumber"])


@asynccontextmanager
async def connect(house: House, context: ssl.SSLContext) -> AsyncIterator[Connection]:
    reader, writer = await asyncio.open_connection("127.0.0.1", house.server.tls_port, ssl=context)
    yield Connection(reader, writer)
    writer.transport.abort()


def options(house: House) -> bytes:
    return house.request("OPTIONS", "o").encode()  # type: ignore[no-any-return]


@pytest.mark.rfc("3261", "26.3.1")
async def test_a_call_over_tls(house: House, authority: Authority) -> None:
    await house.restart(settings(authority))
    await house.open("1.00")
    async with connect(house, authority.context("proxy.example.net")) as proxy:
        answer = await proxy.ask(house.invite().encode())
        assert answer is not None
        assert answer.status == 302
        assert (await proxy.ask(house.report("start", 0).encode())).status == 200  # type: ignore[union-attr]
        house.later(2)
        assert (await proxy.ask(house.report("stop", 2000).encode())).status == 200  # type: ignore[union-attr]
    assert await house.money() == (2, 0)


async def test_without_a_certificate_nobody_comes_in_unless_it_is_optional(house: House, authority: Authority) -> None:
    await house.restart(settings(authority))
    async with connect(house, authority.context()) as proxy:
        assert await proxy.ask(options(house)) is None
    await house.restart(settings(authority, clients=Certificates.OPTIONAL))
    async with connect(house, authority.context()) as proxy:
        assert await proxy.ask(options(house)) is not None


async def test_another_authority_is_none(house: House, authority: Authority, tmp_path: Path) -> None:
    await house.restart(settings(authority))
    (tmp_path / "other").mkdir()
    forger = Authority(tmp_path / "other", "forger")
    context = authority.context()
    context.load_cert_chain(*forger.issue("proxy.example.net"))
    async with connect(house, context) as proxy:
        assert await proxy.ask(options(house)) is None


@pytest.mark.rfc("5922", "7.2")
async def test_a_peer_is_known_by_address_and_name(house: House, authority: Authority) -> None:
    named = Peer(name="named", certificates=("Proxy.example.net",))
    await house.restart(settings(authority, named, clients=Certificates.OPTIONAL))
    async with connect(house, authority.context("proxy.example.net")) as proxy:
        assert await proxy.ask(options(house)) is not None
    for context in (authority.context("other.example.net"), authority.context()):
        async with connect(house, context) as proxy:
            assert await proxy.ask(options(house)) is None
    house.proxy.send(options(house))
    await house.proxy.silence()  # without TLS nobody can show a name
    assert house.watch.strangers == 3
    assert house.server.counters("named")["requests"] == 1


async def test_the_name_chooses_among_peers_at_one_address(house: House, authority: Authority) -> None:
    peers = Peer(name="a", certificates=("a.example.net",)), Peer(name="b")
    await house.restart(settings(authority, *peers, clients=Certificates.OPTIONAL))
    for host in ("a.example.net", "c.example.net"):
        async with connect(house, authority.context(host)) as proxy:
            assert await proxy.ask(options(house)) is not None
    assert [house.server.counters(name)["requests"] for name in "ab"] == [1, 1]


async def test_certificates_are_renewed_while_connections_are_open(house: House, authority: Authority) -> None:
    chosen = settings(authority)
    await house.restart(chosen)
    context = authority.context("proxy.example.net")
    async with connect(house, context) as old:
        assert await old.ask(options(house)) is not None
        assert house.server.renew() is False
        certificate, _ = authority.issue("credit.example.net")  # the same files, written anew
        assert house.server.renew() is True
        async with connect(house, context) as new:
            assert await new.ask(options(house)) is not None
            assert new.server_serial != old.server_serial
        certificate.write_text("no certificate")
        assert house.server.renew() is False  # what cannot be used is not
        async with connect(house, context) as still:
            assert await still.ask(options(house)) is not None
        assert await old.ask(options(house)) is not None


async def test_plain_talk_at_the_tls_port_ends_nothing(house: House, authority: Authority) -> None:
    await house.restart(settings(authority))
    reader, writer = await asyncio.open_connection("127.0.0.1", house.server.tls_port)
    writer.write(options(house))
    await asyncio.wait_for(reader.read(), 3)
    writer.close()
    async with connect(house, authority.context("proxy.example.net")) as proxy:
        assert await proxy.ask(options(house)) is not None


async def test_files_that_cannot_be_used_are_said_at_the_start(house: House, authority: Authority) -> None:
    chosen = settings(authority)
    missing = msgspec.structs.replace(chosen.tls, key=str(authority.directory / "nothing.key"))
    with pytest.raises(OSError):  # noqa: PT011  whatever OpenSSL or the system says
        SipServer(msgspec.structs.replace(chosen, tls=missing), house.gate)
    with pytest.raises(ValueError, match="needs"):
        Tls(enabled=True)
