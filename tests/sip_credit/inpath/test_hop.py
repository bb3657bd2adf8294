"""Calls through the hop: two telephones, real sockets, the real engine."""

import asyncio

import msgspec
import pytest

from balances.ledger import Phase
from sip_credit.message import Request, cancel, respond
from sip_credit.settings import Mode, Peer, Settings
from tests.sip_credit.inpath.conftest import Line


async def test_a_call_is_passed_on_and_charged_from_answer_to_bye(line: Line) -> None:
    await line.open("1.00")
    line.call()
    got = await line.answered()
    assert len(got.vias) == 2
    assert got.headers.get("Max-Forwards") == "69"
    assert got.uri == "sip:+493012345@example.net"
    assert got.body == b"v=0\r\n"
    assert ";lr;ocs=" in got.headers.get("Record-Route")
    line.alice.send(line.inside("BYE", line.alice), line.server.in_path_port)
    bye = await line.bob.request("BYE")
    assert bye.headers.all("Route") == []
    line.bob.answer(bye, 200)
    await line.alice.response(200)
    assert await line.settled() == (1, 0)  # a second begun is charged


async def test_the_callee_may_hang_up(line: Line) -> None:
    await line.open("1.00")
    line.call()
    await line.answered()
    line.bob.send(line.inside("BYE", line.bob), line.server.in_path_port)
    line.alice.answer(await line.alice.request("BYE"), 200)
    await line.bob.response(200)
    assert await line.settled() == (1, 0)


async def test_the_call_ends_at_its_cap_towards_both_ends(line: Line) -> None:
    await line.open("0.002")
    line.call()
    await line.answered()
    for phone in (line.alice, line.bob):
        bye = await phone.request("BYE")
        assert "credit exhausted" in bye.headers.get("Reason")
        assert bye.uri == phone.contact[1].strip("<>")
        assert bye.to.tag == phone.tag
        phone.answer(bye, 200)
    assert bye.cseq.number == line.invite_.cseq.number + 1
    assert await line.settled() == (2, 0)  # to the millisecond: no third second is begun
    assert line.watch.overruns == 0


async def test_an_answer_that_nobody_acknowledges_begins_no_long_call(line: Line) -> None:
    """Its caller went away without a word: both ends are told, and the credit does not run out meanwhile."""
    await line.again(timers=msgspec.structs.replace(line.settings.timers, t1=0.02))
    await line.open("1.00")
    line.call()
    got = await line.bob.request("INVITE")
    line.bob.answer(got, 200)
    await line.alice.response(200)
    for phone in (line.alice, line.bob):
        phone.answer(await phone.request("BYE"), 200)
    assert await line.settled() == (2, 0)  # 64 * 20 ms


async def test_an_acknowledged_call_goes_on(line: Line) -> None:
    await line.again(timers=msgspec.structs.replace(line.settings.timers, t1=0.02))
    await line.open("0.003")
    line.call()
    await line.answered()
    await line.alice.request("BYE")
    await line.bob.request("BYE")
    assert await line.settled() == (3, 0)


async def test_slices_are_renewed_by_the_hop_itself(line: Line) -> None:
    await line.again(slice=2)
    await line.open("0.003")
    line.call()
    await line.answered()
    await line.alice.request("BYE")
    await line.bob.request("BYE")
    assert await line.settled() == (3, 0)
    updates = [event for event in line.gate.events if event.phase is Phase.UPDATE and event.items]
    assert updates
    assert line.watch.overruns == 0


@pytest.mark.parametrize(
    ("balance", "called", "status"),
    [("0", "sip:+493012345@example.net", 402), ("1.00", "sip:nobody@example.net", 404)],
)
async def test_what_is_refused_goes_no_further(line: Line, balance: str, called: str, status: int) -> None:
    await line.open(balance)
    line.call(uri=called)
    assert (await line.alice.response(status)).headers.get("X-OCS-Reason")
    assert line.bob.inbox.empty()


async def test_strangers_have_no_call(line: Line) -> None:
    line.call()
    assert (await line.alice.response(403)).headers.get("X-OCS-Reason") == "unknown-subscriber"


