"""Sockets: where answers go, how streams are read, and what a peer can and cannot do to others."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sip_credit.message import MAX_BODY, MAX_HEAD, Request, Response, acknowledge, cancel
from sip_credit.server import SipServer
from sip_credit.settings import Peer, PeerTable, Settings
from sip_credit.sockets import bind
from sip_credit.stream import MessageStream

House = Any  # the fixture's class lives in conftest, which is no module to import from


class Connection:
    """A TCP connection of a proxy."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.stream = MessageStream()

    async def receive(self) -> Response:
        while (message := self.stream.next()) is None:
            data = await asyncio.wait_for(self.reader.read(65536), 3)
            assert data, "closed"
            self.stream.feed(data)
        assert isinstance(message, Response)
        return message

    async def closed(self) -> bool:
        """Is it closed by the other side?"""
        try:
            return await asyncio.wait_for(self.reader.read(), 3) == b""
        except ConnectionError:
            return True


@asynccontextmanager
async def connect(house: House) -> AsyncIterator[Connection]:
    reader, writer = await asyncio.open_connection("127.0.0.1", house.server.port)
    yield Connection(reader, writer)
    writer.close()


def options(house: House, call_id: str = "o") -> Request:
    return house.request("OPTIONS", call_id, uri="sip:ping@127.0.0.1")  # type: ignore[no-any-return]


# ---- UDP


@pytest.mark.rfc("3581", "4")
async def test_rport_is_filled_in_and_used(house: House) -> None:
    answer = await house.proxy.ask(options(house))
    assert answer.via.parameter("rport") == str(house.proxy.port)
    assert answer.via.parameter("received") == "127.0.0.1"


@pytest.mark.rfc("3261", "18.2.2")
async def test_without_rport_the_answer_goes_to_the_port_in_the_via(house: House) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        other.setblocking(False)
        text = options(house).encode()
        text = text.replace(b"127.0.0.1:%d" % house.proxy.port, b"proxy.example:%d" % other.getsockname()[1])
        house.proxy.send(text.replace(b";rport", b""))
        data = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(other, 65536), 3)
    assert b";received=127.0.0.1" in data
    assert house.proxy.inbox.empty()


@pytest.mark.parametrize("data", [b"", b"\r\n", b"\r\n\r\n", b"\0\0\0\0", b"jaK\0"])
async def test_keepalives_are_not_answered(house: House, data: bytes) -> None:
    house.proxy.send(data)
    await house.proxy.silence()
    assert house.watch.errors == []


@pytest.mark.parametrize(
    "data",
    [
        b"hello world",
        b"\xff" * 1000,
        b"INVITE sip:a@b SIP/2.0\r\n\r\n",
        b"SIP/2.0 200 OK\r\n\r\n",
        b"ACK x SIP/2.0\r\n\r\n",
    ],
)
async def test_what_cannot_be_answered_is_dropped_and_counted(house: House, data: bytes) -> None:
    house.proxy.send(data)
    await house.proxy.silence()
    assert house.watch.errors == ["syntax"]


async def test_answers_of_others_are_dropped(house: House) -> None:
    house.proxy.send(Response(200, "OK", options(house).headers))
    await house.proxy.silence()
    assert house.watch.errors == ["response"]


async def test_strangers_get_silence(house: House) -> None:
    await house.restart(Settings(port=0, peers=(Peer(networks=("192.0.2.0/24",)),)))
    house.proxy.send(options(house))
    await house.proxy.silence()
    async with connect(house) as connection:
        assert await connection.closed()
    assert house.watch.strangers == 2
    assert house.watch.requests == []


# ---- methods


@pytest.mark.rfc("3261", "11.2")
async def test_options(house: House) -> None:
    answer = await house.proxy.ask(options(house))
    assert answer.status == 200
    assert {"INVITE", "ACK", "CANCEL", "OPTIONS", "NOTIFY"} <= set(answer.headers.items("Allow"))
    assert "Accept" in answer.headers
    assert "Supported" in answer.headers
    house.ready = False
    assert (await house.proxy.ask(options(house))).status == 503


