"""What a peer's settings change: who pays, what is priced, how much may be asked, and what is counted."""

import asyncio
from typing import Any

import pytest

from balances.ledger import Identity, IdentityType
from charging.event import ServiceKind
from sip_credit.message import Request, Response, acknowledge
from sip_credit.settings import Messages, Peer, Settings

House = Any  # the fixture's class lives in conftest, which is no module to import from


def only(**peer: Any) -> Settings:
    """A door with one peer."""
    return Settings(port=0, peers=(Peer(**peer),))


def reason(answer: Response) -> tuple[int, str]:
    return answer.status, answer.headers.get("X-OCS-Reason")


# ---- loops


async def test_a_call_that_would_come_back_is_refused_before_anything_is_reserved(house: House) -> None:
    await house.open("1.00")
    here = f"127.0.0.1:{house.server.port}"
    for uri in (f"sip:+493012345@{here}", f"sip:+493012345@{here};transport=tcp", f"sips:+493012345@{here}"):
        answer = await house.proxy.ask(house.invite(uri, uri=uri))
        assert reason(answer) == (482, "loop")
        assert "Contact" not in answer.headers
    assert house.gate.events == []
    assert (await house.proxy.ask(house.invite("other", uri="sip:+493012345@127.0.0.1:1"))).status == 302


@pytest.mark.parametrize("contact", ["sip:{b}@credit.example.net", "sip:{max}-{b}@credit.example.net:5060;lr"])
async def test_a_template_may_not_lead_back_either(house: House, contact: str) -> None:
    peers = (Peer(contact=contact),)
    await house.restart(Settings(port=0, peers=peers, own_names=("Credit.example.net:5060",)))
    await house.open("1.00")
    assert reason(await house.proxy.ask(house.invite())) == (482, "loop")
    assert await house.money() == (0, 0)


@pytest.mark.rfc("5806", "7")
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param((("Diversion", "<tel:+4911>;counter=6"),), id="counter"),
        pytest.param((("Diversion", ", ".join(f"<tel:+491{n}>" for n in range(6))),), id="many"),
        pytest.param((("Diversion", "<tel:+49-30-12345>"),), id="back to who diverted"),
        pytest.param(
            (("History-Info", "<sip:+493012345@a>;index=1, <sip:+4917@a;cause=302>;index=1.1"),), id="back, by history"
        ),
    ],
)
async def test_forwarding_without_end(house: House, headers: tuple[tuple[str, str], ...]) -> None:
    await house.open("1.00")
    assert reason(await house.proxy.ask(house.invite("c", *headers))) == (482, "loop")
    assert house.gate.events == []


@pytest.mark.rfc("7044", "5")
@pytest.mark.parametrize(
    "history",
    [
        pytest.param(
            "<sip:+491700001@h>;index=1, <sip:+493012345@h;cause=302>;index=1.1;mp=1, <sip:x@gw>;index=1.1.1", id="mp"
        ),
        pytest.param("<sip:+491700001@h>;index=1, <sip:+493012345@h;cause=486>;index=1.1", id="the one before"),
        pytest.param(
            "<sip:+491700001@h?Reason=SIP%3Bcause%3D486>;index=1, <sip:+493012345@h>;index=1.1", id="a reason inside"
        ),
        pytest.param(
            "<sip:+4917@h>;index=1, <sip:+491700001@h;cause=302>;index=1.1;mp=1, "
            "<sip:+493012346@h;cause=408>;index=1.1.1;mp=1.1",
            id="the last of two",
        ),
    ],
)
async def test_who_diverted_pays_by_history(house: House, history: str) -> None:
    await house.restart(only(caller_headers=("History-Info", "P-Asserted-Identity")))
    await house.open("1.00")
    request = house.request("INVITE", "c", ("P-Asserted-Identity", "<tel:+491799>"), ("History-Info", history))
    assert (await house.proxy.ask(request)).status == 302
    assert house.gate.events[0].identities[0].value == "491700001"


