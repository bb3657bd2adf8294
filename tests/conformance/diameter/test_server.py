"""The server around the protocol: time, load, bad handlers, slow readers, own requests, the end."""

import asyncio
import socket
import time

import pytest

from ocs.diameter import avps
from ocs.diameter.answer import Answer
from ocs.diameter.codec import encode_message
from ocs.diameter.errors import RemoteError
from ocs.server import PeerUnreachable


def code(message) -> int:
    return message.get(avps.RESULT_CODE)


async def test_handler_gets_request_and_peer_and_its_avps_come_after_the_request_number(door, build):
    seen = []

    async def handle(request, peer):
        seen.append((request.get(avps.ORIGIN_HOST), peer.host, peer.realm, peer.address.partition(":")[0]))
        mscc = avps.MULTIPLE_SERVICES_CREDIT_CONTROL.encode(
            (avps.RATING_GROUP.encode(10), avps.RESULT_CODE.encode(4012))
        )
        return Answer(avps=(mscc,))

    door.handle = handle
    client = await door.open("dra1.example.net")
    answer = await client.ask(build.ccr())
    assert seen == [("pgw1.epc.example.net", "dra1.example.net", "epc.example.net", "127.0.0.1")]
    [mscc] = answer.all(avps.MULTIPLE_SERVICES_CREDIT_CONTROL)
    assert (mscc.get(avps.RATING_GROUP), mscc.get(avps.RESULT_CODE)) == (10, 4012)
    assert list(answer.index)[-1] == avps.MULTIPLE_SERVICES_CREDIT_CONTROL.key


async def test_what_the_handler_finds_wrong_is_answered_as_it_says(door, build):
    async def handle(request, peer):
        if request.get(avps.CC_REQUEST_NUMBER):
            raise ValueError("bug")
        raise RemoteError(5031, "unknown context", request.raw(avps.SERVICE_CONTEXT_ID)[0])

    door.handle = handle
    client = await door.open()
    answer = await client.ask(build.ccr())
    assert (code(answer), answer.is_error) == (5031, False)
    assert answer.require(avps.FAILED_AVP).get(avps.SERVICE_CONTEXT_ID) == "32251@3gpp.org"
    assert code(await client.ask(build.ccr(number=1))) == 5012


async def test_late_answer_is_replaced_by_3004(make_door, build):
    door = await make_door(request_deadline=0.05)
    gate = asyncio.Event()

    async def handle(request, peer):
        await gate.wait()
        return Answer()

    door.handle = handle
    client = await door.open()
    answer = await client.ask(build.ccr())
    assert (code(answer), answer.is_error) == (3004, True)
    gate.set()
    assert code(await client.ask(build.ccr(number=1))) == 2001


async def test_more_than_the_limits_is_refused_at_once_and_untouched(make_door, build):
    door = await make_door(max_in_flight=3, max_in_flight_per_peer=2)
    gate, begun = asyncio.Event(), []

    async def handle(request, peer):
        begun.append(request.get(avps.SESSION_ID))
        await gate.wait()
        return Answer()

    door.handle = handle
    one, two = await door.open(), await door.open("pgw2.epc.example.net")
    for number in range(2):
        one.send(build.ccr(session=f"a;{number}"))
    assert code(await one.ask(build.ccr(session="a;9"))) == 3004
    two.send(build.ccr(session="b;0"))
    assert code(await two.ask(build.ccr(session="b;9"))) == 3004
    gate.set()
    assert sorted([code(await one.read()), code(await one.read()), code(await two.read())]) == [2001] * 3
    assert begun == ["a;0", "a;1", "b;0"]


