"""Connections that we open: reconnection, goodbyes with a cause, elections, TLS; against servers and scripted peers."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from ocs.diameter import avps
from ocs.diameter.answer import Answer
from ocs.diameter.settings import ConnectSettings, DiameterSettings, TlsSettings
from ocs.server import DiameterServer
from tests.certificates import OPENSSL, Authority

pytestmark = pytest.mark.rfc("6733", "5.6")

LOW, HIGH = "aaa.example.net", "zzz.example.net"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


def towards(port: int, host: str, **more) -> dict:
    return {"connect": (ConnectSettings(host="127.0.0.1", port=port, origin_host=host, **more),), "reconnect": 0.05}


class Town:
    """Servers of this test, closed at its end."""

    def __init__(self) -> None:
        self.servers: list[DiameterServer] = []

    async def start(self, host: str, port: int = 0, **settings) -> DiameterServer:
        async def handle(request, peer):
            return Answer()

        server = DiameterServer(DiameterSettings(origin_host=host, port=port, **settings), handle)
        self.servers.append(server)
        await server.start()
        return server


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    town = Town()
    yield town
    for server in town.servers:
        await server.close()


class ScriptedPeer:
    """Listens where we connect to; the test does the talking."""

    def __init__(self, client: type) -> None:
        self._client = client
        self.arrived: asyncio.Queue = asyncio.Queue()

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self._server.sockets[0].getsockname()[1]

    def _accept(self, reader, writer) -> None:
        self.arrived.put_nowait(self._client(reader, writer))

    async def next(self):
        return await asyncio.wait_for(self.arrived.get(), 5)

    def stop(self) -> None:
        self._server.close()


@pytest.fixture
async def agent(build) -> AsyncIterator[ScriptedPeer]:
    agent = ScriptedPeer(build.client)
    agent.port = await agent.start()
    yield agent
    agent.stop()


async def until(condition) -> None:
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it does not come to that")


NOWHERE = frozenset(("closed", "wait-conn-ack", "unwanted"))


def states(server: DiameterServer) -> list[tuple[str, str]]:
    """Of the connections there are."""
    return [(peer.host, peer.state) for peer in server.peers() if peer.host and peer.state not in NOWHERE]


def given_up(server: DiameterServer) -> bool:
    """Has its first attempt failed, so that it pauses now?"""
    [dialer] = server._dialers.values()
    due = dialer.contact.due
    return due is not None and due > asyncio.get_running_loop().time() + 1 and not states(server)


async def test_we_connect_and_are_known(town):
    other = await town.start("dra.example.net")
    server = await town.start("ocs.example.net", **towards(other.port, "DRA.example.net"))
    await until(lambda: server.peers() and other.peers() and other.peers()[0].state == "r-open")
    assert states(server) == [("dra.example.net", "i-open")]
    assert states(other) == [("ocs.example.net", "r-open")]


async def test_we_come_back_when_the_peer_does(town):
    port = free_port()
    server = await town.start("ocs.example.net", **towards(port, "dra.example.net"))
    for _ in range(2):
        other = await town.start("dra.example.net", port)
        await until(lambda: states(server) == [("dra.example.net", "i-open")])
        await other.close()
        await until(lambda: not states(server))


async def test_somebody_else_is_refused(town):
    other = await town.start("impostor.example.net")
    server = await town.start("ocs.example.net", **towards(other.port, "dra.example.net") | {"reconnect": 30})
    await until(lambda: given_up(server))


@pytest.mark.parametrize(("realm", "welcome"), [("example.net", True), ("EXAMPLE.net", True), ("example.org", False)])
async def test_realm_is_held_to_where_it_is_given(town, realm, welcome):
    other = await town.start("dra.example.net")
    server = await town.start(
        "ocs.example.net", **towards(other.port, "dra.example.net", origin_realm=realm) | {"reconnect": 30}
    )
    await until(lambda: states(server) == [("dra.example.net", "i-open")] if welcome else given_up(server))


@pytest.mark.rfc("6733", "5.6.4")
@pytest.mark.parametrize(("own", "peer"), [(LOW, HIGH), (HIGH, LOW)])
async def test_two_that_connect_to_each_other_end_with_one_connection(town, own, peer):
    ports = free_port(), free_port()
    await asyncio.gather(
        town.start(own, ports[0], **towards(ports[1], peer)),
        town.start(peer, ports[1], **towards(ports[0], own)),
    )
    one, two = town.servers
    await until(lambda: {state for _, state in states(one) + states(two)} == {"i-open", "r-open"})
    await asyncio.sleep(0.2)
    assert sorted(state for _, state in states(one) + states(two)) == ["i-open", "r-open"]


async def introduced(agent, host: str = "dra.example.net"):
    client = await agent.next()
    cer = await client.read()
    assert (cer.command, cer.is_request, cer.flags_octet) == (257, True, 0x80)
    return client, cer


@pytest.mark.rfc("6733", "5.6.4")
@pytest.mark.parametrize("own", [LOW, HIGH])
async def test_election_while_the_peer_has_not_answered(town, agent, build, own):
    """Wait-I-CEA, R-Conn-CER: the higher identity keeps what it accepted, the lower what it opened."""
    other = "mmm.example.net"
    server = await town.start(own, **towards(agent.port, other))
    ours, cer = await introduced(agent)
    theirs = build.client(*await asyncio.open_connection("127.0.0.1", server.port))
    number = theirs.send(build.cer(other), flags=0x80, command=257, application=0)
    if own == HIGH:
        cea = await theirs.read()
        assert (cea.hop_by_hop, cea.get(avps.RESULT_CODE)) == (number, 2001)
        assert await ours.closed()
        assert states(server) == [(other, "r-open")]
    else:
        ours.answer(cer, host=other, more=[avps.AUTH_APPLICATION_ID.encode(4)])
        cea = await theirs.read()
        assert (cea.get(avps.RESULT_CODE), cea.is_error) == (4003, False)
        assert await theirs.closed()
        await until(lambda: states(server) == [(other, "i-open")])


@pytest.mark.rfc("6733", "5.6")
async def test_loser_of_an_election_admits_the_other_when_its_own_connection_ends(town, agent, build):
    """Wait-Returns, I-Peer-Disc: R-Snd-CEA."""
    server = await town.start(LOW, **towards(agent.port, "mmm.example.net"))
    ours, _ = await introduced(agent)
    theirs = build.client(*await asyncio.open_connection("127.0.0.1", server.port))
    theirs.send(build.cer("mmm.example.net"), flags=0x80, command=257, application=0)
    await until(lambda: "wait-returns" in [state for _, state in states(server)])
    ours.writer.close()
    assert (await theirs.read()).get(avps.RESULT_CODE) == 2001


@pytest.mark.rfc("6733", "5.4")
@pytest.mark.parametrize(("cause", "returns"), [(0, True), (1, False), (2, False)])
async def test_goodbye_with_its_cause(town, agent, build, cause, returns):
    server = await town.start("ocs.example.net", **towards(agent.port, "dra.example.net"))
    client, cer = await introduced(agent)
    client.answer(cer, host="dra.example.net", more=[avps.AUTH_APPLICATION_ID.encode(0xFFFFFFFF)])
    parts = [*build.head("dra.example.net"), avps.DISCONNECT_CAUSE.encode(cause)]
    assert (await client.ask(parts, flags=0x80, command=282, application=0)).get(avps.RESULT_CODE) == 2001
    client.writer.close()
    if not returns:
        await asyncio.sleep(0.3)
        assert agent.arrived.empty()
        [peer] = server.peers()
        assert (peer.host, peer.state, peer.address) == ("dra.example.net", "unwanted", f"127.0.0.1:{agent.port}")
        server.allow()
    await introduced(agent)


@pytest.mark.rfc("6733", "5.4")
async def test_peer_that_sent_us_away_and_comes_itself_is_connected_to_again(town, agent, build):
    server = await town.start("ocs.example.net", **towards(agent.port, "dra.example.net"))
    client, cer = await introduced(agent)
    client.answer(cer, host="dra.example.net", more=[avps.AUTH_APPLICATION_ID.encode(4)])
    parts = [*build.head("dra.example.net"), avps.DISCONNECT_CAUSE.encode(2)]
    await client.ask(parts, flags=0x80, command=282, application=0)
    client.writer.close()
    await until(lambda: not states(server))
    itself = build.client(*await asyncio.open_connection("127.0.0.1", server.port))
    assert (await itself.introduce(build.cer("dra.example.net"))).get(avps.RESULT_CODE) == 2001
    itself.writer.close()
    await introduced(agent)


@pytest.mark.rfc("3539", "3.4.1")
async def test_connection_lost_to_silence_is_proved_before_it_is_used(town, agent, build):
    server = await town.start("ocs.example.net", **towards(agent.port, "dra.example.net"))
    server._distrusted.add("dra.example.net")
    client, cer = await introduced(agent)
    client.answer(cer, host="dra.example.net", more=[avps.AUTH_APPLICATION_ID.encode(4)])
    dwr = await client.read()
    assert (dwr.command, dwr.is_request) == (280, True)
    assert not next(iter(server._connections)).peer.is_usable


@pytest.mark.rfc("6733", "13.1")
@pytest.mark.skipif(OPENSSL is None, reason="makes its certificates with the openssl program")
@pytest.mark.parametrize("expected", ["dra.example.net", "other.example.net"])
async def test_we_connect_with_tls_and_hold_the_peer_to_its_certificate(town, tmp_path, expected):
    authority = Authority(tmp_path)

    def tls(host: str) -> TlsSettings:
        certificate, key = authority.issue(host)
        return TlsSettings(port=0, certificate=f"{certificate}", key=f"{key}", authorities=f"{authority.certificate}")

    other = await town.start(expected, tls=tls("dra.example.net"))
    server = await town.start(
        "ocs.example.net", tls=tls("ocs.example.net"), **towards(other.tls_port, expected, tls=True) | {"reconnect": 30}
    )
    if expected == "dra.example.net":
        await until(lambda: states(server) == [(expected, "i-open")])
    else:
        await until(lambda: given_up(server))