async def test_history_without_diversion_leaves_the_caller_to_pay(house: House) -> None:
    await house.restart(only(caller_headers=("History-Info", "P-Asserted-Identity")))
    await house.open("1.00")
    routed = ("History-Info", "<sip:+493012345@h>;index=1, <sip:+493012345@gw>;index=1.1;rc=1, bad>;x")
    assert (await house.proxy.ask(house.invite("c", routed))).status == 302


# ---- who pays, and for what


async def test_a_trunk_pays_as_a_whole(house: House) -> None:
    await house.restart(only(account="trunk-7"))
    await house.open("1.00", "trunk", Identity(type=IdentityType.PRIVATE, value="trunk-7"))
    assert (await house.proxy.ask(house.invite())).status == 302
    assert [identity.value for identity in house.gate.events[0].identities] == ["trunk-7"]
    assert house.gate.events[0].service.calling == "491700001"


async def test_the_user_whom_the_proxy_authenticated_pays(house: House) -> None:
    await house.restart(only(caller_headers=("Proxy-Authorization", "From")))
    await house.open("1.00", "desk", Identity(type=IdentityType.SIP, value="desk@example.net"))
    proven = ("Proxy-Authorization", 'Digest username="desk", realm="example.net", nonce="x", uri="y", response="z"')
    assert (await house.proxy.ask(house.request("INVITE", "c", proven))).status == 302
    basic = ("Proxy-Authorization", "Basic ZGVzaw==")
    assert (await house.proxy.ask(house.request("INVITE", "d", basic))).status == 403


async def test_short_codes_stay_as_dialled_and_names_on_net_take_a_number(house: House) -> None:
    peer = Peer(
        rewrite=(("1", "+491"), ("0", "+49")), short_codes=("112",), on_net=("pbx.net",), on_net_number="+49301"
    )
    await house.restart(Settings(port=0, peers=(peer,)))
    await house.open("1.00")
    for number, (uri, called) in enumerate(
        [("sip:112@h", "112"), ("sip:1122@h", "491122"), ("sip:bob@PBX.net", "49301"), ("sip:bob@other.net", "bob")]
    ):
        await house.proxy.ask(house.invite(f"c{number}", uri=uri))
        assert house.gate.events[-1].service.called == called


# ---- messages


def text(house: House, number: int = 1, call_id: str = "m", uri: str = "sip:+493012345@127.0.0.1") -> Request:
    asserted = ("P-Asserted-Identity", "<tel:+491700001>")
    request = house.request("MESSAGE", call_id, asserted, uri=uri)
    headers = ((name, f"{number} MESSAGE" if name == "CSeq" else value) for name, value in request.headers)
    return Request("MESSAGE", uri, headers, b"hello")


@pytest.mark.rfc("3428", "7")
async def test_messages_are_charged_one_by_one_and_each_once(house: House) -> None:
    await house.restart(only(messages=Messages.CHARGED))
    await house.open("0.20")
    first = await house.proxy.ask(text(house))
    assert (first.status, first.reason) == (202, "Accepted")
    paid, reserved = await house.money()
    assert paid > 0
    assert reserved == 0
    assert house.gate.events[0].service.kind is ServiceKind.SMS
    assert (await house.proxy.ask(text(house))).status == 202  # another branch: a repeat after a restart, say
    assert await house.money() == (paid, 0)
    assert (await house.proxy.ask(text(house, 2))).status == 202
    assert await house.money() == (2 * paid, 0)
    answers = [await house.proxy.ask(text(house, number)) for number in range(3, 20)]
    answer = answers[-1]
    assert reason(answer) == (402, "insufficient-credit")
    assert ("message", 402) in house.watch.requests