async def test_what_has_waited_too_long_is_refused_without_being_worked_on_and_what_comes_later_is_served(
    make_door, build
):
    door = await make_door(longest_wait=0.2)
    begun, stalls = [], iter((0.5,))

    async def handle(request, peer):
        time.sleep(next(stalls, 0.0))  # noqa: ASYNC251 - the loop is kept from all else
        begun.append(request.get(avps.SESSION_ID))
        return Answer()

    door.handle = handle
    client = await door.open()
    [connection] = door.server._connections
    burst = [encode_message(0xC0, 272, 4, number, number, build.ccr(session=f"s;{number}")) for number in range(300)]
    connection.data_received(b"".join(burst))  # in one read, so that it comes at one moment
    codes = [code(await client.read()) for _ in range(300)]
    served = codes.count(2001)
    assert codes == [2001] * served + [3004] * (300 - served)
    assert begun == [f"s;{number}" for number in range(served)]
    assert 0 < served < 150, "one turn's portion"
    assert code(await client.ask(build.ccr(session="late"))) == 2001


async def test_of_a_peer_that_sends_more_than_is_worked_on_no_more_is_read(make_door, build):
    door = await make_door(max_input=40_000)
    sizes = []

    async def handle(request, peer):
        sizes.extend(connection._intake.size for connection in door.server._connections)
        return Answer()

    door.handle = handle
    client = await door.open()
    for number in range(5_000):
        client.send(build.ccr(session=f"s;{number}"))
    assert {code(await client.read()) for _ in range(5_000)} == {2001}
    assert max(sizes) < 40_000 + 300_000, "one read more than the limit"


async def test_termination_overtaking_the_initial_answer_waits_for_it(door, build):
    order = []

    async def handle(request, peer):
        await asyncio.sleep(0.02 if request.get(avps.CC_REQUEST_TYPE) == 1 else 0)
        order.append(request.get(avps.CC_REQUEST_TYPE))
        return Answer()

    door.handle = handle
    client = await door.open()
    client.send(build.ccr())
    client.send(build.ccr(number=1, CC_REQUEST_TYPE=3))
    assert [(await client.read()).get(avps.CC_REQUEST_TYPE) for _ in range(2)] == [1, 3]
    assert order == [1, 3]


@pytest.mark.rfc("6733", "3")
async def test_copy_over_another_connection_gets_the_same_answer_with_its_own_ids(door, build):
    begun = []

    async def handle(request, peer):
        begun.append(peer.host)
        await asyncio.sleep(0.05)
        return Answer(avps=(avps.VALIDITY_TIME.encode(len(begun)),))

    door.handle = handle
    one, two = await door.open(), await door.open("dra2.example.net")
    one.send(build.ccr())
    await asyncio.sleep(0.01)
    second, first = await two.ask(build.ccr(), flags=0xD0), await one.read()
    assert len(begun) == 1
    assert bytes(first)[20:] == bytes(second)[20:]


@pytest.mark.rfc("3539", "3.1")
async def test_peer_that_does_not_read_is_cut_off_and_others_are_served(make_door, build):
    door = await make_door(max_output=65536, max_in_flight=10**6, max_in_flight_per_peer=10**6)

    async def handle(request, peer):
        return Answer(avps=(avps.REFUND_INFORMATION.encode(bytes(30000)),))

    door.handle = handle
    lazy, keen = await door.open(), await door.open("pgw2.epc.example.net")
    lazy.reader._transport.pause_reading()
    for number in range(400):
        lazy.send(build.ccr(session=f"s;{number}"))
    for _ in range(500):
        if len(door.server.peers()) == 1:
            break
        await asyncio.sleep(0.01)
    assert [peer.host for peer in door.server.peers()] == ["pgw2.epc.example.net"]
    assert code(await keen.ask(build.ccr())) == 2001


def largest(session: str, build) -> list[bytes]:
    """A request as long as may be, nearly all of which its answer has to repeat."""
    parts = build.ccr(session=session)
    state = bytes(65_536 - 20 - sum(map(len, parts)) - 8 - 12 - 8)
    return [*parts, avps.PROXY_INFO.encode([avps.PROXY_HOST.encode("dra1"), avps.PROXY_STATE.encode(state)])]