async def test_without_a_store_there_is_no_call(line: Line) -> None:
    await line.open("1.00")
    line.gate.away = True
    line.call()
    await line.alice.response(503)
    assert line.bob.inbox.empty()


@pytest.mark.parametrize("status", [404, 486, 603])
async def test_an_unanswered_call_costs_nothing(line: Line, status: int) -> None:
    await line.open("1.00")
    line.call()
    line.bob.answer(await line.bob.request("INVITE"), status)
    await line.bob.request("ACK")
    await line.alice.response(status)
    assert await line.settled() == (0, 0)


async def test_a_next_hop_that_fails_is_not_taken_for_us(line: Line) -> None:
    await line.open("1.00")
    line.call()
    line.bob.answer(await line.bob.request("INVITE"), 503)
    await line.alice.response(500)
    assert await line.settled() == (0, 0)


async def test_a_silent_next_hop_is_given_up(line: Line) -> None:
    await line.open("1.00")
    line.call()
    await line.bob.request("INVITE")
    await line.alice.response(408)
    assert await line.settled() == (0, 0)


async def test_cancel_goes_where_the_invite_went(line: Line) -> None:
    await line.open("1.00")
    invite = line.call()
    got = await line.bob.request("INVITE")
    line.bob.answer(got, 180)
    await line.alice.response(180)
    line.alice.send(cancel(invite), line.server.port)
    await line.alice.response(200)
    line.bob.answer(await line.bob.request("CANCEL"), 200)
    line.bob.answer(got, 487)
    assert (await line.alice.response(487)).cseq.method == "INVITE"
    assert await line.settled() == (0, 0)


async def test_cancel_waits_until_the_next_hop_was_heard(line: Line) -> None:
    await line.open("1.00")
    invite = line.call()
    got = await line.bob.request("INVITE")
    line.alice.send(cancel(invite), line.server.port)
    await line.alice.response(200)
    await asyncio.sleep(0.05)
    assert line.bob.inbox.empty()
    line.bob.answer(got, 100)
    await line.bob.request("CANCEL")
    line.bob.answer(got, 487)
    await line.alice.response(487)
    assert await line.settled() == (0, 0)


async def test_requests_inside_the_call_pass_through(line: Line) -> None:
    await line.open("1.00")
    line.call()
    await line.answered()
    for method in ("INFO", "UPDATE", "PRACK"):
        line.alice.send(line.inside(method, line.alice), line.server.in_path_port)
        line.bob.answer(await line.bob.request(method), 200)
        assert (await line.alice.response(200)).cseq.method == method
    line.bob.send(line.inside("INVITE", line.bob, 0, ("Contact", "<sip:moved@127.0.0.1:9>")), line.server.in_path_port)
    again = await line.alice.request("INVITE")
    assert again.headers.all("Record-Route") == []
    line.alice.answer(again, 200)
    await line.bob.response(200)
    line.bob.send(line.inside("ACK", line.bob, line.bob.number), line.server.in_path_port)
    await line.alice.request("ACK")
    opened = [event for event in line.gate.events if event.phase is Phase.OPEN]
    assert len(opened) == 1  # a re-INVITE is no new call
    line.alice.send(line.inside("BYE", line.alice), line.server.in_path_port)
    line.bob.answer(await line.bob.request("BYE"), 200)
    await line.alice.response(200)
    assert await line.settled() == (1, 0)


async def test_nobody_speaks_in_a_call_that_is_not_theirs(line: Line) -> None:
    await line.open("1.00")
    line.call()
    await line.answered()
    real = line.invite_
    line.invite_ = type(real)(
        "INVITE", real.uri, [*(p for p in real.headers if p[0] != "Call-ID"), ("Call-ID", "other")]
    )
    line.alice.send(line.inside("BYE", line.alice), line.server.in_path_port)
    await line.alice.response(481)
    line.invite_ = real
    line.to = "<sip:bob@example.net>;tag=forged"
    line.alice.send(line.inside("INVITE", line.alice, 0, line.alice.contact), line.server.in_path_port)
    await line.alice.response(481)
    assert line.bob.inbox.empty()
    assert (await line.money())[1] == 60  # the call goes on