async def test_messages_that_cannot_be_charged(house: House) -> None:
    await house.restart(only(messages=Messages.CHARGED))
    assert reason(await house.proxy.ask(text(house))) == (403, "unknown-subscriber")
    assert reason(await house.proxy.ask(text(house, call_id="n", uri="sip:h"))) == (404, "unrateable")
    house.gate.away = True
    assert (await house.proxy.ask(text(house, call_id="o"))).status == 503
    await house.restart()
    assert (await house.proxy.ask(text(house, call_id="p"))).status == 400  # by default they are reports or nothing


# ---- limits


async def test_a_peer_above_its_rate_is_refused_before_the_engine(house: House) -> None:
    await house.restart(only(rate=0.001, burst=2))
    await house.open("1.00")
    statuses = [(await house.proxy.ask(house.invite(f"c{number}"))).status for number in range(4)]
    assert statuses == [302, 302, 503, 503]
    assert len(house.gate.events) == 2
    answer = await house.proxy.ask(house.invite("again"))
    assert (answer.headers.get("Retry-After"), *reason(answer)) == ("5", 503, "overload")
    assert (await house.tell("stop", 0, call_id="c0")).status == 200  # what is over must be told all the same
    assert house.server.counters("proxy") == {"requests": 6, "answers": 6, "in_flight": 0, "refused": 3}


async def test_a_peer_with_too_much_open_is_refused_and_another_is_not(house: House) -> None:
    busy = Peer(name="busy", networks=("127.0.0.2/32",), max_open=1)
    await house.restart(Settings(port=0, peers=(busy, Peer())))
    await house.open("1.00")
    house.gate.opened.clear()
    loop = asyncio.get_running_loop()
    _, other = await loop.create_datagram_endpoint(
        type(house.proxy), local_addr=("127.0.0.2", 0), remote_addr=("127.0.0.1", house.server.port)
    )
    here, house.proxy = house.proxy, other
    first, second = house.invite("c1"), house.invite("c2")
    other.send(first)
    await asyncio.sleep(0.02)
    assert reason(await other.ask(second)) == (503, "overload")
    house.proxy = here
    here.send(third := house.invite("c3"))
    await asyncio.sleep(0.02)
    house.gate.opened.set()
    for proxy, request in ((other, first), (here, third)):
        answer = await proxy.receive()
        assert answer.status == 302
        proxy.send(acknowledge(request, answer))
    assert house.server.counters("busy")["in_flight"] == 0
    other.transport.close()


async def test_every_request_that_is_received_is_answered(house: House) -> None:
    await house.talk()
    await house.proxy.ask(house.request("REGISTER", "r"))
    await house.proxy.ask(house.request("OPTIONS", "o"))
    assert house.watch.received_ == len(house.watch.requests) == 4
    assert house.server.counters("proxy")["in_flight"] == 0


# ---- after a restart


@pytest.mark.parametrize("kind", ["start", "interim", "stop", "release"])
async def test_reports_of_an_emergency_call_after_a_restart(house: House, kind: str) -> None:
    assert (await house.proxy.ask(house.invite(uri="sip:112@h"))).status == 302
    await house.restart()
    report = house.report(kind, 3000).encode().replace(b"<sip:bob@example.net>", b"<sip:112@h>")
    answer = await house.proxy.ask(report)
    assert answer.status == 200
    assert ("X-OCS-Max-Duration" in answer.headers) is (kind == "interim")
    assert house.watch.orphans == []


async def test_a_slice_granted_in_part_is_extended_after_a_restart(house: House) -> None:
    """Sixty seconds asked for, twenty granted: the top-up lets the call go on although sixty are not yet over."""
    await house.open("0.02")
    assert (await house.proxy.ask(house.invite())).headers.get("X-OCS-Max-Duration") == "20"
    await house.restart()
    await house.top_up("0.02")
    assert (await house.tell("start", 0)).status == 200
    house.later(15)
    answer = await house.tell("interim", 15_000)
    assert (answer.status, answer.headers.get("X-OCS-Max-Duration")) == (200, "25")
    house.later(25)
    assert (await house.tell("stop", 40_000)).status == 200
    assert await house.money() == (40, 0)