async def test_what_a_peer_may_have_in_work_is_bounded_in_octets(make_door, build):
    door = await make_door(max_in_flight_octets=500_000)
    gate = asyncio.Event()

    async def handle(request, peer):
        await gate.wait()
        return Answer()

    door.handle = handle
    client, other = await door.open(), await door.open("pgw2.epc.example.net")
    for number in range(30):
        client.send(largest(f"s;{number}", build))
    assert [code(await client.read()) for _ in range(22)] == [3004] * 22
    connection = next(one for one in door.server._connections if one.in_flight)
    assert 500_000 <= connection.octets < 500_000 + 65_536
    gate.set()
    assert [code(await client.read()) for _ in range(8)] == [2001] * 8
    assert code(await other.ask(build.ccr())) == 2001
    assert connection.octets == 0


async def test_a_peer_that_sends_the_largest_messages_and_never_reads_holds_no_more_than_that(make_door, build):
    limits = {"max_in_flight_octets": 400_000, "max_input": 300_000, "max_output": 500_000}
    door = await make_door(**limits, longest_wait=60.0)
    held = []

    async def handle(request, peer):
        connections = door.server._connections
        held.extend((one.octets, one._intake.size, one.transport.get_write_buffer_size()) for one in connections)
        await asyncio.sleep(0.01)
        return Answer()

    door.handle = handle
    lazy, keen = await door.open(), await door.open("pgw2.epc.example.net")
    lazy.reader._transport.pause_reading()
    for number in range(400):
        lazy.send(largest(f"s;{number}", build))
    async with asyncio.timeout(20):
        while len(door.server.peers()) > 1:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert code(await keen.ask(build.ccr())) == 2001
    in_work, waiting, unread = (max(one) for one in zip(*held, strict=True))
    one_read, one_turn = 300_000, 100_000
    assert 65_536 < in_work < limits["max_in_flight_octets"] + 65_536
    assert waiting < limits["max_input"] + one_read
    assert unread < limits["max_output"] + one_turn


async def test_peer_that_floods_does_not_delay_others(door, build):
    flooding, modest = await door.open(), await door.open("pgw2.epc.example.net")
    for number in range(1500):
        flooding.send(build.ccr(session=f"flood;{number}"))
    modest.send(build.ccr(session="modest"))
    assert code(await modest.read()) == 2001
    before = [request.get(avps.SESSION_ID) for request in door.handled].index("modest")
    assert before < 400
    assert {code(await flooding.read()) for _ in range(1500)} == {2001}
    assert len(door.handled) == 1501


async def test_what_a_flooding_peer_reported_before_it_broke_counts(door, build):
    begun, grant = asyncio.Event(), door.handle

    async def handle(request, peer):
        begun.set()
        return await grant(request, peer)

    door.handle = handle
    client = await door.open()
    for number in range(1000):
        client.send(build.ccr(session=f"s;{number}"))
    await begun.wait()
    read = len(door.handled)
    assert read < 1000
    client.writer.transport.abort()
    for _ in range(200):
        await asyncio.sleep(0.005)
        if not door.server.peers():
            break
    assert len(door.handled) > read
    assert (await (await door.open()).ask(build.ccr())).get(avps.RESULT_CODE) == 2001


@pytest.mark.rfc("6733", "2.1")
async def test_octets_that_cannot_be_framed_are_reset(door):
    client = await door.open()
    client.write(bytes((1, 0, 0, 8, 0x40)) + bytes(15))
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(client.reader.read(1), 5)


async def test_connections_are_kept_alive_and_send_at_once(door):
    await door.open()
    [connection] = door.server._connections
    sock = connection.transport.get_extra_info("socket")
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_peer_that_vanishes_leaves_nothing_behind(door, build):
    client = await door.open()
    client.send(build.ccr())
    client.writer.transport.abort()
    again = None
    for _ in range(100):
        await asyncio.sleep(0.01)
        if not door.server.peers():
            again = await door.open()
            break
    assert again is not None
    assert code(await again.ask(build.ccr(number=1))) == 2001


async def test_peers_are_listed(door, build):
    client = await door.open()
    await client.ask(build.ccr())
    [status] = door.server.peers()
    assert (status.host, status.realm, status.state) == ("pgw1.epc.example.net", "epc.example.net", "r-open")
    assert (status.requests, status.answers, status.in_flight) == (1, 1, 0)
    assert status.open_seconds >= 0


