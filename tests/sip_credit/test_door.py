"""Calls from check to end, on the real engine: what the proxy is told and what the account pays."""

import asyncio
from typing import Any

import pytest

from sip_credit.call import session_of
from sip_credit.message import cancel
from sip_credit.settings import Grants, Peer, Settings

House = Any  # the fixture's class lives in conftest, which is no module to import from

SLICES_OF_5 = Settings(port=0, slice=5)


# ---- the check


async def test_a_call_is_allowed_for_a_slice_which_is_reserved(house: House) -> None:
    await house.open("1.00")
    answer = await house.proxy.ask(house.invite())
    assert (answer.status, answer.reason) == (302, "Moved Temporarily")
    assert answer.headers.get("Contact") == "<sip:+493012345@127.0.0.1>"
    assert answer.headers.get("X-OCS-Session") == session_of("call-1")
    assert answer.headers.get("X-OCS-Max-Duration") == "60"
    assert answer.headers.get("X-OCS-Refresh") == "51"
    assert answer.to.tag
    assert await house.money() == (0, 60)


async def test_a_proxy_that_cannot_ask_again_gets_all_there_is_and_no_refresh(house: House) -> None:
    await house.open("1.00")
    request = house.request("INVITE", "c", ("P-Asserted-Identity", "<tel:+491700001>"))
    answer = await house.proxy.ask(request)
    assert answer.headers.get("X-OCS-Max-Duration") == "1000"
    assert "X-OCS-Refresh" not in answer.headers
    assert await house.money() == (0, 1000)


async def test_the_last_money_is_granted_without_a_refresh(house: House) -> None:
    await house.open("0.04")
    answer = await house.proxy.ask(house.invite())
    assert answer.headers.get("X-OCS-Max-Duration") == "40"
    assert "X-OCS-Refresh" not in answer.headers


async def test_no_credit(house: House) -> None:
    await house.open("0")
    answer = await house.proxy.ask(house.invite())
    assert (answer.status, answer.headers.get("X-OCS-Reason")) == (402, "insufficient-credit")
    assert "Contact" not in answer.headers


async def test_barred(house: House) -> None:
    await house.open("1.00")
    await house.suspend()
    answer = await house.proxy.ask(house.invite())
    assert (answer.status, answer.headers.get("X-OCS-Reason")) == (403, "barred")


async def test_unknown_subscriber(house: House) -> None:
    answer = await house.proxy.ask(house.invite())
    assert (answer.status, answer.headers.get("X-OCS-Reason")) == (403, "unknown-subscriber")


@pytest.mark.parametrize("uri", ["sip:+12125551234@h", "sip:h", "soap.beep://192.0.2.103:3002", "sip:bob@h"])
async def test_nobody_knows_the_price(house: House, uri: str) -> None:
    await house.open("1.00")
    answer = await house.proxy.ask(house.invite(uri=uri))
    assert (answer.status, answer.headers.get("X-OCS-Reason")) == (404, "unrateable")
    assert await house.money() == (0, 0)


async def test_emergency_calls_are_granted_to_anybody(house: House) -> None:
    assert (await house.proxy.ask(house.invite(uri="sip:112@h"))).status == 302
    assert (await house.tell("stop", 2000)).status == 200
    assert house.watch.orphans == []


async def test_store_away(house: House) -> None:
    house.gate.away = True
    answer = await house.proxy.ask(house.invite())
    assert (answer.status, answer.headers.get("Retry-After")) == (503, "5")
    for kind in ("start", "interim", "stop", "release"):
        assert (await house.tell(kind, 1000)).status == 503


async def test_who_calls_asserted_identity_before_from_and_an_account_before_both(house: House) -> None:
    await house.open("1.00")
    forged = house.request("INVITE", "x", ("P-Asserted-Identity", "<sip:+491799@h>"))
    assert (await house.proxy.ask(forged)).status == 403
    listed = house.request("INVITE", "y", ("P-Asserted-Identity", '"A, B" <urn:x:y>, <tel:+49-170-0001>'))
    assert (await house.proxy.ask(listed)).status == 302
    assert house.gate.events[-1].identities[0].value == "491700001"
    await house.proxy.ask(house.invite("z", ("X-OCS-Account", "acc-7")))
    assert [identity.value for identity in house.gate.events[-1].identities] == [
        "acc-7",
        "491700001",
        "+491700001@example.net",
    ]


async def test_headers_that_cannot_be_taken_apart_say_nothing(house: House) -> None:
    await house.open("1.00")
    broken = (("P-Asserted-Identity", '"<sip:+491799@h>'), ("X-OCS-Supports", '"refresh'))
    await house.proxy.ask(house.request("INVITE", "x", *broken))
    assert "491799" not in [identity.value for identity in house.gate.events[-1].identities]