@pytest.mark.rfc("3261", "8.2.1")
@pytest.mark.parametrize("method", ["REGISTER", "SUBSCRIBE", "REFER", "PRACK", "FOO"])
async def test_other_methods(house: House, method: str) -> None:
    answer = await house.proxy.ask(house.request(method))
    assert answer.status == 405
    assert "INVITE" in answer.headers.items("Allow")


async def test_reports_that_say_too_little_or_nonsense(house: House) -> None:
    session = ("X-OCS-Session", "a" * 16)
    for headers in (
        [],
        [("X-OCS-Event", "begin"), session],
        [("X-OCS-Event", "stop")],
        [("X-OCS-Event", "stop"), session, ("X-OCS-Duration-Ms", "-1")],
        [("X-OCS-Event", "stop"), session, ("X-OCS-Duration-Ms", "1e3")],
        [("X-OCS-Event", "stop"), session, ("X-OCS-Duration-Ms", "9" * 30)],
    ):
        assert (await house.proxy.ask(house.request("INFO", "c", *headers))).status == 400
    unknown = [("X-OCS-Event", "stop"), ("X-OCS-Session", "{s1}:x")]
    assert (await house.proxy.ask(house.request("INFO", "c", *unknown))).status == 481


@pytest.mark.rfc("3261", "12.2.2")
async def test_requests_inside_a_dialog_there_is_none(house: House) -> None:
    for method in ("INVITE", "INFO"):
        text = house.request(method).encode().replace(b"<sip:bob@example.net>", b"<sip:bob@example.net>;tag=x")
        answer = await house.proxy.ask(text)
        assert answer.status == 481


# ---- TCP


@pytest.mark.rfc("3261", "18.3")
@pytest.mark.parametrize("size", [1, 17, 100_000])
async def test_a_call_over_tcp_however_it_is_cut(house: House, size: int) -> None:
    await house.open("1.00")
    async with connect(house) as connection:

        async def send(*messages: Request) -> None:
            octets = b"".join(message.encode() for message in messages)
            for start in range(0, len(octets), size):
                connection.writer.write(octets[start : start + size])
                await connection.writer.drain()
                await asyncio.sleep(0)

        invite = house.invite()
        await send(invite)
        answer = await connection.receive()
        assert answer.status == 302
        await send(acknowledge(invite, answer), house.report("start", 0), options(house), house.report("stop", 2504))
        answers = [await connection.receive() for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 200]
    assert {answer.cseq.method for answer in answers} == {"NOTIFY", "OPTIONS"}


@pytest.mark.rfc("5626", "3.5.1")
async def test_ping_and_pong(house: House) -> None:
    async with connect(house) as connection:
        connection.writer.write(b"\r\n\r\n")
        assert await asyncio.wait_for(connection.reader.readexactly(2), 3) == b"\r\n"


async def test_one_bad_message_costs_one_answer(house: House) -> None:
    async with connect(house) as connection:
        bad = options(house).encode().replace(b"1 OPTIONS", b"1 INVITE")
        connection.writer.write(bad + options(house).encode())
        assert (await connection.receive()).status == 400
        assert (await connection.receive()).status == 200


@pytest.mark.parametrize("length", [b"Content-Length: x", b"Content-Length: 99999999", b"X: 1"])
async def test_lost_framing_closes_this_connection_only(house: House, length: bytes) -> None:
    async with connect(house) as good, connect(house) as bad:
        bad.writer.write(options(house).encode().replace(b"Content-Length: 0", length))
        assert (await bad.receive()).status in (400, 513)
        assert await bad.closed()
        good.writer.write(options(house).encode())
        assert (await good.receive()).status == 200


async def test_a_head_without_end_closes(house: House) -> None:
    async with connect(house) as connection:
        connection.writer.write(b"x" * (MAX_HEAD + 4))
        assert await connection.closed()
    assert house.watch.errors == ["framing"]


