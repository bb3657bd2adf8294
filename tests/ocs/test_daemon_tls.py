"""The daemon with TLS at its Diameter door: where it listens, and new certificates on SIGHUP."""

import os
import signal
import socket
import ssl
import time
from pathlib import Path

import pytest

from tests.certificates import OPENSSL, Authority
from tests.house import House

pytestmark = pytest.mark.skipif(OPENSSL is None, reason="makes its certificates with the openssl program")


@pytest.fixture
def authority(tmp_path):
    (tmp_path / "authority").mkdir()
    return Authority(tmp_path / "authority")


def settings(authority, directory, **more) -> dict[str, str]:
    certificate, key = install(authority, directory)
    files = f'certificate = "{certificate}", key = "{key}", authorities = "{authority.certificate}"'
    return {"OCS_DIAMETER__TLS": f"{{ port = 0, watch = 3600, {files} }}", **more}


def install(authority, directory) -> tuple[Path, Path]:
    """A new certificate for the daemon, in place of the old one."""
    files = directory / "certificate.pem", directory / "key.pem"
    for source, target in zip(authority.issue("ocs.example.net"), files, strict=True):
        target.write_bytes(source.read_bytes())
    return files


def served(house, context) -> bytes:
    with (
        socket.create_connection(("127.0.0.1", house.ports["diameter_tls"]), timeout=5) as plain,
        context.wrap_socket(plain) as secure,
    ):
        return secure.getpeercert(binary_form=True)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_certificates_are_renewed_on_sighup_and_nothing_ends(tmp_path, authority, workers):
    context = authority.context("pgw1.epc.example.net", ssl.PROTOCOL_TLS_CLIENT)
    with House(tmp_path, **settings(authority, tmp_path, OCS_DAEMON__WORKERS=workers)) as house:
        before = served(house, context)
        install(authority, tmp_path)
        assert served(house, context) == before
        os.kill(house.ports["pid"], signal.SIGHUP)
        end = time.monotonic() + 20
        while {served(house, context) for _ in range(8)} & {before}:
            assert time.monotonic() < end
            time.sleep(0.05)
        assert house.get("/readyz")["status"] == "ready"


@pytest.mark.parametrize("workers", ["1", "2"])
def test_certificates_that_cannot_be_used_stop_the_start_with_the_reason(tmp_path, authority, workers):
    changed = settings(authority, tmp_path, OCS_DAEMON__WORKERS=workers)
    (tmp_path / "key.pem").write_text("nonsense")
    with pytest.raises(AssertionError, match=r"key\.pem") as caught, House(tmp_path, **changed):
        pass
    assert "Traceback" not in str(caught.value)