async def test_prefix_contact_and_whole_grants_as_the_peer_wants_them(house: House) -> None:
    peer = Peer(header_prefix="X-Credit-", contact="sip:{b}-{max}-{sid}@gw;a", grants=Grants.SLICES)
    await house.restart(Settings(port=0, peers=(peer,)))
    await house.open("1.00")
    request = house.request("INVITE", "c", ("P-Asserted-Identity", "<sip:+491700001@h>"))
    answer = await house.proxy.ask(request)
    assert answer.headers.get("Contact") == f"<sip:493012345-60-{session_of('c')}@gw;a>"
    assert answer.headers.get("X-Credit-Refresh") == "51"
    stop = house.request("BYE", "d", ("X-Credit-Event", "stop"), ("X-Credit-Session", session_of("c")))
    assert (await house.proxy.ask(stop)).status == 200


@pytest.mark.rfc("5806", "6")
async def test_whoever_forwards_pays_if_the_peer_says_so(house: House) -> None:
    headers = ("Diversion", "P-Asserted-Identity", "From")
    await house.restart(Settings(port=0, peers=(Peer(caller_headers=headers),)))
    await house.open("1.00")
    diverted = house.request(
        "INVITE",
        "c",
        ("P-Asserted-Identity", "<sip:+491799@h>"),
        ("Diversion", "<tel:+491700001>;reason=no-answer, <tel:+491788>"),
    )
    assert (await house.proxy.ask(diverted)).status == 302


async def test_numbers_as_they_are_written_on_the_trunk(house: House) -> None:
    await house.restart(Settings(port=0, peers=(Peer(rewrite=(("0", "+49"), ("011", "+"), ("9011", "+"))),)))
    await house.open("1.00")
    for number, (caller, called) in enumerate(
        [("0-170-0001", "030123456"), ("011491700001", "901149301234"), ("+491700001", "49301234")]
    ):
        asserted = ("P-Asserted-Identity", f"<tel:{caller}>")
        request = house.request("INVITE", f"c{number}", asserted, ("X-OCS-Supports", "refresh"), uri=f"sip:{called}@h")
        assert (await house.proxy.ask(request)).status == 302
    services = [event.service for event in house.gate.events]
    assert [service.called for service in services] == ["4930123456", "49301234", "49301234"]
    assert {service.calling for service in services} == {"491700001"}


# ---- the life of a call


@pytest.mark.parametrize("method", ["INFO", "UPDATE", "BYE", "NOTIFY", "PUBLISH", "MESSAGE"])
async def test_answered_and_hung_up(house: House, method: str) -> None:
    await house.open("1.00")
    await house.proxy.ask(house.invite())
    assert (await house.tell("start", 0, method=method)).status == 200
    house.later(2.504)
    answer = await house.tell("stop", 2504, method=method)
    assert answer.status == 200
    assert await house.money() == (3, 0)


async def test_not_answered(house: House) -> None:
    await house.open("1.00")
    await house.proxy.ask(house.invite())
    assert (await house.tell("release", 0)).status == 200
    assert await house.money() == (0, 0)
    assert (await house.tell("release", 0, attempt="2")).status == 200


async def test_slices_until_the_credit_ends(house: House) -> None:
    """Fourteen seconds of credit in slices of five: 5 + 5 + 4."""
    await house.restart(SLICES_OF_5)
    await house.talk("0.014")
    house.later(4)
    second = await house.tell("interim", 4000)
    assert (second.status, second.headers.get("X-OCS-Max-Duration")) == (200, "5")
    assert second.headers.get("X-OCS-Refresh") == "3"
    assert await house.money() == (4, 5)
    house.later(4)
    third = await house.tell("interim", 8000, attempt="2")
    assert third.headers.get("X-OCS-Max-Duration") == "5"
    assert await house.money() == (8, 5)
    house.later(4)
    last = await house.tell("interim", 12000, attempt="3")
    assert last.headers.get("X-OCS-Max-Duration") == "2"
    assert "X-OCS-Refresh" not in last.headers
    house.later(1)
    nothing = await house.tell("interim", 13000, attempt="4")
    assert (nothing.status, nothing.headers.get("X-OCS-Reason")) == (402, "insufficient-credit")
    assert await house.money() == (13, 1)  # what the proxy still lets run is still reserved
    house.later(1.1)
    assert (await house.tell("stop", 14100)).status == 200
    assert await house.money() == (15, 0)
    assert house.watch.overruns == 1
    assert (await house.account()).money.overrun == 1000


