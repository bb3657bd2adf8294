"""The client against a server that only answers: connection, faults, repetition."""

import asyncio
import time
from typing import Any

import pytest
from answerer import DiameterAnswerer
from diameter.message.commands.re_auth import ReAuthRequest

from simulators.credit import KeyId, KeyReport, Meter, Profile, Request, RequestType
from simulators.diameter_client import DiameterClient, PeerOptions, Refused
from simulators.messages import encode_ccr
from simulators.report import Outcomes
from simulators.settings import Settings
from simulators.traffic import make_subscribers

PROFILE = Profile(name="data", context="32251@3gpp.org", meter=Meter.OCTETS, host="pgw1.example.net")


def request(number: int = 0) -> Request:
    return Request(
        session="pgw1.example.net;1;1",
        type=RequestType.INITIAL if number == 0 else RequestType.UPDATE,
        number=number,
        subscriber=make_subscribers(1)[0],
        profile=PROFILE,
        keys=(KeyReport(key=KeyId(10), wanted=0),),
    )


def client(server: DiameterAnswerer, outcomes: Outcomes, **settings: Any) -> DiameterClient:
    options = PeerOptions(host="127.0.0.1", port=server.port, identity="pgw1.example.net", realm="example.net")
    return DiameterClient(options, Settings(**{"tx": 0.05, **settings}), outcomes)


async def test_capabilities_then_requests_then_a_proper_goodbye():
    async with DiameterAnswerer() as server:
        outcomes = Outcomes()
        peer = client(server, outcomes)
        await peer.open()
        answer = await peer.ask(request(), "initial", time.monotonic())
        await peer.ask(request(1), "update", time.monotonic())
        await peer.close()
    assert answer is not None
    assert (answer.result, answer.keys[0].granted) == (2001, 1_000)
    cer = server.requests(257)[0]
    assert (cer.origin_host, cer.auth_application_id) == (b"pgw1.example.net", [4])
    first, second = server.requests()
    assert first.destination_host is None
    assert second.destination_host == b"ocs.example.net"
    assert server.requests(282)
    assert outcomes.results["initial", "2001"] == 1


@pytest.mark.rfc("6733", "4.5")
def test_identities_carry_the_mandatory_flag():
    flags = {avp.code: avp.is_mandatory for avp in encode_ccr(request(1), "example.net", "ocs.example.net", 1).avps}
    assert flags[264]
    assert flags[296]
    assert flags[293]


async def test_a_refused_peer_says_so():
    async with DiameterAnswerer() as server:
        server.capabilities_result = 5010
        with pytest.raises(Refused):
            await client(server, Outcomes()).open()


async def test_nobody_there_is_a_timeout():
    options = PeerOptions(host="127.0.0.1", port=1, identity="pgw1.example.net", realm="example.net")
    with pytest.raises(TimeoutError):
        await DiameterClient(options, Settings(), Outcomes()).open(0.3)


async def test_a_lost_request_is_sent_again_after_tx_with_t_and_the_same_end_to_end_or_as_if_new():
    async with DiameterAnswerer() as server:
        server.mute = True
        outcomes = Outcomes()
        peer = client(server, outcomes, attempts=12, seed=3)
        await peer.open()
        assert await peer.ask(request(), "initial", time.monotonic()) is None
        await peer.close()
    headers = [message.header for message in server.requests()]
    assert len(headers) == 12
    assert not headers[0].is_retransmit
    assert len({header.hop_by_hop_identifier for header in headers}) == 12
    assert {message.cc_request_number for message in server.requests()} == {0}
    again = [header.is_retransmit for header in headers[1:]]
    assert any(again)
    assert 1 < len({header.end_to_end_identifier for header in headers}) < 12
    assert outcomes.events["unanswered"] == 1
    assert outcomes.events["retransmissions"] == 11


async def test_a_duplicate_reaches_the_server_twice_and_its_answers_are_compared():
    async with DiameterAnswerer() as server:
        outcomes = Outcomes()
        peer = client(server, outcomes, duplicate=1.0)
        await peer.open()
        await peer.ask(request(), "initial", time.monotonic())
        await asyncio.sleep(0.1)
        await peer.close()
    first, second = server.requests()
    assert first.header.end_to_end_identifier == second.header.end_to_end_identifier
    assert (first.header.is_retransmit, second.header.is_retransmit) == (False, True)
    assert outcomes.events["repeats answered alike"] == 1


async def test_a_repeat_answered_differently_is_noticed():
    codes = iter([2001, 5012])
    async with DiameterAnswerer(lambda _message: next(codes)) as server:
        outcomes = Outcomes()
        peer = client(server, outcomes, duplicate=1.0)
        await peer.open()
        await peer.ask(request(), "initial", time.monotonic())
        await asyncio.sleep(0.1)
        await peer.close()
    assert outcomes.events["repeats answered differently"] == 1


async def test_a_cut_connection_is_opened_again_and_the_request_repeated():
    async with DiameterAnswerer() as server:
        outcomes = Outcomes()
        peer = client(server, outcomes, cut=0.5, seed=2, attempts=20, tx=2.0)
        await peer.open()
        answers = [await peer.ask(request(number), "any", time.monotonic()) for number in range(4)]
        await peer.close()
    assert all(answer is not None and answer.ok for answer in answers)
    assert peer.link.injected
    assert server.connections > 1
    assert outcomes.events["reconnections"] == server.connections - 1


async def test_a_busy_server_is_asked_again_later():
    codes = iter([3004, 3004, 2001])
    async with DiameterAnswerer(lambda _message: next(codes)) as server:
        outcomes = Outcomes()
        peer = client(server, outcomes)
        await peer.open()
        answer = await peer.ask(request(), "initial", time.monotonic())
        await peer.close()
    assert answer is not None
    assert answer.ok
    assert outcomes.events["server busy"] == 2


async def test_reauthorisation_is_answered_and_passed_on():
    async with DiameterAnswerer() as server:
        peer = client(server, Outcomes())
        heard: list[str] = []

        def known(session: str) -> int:
            heard.append(session)
            return 2002 if session == "mine" else 5002

        peer.on_reauthorise = known
        await peer.open()
        for session in ("mine", "other"):
            rar: Any = ReAuthRequest()
            rar.session_id, rar.origin_host, rar.origin_realm = session, b"ocs.example.net", b"example.net"
            rar.destination_realm, rar.destination_host = b"example.net", b"pgw1.example.net"
            rar.auth_application_id, rar.re_auth_request_type = 4, 0
            server.writers[0].write(rar.as_bytes())
        for _ in range(100):
            if len(heard) == 2 and len(server.requests(258)) == 2:
                break
            await asyncio.sleep(0.01)
        await peer.close()
    assert [(answer.session_id, answer.result_code) for answer in server.requests(258)] == [
        ("mine", 2002),
        ("other", 5002),
    ]