async def test_own_request_reaches_the_peer_or_an_agent_and_gets_its_answer(door, build):
    client = await door.open()
    agent = await door.connect()
    relay = [avps.AUTH_APPLICATION_ID.encode(0xFFFFFFFF)]
    assert code(await agent.introduce(build.cer("dra1.example.net", applications=relay))) == 2001
    for host, via in (("pgw1.epc.example.net", client), ("behind.example.net", agent)):
        sending = asyncio.create_task(door.server.send(host, "epc.example.net", 258, [avps.SESSION_ID.encode("s;1")]))
        request = await via.read()
        assert (request.command, request.flags_octet, request.get(avps.SESSION_ID)) == (258, 0xC0, "s;1")
        parts = [avps.SESSION_ID.encode("s;1"), avps.RESULT_CODE.encode(2002), *build.head()]
        via.write(encode_message(0x40, 258, 4, request.hop_by_hop, request.end_to_end, parts))
        assert code(await sending) == 2002


async def test_own_request_without_peer_or_answer_fails(make_door, build):
    door = await make_door(own_request_timeout=0.05)
    with pytest.raises(PeerUnreachable):
        await door.server.send("pgw1.epc.example.net", "epc.example.net", 258, [])
    client = await door.open()
    with pytest.raises(PeerUnreachable):
        await door.server.send("pgw1.epc.example.net", "epc.example.net", 258, [])
    assert (await client.read()).command == 258
    sending = asyncio.create_task(door.server.send("pgw1.epc.example.net", "epc.example.net", 258, []))
    await client.read()
    client.writer.transport.abort()
    with pytest.raises(PeerUnreachable):
        await sending


async def agent_at(door, build, host: str, realm: str = "epc.example.net"):
    agent = await door.connect()
    relay = [avps.AUTH_APPLICATION_ID.encode(0xFFFFFFFF)]
    cer = build.cer(host, applications=relay)
    cer[1] = avps.ORIGIN_REALM.encode(realm)
    assert code(await agent.introduce(cer)) == 2001
    return agent


def sent(door) -> asyncio.Task:
    host, realm = "behind.example.net", "epc.example.net"
    return asyncio.create_task(door.server.send(host, realm, 258, [avps.SESSION_ID.encode("s;1")]))


@pytest.mark.rfc("6733", "5.5.4")
async def test_own_request_takes_another_way_when_the_connection_is_lost(door, build):
    far = await agent_at(door, build, "dra2.example.org", "example.org")
    near = await agent_at(door, build, "dra1.example.net")
    sending = sent(door)
    first = await near.read()
    near.writer.transport.abort()
    second = await far.read()
    assert (first.flags_octet, second.flags_octet) == (0xC0, 0xD0)
    assert first.end_to_end == second.end_to_end
    assert bytes(first)[20:] == bytes(second)[20:]
    far.answer(second)
    assert code(await sending) == 2001


@pytest.mark.rfc("6733", "7.1.3")
@pytest.mark.parametrize("result", [3002, 3004])
async def test_own_request_takes_another_way_when_an_agent_cannot_deliver(door, build, result):
    far = await agent_at(door, build, "dra2.example.org", "example.org")
    near = await agent_at(door, build, "dra1.example.net")
    for last in (2001, 3002):
        sending = sent(door)
        near.answer(await near.read(), result)
        second = await far.read()
        assert second.flags_octet == 0xC0
        far.answer(second, last)
        assert code(await sending) == last


async def test_silence_is_no_reason_to_ask_another(make_door, build):
    door = await make_door(own_request_timeout=0.05)
    far = await agent_at(door, build, "dra2.example.org", "example.org")
    near = await agent_at(door, build, "dra1.example.net")
    with pytest.raises(PeerUnreachable):
        await sent(door)
    assert (await near.read()).command == 258
    dwa = await far.ask(build.head(), flags=0x80, command=280, application=0)
    assert dwa.command == 280