async def test_a_call_of_a_barred_account_ends_at_once_not_at_its_cap(house: House) -> None:
    await house.talk()
    await house.suspend()
    house.later(20)
    answer = await house.tell("interim", 20_000)
    assert (answer.status, answer.headers.get("X-OCS-Max-Duration")) == (200, "1")
    assert answer.headers.get("X-OCS-Reason") == "barred"
    house.later(1)
    assert (await house.tell("stop", 21_000)).status == 200
    assert await house.money() == (21, 0)


async def test_a_top_up_in_mid_call_lets_it_go_on(house: House) -> None:
    await house.restart(SLICES_OF_5)
    await house.talk("0.005")
    house.later(4)
    assert (await house.tell("interim", 4000)).status == 402
    await house.top_up("1.00")
    answer = await house.tell("interim", 4000, attempt="2")
    assert (answer.status, answer.headers.get("X-OCS-Max-Duration")) == (200, "5")


async def test_silence_after_the_answer_is_charged_as_granted(house: House) -> None:
    await house.talk()
    house.later(69)
    assert await house.ledger.expire(house.now) == ()
    house.later(2)
    assert len(await house.ledger.expire(house.now)) == 1
    assert await house.money() == (60, 0)
    assert (await house.tell("stop", 65_000)).status == 200  # the report came after all: it replaces the guess
    assert await house.money() == (65, 0)


async def test_silence_before_the_answer_gives_back(house: House) -> None:
    await house.open("1.00")
    await house.proxy.ask(house.invite())
    house.later(181)
    assert len(await house.ledger.expire(house.now)) == 1
    assert await house.money() == (0, 0)


async def test_restart_in_mid_call(house: House) -> None:
    await house.talk()
    house.later(30)
    await house.restart()
    answer = await house.tell("interim", 30_000)
    assert answer.headers.get("X-OCS-Max-Duration") == "60"
    house.later(10)
    await house.restart()
    assert (await house.tell("stop", 40_000)).status == 200
    assert await house.money() == (40, 0)
    assert house.watch.differences == 0


async def test_a_stop_that_was_queued_is_charged_as_reported_and_once(house: House) -> None:
    await house.talk()
    house.later(300)
    for attempt in ("", "1", "2"):
        assert (await house.tell("stop", 12_300, attempt=attempt)).status == 200
    assert await house.money() == (13, 0)
    assert house.watch.differences == 1


async def test_a_start_that_came_late_does_not_shorten_the_call(house: House) -> None:
    await house.open("1.00")
    await house.proxy.ask(house.invite())
    house.later(50)
    assert (await house.tell("start", 0)).status == 200
    house.later(5)
    await house.tell("stop", 45_000)
    assert await house.money() == (45, 0)


async def test_no_start_heard(house: House) -> None:
    await house.open("1.00")
    await house.proxy.ask(house.invite())
    house.later(10)
    assert (await house.tell("stop", 7_001)).status == 200
    assert await house.money() == (8, 0)


async def test_own_clock_measures_where_the_proxy_does_not(house: House) -> None:
    await house.talk()
    house.later(6.2)
    assert (await house.tell("stop")).status == 200
    assert await house.money() == (7, 0)


async def test_start_twice_does_not_move_the_answer(house: House) -> None:
    await house.talk()
    house.later(10)
    assert (await house.tell("start", 0, attempt="2")).status == 200
    house.later(1)
    await house.tell("stop", 11_000)
    assert await house.money() == (11, 0)
    assert house.watch.differences == 0


async def test_bye_without_event_is_a_stop_of_a_known_call_only(house: House) -> None:
    await house.talk()
    house.later(3)
    assert (await house.proxy.ask(house.request("BYE", "call-1"))).status == 200
    assert await house.money() == (3, 0)
    assert (await house.proxy.ask(house.request("BYE", "other"))).status == 481
    assert house.watch.orphans == []


async def test_stop_of_an_unknown_call_is_an_orphan(house: House) -> None:
    answer = await house.tell("stop", 5000, call_id="never")
    assert answer.status == 481
    (orphan,) = house.watch.orphans
    assert (orphan.call_id, orphan.duration_ms, orphan.caller) == ("never", 5000, "sip:alice@example.net")


@pytest.mark.parametrize("kind", ["start", "interim"])
async def test_other_reports_of_an_unknown_call(house: House, kind: str) -> None:
    assert (await house.tell(kind, 0)).status == 481