async def test_idle_connections_are_closed(house: House) -> None:
    await house.restart(Settings(port=0, idle=0.05))
    async with connect(house) as connection:
        assert await connection.closed()
    assert house.server.connections == 0


async def test_an_octet_now_and_then_keeps_no_connection_open(house: House) -> None:
    await house.restart(Settings(port=0, idle=0.3))
    async with connect(house) as connection:

        async def trickle() -> None:
            for octet in options(house).encode():
                connection.writer.write(bytes((octet,)))
                await asyncio.sleep(0.02)

        trickling = asyncio.create_task(trickle())
        assert await connection.closed()
        trickling.cancel()
    assert house.watch.requests == []


async def test_so_many_connections_and_no_more(house: House) -> None:
    await house.restart(Settings(port=0, max_connections=1))
    async with connect(house) as first:
        first.writer.write(options(house).encode())
        await first.receive()
        async with connect(house) as second:
            assert await second.closed()
        first.writer.write(options(house, "again").encode())
        assert (await first.receive()).status == 200


async def test_a_slow_reader_is_closed(house: House) -> None:
    await house.restart(Settings(port=0, max_unsent=1000))
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        slow.connect(("127.0.0.1", house.server.port))
        slow.setblocking(False)
        loop = asyncio.get_running_loop()
        octets = b"".join(options(house, "x" * 4000).encode() for _ in range(100))

        async def insist() -> None:
            for _ in range(1000):
                await asyncio.wait_for(loop.sock_sendall(slow, octets), 5)
                await asyncio.sleep(0)

        with pytest.raises(ConnectionError):
            await insist()
    assert house.server.connections == 0
    assert house.watch.errors == ["slow-reader"]


def largest(house: House, method: str, call_id: str) -> bytes:
    """A request about as long as may be, half of which its answer repeats."""
    request = house.request(method, call_id, uri="sip:ping@127.0.0.1")
    headers = [*request.headers, *[("Via", f"SIP/2.0/TCP p;branch={'x' * 8_000}")] * 7]
    return Request(method, request.uri, headers, b"x" * MAX_BODY).encode()  # type: ignore[no-any-return]