async def test_distance_to_a_host(door, build):
    await agent_at(door, build, "dra2.example.org", "example.org")
    assert door.server.distance("pgw1.epc.example.net", "epc.example.net") == 2
    await agent_at(door, build, "dra1.example.net")
    assert door.server.distance("pgw1.epc.example.net", "EPC.example.net") == 1
    await door.open()
    assert door.server.distance("PGW1.epc.example.net", "epc.example.net") == 0
    assert door.server.distance("pgw1.epc.example.net", "epc.example.net", application=16777302) == 1


@pytest.mark.rfc("6733", "6.1.3")
async def test_request_that_has_been_here_is_a_loop(door, build):
    client = await door.open()
    been = [avps.ROUTE_RECORD.encode(host) for host in ("dra1.example.net", "OCS.example.net")]
    answer = await client.ask([*build.ccr(), *been])
    assert (code(answer), answer.is_error) == (3005, True)
    assert code(await client.ask([*build.ccr(), been[0]])) == 2001


@pytest.mark.rfc("6733", "5.4")
async def test_drain_finishes_what_is_in_work_and_says_goodbye(door, build):
    async def handle(request, peer):
        await asyncio.sleep(0.05)
        return Answer()

    door.handle = handle
    client = await door.open()
    client.send(build.ccr())
    await asyncio.sleep(0.01)
    draining = asyncio.create_task(door.server.drain())
    await asyncio.sleep(0)
    client.send(build.ccr(session="new"))
    answers = {(await client.read()).get(avps.SESSION_ID) for _ in range(2)}
    assert answers == {"pgw1;1;1", "new"}
    goodbye = await client.read()
    assert (goodbye.command, goodbye.get(avps.DISCONNECT_CAUSE)) == (282, 0)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", door.server.port)
    parts = [avps.RESULT_CODE.encode(2001), *build.head()]
    client.write(encode_message(0, 282, 0, goodbye.hop_by_hop, goodbye.end_to_end, parts))
    assert await client.closed()
    await asyncio.wait_for(draining, 2)
    assert door.server.peers() == ()


async def test_drain_does_not_wait_forever(make_door, build):
    door = await make_door(disconnect_timeout=0.05)
    door.handle = lambda request, peer: asyncio.sleep(60)
    client = await door.open()
    client.send(build.ccr())
    await asyncio.sleep(0.02)
    await asyncio.wait_for(door.server.drain(), 5)
    assert door.server.peers() == ()


async def test_listens_on_a_given_socket(build):
    from ocs.diameter.settings import DiameterSettings
    from ocs.server import DiameterServer

    sock = socket.create_server(("127.0.0.1", 0))

    async def handle(request, peer):
        return Answer()

    server = DiameterServer(DiameterSettings(), handle)
    await server.start(sock)
    assert server.port == sock.getsockname()[1]
    await server.close()


@pytest.mark.rfc("7683", "5.1")
async def test_overload_is_told_to_those_who_understand(make_door, build):
    door = await make_door(max_in_flight=10)
    gate = asyncio.Event()

    async def handle(request, peer):
        if request.get(avps.SESSION_ID) != "quick":
            await gate.wait()
        return Answer()

    door.handle = handle
    client = await door.open()
    features = avps.OC_SUPPORTED_FEATURES.encode((avps.OC_FEATURE_VECTOR.encode(1),))
    calm = await client.ask([*build.ccr(session="quick"), features])
    assert calm.require(avps.OC_SUPPORTED_FEATURES).get(avps.OC_FEATURE_VECTOR) == 1
    assert avps.OC_OLR not in calm
    for number in range(10):
        client.send(build.ccr(session=f"s;{number}"))
    refused = await client.ask([*build.ccr(session="more"), features])
    assert code(refused) == 3004
    assert refused.require(avps.OC_OLR).get(avps.OC_REDUCTION_PERCENTAGE) == 90
    plain = await client.ask(build.ccr(session="other"))
    assert code(plain) == 3004
    assert avps.OC_SUPPORTED_FEATURES not in plain
    gate.set()