async def test_interim_after_the_end(house: House) -> None:
    await house.talk()
    await house.tell("stop", 0)
    assert (await house.tell("interim", 5000)).status == 481
    assert (await house.tell("start", 0, attempt="2")).status == 200
    assert await house.money() == (0, 0)


async def test_a_stop_after_a_release_is_charged(house: House) -> None:
    """Released by mistake, or by another attempt with the same Call-ID: consumed is consumed."""
    await house.open("1.00")
    await house.proxy.ask(house.invite())
    await house.tell("release", 0)
    house.later(9)
    for attempt in ("", "1"):
        assert (await house.tell("stop", 9_000, attempt=attempt)).status == 200
    assert await house.money() == (9, 0)


async def test_a_stop_after_a_release_is_charged_to_a_barred_account_too(house: House) -> None:
    await house.open("1.00")
    await house.proxy.ask(house.invite())
    await house.tell("release", 0)
    await house.suspend()
    house.later(9)
    assert (await house.tell("stop", 9_000)).status == 200
    assert await house.money() == (9, 0)


async def test_names_too_long_to_keep(house: House) -> None:
    await house.open("1.00")
    assert (await house.proxy.ask(house.invite(uri=f"sip:+49{'1' * 300}@h"))).status == 404
    long = house.request("INVITE", "c" * 5000, ("P-Asserted-Identity", f"<sip:{'a' * 300}@h>"))
    assert (await house.proxy.ask(long)).status == 403
    assert (await house.proxy.ask(house.invite("c" * 5000))).status == 302
    assert (await house.proxy.ask(house.request("BYE", "c" * 5000))).status == 200


async def test_a_second_attempt_with_the_same_call_id(house: House) -> None:
    await house.open("1.00")
    await house.proxy.ask(house.invite())
    await house.tell("release", 0)
    again = house.invite()
    again.headers = type(again.headers)(
        (name, "2 INVITE" if name == "CSeq" else value) for name, value in again.headers
    )
    assert (await house.proxy.ask(again)).status == 302
    await house.tell("start", 0)
    house.later(2)
    await house.tell("stop", 2000)
    assert await house.money() == (2, 0)


# ---- order and time


@pytest.mark.parametrize("forgets", [False, True])
async def test_a_release_that_overtakes_its_invite_voids_it_once(house: House, forgets: bool) -> None:
    await house.open("1.00")
    release = house.report("release", 0)
    text = release.encode().replace(b"sip:alice@example.net", b"sip:+491700001@example.net")
    assert (await house.proxy.ask(text)).status == 200
    if forgets:
        await house.restart()
    answer = await house.proxy.ask(house.invite())
    assert (answer.status, answer.headers.get("X-OCS-Reason")) == (480, "released")
    assert await house.money() == (0, 0)


@pytest.mark.rfc("3261", "9.2")
async def test_cancel_during_the_check_undoes_it(house: House) -> None:
    await house.open("1.00")
    house.gate.opened.clear()
    invite = house.invite()
    house.proxy.send(invite)
    await asyncio.sleep(0.02)
    house.proxy.send(cancel(invite))
    first, second = await house.proxy.receive(), await house.proxy.receive()
    assert (first.status, first.cseq.method) == (200, "CANCEL")
    assert (second.status, second.cseq.method) == (487, "INVITE")
    assert first.to.tag == second.to.tag
    assert await house.money() == (0, 60)
    house.gate.opened.set()
    await asyncio.sleep(0.02)
    assert await house.money() == (0, 0)


@pytest.mark.rfc("3261", "9.2")
async def test_cancel_that_crosses_the_answer_has_no_effect(house: House) -> None:
    await house.open("1.00")
    invite = house.invite()
    assert (await house.proxy.ask(invite)).status == 302
    answer = await house.proxy.ask(cancel(invite))
    assert (answer.status, answer.cseq.method) == (200, "CANCEL")
    await house.proxy.silence()
    assert await house.money() == (0, 60)


@pytest.mark.rfc("3261", "9.2")
async def test_cancel_of_nothing(house: House) -> None:
    assert (await house.proxy.ask(cancel(house.invite()))).status == 481


async def test_a_late_cancel_of_a_known_call_releases_it(house: House) -> None:
    await house.open("1.00")
    await house.proxy.ask(house.invite())
    assert (await house.proxy.ask(cancel(house.invite()))).status == 200
    assert await house.money() == (0, 0)


async def test_a_check_that_takes_too_long_is_answered_503_and_undone(house: House) -> None:
    await house.open("1.00")
    house.gate.opened.clear()
    answer = await house.proxy.ask(house.invite())
    assert (answer.status, answer.headers.get("Retry-After")) == (503, "5")
    assert await house.money() == (0, 60)
    house.gate.opened.set()
    await asyncio.sleep(0.02)
    assert await house.money() == (0, 0)


