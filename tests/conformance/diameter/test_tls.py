"""TLS on its own port (RFC 6733 section 13.1): mutual certificates, identity held against them, renewal."""

import asyncio
import ssl
from pathlib import Path

import msgspec
import pytest

from ocs.diameter import avps
from ocs.diameter.settings import TlsSettings
from ocs.tls import UnusableCertificate
from tests.certificates import OPENSSL, Authority

pytestmark = [
    pytest.mark.rfc("6733", "13.1"),
    pytest.mark.skipif(OPENSSL is None, reason="makes its certificates with the openssl program"),
]


def write(path: str, text: bytes) -> None:
    Path(path).write_bytes(text)


HOST = "pgw1.epc.example.net"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def tls(authority, tmp_path):
    """The server's settings, on files of this test's own."""
    files = [tmp_path / name for name in ("certificate.pem", "key.pem", "authorities.pem")]
    for source, target in zip([*authority.issue("ocs.example.net"), authority.certificate], files, strict=True):
        target.write_bytes(source.read_bytes())
    certificate, key, authorities = map(str, files)
    return TlsSettings(port=0, certificate=certificate, key=key, authorities=authorities)


async def refused(door, context) -> bool:
    """With TLS 1.3 a client learns only after its own handshake that its certificate was not good enough."""
    try:
        client = await door.connect(context)
        return await client.closed()
    except (ssl.SSLError, ConnectionError):
        return True


async def test_peer_with_a_good_certificate_is_served(make_door, tls, authority, build):
    door = await make_door(tls=tls)
    client = await door.connect(authority.context(HOST))
    assert (await client.introduce(build.cer())).get(avps.RESULT_CODE) == 2001
    assert (await client.ask(build.ccr())).get(avps.RESULT_CODE) == 2001
    assert client.writer.get_extra_info("ssl_object").version() in ("TLSv1.2", "TLSv1.3")
    plain = await door.open("pgw2.epc.example.net")
    assert (await plain.ask(build.ccr())).get(avps.RESULT_CODE) == 2001


async def test_flood_over_tls_is_answered_whole(make_door, tls, authority, build):
    door = await make_door(tls=tls)
    client = await door.connect(authority.context(HOST))
    await client.introduce(build.cer())
    for number in range(1000):
        client.send(build.ccr(session=f"s;{number}"))
    assert {(await client.read()).get(avps.RESULT_CODE) for _ in range(1000)} == {2001}


async def test_peer_without_a_certificate_is_refused(make_door, tls, authority):
    assert await refused(await make_door(tls=tls), authority.context())


async def test_peer_of_another_authority_is_refused(make_door, tls, authority, tmp_path):
    stranger = Authority(tmp_path, "stranger").context(HOST)
    stranger.load_verify_locations(authority.certificate)
    assert await refused(await make_door(tls=tls), stranger)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_tls_before_1_2_is_refused(make_door, tls, authority):
    old = authority.context(HOST)
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    assert await refused(await make_door(tls=tls), old)


async def test_plain_diameter_on_the_tls_port_is_closed(make_door, tls, build):
    door = await make_door(tls=tls)
    reader, writer = await asyncio.open_connection("127.0.0.1", door.server.tls_port)
    writer.write(bytes.fromhex("0100001480000101") + bytes(12))
    assert len(await asyncio.wait_for(reader.read(), 5)) < 20  # at most a TLS alert
    writer.close()
    assert door.server.peers() == ()


@pytest.mark.parametrize(("match_identity", "code"), [(True, 3010), (False, 2001)])
async def test_origin_host_must_be_in_the_certificate(make_door, tls, authority, build, match_identity, code):
    door = await make_door(tls=msgspec.structs.replace(tls, match_identity=match_identity))
    client = await door.connect(authority.context("pgw2.epc.example.net"))
    assert (await client.introduce(build.cer())).get(avps.RESULT_CODE) == code
    if code == 3010:
        assert await client.closed()


def served_certificate(client) -> bytes:
    return client.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)


@pytest.mark.parametrize("renew", ["by hand", "by itself"])
async def test_renewed_certificates_are_for_new_connections_and_open_ones_stay(make_door, tls, authority, build, renew):
    door = await make_door(tls=msgspec.structs.replace(tls, watch=10 if renew == "by hand" else 0.05))
    context, other = authority.context(HOST), authority.context("pgw2.epc.example.net")
    client = await door.connect(context)
    await client.introduce(build.cer())
    before = served_certificate(client)
    certificate, key = authority.issue("ocs.example.net")
    write(tls.key, key.read_bytes())
    write(tls.certificate, certificate.read_bytes())
    if renew == "by hand":
        await door.server.reload()
    for _ in range(100):
        newcomer = await door.connect(other)
        if served_certificate(newcomer) != before:
            break
        newcomer.writer.close()
        await asyncio.sleep(0.05)
    assert served_certificate(newcomer) != before
    assert (await newcomer.introduce(build.cer("pgw2.epc.example.net"))).get(avps.RESULT_CODE) == 2001
    assert (await client.ask(build.ccr())).get(avps.RESULT_CODE) == 2001


async def test_unusable_renewal_leaves_the_old_certificates(make_door, tls, authority, build):
    door = await make_door(tls=tls)
    write(tls.key, b"nonsense")
    await door.server.reload()
    client = await door.connect(authority.context(HOST))
    assert (await client.introduce(build.cer())).get(avps.RESULT_CODE) == 2001


@pytest.mark.parametrize("which", ["certificate", "key", "authorities"])
async def test_unusable_files_stop_the_start_and_are_named(make_door, tls, which):
    write(getattr(tls, which), b"nonsense")
    with pytest.raises(UnusableCertificate, match=Path(getattr(tls, which)).name):
        await make_door(tls=tls)


def test_settings_are_complete_or_off():
    assert not TlsSettings().enabled
    with pytest.raises(ValueError, match="key"):
        TlsSettings(certificate="a.pem")