async def test_a_forged_route_carries_no_call(line: Line) -> None:
    await line.open("1.00")
    line.to = "<sip:bob@example.net>;tag=forged"
    line.target = "sip:+493012345@example.net"
    line.invite_ = line.call("other")
    await line.bob.request("INVITE")
    line.routes = [("Route", f"<sip:127.0.0.1:{line.server.in_path_port};lr;ocs=abcdefghijklmnop>")]
    line.alice.send(line.inside("INVITE", line.alice, 0, line.alice.contact), line.server.in_path_port)
    await line.alice.response(481)
    assert line.bob.inbox.empty()


async def test_an_end_that_does_not_take_the_bye_is_told_by_us(line: Line) -> None:
    await line.open("1.00")
    line.call()
    await line.answered()
    line.alice.send(line.inside("BYE", line.alice), line.server.in_path_port)
    line.bob.answer(await line.bob.request("BYE"), 500)
    await line.alice.response(500)
    bye = await line.bob.request("BYE")
    assert bye.cseq.number == line.alice.number + 1
    assert await line.settled() == (1, 0)


async def test_a_challenged_bye_ends_nothing(line: Line) -> None:
    await line.open("1.00")
    line.call()
    await line.answered()
    line.alice.send(line.inside("BYE", line.alice), line.server.in_path_port)
    line.bob.answer(await line.bob.request("BYE"), 407)
    await line.alice.response(407)
    assert (await line.money())[1] == 60


async def test_what_would_go_round_is_refused(line: Line) -> None:
    await line.open("1.00")
    here = f"SIP/2.0/UDP 127.0.0.1:{line.server.in_path_port};branch=z9hG4bKold"
    line.call("call-1", ("Via", here))
    await line.alice.response(482)
    assert await line.money() == (0, 0)


async def test_a_repeated_answer_starts_no_second_call(line: Line) -> None:
    await line.open("1.00")
    line.call()
    got = await line.answered()
    line.alice.seen.clear()
    line.bob.answer(got, 200)
    await line.alice.response(200)
    starts = [event for event in line.gate.events if event.phase is Phase.UPDATE]
    assert len(starts) == 1


async def test_a_store_that_comes_back_learns_of_the_end(line: Line) -> None:
    await line.open("1.00")
    line.call()
    await line.answered()
    await line.started()
    line.gate.away = True
    line.alice.send(line.inside("BYE", line.alice), line.server.in_path_port)
    line.bob.answer(await line.bob.request("BYE"), 200)
    await line.alice.response(200)  # the phones need no store
    assert (await line.money())[1] == 60
    line.gate.away = False
    assert await line.settled() == (1, 0)


async def test_a_call_of_before_a_restart_can_end(line: Line) -> None:
    """It is charged to its end, but never beyond what was granted: we could not cut it."""
    await line.open("1.00")
    line.call()
    await line.answered()
    await line.started()
    await line.again()
    line.later(300)
    line.alice.send(line.inside("BYE", line.alice), line.server.in_path_port)
    line.bob.answer(await line.bob.request("BYE"), 200)
    await line.alice.response(200)
    assert await line.settled() == (60, 0)


async def test_a_call_of_before_a_restart_cannot_begin_anew(line: Line) -> None:
    await line.open("1.00")
    line.call()
    await line.answered()
    await line.started()
    await line.again()
    line.later(61)
    line.alice.send(line.inside("INVITE", line.alice, 0, line.alice.contact), line.server.in_path_port)
    await line.alice.response(481)
    assert line.bob.inbox.empty()


async def test_a_session_that_is_closed_meanwhile_ends_its_call(line: Line) -> None:
    await line.again(slice=2)
    await line.open("1.00")
    line.call()
    await line.answered()
    await line.started()
    line.later(2 + line.settings.liveness + 1)
    await line.ledger.expire(line.now, 10)
    await line.alice.request("BYE")
    await line.bob.request("BYE")
    assert await line.settled() == (2, 0)