async def test_what_a_connection_has_open_is_bounded_in_octets(house: House) -> None:
    await house.open("1.00")
    await house.restart(Settings(port=0, max_connection_octets=400_000))
    house.gate.opened.clear()
    async with connect(house) as connection, connect(house) as other:
        size = len(largest(house, "INVITE", "c0"))
        for number in range(6):
            connection.writer.write(largest(house, "INVITE", f"c{number}"))
        answers = [await connection.receive() for _ in range(6)]
        refused = [answer for answer in answers if answer.status == 503 and not answer.headers.get("X-OCS-Reason")]
        assert len(refused) == 6 - -(-400_000 // size)
        other.writer.write(options(house, "other").encode())
        assert (await other.receive()).status == 200
    house.gate.opened.set()


async def test_what_all_have_open_is_bounded_in_octets(house: House) -> None:
    await house.restart(Settings(port=0, max_transaction_octets=1))
    first = options(house, "a")
    house.proxy.send(first)
    assert (await house.proxy.receive()).status == 200
    house.proxy.send(options(house, "b"))
    assert (await house.proxy.receive()).status == 503
    house.proxy.send(first)
    assert (await house.proxy.receive()).status == 200, "what is remembered is answered again"


async def test_a_peer_that_sends_the_largest_requests_and_never_reads_holds_no_more_than_that(house: House) -> None:
    limits = {"max_connection_octets": 400_000, "max_unsent": 50_000}
    await house.restart(Settings(port=0, **limits))
    server, open_octets, unsent = house.server, [0], [0]
    receive = server.receive

    def watched(request: Request, hop: Any) -> None:
        receive(request, hop)
        open_octets.append(hop.octets)
        unsent.append(hop._transport.get_write_buffer_size())

    server.receive = watched
    with socket.socket() as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        lazy.connect(("127.0.0.1", server.port))
        lazy.setblocking(False)
        loop = asyncio.get_running_loop()

        async def insist() -> None:
            for number in range(1_000):
                await asyncio.wait_for(loop.sock_sendall(lazy, largest(house, "INVITE", f"c{number}")), 5)

        with pytest.raises(ConnectionError):
            await insist()
    assert server.connections == 0
    assert 0 < max(open_octets) < 400_000 + MAX_HEAD + MAX_BODY
    assert 0 < max(unsent) < 50_000 + MAX_HEAD


async def test_a_connection_that_goes_during_the_check_is_undone(house: House) -> None:
    await house.open("1.00")
    house.gate.opened.clear()
    async with connect(house) as connection:
        connection.writer.write(house.invite().encode())
        await asyncio.sleep(0.02)
        assert await house.money() == (0, 60)
    await asyncio.sleep(0.02)
    house.gate.opened.set()
    await asyncio.sleep(0.02)
    assert await house.money() == (0, 0)


async def test_cancel_over_tcp(house: House) -> None:
    await house.open("1.00")
    house.gate.opened.clear()
    async with connect(house) as connection:
        invite = house.invite()
        connection.writer.write(invite.encode() + cancel(invite).encode())
        assert [(await connection.receive()).status for _ in range(2)] == [200, 487]
        house.gate.opened.set()
        await asyncio.sleep(0.02)
    assert await house.money() == (0, 0)


async def test_so_many_transactions_and_no_more(house: House) -> None:
    await house.restart(Settings(port=0, max_transactions=2))
    requests = [options(house, f"c{number}") for number in range(3)]
    assert [(await house.proxy.ask(request)).status for request in requests] == [200, 200, 503]
    assert (await house.proxy.ask(requests[0])).status == 200  # a repeat of what is known is no new one
    assert house.watch.errors == ["overload"]


# ---- life of the server


async def test_drain_finishes_what_is_being_decided(house: House) -> None:
    await house.open("1.00")
    house.gate.opened.clear()
    house.proxy.send(house.invite())
    await asyncio.sleep(0.02)
    drained = asyncio.ensure_future(house.server.drain())
    await asyncio.sleep(0.02)
    refused = await house.proxy.ask(house.invite("call-2"))
    assert refused.status == 503
    assert (await house.proxy.ask(options(house))).status == 503
    house.gate.opened.set()
    assert (await house.proxy.receive()).status == 302
    await drained
    assert house.server.in_flight == 0
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_sockets_may_be_given(house: House) -> None:
    udp, tcp = bind("127.0.0.1", 0)
    server = SipServer(Settings(), house.gate)
    await server.start(udp, tcp)
    assert server.port == tcp.getsockname()[1] == udp.getsockname()[1]
    assert str(server.port) in repr(server)
    await server.drain()


async def test_a_port_that_is_taken(house: House) -> None:
    with pytest.raises(OSError, match="in use"):
        await SipServer(Settings(port=house.server.port), house.gate).start()


def test_peers_are_found_by_network() -> None:
    first, second = Peer(name="a", networks=("10.0.0.0/8",)), Peer(name="b", networks=("0.0.0.0/0", "::/0"))
    table = PeerTable((first, second))
    for host, peer in (("10.1.2.3", first), ("::ffff:10.1.2.3", first), ("11.0.0.1", second), ("fe80::1%lo", second)):
        assert table.find(host) is peer
        assert table.find(host) is peer
    assert PeerTable((first,)).find("192.0.2.1") is None


@pytest.mark.parametrize(
    "bad",
    [{"networks": ("10.0.0.1/8",)}, {"header_prefix": "X OCS"}, {"contact": "a>b"}],
)
def test_impossible_peers(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        Peer(**bad)


@pytest.mark.parametrize("bad", [{"port": 65536}, {"slice": 0}, {"answer_within_ms": -1}])
def test_impossible_settings(bad: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Settings(**bad)  # type: ignore[arg-type]
