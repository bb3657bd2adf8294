"""The SIP door over TLS in the running server, by one process and by workers."""

import asyncio
import socket
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.house import House

OPTIONS = (
    b"OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TLS proxy.example.net;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n"
    b"To: <sip:127.0.0.1>\r\nCall-ID: tls\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)


@pytest.fixture
def books_close() -> None:
    """Nothing is charged here."""


@pytest.mark.needs("openssl")
@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_proxy_with_a_certificate_is_answered(tmp_path: Path, workers: str) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("credit.example.net")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    files = f'certificate = "{certificate}", key = "{key}", authorities = "{authority.certificate}"'
    settings = {
        "OCS_DAEMON__WORKERS": workers,
        "OCS_SIP_CREDIT__TLS": f"{{ enabled = true, port = {port}, {files} }}",
    }
    with House(tmp_path, **settings):
        context = authority.context("proxy.example.net")
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        writer.write(OPTIONS)
        assert (await asyncio.wait_for(reader.readline(), 10)).startswith(b"SIP/2.0 200 ")
        writer.close()