@pytest.mark.parametrize("repeats", [1, 5])
async def test_repeated_invites_reserve_once_and_get_the_same_answer(house: House, repeats: int) -> None:
    await house.open("1.00")
    invite = house.invite()
    first = await house.proxy.ask(invite.encode())
    for _ in range(repeats):
        assert await house.proxy.ask(invite.encode()) == first
    assert len(house.gate.events) == 1
    assert house.watch.duplicates == repeats
    house.proxy.send(cancel(invite))
    assert (await house.proxy.receive()).status == 200


@pytest.mark.parametrize("repeats", [1, 5])
async def test_repeated_reports_count_once(house: House, repeats: int) -> None:
    await house.talk()
    house.later(5)
    for request in (house.report("interim", 5000), house.report("stop", 5000)):
        answers = [await house.proxy.ask(request) for _ in range(1 + repeats)]
        assert all(answer == answers[0] for answer in answers)
    assert await house.money() == (5, 0)


async def test_an_invite_repeated_after_a_restart_is_replayed(house: House) -> None:
    await house.open("1.00")
    invite = house.invite()
    first = await house.proxy.ask(invite)
    await house.restart()
    again = await house.proxy.ask(invite)
    assert again.headers.all("X-OCS-Session") == first.headers.all("X-OCS-Session")
    assert again.headers.all("X-OCS-Max-Duration") == first.headers.all("X-OCS-Max-Duration")
    assert await house.money() == (0, 60)


async def test_reports_of_one_call_are_taken_in_turn(house: House) -> None:
    """The release comes while the check is being decided: it waits, and then finds what to release."""
    await house.open("1.00")
    house.gate.opened.clear()
    invite = house.invite()
    house.proxy.send(invite)
    await asyncio.sleep(0.02)
    house.proxy.send(house.report("release", 0))
    await asyncio.sleep(0.02)
    assert len(house.gate.events) == 1
    house.gate.opened.set()
    statuses = {(await house.proxy.receive()).status for _ in range(2)}
    assert statuses == {302, 200}
    assert await house.money() == (0, 0)


async def test_too_many_at_one_time_are_told_before_the_engine(house: House) -> None:
    await house.restart(Settings(port=0, max_pending=1))
    await house.open("1.00")
    house.gate.opened.clear()
    house.proxy.send(house.invite())
    await asyncio.sleep(0.02)
    answer = await house.proxy.ask(house.invite("call-2"))
    assert (answer.status, answer.headers.get("X-OCS-Reason")) == (503, "overload")
    assert (await house.tell("stop", 1000, call_id="call-3")).status == 503
    assert len(house.gate.events) == 1
    house.gate.opened.set()
    assert (await house.proxy.receive()).status == 302


async def test_an_engine_that_fails_costs_one_503(house: House, caplog: pytest.LogCaptureFixture) -> None:
    async def broken(event: object) -> None:
        raise RuntimeError("broken on purpose")

    await house.open("1.00")
    handle, house.gate.handle = house.gate.handle, broken
    assert (await house.proxy.ask(house.invite())).status == 503
    assert (await house.tell("stop", 1000)).status == 503
    assert "broken on purpose" in caplog.text
    house.gate.handle = handle
    assert (await house.proxy.ask(house.invite("call-2"))).status == 302


async def test_an_orphan_is_told_once_and_reported_again_while_it_cannot_be_kept(house: House) -> None:
    house.shelf.away = True
    assert (await house.tell("stop", 2000)).status == 503
    house.shelf.away = False
    assert (await house.tell("stop", 2000)).status == 481
    assert (await house.tell("stop", 2000)).status == 481
    assert len(house.shelf.kept) == 1
    [orphan] = house.watch.orphans
    assert (orphan.call_id, orphan.duration_ms) == ("call-1", 2000)


async def test_what_is_refused_before_anybody_is_asked_is_told_with_its_reason(house: House) -> None:
    house.server._door.draining = True
    assert (await house.proxy.ask(house.invite())).status == 503
    house.server._door.draining = False
    assert (await house.proxy.ask(house.invite("call-2", uri="sip:@127.0.0.1"))).status >= 400
    assert house.watch.away[0] == ("overload", "proxy")
    await house.open("0")
    assert (await house.proxy.ask(house.invite("call-3"))).status == 402  # the engine tells of this one
    assert all(reason != "insufficient-credit" for reason, _ in house.watch.away)
