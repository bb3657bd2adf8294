"""freeDiameter 1.2.1, whose TLS is GnuTLS, connects to our TLS port, and is connected to."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from ocs.diameter.answer import Answer
from ocs.diameter.message import Message
from ocs.diameter.settings import ConnectSettings, DiameterSettings, TlsSettings
from ocs.server import DiameterServer, PeerInfo
from tests.certificates import OPENSSL, Authority
from tests.interop.programs import Program

OURS, THEIRS = "ocs.example.net", "gateway.example.net"
EXTENSIONS = "/usr/lib/freeDiameter"

pytestmark = [
    pytest.mark.needs("freeDiameterd", f"{EXTENSIONS}/dict_dcca.fdx"),
    pytest.mark.skipif(OPENSSL is None, reason="makes its certificates with the openssl program"),
]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@contextlib.asynccontextmanager
async def serving(authority: Authority, **more: Any) -> AsyncIterator[DiameterServer]:
    certificate, key = map(str, authority.issue(OURS))
    tls = TlsSettings(port=0, certificate=certificate, key=key, authorities=str(authority.certificate))

    async def handle(request: Message, peer: PeerInfo) -> Answer:
        return Answer()

    server = DiameterServer(DiameterSettings(port=0, origin_host=OURS, tls=tls, **more), handle)
    await server.start()
    try:
        yield server
    finally:
        await server.drain()


@contextlib.asynccontextmanager
async def gateway(authority: Authority, directory: Path, own_port: int, connect: str) -> AsyncIterator[Program]:
    certificate, key = map(str, authority.issue(THEIRS))
    whitelist, config = directory / "peers", directory / "freediameter.conf"
    whitelist.write_text(f"{OURS}\n")
    template = (Path(__file__).parent / "freediameter-tls.conf").read_text()
    values = {"certificate": certificate, "key": key, "authorities": str(authority.certificate), "connect": connect}
    values |= {"whitelist": str(whitelist), "extensions": EXTENSIONS, "origin_host": THEIRS}
    config.write_text(template.format(own_port=own_port, **values))
    program = await asyncio.to_thread(
        Program, f"freediameter-tls-{own_port}", ["freeDiameterd", "-c", str(config)], directory
    )
    try:
        yield program
    finally:
        await asyncio.to_thread(program.stop)


async def until(condition: Callable[[], bool], program: Program) -> None:
    for _ in range(600):
        if condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(program.said)


def is_open(server: DiameterServer, state: str) -> bool:
    return [(peer.host, peer.state) for peer in server.peers()] == [(THEIRS, state)]


@pytest.mark.rfc("6733", "13.1")
async def test_it_connects_to_us(authority: Authority, tmp_path: Path) -> None:
    async with serving(authority) as server:
        connect = f'ConnectPeer = "{OURS}" {{ ConnectTo = "127.0.0.1"; Port = {server.tls_port}; }};'
        async with gateway(authority, tmp_path, free_port(), connect) as program:
            await until(lambda: is_open(server, "r-open"), program)
            await until(lambda: "'Device-Watchdog-Answer'" in program.said, program)


@pytest.mark.rfc("6733", "13.1")
async def test_we_connect_to_it(authority: Authority, tmp_path: Path) -> None:
    port = free_port()
    async with gateway(authority, tmp_path, port, "") as program:
        peer = ConnectSettings(host="127.0.0.1", port=port, origin_host=THEIRS, tls=True)
        async with serving(authority, connect=(peer,), reconnect=0.5) as server:
            await until(lambda: is_open(server, "i-open"), program)