async def test_nothing_is_sent_to_strangers(line: Line) -> None:
    here = msgspec.structs.replace(line.settings.peers[0], networks=("127.0.0.1/32",))
    await line.again(peers=(here,))
    await line.open("1.00")
    line.call()
    await line.answered()
    line.target = "sip:bob@127.0.0.2:5060"
    line.alice.send(line.inside("INFO", line.alice), line.server.in_path_port)
    await line.alice.response(500)


async def test_of_such_calls_nobody_reports_but_us(line: Line) -> None:
    await line.open("1.00")
    line.call()
    await line.answered()
    for kind in ("stop", "release", "interim"):
        assert (await line.proxy.ask(line.report(kind, 0))).status == 481
    assert (await line.proxy.ask(line.request("BYE"))).status == 481
    assert (await line.money())[1] == 60


@pytest.mark.parametrize(
    ("dropped", "added", "status"),
    [
        ("Max-Forwards", ("Max-Forwards", "0"), 483),
        ("Max-Forwards", ("Max-Forwards", "many"), 400),
        ("Contact", ("Subject", "no Contact"), 400),
        ("Contact", ("Contact", "<sip:alice@host.example>"), 400),
        ("Contact", ("Contact", "<sip:alice@192.0.2.1>"), 400),
        ("Subject", ("Route", '"'), 400),
    ],
)
async def test_what_cannot_be_sent_on_costs_nothing(
    line: Line, dropped: str, added: tuple[str, str], status: int
) -> None:
    await line.open("1.00")
    invite = line.request("INVITE", "x", ("P-Asserted-Identity", "<sip:+491700001@h>"), line.alice.contact)
    headers = [pair for pair in invite.headers if pair[0] != dropped]
    assert (await line.proxy.ask(Request("INVITE", invite.uri, [*headers, added]))).status == status
    assert line.gate.events == []


@pytest.mark.parametrize("contact", ["<sip:bob@host.example>", "<sip:bob@192.0.2.1>", "<"])
async def test_a_call_that_we_could_not_end_does_not_begin(line: Line, contact: str) -> None:
    await line.open("1.00")
    line.call()
    got = await line.bob.request("INVITE")
    line.bob.send(respond(got, 200, tag="b1", headers=[("Contact", contact)]), line.server.in_path_port)
    await line.alice.response(500)
    assert await line.settled() == (0, 0)


async def test_calls_by_tcp_are_refused(line: Line) -> None:
    await line.open("1.00")
    reader, writer = await asyncio.open_connection("127.0.0.1", line.server.port)
    invite = line.request("INVITE", "x", line.alice.contact)
    writer.write(invite.encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    assert head.startswith("SIP/2.0 480 ")
    assert "in-path-needs-udp" in head
    writer.close()


async def test_a_call_to_ourselves_is_sent_to_the_next_hop(line: Line) -> None:
    await line.open("1.00")
    line.call(uri=f"sip:+493012345@127.0.0.1:{line.server.port}")
    got = await line.bob.request("INVITE")
    assert got.uri == f"sip:+493012345@127.0.0.1:{line.bob.port}"
    line.bob.answer(got, 486)
    await line.alice.response(486)


@pytest.mark.parametrize("values", [{}, {"next_hop": "host.example"}, {"next_hop": "127.0.0.1:5060", "routing": "x"}])
def test_a_peer_in_the_path_needs_a_next_hop(values: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="next_hop"):
        Peer(mode=Mode.IN_PATH, **values)


def test_a_server_on_all_addresses_must_say_where_it_is() -> None:
    peer = Peer(mode=Mode.IN_PATH, next_hop="127.0.0.1:5060")
    with pytest.raises(ValueError, match="own_names"):
        Settings(host="0.0.0.0", peers=(peer,))
    assert Settings(host="0.0.0.0", own_names=("192.0.2.5",), peers=(peer,)).in_path


async def test_a_call_nobody_ends_after_a_crash_is_charged_as_granted(line: Line) -> None:
    await line.open("1.00")
    line.call()
    await line.answered()
    await line.started()
    await line.again()
    line.later(60 + line.settings.liveness + 1)
    await line.ledger.expire(line.now, 10)
    assert await line.money() == (60, 0)
